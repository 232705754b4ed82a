"""What is published: announcements (系统公告), help (系统帮助), questions and answers (常见问题).

A piece is for an audience within a jurisdiction, from one instant until another. Pure.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from domain.case.commands import Role
from domain.ids import NATION
from domain.jurisdictions import lies_in
from domain.model import Value


class PieceKind(StrEnum):
    """What a published piece is."""

    ANNOUNCEMENT = "announcement"
    HELP = "help"
    QUESTION = "question"


PIECE_KIND_LABELS: dict[PieceKind, str] = {
    PieceKind.ANNOUNCEMENT: "系统公告",
    PieceKind.HELP: "系统帮助",
    PieceKind.QUESTION: "常见问题",
}


class Audience(StrEnum):
    """Whom a piece is for: the public, which is everybody, or people in a capacity."""

    PUBLIC = "public"
    FILER = "filer"
    REVIEWER = "reviewer"
    CHECKER = "checker"
    CLERK = "clerk"
    OPERATOR = "operator"
    AUDITOR = "auditor"


AUDIENCE_LABELS: dict[Audience, str] = {
    Audience.PUBLIC: "公众",
    Audience.FILER: "检验检测机构",
    Audience.REVIEWER: "审核人",
    Audience.CHECKER: "质量审查人",
    Audience.CLERK: "发证经办人",
    Audience.OPERATOR: "经办人",
    Audience.AUDITOR: "审计人",
}


class Piece(Value):
    """A published piece as it stands: its newest version, without the body.

    It is shown from ``shown_from`` on and before ``shown_until``, None for no end; not once it was
    withdrawn. ``campaign`` is that of the cases it matters to, "" for all of them.
    """

    id: str
    kind: PieceKind
    jurisdiction: str
    version: int
    title: str
    audience: tuple[Audience, ...]
    campaign: str
    shown_from: datetime
    shown_until: datetime | None
    withdrawn_at: datetime | None


def shown(piece: Piece, now: datetime) -> bool:
    """Whether a piece is to be seen at an instant by whom it is for."""
    ended = piece.shown_until is not None and piece.shown_until <= now
    return piece.withdrawn_at is None and piece.shown_from <= now and not ended


def addressed(piece: Piece, role: Role | None, region: str) -> bool:
    """Whether a piece is for somebody: in a capacity (None: the public), of a region.

    ``region`` is the code of the area somebody is of, "" where it is not known or everywhere: then
    pieces of all jurisdictions are for it.
    """
    if Audience.PUBLIC not in piece.audience and (
        role is None or role.value not in {one.value for one in piece.audience}
    ):
        return False
    return not region or lies_in(region, piece.jurisdiction)


def about_case(
    pieces: Iterable[Piece], role: Role, region: str, campaign: str, now: datetime
) -> list[Piece]:
    """The announcements that matter to a case, the newest first: of its region and its campaign."""
    return sorted(
        (
            piece
            for piece in pieces
            if piece.kind is PieceKind.ANNOUNCEMENT
            and shown(piece, now)
            and addressed(piece, role, region or NATION)
            and piece.campaign in ("", campaign)
        ),
        key=lambda piece: (piece.shown_from, piece.id),
        reverse=True,
    )
