"""Announcements, help, questions and answers over HTTP: read by whom they are for, published."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from api.announcements.markdown import html_of
from api.cases.acts import Cause
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Plain, media_type, path, query
from api.door.rights import SCOPES, Right, Scope, Target, check, region_in_sight
from domain.announcements import AUDIENCE_LABELS, PIECE_KIND_LABELS, Audience, Piece, PieceKind
from domain.case.commands import SYSTEM, Role
from domain.ids import NATION, JurisdictionCode, jurisdiction_of
from domain.model import Value
from domain.text import Trimmed, Visible
from services.announcements import (
    ATTACHMENTS,
    LARGEST_ATTACHMENT,
    MOST_ATTACHMENTS,
    Attachment,
    Published,
    Said,
)

AnnouncementId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Title = Annotated[
    str,
    Field(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s]$"),
    Trimmed,
    Visible,
]
_Body = Annotated[
    str,
    Field(
        max_length=50_000,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\s]"
        r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
    ),
]
_Campaign = Annotated[str, Field(pattern=r"^(campaign/2[0-9]{3}(Q[1-4])?/[0-9]{6})?$")]
_Name = Annotated[Plain, Field(min_length=1, max_length=120, pattern=r"^[^/\\\x00-\x1f\x7f]+$")]


class PieceBody(Value):
    """What a piece says, to whom, from when until when; without ``shown_from``: at once.

    ``body`` is Markdown without HTML and images. ``campaign`` is that of the cases it matters to,
    "" for all of them.
    """

    title: _Title
    body: _Body
    audience: tuple[Audience, ...] = Field(min_length=1, max_length=7)
    campaign: _Campaign = ""
    shown_from: AwareDatetime | None = None
    shown_until: AwareDatetime | None = None

    def said(self) -> Said:
        """The same as services take it."""
        known = {name: getattr(self, name) for name in Said.model_fields}
        return Said(**{**known, "audience": tuple(dict.fromkeys(self.audience))})


class NewPieceBody(PieceBody):
    """A new piece, for the jurisdiction it is published in."""

    kind: PieceKind
    jurisdiction: JurisdictionCode


class AttachmentShown(Value):
    """A file of a piece; its content is under its sha256."""

    sha256: str
    name: str
    media: str
    size: int


class PieceListed(Value):
    """A piece in a list, without its body."""

    id: str
    kind: PieceKind
    kind_label: str
    title: str
    jurisdiction: str
    audience: tuple[Audience, ...]
    audience_labels: tuple[str, ...]
    campaign: str
    version: int
    shown_from: datetime
    shown_until: datetime | None
    withdrawn_at: datetime | None


class PieceShown(PieceListed):
    """A piece as it stands; ``html`` is its body for a page, safe to show."""

    body: str
    html: str
    published_at: datetime
    sha256: str
    attachments: tuple[AttachmentShown, ...]


class PiecePage(Value):
    """A page of pieces, the newest first."""

    items: tuple[PieceListed, ...]
    next: str | None


class VersionShown(Value):
    """One version of a piece."""

    version: int
    title: str
    body: str
    audience: tuple[Audience, ...]
    campaign: str
    shown_from: datetime
    shown_until: datetime | None
    published_by: str
    published_at: datetime
    sha256: str


class VersionList(Value):
    """All versions of a piece, the first one first, and the files beside it."""

    piece: PieceListed
    items: tuple[VersionShown, ...]
    attachments: tuple[AttachmentShown, ...]


def listed(piece: Piece) -> PieceListed:
    """A piece as lists show it."""
    return PieceListed(
        **piece.model_dump(),
        kind_label=PIECE_KIND_LABELS[piece.kind],
        audience_labels=tuple(AUDIENCE_LABELS[one] for one in piece.audience),
    )


def shown(published: Published) -> PieceShown:
    """A piece as it stands, with its body."""
    return PieceShown(
        **listed(published.piece).model_dump(),
        body=published.version.body,
        html=html_of(published.version.body),
        published_at=published.version.published_at,
        sha256=published.version.sha256,
        attachments=tuple(_attachment(file) for file in published.files),
    )


def _attachment(file: Attachment) -> AttachmentShown:
    return AttachmentShown(**file.model_dump(exclude={"added_at", "removed_at"}))


async def reader_of(call: Call) -> tuple[Role | None, str]:
    """In which capacity somebody reads, and of which region; the public has neither."""
    actor = call.actor
    if actor.role is SYSTEM.role:
        return None, ""
    match SCOPES[actor.role]:
        case Scope.INSTITUTION:
            # who is not on the register yet is of no place: what is for all of the nation is for it
            known = await parts_of(call.request).announcements.region_of(actor.scope)
            return actor.role, known or NATION
        case Scope.AUTHORITY:
            region = jurisdiction_of(actor.scope)
        case Scope.JURISDICTION:
            region = actor.scope
        case Scope.EVERYTHING:
            region = ""
    return actor.role, "" if region == NATION else region


def _id_of(call: Call) -> str:
    id_: str = path(call.request, "announcement", AnnouncementId)
    return id_


async def of_announcement(request: Request) -> Target:
    """The piece named by the path. Raises Refused for none."""
    id_: str = path(request, "announcement", AnnouncementId)
    published = await parts_of(request).announcements.find(id_)
    return Target(region=published.piece.jurisdiction)


# --- reading --------------------------------------------------------------------------------------


async def list_pieces(call: Call) -> Response:
    """What is shown now to whoever asks."""
    kind = query(call.request, "kind", PieceKind | None, None)
    role, region = await reader_of(call)
    pieces = await parts_of(call.request).announcements.pieces_for(role, region, kind)
    return await _page(call, pieces)


async def list_published(call: Call) -> Response:
    """What was published in the asker's jurisdiction, whether it is shown or not."""
    kind = query(call.request, "kind", PieceKind | None, None)
    within = region_in_sight(call.actor)
    return await _page(call, await parts_of(call.request).announcements.within(within, kind))


