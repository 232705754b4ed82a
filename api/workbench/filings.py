"""A filing on pages: the list of one's filings, one with what can be done now, its form by part."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.cases.cases import CaseYear
from api.door.asking import Told, ask
from api.door.operations import Call, Operation, Parameter
from api.door.pages import page
from api.door.requests import Form, path, query
from api.door.rights import Right
from api.workbench.blanks import groups, read_part
from api.workbench.home import duties_of
from domain.case.status import EDITABLE, STATUS_NEXT, Status
from domain.ids import InstitutionId
from domain.refusals import Code, Refusal, Refused

Body = Callable[[Form], dict[str, Any]]

_NOT_SHOWN = ("forbidden", "not_your_authority")
"""Refusals for which a page goes without what was asked for: its reader sees no content."""


def _version(form: Form) -> dict[str, Any]:
    revision = form.text("revision")
    return {
        "revision": int(revision) if revision.isdecimal() and len(revision) < 9 else 0,
        "sha256": form.text("sha256"),
    }


def _submitted(form: Form) -> dict[str, Any]:
    choice = form.text("choice").strip()
    return {**_version(form), **({"choice": choice} if choice else {})}


def _returned(form: Form) -> dict[str, Any]:
    part, _, field = form.text("place").partition("/")
    fields = [{"part": part, "field": field, "reason": form.text("remark")}] if part else []
    return {"reason": form.text("reason"), "fields": fields}


def _checked(form: Form) -> dict[str, Any]:
    return {"outcome": form.text("outcome"), "reason": form.text("reason")}


ACTS: dict[str, tuple[str, Body]] = {
    "submit": ("已提交", _submitted),
    "withdraw": ("已撤回", lambda form: {}),
    "attest": ("已确认", _version),
    "claim": ("已领取", lambda form: {}),
    "release": ("已退领", lambda form: {}),
    "approve": ("已通过", lambda form: {"note": form.text("note")}),
    "return": ("已退回", _returned),
    "quality": ("质量审查已办理", _checked),
}
"""What the page of a filing can do: what is then said, and the body that its form makes."""


async def my_filings(call: Call) -> Response:
    """The filings that somebody sees, the most pressing first."""
    cursor = query(call.request, "cursor", str, "")
    asked = {"sort": "due", "size": "50", **({"cursor": cursor} if cursor else {})}
    found = (await ask(call, "GET", "/api/filings", query=asked)).body
    return page(call, "filings.html", {"found": found, "next_by": STATUS_NEXT})


async def inbox(call: Call) -> Response:
    """What waits for the authority, narrowed and sorted."""
    asked = {
        name: given
        for name in ("claimed", "sort", "cursor")
        if (given := query(call.request, name, str, ""))
    }
    found = (await ask(call, "GET", "/api/tasks", query={"size": "50", **asked})).body
    values = {"found": found, "asked": asked, "duties": await duties_of(call)}
    return page(call, "inbox.html", values)


def _named(call: Call) -> tuple[str, str]:
    """The filing's address in the API and on pages."""
    year: int = path(call.request, "year", CaseYear)
    institution: str = path(call.request, "institution", InstitutionId)
    place = f"filings/{year}/{institution}"
    return f"/api/{place}", f"/work/{place}"


async def _if_shown(call: Call, address: str) -> Any:
    try:
        return (await ask(call, "GET", address)).body
    except Told as told:
        if told.problem["code"] in _NOT_SHOWN:
            return None
        raise


async def filing_page(call: Call, told: Told | None = None) -> Response:
    """One filing: how it stands, what is next, its content, what can be done."""
    api, here = _named(call)
    filing = (await ask(call, "GET", api)).body
    draft = await _if_shown(call, f"{api}/draft")
    forms = await _if_shown(call, f"{api}/forms") if draft else None
    changes = await _if_shown(call, f"{api}/draft/changes") if draft else None
    timeline = (await ask(call, "GET", f"{api}/timeline")).body
    done = query(call.request, "done", str, "")
    values = {
        "filing": filing,
        "draft": draft,
        "forms": forms["items"] if forms else [],
        "changes": changes,
        "timeline": timeline,
        "here": here,
        "editable": filing["status"] in EDITABLE,
        "next": STATUS_NEXT.get(Status(filing["status"]), ""),
        "done": ACTS[done][0] if done in ACTS else "",
        "mine": filing["claimed_by"] == call.actor.subject,
    }
    return _with_problem(call, "filing.html", values, told)


