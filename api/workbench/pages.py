"""What pages of the workbench have in common: their operations, what was asked for, downloads."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.door.asking import Told, ask, fetch
from api.door.files import TABLES
from api.door.operations import Call, Operation, Parameter
from api.door.pages import page
from api.door.requests import parameters, query
from api.door.rights import Right

CURSOR = Parameter("cursor", "下一页")
DONE = Parameter("done", "刚办的事")

_NOT_SHOWN = ("forbidden", "not_your_authority", "not_your_region", "not_found")
"""Refusals for which a page goes without what was asked for: it is not its reader's to see."""


def page_of(method: str, address: str, handler: Any, summary: str, **more: Any) -> Operation:
    """A page for whoever is signed in: what it may show and do, the API decides."""
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


def text_parameter(name: str, description: str) -> Parameter:
    """A blank of a page's filter."""
    return Parameter(name, description)


def asked_of(call: Call, *names: str) -> dict[str, str]:
    """What a page's filter says, what is left empty left out."""
    given = {name: query(call.request, name, str, "").strip() for name in names}
    return {name: text for name, text in given.items() if text}


def name_of(file: UploadFile | None) -> str:
    """What a file is called that was chosen in a form, without folders; "" for none."""
    name = (file.filename or "") if file is not None else ""
    return name.replace("\\", "/").rpartition("/")[2]


_MEDIA = {kind: media for media, kind in TABLES.items()}


def media_of(name: str) -> str:
    """What a table is that was chosen in a form: a workbook by its name, or CSV."""
    return _MEDIA["xlsx" if name.lower().endswith(".xlsx") else "csv"]


def here_of(place: str) -> tuple[str, str]:
    """The addresses of something in the API and on pages."""
    return f"/api/{place}", f"/work/{place}"


def said_at_once(
    call: Call, template: str, values: Mapping[str, Any], told: Told | None
) -> Response:
    """A page, with the API's refusal on its head and as its status if there is one."""
    if told is None:
        return page(call, template, values)
    first = {"refused": told.problem, "rest": [one["message"] for one in told.problem["errors"]]}
    return page(call, template, {**first, **values}, told.problem["status"])


async def if_shown(call: Call, address: str, query: dict[str, str] | None = None) -> Any:
    """What the API answers, None where its reader is not shown it."""
    try:
        return (await ask(call, "GET", address, query=query)).body
    except Told as told:
        if told.problem["code"] in _NOT_SHOWN:
            return None
        raise


def downloads(operations: Sequence[Operation]) -> list[Operation]:
    """Every file that the API gives to people, under the same address below ``/work``.

    A browser that is signed in has no token to ask the API itself with.
    """
    return [
        page_of(
            "GET",
            f"/work{one.path.removeprefix('/api')}",
            _pass_on,
            one.summary,
            parameters=one.parameters,
            unhurried=True,
        )
        for one in operations
        if one.method == "GET"
        and one.right is not Right.ANYONE
        and one.answer_media not in ("application/json", "text/html", "text/event-stream")
    ]


async def _pass_on(call: Call) -> Response:
    url = call.request.url
    asked = dict(parameters(call.request))
    return await fetch(call, "GET", f"/api{url.path.removeprefix('/work')}", query=asked)