async def _page(call: Call, pieces: list[Piece]) -> Response:
    last = cursors.given(call.request, (str,))
    if last is not None:
        ids = [piece.id for piece in pieces]
        # one that is not shown any more ends nothing: what comes after it is not known
        pieces = pieces[ids.index(last[0]) + 1 :] if last[0] in ids else []

    async def fetch(size: int) -> list[Piece]:
        return pieces[:size]

    rows, following = await cursors.paged(call.request, fetch, lambda piece: [piece.id])
    return json_of(PiecePage(items=tuple(map(listed, rows)), next=following))


async def get_piece(call: Call) -> Response:
    """One piece that is shown now to whoever asks."""
    role, region = await reader_of(call)
    published = await parts_of(call.request).announcements.seen(_id_of(call), role, region)
    return json_of(shown(published))


async def get_file(call: Call) -> Response:
    """A file of a piece that is shown now to whoever asks."""
    role, region = await reader_of(call)
    service, id_ = parts_of(call.request).announcements, _id_of(call)
    await service.seen(id_, role, region)
    sha256: str = path(call.request, "file", _Sha256)
    file, content = await service.content_of(id_, sha256)
    return Response(
        content,
        # whatever it is, it is to be saved
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


async def list_versions(call: Call) -> Response:
    """All versions of a piece."""
    service, id_ = parts_of(call.request).announcements, _id_of(call)
    published, versions = await service.find(id_), await service.versions(id_)
    body = VersionList(
        piece=listed(published.piece),
        items=tuple(VersionShown(**version.model_dump()) for version in versions),
        attachments=tuple(_attachment(file) for file in published.files),
    )
    return json_of(body)


# --- publishing -----------------------------------------------------------------------------------


async def publish(call: Call) -> Response:
    """Publishes a piece."""
    body: NewPieceBody = call.body
    check(Right.PUBLISH, call.actor, Target(region=body.jurisdiction))
    published = await parts_of(call.request).announcements.publish(
        body.kind, body.jurisdiction, body.said(), call.actor, call.command_id
    )
    return json_of(shown(published), status_code=201)


async def change(call: Call) -> Response:
    """Publishes the next version of a piece."""
    body: PieceBody = call.body
    published = await parts_of(call.request).announcements.change(
        _id_of(call), body.said(), call.actor, call.command_id
    )
    return json_of(shown(published))


async def withdraw(call: Call) -> Response:
    """Has a piece not shown any more."""
    published = await parts_of(call.request).announcements.withdraw(
        _id_of(call), call.body.reason, call.actor, call.command_id
    )
    return json_of(shown(published))


async def attach(call: Call) -> Response:
    """Puts a file beside a piece."""
    name: str = query(call.request, "filename", _Name, "")
    published = await parts_of(call.request).announcements.attach(
        _id_of(call), name, media_type(call.request), call.body, call.actor, call.command_id
    )
    return json_of(shown(published), status_code=201)


async def detach(call: Call) -> Response:
    """Takes a file off a piece."""
    sha256: str = path(call.request, "file", _Sha256)
    published = await parts_of(call.request).announcements.detach(
        _id_of(call), sha256, call.actor, call.command_id
    )
    return json_of(shown(published))


_TAG = "公告"
_KIND = Parameter(
    "kind", "announcement 系统公告、help 系统帮助、question 常见问题", schema=schema_of(PieceKind)
)
_EXAMPLE: dict[str, Any] = {
    "title": "2024 年度统计直报开放填报（生成）",
    "body": "请于 **3 月 21 日**前完成填报。",
    "audience": ["filer"],
    "campaign": "campaign/2024/000000",
    "shown_until": "2099-03-22T00:00:00+08:00",
}
_API, _PUBLIC = "/api/announcements", "/public/announcements"
_ONE = f"{_API}/{{announcement}}"

OPERATIONS = [
    Operation(
        "GET",
        _PUBLIC,
        list_pieces,
        "公众可见的公告、帮助和常见问题",
        _TAG,
        Right.ANYONE,
        PiecePage,
        parameters=(_KIND, *PAGING),
    ),
    Operation(
        "GET",
        f"{_PUBLIC}/{{announcement}}",
        get_piece,
        "一则公众可见的公告",
        _TAG,
        Right.ANYONE,
        PieceShown,
    ),
    Operation(
        "GET",
        f"{_PUBLIC}/{{announcement}}/files/{{file}}",
        get_file,
        "公众可见公告的附件",
        _TAG,
        Right.ANYONE,
        None,
        answer_media="application/octet-stream",
    ),
    Operation(
        "GET",
        _API,
        list_pieces,
        "给本人的公告、帮助和常见问题",
        _TAG,
        Right.SIGNED_IN,
        PiecePage,
        parameters=(_KIND, *PAGING),
        description="按身份和所在辖区；给公众的也在内。",
    ),
    Operation(
        "POST",
        _API,
        publish,
        "发布公告",
        _TAG,
        Right.PUBLISH,
        PieceShown,
        body=NewPieceBody,
        writes=True,
        status=201,
        example={"kind": "announcement", "jurisdiction": "000000", **_EXAMPLE},
        description="正文为 Markdown，不含 HTML 和图片；辖区须在本人的辖区之内。",
    ),
    Operation(
        "GET",
        f"{_API}/published",
        list_published,
        "本辖区发布过的公告",
        _TAG,
        Right.SEE_REGISTER,
        PiecePage,
        parameters=(_KIND, *PAGING),
        description="含未到期的、已过期的和已撤下的。",
    ),
    Operation(
        "GET",
        _ONE,
        get_piece,
        "一则公告",
        _TAG,
        Right.SIGNED_IN,
        PieceShown,
    ),
    Operation(
        "GET",
        f"{_ONE}/files/{{file}}",
        get_file,
        "公告的附件",
        _TAG,
        Right.SIGNED_IN,
        None,
        answer_media="application/octet-stream",
    ),
    Operation(
        "POST",
        _ONE,
        change,
        "更新公告",
        _TAG,
        Right.PUBLISH,
        PieceShown,
        target=of_announcement,
        body=PieceBody,
        writes=True,
        example=_EXAMPLE,
        description="发布下一版；各版都保留。",
    ),
    Operation(
        "GET",
        f"{_ONE}/versions",
        list_versions,
        "公告的各版",
        _TAG,
        Right.SEE_REGISTER,
        VersionList,
        target=of_announcement,
    ),
    Operation(
        "POST",
        f"{_ONE}/withdraw",
        withdraw,
        "撤下公告",
        _TAG,
        Right.PUBLISH,
        PieceShown,
        target=of_announcement,
        body=Cause,
        writes=True,
        example={"reason": "（生成）内容有误"},
    ),
    Operation(
        "POST",
        f"{_ONE}/files",
        attach,
        "添加附件",
        _TAG,
        Right.PUBLISH,
        PieceShown,
        target=of_announcement,
        media=tuple(ATTACHMENTS),
        largest=LARGEST_ATTACHMENT,
        writes=True,
        status=201,
        parameters=(
            Parameter("filename", "文件名，后缀与类型一致", required=True, schema=schema_of(_Name)),
        ),
        description=f"每件至多 10 MiB，每则至多 {MOST_ATTACHMENTS} 件。",
    ),
    Operation(
        "POST",
        f"{_ONE}/files/{{file}}/remove",
        detach,
        "移除附件",
        _TAG,
        Right.PUBLISH,
        PieceShown,
        target=of_announcement,
        writes=True,
    ),
]