async def act_on_filing(call: Call) -> Response:
    """One act on a filing; a form sent twice is one act."""
    api, here = _named(call)
    name = call.request.path_params["act"]
    if name not in ACTS:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"}))
    try:
        await ask(
            call,
            "POST",
            f"{api}/{name}",
            ACTS[name][1](call.body),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done={name}", status_code=303)


async def begin(call: Call) -> Response:
    """Saves what the register and last year know as the first revision."""
    api, here = _named(call)
    try:
        known = (await ask(call, "GET", f"{api}/draft/prefilled")).body
        await ask(call, "PUT", f"{api}/draft", {"parts": known["parts"]}, if_match='"0"')
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(here, status_code=303)


async def part_page(call: Call) -> Response:
    """One part of a filing to read or fill in."""
    return await _part(call, None, None)


async def save_part(call: Call) -> Response:
    """Saves one part as the next revision."""
    api, here = _named(call)
    part = call.request.path_params["part"]
    form, standing = await _form(call, api, part)
    values = read_part(form["content"], form["copies"], call.body, standing)
    revision = call.body.text("revision")
    try:
        await ask(
            call,
            "PATCH",
            f"{api}/draft",
            {"parts": {part: values}},
            if_match=f'"{revision if revision.isdecimal() else ""}"',
        )
    except Told as told:
        return await _part(call, told, values)
    return RedirectResponse(f"{here}/parts/{quote(part)}?saved=1", status_code=303)


async def _form(call: Call, api: str, part: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A part's form, and what stands in it."""
    forms = (await ask(call, "GET", f"{api}/forms")).body["items"]
    form = next((one for one in forms if one["part"] == part), None)
    if form is None:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"部分 {part[:64]}"}))
    draft = (await ask(call, "GET", f"{api}/draft")).body
    return form, draft["parts"].get(part, {})


async def _part(call: Call, told: Told | None, given: Mapping[str, Any] | None) -> Response:
    api, here = _named(call)
    part = call.request.path_params["part"]
    form, standing = await _form(call, api, part)
    draft = (await ask(call, "GET", f"{api}/draft")).body
    filing = (await ask(call, "GET", api)).body
    own = f"/parts/{part}/"
    findings = [one for one in draft["report"]["findings"] if one["pointer"].startswith(own)]
    said: dict[str, list[str]] = {}
    problems = told.problem["errors"] if told else [one for one in findings if draft["revision"]]
    for one in problems:
        said.setdefault(one["pointer"].removeprefix(own), []).append(one["message"])
    for one in draft["standing"]["remarks"]:
        if one["part"] == part and one["field"]:
            said.setdefault(one["field"], []).append(f"批注：{one['text']}")
    shown = standing if given is None else {k: v for k, v in given.items() if v is not None}
    parts = [one["part"] for one in (await ask(call, "GET", f"{api}/forms")).body["items"]]
    following = parts[parts.index(part) + 1 :]
    values = {
        "filing": filing,
        "form": form,
        "groups": groups(
            form["content"],
            form["copies"],
            shown,
            draft["derived"].get(part) or {},
            said,
        ),
        "revision": draft["revision"],
        "warnings": [one for one in findings if one["level"] == "warn"],
        "here": here,
        "address": f"{here}/parts/{quote(part)}",
        "own": own,
        "following": f"{here}/parts/{quote(following[0])}" if following else here,
        "writes": call.actor.role.value == "filer" and filing["status"] in EDITABLE,
        "saved": query(call.request, "saved", str, "") == "1" and told is None,
    }
    return _with_problem(call, "part.html", values, told)


def _with_problem(call: Call, template: str, values: dict[str, Any], told: Told | None) -> Response:
    if told is None:
        return page(call, template, values)
    told_values = {"refused": told.problem, "errors": told.problem["errors"]}
    return page(call, template, {**values, **told_values}, told.problem["status"])


def _page(method: str, address: str, handler: Any, summary: str, **more: Any) -> Operation:
    return Operation(
        method,
        address,
        handler,
        summary,
        "页面",
        Right.SIGNED_IN,
        None,
        answer_media="text/html",
        form=method == "POST",
        **more,
    )


_ONE = "/work/filings/{year}/{institution}"
_CURSOR = Parameter("cursor", "下一页")

PAGES = [
    _page("GET", "/work/filings", my_filings, "填报", parameters=(_CURSOR,)),
    _page(
        "GET",
        "/work/tasks",
        inbox,
        "待办",
        parameters=(Parameter("claimed", "谁领取的"), Parameter("sort", "次序"), _CURSOR),
    ),
    _page("GET", _ONE, filing_page, "一件填报", parameters=(Parameter("done", "刚办的事"),)),
    _page("POST", f"{_ONE}/begin", begin, "从已知的开始填"),
    _page("POST", f"{_ONE}/act/{{act}}", act_on_filing, "办理", unhurried=True),
    _page(
        "GET",
        f"{_ONE}/parts/{{part}}",
        part_page,
        "一个部分",
        parameters=(Parameter("saved", "刚保存"),),
    ),
    _page("POST", f"{_ONE}/parts/{{part}}", save_part, "保存一个部分", unhurried=True),
]
