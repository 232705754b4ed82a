"""Batch imports of certificates on pages, with their reports by row; serials used on paper."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from api.certificates.imports import ImportId
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    acts_shown,
    body_of,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    media_of,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.certificates.imports import (
    IMPORT_MODE_LABELS,
    ROW_OUTCOME_LABELS,
    ImportMode,
    ImportStage,
)
from domain.clock import day_of
from domain.refusals import Code, Refusal, Refused

_ALL = "/work/certificates/imports"
_ONE = f"{_ALL}/{{import}}"


async def list_imports(call: Call) -> Response:
    """The imports of the clerk's authority, and the form for another one."""
    return await _list(call, None)


async def _list(call: Call, told: Told | None) -> Response:
    cursor = asked_of(call, "cursor")
    found = (
        await ask(call, "GET", "/api/certificates/imports", query={"size": "20", **cursor})
    ).body
    values = {
        "found": found,
        "modes": [(one.value, label) for one, label in IMPORT_MODE_LABELS.items()],
        "mode": query(call.request, "mode", str, ImportMode.CHECK.value),
    }
    return said_at_once(call, "certificate_imports.html", values, told)


async def begin_import(call: Call) -> Response:
    """Hands a file on to the API as it is, and leads to how far it has come."""
    file = call.body.file
    name = name_of(file)
    asked = {"mode": call.body.text("mode") or ImportMode.CHECK.value}
    try:
        taken = await ask(
            call,
            "POST",
            "/api/certificates/imports",
            query={**asked, **({"filename": name} if name else {})},
            file=file,
            content_type=media_of(name),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await _list(call, told)
    return RedirectResponse(f"{_ALL}/{taken.body['id']}", status_code=303)


async def import_page(call: Call) -> Response:
    """One import: how far it has come, what is wrong in it, what became of each certificate."""
    id_: str = path(call.request, "import", ImportId)
    api, here = here_of(f"certificates/imports/{id_}")
    shown = (await ask(call, "GET", api)).body
    asked = asked_of(call, "outcome", "cursor")
    values = {
        "shown": shown,
        "rows": (await ask(call, "GET", f"{api}/rows", query={"size": "50", **asked})).body,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "outcomes": [(one.value, label) for one, label in ROW_OUTCOME_LABELS.items()],
        "labels": {one.value: label for one, label in ROW_OUTCOME_LABELS.items()},
        "under_way": shown["stage"] == ImportStage.WORKING,
        "here": here,
    }
    return page(call, "certificate_import.html", values)


# --- serials --------------------------------------------------------------------------------------

_SERIALS = "/work/certificates/serials"


def _setting(authority: str) -> Act:
    return Act(
        "set",
        "设定流水号起点",
        "已设定",
        (
            Input("last", "纸质发放已用到哪一号", "number", "下一张用它后面的一号。"),
            REASON,
        ),
        "填高了的可以调低，但不低于已分配或已登记的最大流水号。",
        fixed={"authority": authority},
    )


async def serials_page(call: Call) -> Response:
    """Up to where this year's serials are used, and setting where they go on."""
    return await _serials(call, None)


async def _serials(call: Call, failed: Failed | None) -> Response:
    now = day_of(parts_of(call.request).clock())
    year = _year(failed.form.text("year") if failed else query(call.request, "year", str, ""), now)
    told, serials = failed.told if failed else None, None
    try:
        serials = (await ask(call, "GET", f"/api/certificates/serials/{year}")).body
    except Told as refused:
        told = told or refused
    forms = acts_shown([_setting(call.actor.scope)] if serials else [], failed)
    values: dict[str, Any] = {
        "serials": serials,
        "year": year,
        "here": _SERIALS,
        "done": "已设定" if query(call.request, "done", str, "") == "set" else "",
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "serials.html", values, told)


def _year(text: str, today: Any) -> int:
    """The year that is asked for, else this one. Pure."""
    return int(text) if len(text) == 4 and text.isdecimal() and text.isascii() else today.year


async def act_on_serials(call: Call) -> Response:
    """Sets where serials go on."""
    if call.request.path_params["act"] != "set":
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"}))
    form, act = call.body, _setting(call.actor.scope)
    year = _year(form.text("year"), day_of(parts_of(call.request).clock()))
    api = f"/api/certificates/serials/{year}"
    try:
        await ask(call, "POST", api, body_of(act, form), idempotency_key=form.text("key"))
    except Told as told:
        return await _serials(call, Failed(act, form, told))
    return RedirectResponse(f"{_SERIALS}?year={year}&done=set", status_code=303)


PAGES = [
    page_of("GET", _ALL, list_imports, "批量导入证书", parameters=(CURSOR,)),
    page_of("POST", _ALL, begin_import, "批量导入证书", unhurried=True, with_file=True),
    page_of(
        "GET",
        _ONE,
        import_page,
        "一次批量导入",
        parameters=(text_parameter("outcome", "结果"), CURSOR),
    ),
    page_of(
        "GET",
        _SERIALS,
        serials_page,
        "流水号",
        parameters=(text_parameter("year", "年份"), DONE),
    ),
    page_of("POST", f"{_SERIALS}/act/{{act}}", act_on_serials, "设定流水号起点", unhurried=True),
]
