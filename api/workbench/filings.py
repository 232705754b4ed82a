"""A filing on pages: one's filings, one with what can be done now, its check and its receipt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import RedirectResponse, Response

from api.cases.cases import CaseYear
from api.door.asking import Told, ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.requests import Form, path, query
from api.workbench.acts import Failed, acts_shown, done_of, perform, summary_of
from api.workbench.blanks import groups, place_labels
from api.workbench.filing_acts import ACTS, more_now, named_acts
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    if_shown,
    page_of,
    said_at_once,
    text_parameter,
)
from api.workbench.steps import part_state, steps_of
from domain.case.commands import Role
from domain.case.status import EDITABLE, STATUS_NEXT, Status
from domain.ids import InstitutionId

FILING_PLACE = "/work/filings/{year}/{institution}"

_FILES_DONE = {
    "workbook": "已从工作簿保存",
    "file": "已添加附件",
    "remove": "已移除附件",
}


async def my_filings(call: Call) -> Response:
    """The filings that somebody sees, the most pressing first."""
    given = asked_of(call, "waiver_asked", "cursor")
    asked = {"sort": "due", "size": "50", **given}
    found = (await ask(call, "GET", "/api/filings", query=asked)).body
    batches = None
    if call.actor.role is Role.FILER and "cursor" not in given:
        wanted = {"sort": "due", "size": "5"}
        batches = (await ask(call, "GET", "/api/report-batches", query=wanted)).body["items"]
    view = {name: text for name, text in given.items() if name != "cursor"}
    values = {"found": found, "batches": batches, "view": view, "next_by": STATUS_NEXT}
    return page(call, "filings.html", values)


def filing_of(call: Call) -> tuple[str, str]:
    """The filing's address in the API and on pages."""
    year: int = path(call.request, "year", CaseYear)
    institution: str = path(call.request, "institution", InstitutionId)
    place = f"filings/{year}/{institution}"
    return f"/api/{place}", f"/work/{place}"


def based_on(form: Form) -> str:
    """The revision that a page was made from, as a request names it."""
    revision = form.text("revision")
    return f'"{revision if revision.isdecimal() else ""}"'


async def filing_page(call: Call, told: Told | None = None) -> Response:
    """One filing: how it stands, what is next, its content, what can be done."""
    return await _filing(call, told, None)


async def _refused_more(call: Call, failed: Failed | None) -> Response:
    return await _filing(call, failed.told if failed else None, failed)


async def _filing(call: Call, told: Told | None, failed: Failed | None) -> Response:
    api, here = filing_of(call)
    filing = (await ask(call, "GET", api)).body
    role, mine = call.actor.role, filing["claimed_by"] == call.actor.subject
    draft = await if_shown(call, f"{api}/draft")
    forms = await if_shown(call, f"{api}/forms") if draft else None
    changes = await if_shown(call, f"{api}/draft/changes") if draft else None
    reviews = role in (Role.REVIEWER, Role.CHECKER) and draft and draft["revision"]
    code = failed.told.problem["code"] if failed is not None else ""
    more = acts_shown(more_now(filing, draft, call.actor, code, mine=mine), failed)
    timeline = (await ask(call, "GET", f"{api}/timeline")).body
    done = query(call.request, "done", str, "")
    values = {
        "filing": filing,
        "draft": draft,
        "forms": forms["items"] if forms else [],
        "changes": changes,
        "labels": {one["part"]: one["label"] for one in forms["items"]} if forms else {},
        "by_part": _by_part,
        "called": _calling(forms["items"] if forms else []),
        "steps_of": steps_of,
        "part_state": part_state,
        "timeline": timeline,
        "here": here,
        "editable": filing["status"] in EDITABLE,
        "next": STATUS_NEXT.get(Status(filing["status"]), ""),
        "done": _done(done),
        "mine": mine,
        "review": await if_shown(call, f"{api}/review") if reviews else None,
        "sent": filing["revision"] > 0 and role in (Role.FILER, Role.RESPONSIBLE),
        "more": more,
        **summary_of(more, failed),
    }
    return said_at_once(call, "filing.html", values, told)


