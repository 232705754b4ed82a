"""Rules: which sets there are, one in full, and what they decide for given facts."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import path
from api.door.rights import Right
from domain.decision import ReviewerDecision, RuleSetRef
from domain.facts import Facts
from domain.ids import JurisdictionCode
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.file.library import ResolvedSet, RuleSetNotFound, RulesInvalid, current_library
from services.campaigns.opening import rules_invalid


class RuleSetLine(Value):
    """One published set."""

    year: int
    jurisdiction: str
    ruleset: RuleSetRef


class RuleSetList(Value):
    """The sets on this server."""

    items: tuple[RuleSetLine, ...]


class RuleSetShown(Value):
    """A resolved set in full."""

    ruleset: RuleSetRef
    document: dict[str, Any]


async def list_rules(call: Call) -> Response:
    """The sets that campaigns can be opened under."""
    library = current_library(parts_of(call.request).rules)
    try:
        items = [
            RuleSetLine(year=year, jurisdiction=place, ruleset=library.resolve(year, place).ref())
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


def _resolved(request: Request) -> ResolvedSet:
    year: int = path(request, "year", Annotated[int, Field(ge=2000, le=2999)])
    jurisdiction: str = path(request, "jurisdiction", JurisdictionCode)
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
