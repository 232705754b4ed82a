"""Announcements, help, questions and answers: published by operators for their jurisdiction."""

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.announcements import Audience, Piece, PieceKind, addressed, shown
from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from store import announcements, content, institutions, journal
from store.announcements import ANNOUNCEMENTS
from store.announcements import Attachment as Attachment
from store.announcements import Version as Version

LARGEST_ATTACHMENT = 10 * 1024 * 1024
MOST_ATTACHMENTS = 10
_KEEP = timedelta(seconds=2)
"""For how long a process shows cases the pieces it has read, unless it published itself."""

ATTACHMENTS: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "application/pdf": ("pdf", (b"%PDF-",)),
    "image/png": ("png", (b"\x89PNG\r\n\x1a\n",)),
    "image/jpeg": ("jpg", (b"\xff\xd8\xff",)),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (
        "docx",
        (b"PK\x03\x04",),
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (
        "xlsx",
        (b"PK\x03\x04",),
    ),
}
"""What can be attached: the ending of its name, and how its content begins, by media type."""


class Said(Value):
    """What a piece says, and to whom, from when until when."""

    title: str
    body: str
    audience: tuple[Audience, ...]
    campaign: str = ""
    shown_from: datetime | None = None
    shown_until: datetime | None = None


class Published(NamedTuple):
    """A piece with its newest version, and its attachments."""

    piece: Piece
    version: Version
    files: tuple[Attachment, ...]


