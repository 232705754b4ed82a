"""The register gone through on pages: what to look at before a year, and who files for whom."""

from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.campaigns.campaigns import named
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.campaigns import below
from api.workbench.pages import DONE, asked_of, here_of, page_of, said_at_once, text_parameter
from domain.case.commands import Role
from domain.case.status import STATUS_LABELS
from domain.ids import NATION, InstitutionId
from domain.jurisdictions import known, lies_in
from domain.legal_persons import FINDING_LABELS
from services.review import DOUBT_LABELS, OBLIGATION_LABELS

_MOST = 200
"""So many findings stand on a page; all of them are in the tables."""

_SETTLE = Act(
    "settle",
    "认定由谁填报",
    "已认定",
    (
        Input(
            "finding",
            "怎样认定",
            "choice",
            options=tuple((one.value, label) for one, label in FINDING_LABELS.items()),
        ),
        Input("files_with", "并入哪个账号", hint="并入的填机构编号。", required=False),
        Input("parent_uscc", "上级法人的信用代码", hint="不是法人的填。", required=False),
        Input("document", "文号"),
        REASON,
    ),
    "并入的，尚在填报的随即取消。",
    path="legal-person",
)


# --- which year and place -------------------------------------------------------------------------


async def choose_page(call: Call) -> Response:
    """Which year and place to go through; what was chosen is led to."""
    asked = asked_of(call, "period", "jurisdiction", "look")
    told = None
    if asked.get("period") and asked.get("jurisdiction"):
        look = "legal-persons" if asked.get("look") == "legal-persons" else "review"
        named_so = (quote(asked[name][:6], safe="") for name in ("period", "jurisdiction"))
        place = f"institutions/{look}/{'/'.join(named_so)}"
        try:
            await ask(call, "GET", f"/api/{place}")
        except Told as refused:
            told = refused
        else:
            return RedirectResponse(f"/work/{place}", status_code=303)
    sets = (await ask(call, "GET", "/api/rules")).body["items"]
    values = {
        "asked": asked,
        "years": sorted({str(one["year"]) for one in sets}, reverse=True),
        "home": call.actor.scope if call.actor.role is Role.OPERATOR else NATION,
    }
    return said_at_once(call, "register_choice.html", values, told)


# --- what to look at ------------------------------------------------------------------------------


async def review_page(call: Call) -> Response:
    """The register of a place under the rules of a year: figures by area, what to look at."""
    period, jurisdiction = named(call.request)
    api, here = here_of(f"institutions/review/{period}/{jurisdiction}")
    review = (await ask(call, "GET", api)).body
    kind = asked_of(call, "kind").get("kind", "")
    findings = [one for one in review["findings"] if kind in ("", one["kind"])]
    level = below(jurisdiction)
    values = {
        "review": review,
        "period": str(period),
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "place_name": parts_of(call.request).progress.place_name,
        "areas": _areas(review["regions"], jurisdiction, level),
        "deeper": level != "county",
        "kinds": [(one.value, label) for one, label in DOUBT_LABELS.items()],
        "kind": kind,
        "findings": findings[:_MOST],
        "more": len(findings) - _MOST,
        "obligations": OBLIGATION_LABELS,
        "here": here,
        "others": f"/work/institutions/legal-persons/{period}/{jurisdiction}",
    }
    return said_at_once(call, "register_review.html", values, None)


def _areas(regions: list[Any], jurisdiction: str, level: str) -> list[dict[str, Any]]:
    """The counties' figures summed by the areas of a level within a place. Pure."""
    tree = known().tree
    sums: dict[str, dict[str, Any]] = {}
    for one in regions:
        inside = [code for code in tree.upwards(one["region"]) if lies_in(code, jurisdiction)]
        area = next((code for code in inside if tree.level(code) == level), one["region"])
        into = sums.setdefault(area, {"region": area, "findings": 0})
        for name in ("institutions", "must", "may", "outside", "without_rules"):
            into[name] = into.get(name, 0) + one[name]
        into["findings"] += sum(one["findings"].values())
    return [sums[code] for code in sorted(sums)]


