"""The auditor's pages: the whole record narrowed, one case from every side, verifying it all."""

from typing import Any

from starlette.responses import Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.pages import page
from api.door.requests import query
from api.workbench.pages import CURSOR, asked_of, page_of, said_at_once, text_parameter
from domain.case.status import STATUS_LABELS

_NARROWING = ("case", "by", "action", "rule", "from", "to")
_LOOKS = ("verify", "replay", "recompute", "as-of", "counterfactual")


async def record_page(call: Call) -> Response:
    """The whole record by time, narrowed."""
    asked = asked_of(call, *_NARROWING, "cursor")
    wanted = {**asked, **_instants(asked)}
    told, entries, following = None, [], None
    try:
        found = (
            await ask(call, "GET", "/api/audit/timeline", query={"size": "100", **wanted})
        ).body
        entries, following = found["entries"], found["next"]
    except Told as refused:
        told = refused
    values = {
        "entries": entries,
        "next": following,
        "asked": asked,
        "narrowed": {name: text for name, text in wanted.items() if name != "cursor"},
    }
    return said_at_once(call, "record.html", values, told)


def _instants(asked: dict[str, str], *names: str) -> dict[str, str]:
    """What a page's blanks for instants say, with Beijing's offset."""
    return {
        name: asked[name] if "+" in asked[name] else f"{asked[name]}:00+08:00"
        for name in names or ("from", "to", "at")
        if name in asked
    }


async def case_page(call: Call) -> Response:
    """One case: verified, replayed, decided anew, as it was, under other rules."""
    asked = asked_of(call, "case", "look", "at", "rules")
    look, case_id = asked.get("look", ""), asked.get("case", "")
    told, found = None, None
    if case_id and look in _LOOKS:
        wanted = {"case": case_id}
        if look == "as-of":
            wanted |= _instants(asked)
        if look == "counterfactual":
            wanted |= {"rules": asked.get("rules", "")}
        try:
            found = (await ask(call, "GET", f"/api/audit/{look}", query=wanted)).body
        except Told as refused:
            told = refused
    values: dict[str, Any] = {
        "case_id": case_id,
        "look": look,
        "asked": asked,
        "found": found,
        "statuses": STATUS_LABELS,
        "rule_sets": (await ask(call, "GET", "/api/rules")).body["items"],
    }
    return said_at_once(call, "audited_case.html", values, told)


async def verify_page(call: Call) -> Response:
    """Everything verified, and what is behind."""
    found, behind = None, None
    if query(call.request, "all", str, "") == "1":
        found = (await ask(call, "GET", "/api/audit/verify")).body
        behind = (await ask(call, "GET", "/api/audit/reconcile")).body["behind"]
    return page(call, "verified.html", {"found": found, "behind": behind})


async def campaign_page(call: Call) -> Response:
    """A campaign at a moment, what moved until another one, or under other rules."""
    asked = asked_of(call, "campaign", "at", "and", "rules", "cursor")
    campaign, at, then = (asked.get(name, "") for name in ("campaign", "at", "and"))
    instants = _instants(asked, "at", "and")
    found: dict[str, Any] = {}
    told = None
    try:
        if campaign and at:
            stood = {"campaign": campaign, "at": instants["at"]}
            found["figures"] = (await ask(call, "GET", "/api/audit/figures", query=stood)).body
            paged = {**stood, "size": "100", **asked_of(call, "cursor")}
            if then:
                paged["and"] = instants["and"]
                found["moved"] = (await ask(call, "GET", "/api/audit/compared", query=paged)).body
            else:
                found["listed"] = (await ask(call, "GET", "/api/audit/listed", query=paged)).body
        if campaign and (rules := asked.get("rules")):
            wanted = {"campaign": campaign, "rules": rules}
            found["foreseen"] = (await ask(call, "GET", "/api/audit/foreseen", query=wanted)).body
    except Told as refused:
        told = refused
    values: dict[str, Any] = {
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "found": found,
        "statuses": STATUS_LABELS,
        "campaigns": (await ask(call, "GET", "/api/campaigns")).body["items"],
        "rule_sets": (await ask(call, "GET", "/api/rules")).body["items"],
    }
    return said_at_once(call, "audited_campaign.html", values, told)


async def refusals_page(call: Call) -> Response:
    """How often whom was refused, by hour."""
    asked = asked_of(call, "by", "cursor")
    found = (await ask(call, "GET", "/api/audit/refusals", query={"size": "100", **asked})).body
    values = {
        "found": found,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
    }
    return page(call, "refusals.html", values)


PAGES = [
    page_of(
        "GET",
        "/work/audit/campaign",
        campaign_page,
        "审计一项统计工作",
        parameters=(
            *(text_parameter(name, name) for name in ("campaign", "at", "and", "rules")),
            CURSOR,
        ),
        unhurried=True,
    ),
    page_of(
        "GET",
        "/work/audit/refusals",
        refusals_page,
        "被拒绝的操作",
        parameters=(text_parameter("by", "谁"), CURSOR),
        unhurried=True,
    ),
    page_of(
        "GET",
        "/work/audit",
        record_page,
        "全部记录的经过",
        parameters=(*(text_parameter(name, name) for name in _NARROWING), CURSOR),
        unhurried=True,
    ),
    page_of(
        "GET",
        "/work/audit/case",
        case_page,
        "审计一件",
        parameters=tuple(text_parameter(name, name) for name in ("case", "look", "at", "rules")),
        unhurried=True,
    ),
    page_of(
        "GET",
        "/work/audit/verify",
        verify_page,
        "核对全部记录",
        parameters=(text_parameter("all", "1：开始核对"),),
        unhurried=True,
    ),
]