def _calling(forms: Sequence[Mapping[str, Any]]) -> Callable[[str, str], str]:
    """Tells what a place in a part of these forms is called."""
    by_part = {one["part"]: place_labels(one["content"]) for one in forms}
    return lambda part, field: by_part.get(part, {}).get(field, field)


def _done(name: str) -> str:
    if name in ACTS:
        return ACTS[name][0]
    return _FILES_DONE.get(name) or done_of(named_acts(name, Form()), name)


async def check_page(call: Call, told: Told | None = None) -> Response:
    """All answers before they are submitted: what differs first, then section by section."""
    api, here = filing_of(call)
    filing = (await ask(call, "GET", api)).body
    draft = (await ask(call, "GET", f"{api}/draft")).body
    forms = (await ask(call, "GET", f"{api}/forms")).body["items"]
    rules = (await ask(call, "GET", f"/api/rule-sets/{filing['rule_set']}")).body["document"]
    differences = (await ask(call, "GET", f"{api}/draft/changes")).body
    parts = [
        (
            form,
            groups(
                form["content"],
                form["copies"],
                draft["parts"].get(form["part"], {}),
                draft["derived"].get(form["part"]) or {},
                {},
            ),
        )
        for form in forms
        if form["part"] in draft["parts"]
    ]
    values = {
        "filing": filing,
        "draft": draft,
        "parts": parts,
        "labels": {form["part"]: form["label"] for form in forms},
        "changes": differences,
        "differing": _by_part(differences["changes"]),
        "corrections": rules["filing"].get("corrections") or [],
        "here": here,
        "writes": call.actor.role is Role.FILER and filing["status"] in EDITABLE,
    }
    return said_at_once(call, "check.html", values, told)


def _by_part(changes: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Differences by the part that they stand in, parts in the order of the content."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for one in changes:
        grouped.setdefault(one["pointer"].split("/")[1], []).append(one)
    return list(grouped.items())


async def receipt_page(call: Call) -> Response:
    """The receipt of what was submitted, and what comes next."""
    api, here = filing_of(call)
    values = {
        "filing": (filing := (await ask(call, "GET", api)).body),
        "receipt": (await ask(call, "GET", f"{api}/receipt")).body,
        "next": STATUS_NEXT.get(Status(filing["status"]), ""),
        "here": here,
        "sent": query(call.request, "sent", str, "") == "1",
    }
    return page(call, "receipt.html", values)


async def act_on_filing(call: Call) -> Response:
    """One act on a filing; a form sent twice is one act."""
    api, here = filing_of(call)
    name = call.request.path_params["act"]
    if name not in ACTS:
        return await perform(call, named_acts(name, call.body), api, here, _refused_more)
    try:
        await ask(
            call,
            "POST",
            f"{api}/{name}",
            ACTS[name][1](call.body),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await (check_page if name == "submit" else filing_page)(call, told)
    done = f"{here}/receipt?sent=1" if name == "submit" else f"{here}?done={name}"
    return RedirectResponse(done, status_code=303)


async def begin(call: Call) -> Response:
    """Saves what the register and last year know as the first revision."""
    api, here = filing_of(call)
    try:
        known = (await ask(call, "GET", f"{api}/draft/prefilled")).body
        await ask(call, "PUT", f"{api}/draft", {"parts": known["parts"]}, if_match='"0"')
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(here, status_code=303)


WAIVING = text_parameter("waiver_asked", "true：申请豁免校验、尚未全部答复的")

PAGES = [
    page_of("GET", "/work/filings", my_filings, "填报", parameters=(WAIVING, CURSOR)),
    page_of("GET", FILING_PLACE, filing_page, "一件填报", parameters=(DONE,)),
    page_of("GET", f"{FILING_PLACE}/check", check_page, "核对并提交"),
    page_of(
        "GET",
        f"{FILING_PLACE}/receipt",
        receipt_page,
        "提交回执",
        parameters=(Parameter("sent", "刚提交"),),
    ),
    page_of("POST", f"{FILING_PLACE}/begin", begin, "从已知的开始填"),
    page_of("POST", f"{FILING_PLACE}/act/{{act}}", act_on_filing, "办理", unhurried=True),
]
