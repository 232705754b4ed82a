"""The first page, for everybody, and where a workbench begins."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from api.announcements.announcements import listed, reader_of
from api.door.asking import ask
from api.door.operations import Call, Operation
from api.door.pages import render
from api.door.parts import parts_of
from api.door.rights import ROLES, Right
from domain.announcements import PieceKind
from domain.case.commands import Role

_LATEST = 5


async def duties_of(call: Call) -> list[dict[str, Any]]:
    """The duties of the reader's authority, none for whoever has to do with none."""
    if call.actor.role not in ROLES[Right.SEE_DUTIES]:
        return []
    items: list[dict[str, Any]] = (await ask(call, "GET", "/api/duties")).body["items"]
    return items


async def home_page(call: Call) -> Response:
    """What this is, and where everything stands."""
    role, region = await reader_of(call)
    pieces = await parts_of(call.request).announcements.pieces_for(role, region, None)
    values = {"pieces": [listed(one) for one in pieces][:_LATEST], "kinds": PieceKind}
    return render("home.html", values, {"Cache-Control": "public, max-age=30"})


_BEGINNINGS = {
    Role.FILER: "/work/filings",
    Role.RESPONSIBLE: "/work/filings",
    Role.REVIEWER: "/work/tasks",
    Role.CHECKER: "/work/tasks",
    Role.CLERK: "/work/certificates",
    Role.OFFICER: "/work/enforcement",
    Role.DECIDER: "/work/enforcement",
    Role.OPERATOR: "/work/campaigns",
    Role.AUDITOR: "/work/audit",
}


async def work_page(call: Call) -> Response:
    """Where somebody's work begins."""
    return RedirectResponse(_BEGINNINGS.get(call.actor.role, "/me"), status_code=303)


PAGES = [
    Operation("GET", "/", home_page, "首页", "页面", Right.ANYONE, None, answer_media="text/html"),
    Operation(
        "GET",
        "/work",
        work_page,
        "工作台",
        "页面",
        Right.SIGNED_IN,
        None,
        answer_media="text/html",
    ),
]
