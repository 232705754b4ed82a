"""Rules: which sets there are, one in full, and what they decide for given facts."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.confirmations.held import hold
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Text, path
from api.door.rights import Right, Target
from domain.confirmations import ConfirmedAct
from domain.decision import ReviewerDecision, RuleSetRef
from domain.facts import Facts
from domain.ids import JurisdictionCode
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.file.library import ResolvedSet, RuleSetNotFound, RulesInvalid, current_library
from services.publishing import PublicationShown, PublishedShown, rules_invalid


class RuleSetLine(Value):
    """One set as its file is now, and the revision of it that is in force, None without any."""

    year: int
    jurisdiction: str
    ruleset: RuleSetRef
    in_force: RuleSetRef | None


class RuleSetList(Value):
    """The sets on this server."""

    items: tuple[RuleSetLine, ...]


class RuleSetShown(Value):
    """A resolved set in full."""

    ruleset: RuleSetRef
    document: dict[str, Any]


class PublicationList(Value):
    """What was published of one year and jurisdiction, the newest first."""

    items: tuple[PublicationShown, ...]


class PublishBody(Value):
    """Why the rules are published: the notice, or the amendment, that they follow."""

    reason: Text


async def of_rules(request: Request) -> Target:
    """The jurisdiction whose rules the path names."""
    return Target(region=path(request, "jurisdiction", JurisdictionCode), addressed=True)


async def list_rules(call: Call) -> Response:
    """The sets on this server, and what of them campaigns can be opened under."""
    library = current_library(parts_of(call.request).rules)
    published = {
        (one.year, one.jurisdiction): one.ruleset
        for one in await parts_of(call.request).publications.in_force()
    }
    try:
        items = [
            RuleSetLine(
                year=year,
                jurisdiction=place,
                ruleset=library.resolve(year, place).ref(),
                in_force=published.get((year, place)),
            )
            for year, place in library.sets()
        ]
    except RulesInvalid as invalid:
        raise Refused(rules_invalid(invalid)) from None
    return json_of(RuleSetList(items=tuple(items)))


async def get_rules(call: Call) -> Response:
    """One set, resolved."""
    found = _resolved(call.request)
    shown = RuleSetShown(ruleset=found.ref(), document=found.document)
    return json_of(shown)


async def publish(call: Call) -> Response:
    """Checks the sets of a place in full and puts them in force."""
    year, jurisdiction = _named(call.request)
    await hold(call, ConfirmedAct.PUBLISH_RULES)
    published = await parts_of(call.request).publications.publish(
        year, jurisdiction, call.actor, call.command_id, call.body.reason
    )
    return json_of(published)


async def list_publications(call: Call) -> Response:
    """The revisions of a year and a place, each with its time in force."""
    revisions = await parts_of(call.request).publications.revisions(*_named(call.request))
    return json_of(PublicationList(items=revisions))


async def route(call: Call) -> Response:
    """Who would review under a set, and why not the others."""
    decision = CompiledRules(_resolved(call.request).document).route(call.body)
    return json_of(decision)


async def get_pinned(call: Call) -> Response:
    """A stored set by its hash: what a case's decisions rest on."""
    sha256: str = path(call.request, "sha256", Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")])
    document = await parts_of(call.request).pinned.document(sha256)
    if document is None:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"规则集 {sha256[:12]}…"}))
    ref = RuleSetRef(id=document["id"], revision=document["revision"], sha256=sha256)
    return json_of(RuleSetShown(ruleset=ref, document=document))


def _named(request: Request) -> tuple[int, str]:
    year: int = path(request, "year", Annotated[int, Field(ge=2000, le=2999)])
    jurisdiction: str = path(request, "jurisdiction", JurisdictionCode)
    return year, jurisdiction


def _resolved(request: Request) -> ResolvedSet:
    year, jurisdiction = _named(request)
    try:
        return current_library(parts_of(request).rules).resolve(year, jurisdiction)
    except RuleSetNotFound as failure:
        params = {"year": str(year), "jurisdiction": jurisdiction, "known": str(failure)}
        raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=params)) from None
    except RulesInvalid as invalid:
        asked = {"year": str(year), "jurisdiction": jurisdiction}
        raise Refused(rules_invalid(invalid, **asked)) from None


_FACTS_EXAMPLE: dict[str, Any] = {
    "institution": {
        "id": "91350100M0000A1B2C",
        "region": "350102",
        "legal_person": True,
        "under_samr": False,
        "accredited": False,
        "review_group": None,
        "other_qualifications": [],
    },
    "certificates": [
        {
            "number": "241301060345",
            "level": "provincial",
            "issuer": "amr-350000",
            "scope": 120,
            "valid_to": "2029-05-01",
        }
    ],
    "choice": None,
    "previous_reviewer": None,
}

OPERATIONS = [
    Operation("GET", "/api/rules", list_rules, "规则集列表", "规则", Right.SIGNED_IN, RuleSetList),
    Operation(
        "GET",
        "/api/rules/{year}/{jurisdiction}",
        get_rules,
        "一个规则集",
        "规则",
        Right.SIGNED_IN,
        RuleSetShown,
    ),
    Operation(
        "POST",
        "/api/rules/{year}/{jurisdiction}/publish",
        publish,
        "发布规则",
        "规则",
        Right.OPERATE,
        PublishedShown,
        target=of_rules,
        writes=True,
        # all rules of the place are checked in full
        unhurried=True,
        body=PublishBody,
        example={"reason": "市监检测函〔2024〕595号"},
        description="全部核对无误才发布；按 SHA-256 永久保存；辖区之内的各规则集一并发布。",
    ),
    Operation(
        "GET",
        "/api/rules/{year}/{jurisdiction}/publications",
        list_publications,
        "发布过的各版及其有效的时间",
        "规则",
        Right.SIGNED_IN,
        PublicationList,
    ),
    Operation(
        "POST",
        "/api/rules/{year}/{jurisdiction}/route",
        route,
        "试算审核部门",
        "规则",
        Right.SIGNED_IN,
        ReviewerDecision,
        body=Facts,
        example=_FACTS_EXAMPLE,
    ),
    Operation(
        "GET",
        "/api/rule-sets/{sha256}",
        get_pinned,
        "按哈希查询已固定的规则集",
        "规则",
        Right.SIGNED_IN,
        RuleSetShown,
    ),
]
