"""Served notices on pages: all of one's own, and one in full."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call
from api.door.pages import page
from api.door.requests import path
from api.workbench.pages import CURSOR, asked_of, page_of

_Notice = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


async def list_notices(call: Call) -> Response:
    """The notices that somebody sees, the newest first."""
    asked = asked_of(call, "cursor")
    found = (await ask(call, "GET", "/api/notices", query={"size": "50", **asked})).body
    return page(call, "notices.html", {"found": found})


async def notice_page(call: Call) -> Response:
    """One notice; its addressee has seen it with that."""
    id_: str = path(call.request, "notice", _Notice)
    return page(
        call, "notice.html", {"notice": (await ask(call, "GET", f"/api/notices/{id_}")).body}
    )


PAGES = [
    page_of("GET", "/work/notices", list_notices, "送达的通知", parameters=(CURSOR,)),
    page_of("GET", "/work/notices/{notice}", notice_page, "一份通知"),
]
