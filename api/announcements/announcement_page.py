"""The pages on which anybody reads announcements, help, questions and answers; no scripts."""

from starlette.responses import Response

from api.announcements.announcements import AnnouncementId, listed, reader_of, shown
from api.announcements.markdown import html_of
from api.door.operations import Call, Operation, Parameter
from api.door.pages import render
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right
from domain.announcements import PIECE_KIND_LABELS, PieceKind

_KEEP = {"Cache-Control": "public, max-age=30"}


async def list_page(call: Call) -> Response:
    """What is shown to the public now, by kind."""
    given = query(call.request, "kind", str, "")
    kinds = [PieceKind(given)] if given in set(PieceKind) else list(PieceKind)
    service = parts_of(call.request).announcements
    role, region = await reader_of(call)
    pieces = await service.pieces_for(role, region, None)
    groups = [
        (PIECE_KIND_LABELS[kind], [listed(one) for one in pieces if one.kind is kind])
        for kind in kinds
    ]
    values = {
        "groups": groups,
        "kinds": PIECE_KIND_LABELS,
        "chosen": kinds[0] if len(kinds) == 1 else "",
    }
    return render("announcements.html", values, _KEEP)


async def piece_page(call: Call) -> Response:
    """One piece."""
    id_: str = path(call.request, "announcement", AnnouncementId)
    published = await parts_of(call.request).announcements.seen(id_, *await reader_of(call))
    values = {"piece": shown(published), "body": html_of(published.version.body)}
    return render("announcement.html", values, _KEEP)


PAGES = [
    Operation(
        "GET",
        "/announcements",
        list_page,
        "公告、帮助和常见问题",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        parameters=(Parameter("kind", "只看一类"),),
    ),
    Operation(
        "GET",
        "/announcements/{announcement}",
        piece_page,
        "一则公告",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
    ),
]