# --- who files for whom ---------------------------------------------------------------------------


async def legal_persons_page(call: Call, failed: Failed | None = None) -> Response:
    """Legal persons of several accounts, and centres of several units; a way to settle each."""
    period, jurisdiction = named(call.request)
    api, here = here_of(f"institutions/legal-persons/{period}/{jurisdiction}")
    only = query(call.request, "open", str, "") == "true"
    doubts = (await ask(call, "GET", api, query={"open": "true"} if only else {})).body
    operates = call.actor.role is Role.OPERATOR
    about = call.request.path_params.get("institution", "")
    acting = {
        one["institution"]: acts_shown(
            (_SETTLE,), failed if one["institution"] == about else None, one["institution"]
        )
        for person in doubts["legal_persons"]
        for one in person["accounts"]
        if operates
    }
    values = {
        "doubts": doubts,
        "period": str(period),
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "only": only,
        "statuses": STATUS_LABELS,
        "acting": acting,
        "here": here,
        "others": f"/work/institutions/review/{period}/{jurisdiction}",
        "done": done_of((_SETTLE,), query(call.request, "done", str, "")),
        **summary_of(acting.get(about, []), failed),
    }
    return said_at_once(call, "legal_persons.html", values, failed.told if failed else None)


async def settle(call: Call) -> Response:
    """Says of an account whether it files by itself."""
    period, jurisdiction = named(call.request)
    _, here = here_of(f"institutions/legal-persons/{period}/{jurisdiction}")
    api = f"/api/institutions/{path(call.request, 'institution', InstitutionId)}"
    return await perform(call, (_SETTLE,), api, here, legal_persons_page)


# --- who would review -----------------------------------------------------------------------------


async def reviewer_page(call: Call) -> Response:
    """Who would review an institution's filing under the rules of a day, and why nobody else."""
    id_: str = path(call.request, "institution", InstitutionId)
    api, here = here_of(f"institutions/{id_}")
    shown = (await ask(call, "GET", api)).body
    asked = asked_of(call, "year", "on", "choice")
    sets = (await ask(call, "GET", "/api/rules")).body["items"]
    years = sorted({one["year"] for one in sets if one["in_force"]}, reverse=True)
    told, found = None, None
    if asked.get("year"):
        try:
            found = (await ask(call, "GET", f"{api}/reviewer", query=asked)).body
        except Told as refused:
            told = refused
    values = {
        "shown": shown,
        "asked": asked,
        "years": [(str(year), str(year)) for year in years],
        "found": found,
        "place_name": parts_of(call.request).progress.place_name,
        "here": here,
    }
    return said_at_once(call, "reviewer.html", values, told)


_ALL = "/work/institutions"
_PERSONS = f"{_ALL}/legal-persons/{{period}}/{{jurisdiction}}"

PAGES = [
    page_of(
        "GET",
        f"{_ALL}/review",
        choose_page,
        "核对名录",
        parameters=tuple(text_parameter(one, one) for one in ("period", "jurisdiction", "look")),
        unhurried=True,
    ),
    page_of(
        "GET",
        f"{_ALL}/review/{{period}}/{{jurisdiction}}",
        review_page,
        "摸清底数",
        parameters=(text_parameter("kind", "哪一种问题"),),
        unhurried=True,
    ),
    page_of(
        "GET",
        _PERSONS,
        legal_persons_page,
        "同一法人的账号",
        parameters=(text_parameter("open", "只列待认定的"), DONE),
        unhurried=True,
    ),
    page_of("POST", f"{_PERSONS}/{{institution}}/act/{{act}}", settle, "认定由谁填报"),
    page_of(
        "GET",
        f"{_ALL}/{{institution}}/reviewer",
        reviewer_page,
        "由谁审核，为什么",
        parameters=tuple(text_parameter(one, one) for one in ("year", "on", "choice")),
    ),
]
