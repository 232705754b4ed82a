"""What authorities report of their own work on pages: filled in on its form, and submitted."""

from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.cases.cases import CaseYear
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.blanks import groups, read_part, warned
from api.workbench.pages import asked_of, page_of, said_at_once, text_parameter
from domain.case.commands import Role

_ALL = "/work/authority-figures"


async def subjects_page(call: Call) -> Response:
    """What authorities report for each year, as far as the asker may see it."""
    campaigns = (await ask(call, "GET", "/api/campaigns")).body["items"]
    opened = sorted(
        {one["year"] for one in campaigns if not one["quarter"] and not one["annulled_at"]},
        reverse=True,
    )
    asked = asked_of(call, "year").get("year", "")
    years = [year for year in opened if asked in ("", str(year))]
    listed, told = [], None
    for year in years:
        try:
            items = (await ask(call, "GET", f"/api/authority-figures/{year}")).body["items"]
        except Told as refused:
            # a year that only some places have opened asks nothing of the nation's authorities
            if refused.problem["code"] != "campaign_not_found":
                told = refused
            continue
        listed += [(year, one) for one in items]
    values = {
        "listed": listed,
        "years": [(str(year), str(year)) for year in opened],
        "asked": asked,
        "authority_name": parts_of(call.request).authority_name,
    }
    return said_at_once(call, "own_figures_list.html", values, told)


def _of(call: Call) -> tuple[str, str]:
    year: int = path(call.request, "year", CaseYear)
    place = f"authority-figures/{year}/{quote(call.request.path_params['subject'], safe='')}"
    return f"/api/{place}", f"/work/{place}"


async def _subject(call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    """A subject, and the version of the form that it is filled in on."""
    api, _ = _of(call)
    shown = (await ask(call, "GET", api)).body
    wanted = {"sha256": shown["form_sha256"]}
    form = (await ask(call, "GET", f"/api/forms/{shown['form']}", query=wanted)).body
    return shown, form


async def subject_page(call: Call) -> Response:
    """One subject: to fill in for its authority, to read for others."""
    return await _page(call, None, None)


async def _page(call: Call, told: Told | None, given: dict[str, Any] | None) -> Response:
    _, here = _of(call)
    shown, form = await _subject(call)
    own = "/figures/"
    findings = [one for one in shown["report"]["findings"] if one["pointer"].startswith(own)]
    said: dict[str, list[str]] = {}
    errors = told.problem["errors"] if told else []
    problems = [(one["pointer"].removeprefix("/values/"), one["message"]) for one in errors]
    if not told and shown["revision"]:
        problems = [(one["pointer"].removeprefix(own), one["message"]) for one in findings]
    for place, message in problems:
        said.setdefault(place, []).append(message)
    values = shown["values"] if given is None else given
    writes = call.actor.role is Role.REVIEWER and call.actor.scope == shown["authority"]
    content = {
        "shown": shown,
        "year": path(call.request, "year", CaseYear),
        "form": form,
        "groups": groups(form["content"], None, values, shown["derived"] or {}, said),
        "warnings": warned(findings, own, None),
        "writes": writes,
        "here": here,
        "authority_name": parts_of(call.request).authority_name(shown["authority"]),
        "done": {"saved": "已保存", "submitted": "已提交"}.get(
            query(call.request, "done", str, ""), ""
        ),
        "linked": [(place.replace("/", "-"), message) for place, message in problems if told],
    }
    return said_at_once(call, "own_figures.html", content, told)


async def save(call: Call) -> Response:
    """Saves what the form says as the next revision."""
    api, here = _of(call)
    shown, form = await _subject(call)
    read = read_part(form["content"], None, call.body, shown["values"])
    values = {name: value for name, value in read.items() if value is not None}
    revision = call.body.text("revision")
    based_on = f'"{revision if revision.isdecimal() else ""}"'
    try:
        await ask(call, "PUT", api, {"values": values}, if_match=based_on)
    except Told as told:
        return await _page(call, told, values)
    return RedirectResponse(f"{here}?done=saved", status_code=303)


async def submit(call: Call) -> Response:
    """Submits the revision that was seen."""
    api, here = _of(call)
    form = call.body
    revision = form.text("revision")
    body = {
        "revision": int(revision) if revision.isdecimal() and len(revision) < 9 else 0,
        "sha256": form.text("sha256"),
    }
    try:
        await ask(call, "POST", f"{api}/submit", body, idempotency_key=form.text("key"))
    except Told as told:
        return await _page(call, told, None)
    return RedirectResponse(f"{here}?done=submitted", status_code=303)


_ONE = f"{_ALL}/{{year}}/{{subject}}"

PAGES = [
    page_of(
        "GET",
        _ALL,
        subjects_page,
        "部门自己的统计",
        parameters=(text_parameter("year", "统计年度"),),
    ),
    page_of(
        "GET", _ONE, subject_page, "一项部门统计", parameters=(text_parameter("done", "刚办的事"),)
    ),
    page_of("POST", _ONE, save, "保存部门统计"),
    page_of("POST", f"{_ONE}/submit", submit, "提交部门统计"),
]