class AnnouncementService:
    """Publishes pieces, and finds those that are for somebody."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._standing: list[Piece] = []
        self._read_at: datetime | None = None

    # --- publishing ----------------------------------------------------------------------------

    async def publish(
        self, kind: PieceKind, jurisdiction: str, said: Said, actor: Actor, command_id: str
    ) -> Published:
        """Publishes a piece; the same command again is the same piece."""
        id_ = hashlib.sha256(f"announcement|{command_id}".encode()).hexdigest()[:32]
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, ANNOUNCEMENTS)
            if await announcements.by_id(connection, id_) is None:
                await self._put(
                    connection,
                    "announcement_published",
                    id_,
                    kind,
                    jurisdiction,
                    1,
                    said,
                    actor,
                    now,
                    command_id,
                )
        return await self.find(id_)

    async def change(self, id_: str, said: Said, actor: Actor, command_id: str) -> Published:
        """Publishes a piece's next version. Raises Refused: unknown, or withdrawn."""
        now = self._clock()
        async with self._engine.begin() as connection:
            await journal.lock(connection, ANNOUNCEMENTS)
            piece = await self._standing_piece(connection, id_)
            if await journal.by_command(connection, ANNOUNCEMENTS, command_id) is None:
                await self._put(
                    connection,
                    "announcement_changed",
                    id_,
                    piece.kind,
                    piece.jurisdiction,
                    piece.version + 1,
                    said,
                    actor,
                    now,
                    command_id,
                    begun=piece.shown_from,
                )
        return await self.find(id_)

    async def withdraw(self, id_: str, reason: str, actor: Actor, command_id: str) -> Published:
        """Has a piece not shown any more; withdrawing it again changes nothing."""
        async with self._engine.begin() as connection:
            await journal.lock(connection, ANNOUNCEMENTS)
            piece = await self._piece(connection, id_)
            if piece.withdrawn_at is None:
                now = self._clock()
                await announcements.withdraw(connection, id_, now)
                note = await content.save_note(connection, {"reason": reason})
                body = {"announcement": id_, "version": piece.version, "title": piece.title}
                await journal.append_operator_step(
                    connection,
                    ANNOUNCEMENTS,
                    "announcement_withdrawn",
                    actor,
                    now,
                    body,
                    command_id,
                    note_sha256=note,
                )
        self._read_at = None
        return await self.find(id_)

    async def attach(
        self, id_: str, name: str, media: str, data: bytes, actor: Actor, command_id: str
    ) -> Published:
        """Puts a file beside a piece. Raises Refused: no such file type, too many of them."""
        ending, beginnings = ATTACHMENTS[media]
        if not data.startswith(beginnings) or not name.lower().endswith((f".{ending}", ".jpeg")):
            raise Refused(Refusal(code=Code.ATTACHMENT_UNFIT, params={"wanted": ending}))
        now = self._clock()
        file = Attachment(
            sha256=hashlib.sha256(data).hexdigest(),
            name=name,
            media=media,
            size=len(data),
            added_at=now,
            removed_at=None,
        )
        async with self._engine.begin() as connection:
            await journal.lock(connection, ANNOUNCEMENTS)
            await self._standing_piece(connection, id_)
            present = (await announcements.files_of(connection, [id_]))[id_]
            if file.sha256 not in {one.sha256 for one in present}:
                if len(present) >= MOST_ATTACHMENTS:
                    params = {"most": str(MOST_ATTACHMENTS)}
                    raise Refused(Refusal(code=Code.TOO_MANY_ATTACHMENTS, params=params))
                await announcements.attach(connection, id_, file, data, actor.subject)
                await self._on_file(connection, "attachment_added", id_, file, actor, command_id)
        return await self.find(id_)

    async def detach(self, id_: str, sha256: str, actor: Actor, command_id: str) -> Published:
        """Has a file not shown any more; it is kept. Raises Refused for none."""
        async with self._engine.begin() as connection:
            await journal.lock(connection, ANNOUNCEMENTS)
            if await journal.by_command(connection, ANNOUNCEMENTS, command_id) is None:
                present = (await announcements.files_of(connection, [id_]))[id_]
                file = next((one for one in present if one.sha256 == sha256), None)
                if file is None:
                    raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一附件"}))
                await announcements.detach(connection, id_, sha256, self._clock())
                await self._on_file(connection, "attachment_removed", id_, file, actor, command_id)
        return await self.find(id_)

    # --- finding -------------------------------------------------------------------------------

    async def find(self, id_: str) -> Published:
        """A piece, whether it is shown or not. Raises Refused for none."""
        async with self._engine.connect() as connection:
            piece = await self._piece(connection, id_)
            said = await announcements.versions(connection, id_)
            files = (await announcements.files_of(connection, [id_]))[id_]
        return Published(piece, said[-1], tuple(files))

    async def seen(self, id_: str, role: Role | None, region: str) -> Published:
        """A piece that is shown now to somebody. Raises Refused for any other."""
        published = await self.find(id_)
        if not shown(published.piece, self._clock()) or not addressed(
            published.piece, role, region
        ):
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一公告"}))
        return published

    async def content_of(self, id_: str, sha256: str) -> tuple[Attachment, bytes]:
        """A file of a piece. Raises Refused for none."""
        async with self._engine.connect() as connection:
            found = await announcements.content_of(connection, id_, sha256)
        if found is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一附件"}))
        return found

    async def versions(self, id_: str) -> list[Version]:
        """All versions of a piece. Raises Refused for none."""
        async with self._engine.connect() as connection:
            await self._piece(connection, id_)
            return await announcements.versions(connection, id_)

    async def pieces_for(
        self, role: Role | None, region: str, kind: PieceKind | None
    ) -> list[Piece]:
        """What is shown now to somebody, the newest first."""
        async with self._engine.connect() as connection:
            standing = await announcements.standing(connection, self._clock())
        return [
            piece
            for piece in standing
            if addressed(piece, role, region) and kind in (None, piece.kind)
        ]

    async def within(self, jurisdiction: str, kind: PieceKind | None) -> list[Piece]:
        """What was published in a jurisdiction, whether it is shown or not, the newest first."""
        async with self._engine.connect() as connection:
            pieces = await announcements.within(connection, jurisdiction)
        return [piece for piece in pieces if kind in (None, piece.kind)]

    async def standing(self) -> list[Piece]:
        """All that is shown now, as it was read at most two seconds ago."""
        now = self._clock()
        if self._read_at is None or not self._read_at <= now < self._read_at + _KEEP:
            async with self._engine.connect() as connection:
                self._standing = await announcements.standing(connection, now)
            self._read_at = now
        return self._standing

    async def region_of(self, institution: str) -> str:
        """The region of an account, "" where it is not on the register."""
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [institution])
        return known[institution].facts.region if institution in known else ""

    # --- private steps -------------------------------------------------------------------------

    async def _piece(self, connection: AsyncConnection, id_: str) -> Piece:
        piece = await announcements.by_id(connection, id_)
        if piece is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这一公告"}))
        return piece

    async def _standing_piece(self, connection: AsyncConnection, id_: str) -> Piece:
        piece = await self._piece(connection, id_)
        if piece.withdrawn_at is not None:
            raise Refused(Refusal(code=Code.ANNOUNCEMENT_WITHDRAWN, at=piece.withdrawn_at))
        return piece

    async def _put(
        self,
        connection: AsyncConnection,
        event: str,
        id_: str,
        kind: PieceKind,
        jurisdiction: str,
        number: int,
        said: Said,
        actor: Actor,
        now: datetime,
        command_id: str,
        *,
        begun: datetime | None = None,
    ) -> None:
        shown_from = said.shown_from or begun or now
        if said.shown_until is not None and said.shown_until <= shown_from:
            raise Refused(Refusal(code=Code.SHOWN_NEVER, at=said.shown_until))
        known = said.model_copy(update={"shown_from": shown_from})
        version = Version(
            version=number,
            **known.model_dump(),
            published_by=actor.subject,
            published_at=now,
            sha256=sha256_of(known.model_dump(mode="json")),
        )
        piece = Piece(
            id=id_,
            kind=kind,
            jurisdiction=jurisdiction,
            version=number,
            **known.model_dump(exclude={"body"}),
            withdrawn_at=None,
        )
        await announcements.publish(connection, piece, version)
        body = {
            "announcement": id_,
            "version": number,
            "title": said.title,
            "jurisdiction": jurisdiction,
            "sha256": version.sha256,
        }
        await journal.append_operator_step(
            connection, ANNOUNCEMENTS, event, actor, now, body, command_id
        )
        self._read_at = None

    async def _on_file(
        self,
        connection: AsyncConnection,
        event: str,
        id_: str,
        file: Attachment,
        actor: Actor,
        command_id: str,
    ) -> None:
        body = {"announcement": id_, "name": file.name, "sha256": file.sha256, "size": file.size}
        await journal.append_operator_step(
            connection, ANNOUNCEMENTS, event, actor, self._clock(), body, command_id
        )
