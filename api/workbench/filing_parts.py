"""A filing's form on pages, part by part: read, filled in, saved, remarked on."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.door.asking import Answer, Told, ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import query
from api.workbench.blanks import groups, place_labels, read_part, warned
from api.workbench.filings import FILING_PLACE, based_on, filing_of
from api.workbench.pages import page_of, said_at_once
from domain.case.commands import Role
from domain.case.status import EDITABLE
from domain.refusals import Code, Refusal, Refused


async def part_page(call: Call) -> Response:
    """One part of a filing to read or fill in."""
    return await _part(call, None, None)


async def save_part(call: Call) -> Response:
    """Saves one part as the next revision."""
    api, here = filing_of(call)
    part = call.request.path_params["part"]
    values = await _values(call, api, part)
    try:
        await _save(call, api, part, values)
    except Told as told:
        if not await _saved_already(call, api, part, values, told):
            return await _part(call, told, values)
    return RedirectResponse(f"{here}/parts/{quote(part)}?saved=1", status_code=303)


async def keep_part(call: Call) -> Response:
    """Saves one part by itself while somebody fills it in; tells how that went, and no more."""
    api, _ = filing_of(call)
    part = call.request.path_params["part"]
    try:
        saved = (await _save(call, api, part, await _values(call, api, part))).body
    except Told as told:
        # what is wrong is told beside the form, which stays as it is
        rest = [one["message"] for one in told.problem["errors"]]
        return page(call, "_kept.html", {"refused": told.problem, "rest": rest})
    values = {
        "now": parts_of(call.request).clock(),
        "revision": saved["revision"],
        "blocks": saved["report"]["blocks"],
        "warnings": saved["report"]["warnings"],
    }
    return page(call, "_kept.html", values)


async def _values(call: Call, api: str, part: str) -> dict[str, Any]:
    """What a part's form says."""
    form, standing = await _form(call, api, part)
    return read_part(form["content"], form["copies"], call.body, standing)


async def _save(call: Call, api: str, part: str, values: dict[str, Any]) -> Answer:
    body = {"parts": {part: values}}
    return await ask(call, "PATCH", f"{api}/draft", body, if_match=based_on(call.body))


async def _saved_already(
    call: Call, api: str, part: str, values: Mapping[str, Any], told: Told
) -> bool:
    """Whether a form came twice, and what it says has been saved by the first time."""
    if told.problem["code"] != "revision_conflict":
        return False
    newest = (await ask(call, "GET", f"{api}/draft")).body["parts"].get(part, {})
    said = {name: value for name, value in values.items() if value is not None}
    return bool(newest == said)


async def remark(call: Call) -> Response:
    """Writes a remark at one field of a part."""
    api, here = filing_of(call)
    part = call.request.path_params["part"]
    field = {"part": part, "field": call.body.text("field"), "reason": call.body.text("remark")}
    try:
        await ask(
            call,
            "POST",
            f"{api}/remarks",
            {"fields": [field]},
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await _part(call, told, None)
    return RedirectResponse(f"{here}/parts/{quote(part)}#remarks", status_code=303)


async def _form(call: Call, api: str, part: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A part's form, and what stands in it."""
    forms = (await ask(call, "GET", f"{api}/forms")).body["items"]
    form = next((one for one in forms if one["part"] == part), None)
    if form is None:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"部分 {part[:64]}"}))
    draft = (await ask(call, "GET", f"{api}/draft")).body
    return form, draft["parts"].get(part, {})


def _linked(told: Told | None, own: str) -> dict[str, Any]:
    """What of a refusal is about blanks of a part, with their ids, and what is not."""
    errors = told.problem["errors"] if told else []
    return {
        "linked": [
            (one["pointer"].removeprefix(own).replace("/", "-"), one["message"])
            for one in errors
            if one["pointer"].startswith(own)
        ],
        "rest": [one["message"] for one in errors if not one["pointer"].startswith(own)],
    }


async def _part(call: Call, told: Told | None, given: Mapping[str, Any] | None) -> Response:
    api, here = filing_of(call)
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
        "warnings": warned(findings, own, form["copies"]),
        "here": here,
        "address": f"{here}/parts/{quote(part)}",
        "own": own,
        "following": f"{here}/parts/{quote(following[0])}" if following else here,
        "writes": call.actor.role is Role.FILER and filing["status"] in EDITABLE,
        "called": place_labels(form["content"]),
        "remarks": [one for one in draft["standing"]["remarks"] if one["part"] == part],
        "remarking": call.actor.role in (Role.REVIEWER, Role.CHECKER)
        and filing["claimed_by"] == call.actor.subject,
        "remarked": query(call.request, "remark", str, ""),
        "saved": query(call.request, "saved", str, "") == "1" and told is None,
        **_linked(told, own),
    }
    return said_at_once(call, "part.html", values, told)


PAGES = [
    page_of(
        "GET",
        f"{FILING_PLACE}/parts/{{part}}",
        part_page,
        "一个部分",
        parameters=(Parameter("saved", "刚保存"), Parameter("remark", "给哪一项写批注")),
    ),
    page_of("POST", f"{FILING_PLACE}/parts/{{part}}", save_part, "保存一个部分", unhurried=True),
    page_of("POST", f"{FILING_PLACE}/parts/{{part}}/keep", keep_part, "自动保存", unhurried=True),
    page_of("POST", f"{FILING_PLACE}/parts/{{part}}/remark", remark, "写批注", unhurried=True),
]
