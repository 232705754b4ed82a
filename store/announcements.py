"""Published pieces, their versions and attachments. No version is ever changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.announcements import Audience, Piece
from domain.model import Value
from store.areas import lies_in
from store.tables import announcement_files, announcement_versions, announcements

ANNOUNCEMENTS = "register/announcements"
"""The journal's name for what is published."""

MOST_STANDING = 2_000
"""At most so many pieces are shown at one time, the newest."""


class Version(Value):
    """One version of a piece as it was published; ``sha256`` is that of all that was said."""

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


class Attachment(Value):
    """A file that belongs to a piece, without its content."""

    sha256: str
    name: str
    media: str
    size: int
    added_at: datetime
    removed_at: datetime | None


async def publish(connection: AsyncConnection, piece: Piece, version: Version) -> None:
    """Puts a piece's newest version beside those before it."""
    values: dict[str, Any] = piece.model_dump()
    values["audience"] = [one.value for one in piece.audience]
    await connection.execute(
        upsert(announcements)
        .values(values)
        .on_conflict_do_update(index_elements=["id"], set_={**values, "id": announcements.c.id})
    )
    said: dict[str, Any] = version.model_dump()
    said["audience"] = [one.value for one in version.audience]
    await connection.execute(
        insert(announcement_versions).values({**said, "announcement_id": piece.id})
    )


async def withdraw(connection: AsyncConnection, id_: str, at: datetime) -> None:
    """Has a piece not shown any more."""
    await connection.execute(
        update(announcements)
        .where(announcements.c.id == id_, announcements.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at)
    )


async def by_id(connection: AsyncConnection, id_: str) -> Piece | None:
    """One piece, None if there is none with this id."""
    rows = await connection.execute(select(announcements).where(announcements.c.id == id_))
    row = rows.mappings().first()
    return Piece(**row) if row else None


async def versions(connection: AsyncConnection, id_: str) -> list[Version]:
    """All versions of a piece, the first one first."""
    named = [announcement_versions.c[name] for name in Version.model_fields]
    rows = await connection.execute(
        select(*named)
        .where(announcement_versions.c.announcement_id == id_)
        .order_by(announcement_versions.c.version)
    )
    return [Version(**row) for row in rows.mappings()]


async def standing(connection: AsyncConnection, now: datetime) -> list[Piece]:
    """The pieces that are shown at an instant to whom they are for, the newest first."""
    rows = await connection.execute(
        select(announcements)
        .where(
            announcements.c.withdrawn_at.is_(None),
            announcements.c.shown_from <= now,
            or_(announcements.c.shown_until.is_(None), announcements.c.shown_until > now),
        )
        .order_by(announcements.c.shown_from.desc(), announcements.c.id.desc())
        .limit(MOST_STANDING)
    )
    return [Piece(**row) for row in rows.mappings()]


async def within(connection: AsyncConnection, jurisdiction: str) -> list[Piece]:
    """All pieces of a jurisdiction and those in it, whether they are shown or not."""
    rows = await connection.execute(
        select(announcements)
        .where(lies_in(announcements.c.jurisdiction, jurisdiction))
        .order_by(announcements.c.shown_from.desc(), announcements.c.id.desc())
        .limit(MOST_STANDING)
    )
    return [Piece(**row) for row in rows.mappings()]


# --- attachments ----------------------------------------------------------------------------------


async def attach(
    connection: AsyncConnection, id_: str, file: Attachment, content: bytes, by: str
) -> None:
    """Puts a file beside a piece; one that was removed stands again."""
    values = {
        "announcement_id": id_,
        **file.model_dump(),
        "content": content,
        "added_by": by,
    }
    await connection.execute(
        upsert(announcement_files)
        .values(values)
        .on_conflict_do_update(
            index_elements=["announcement_id", "sha256"],
            set_={"removed_at": None, "name": file.name, "media": file.media},
        )
    )


async def detach(connection: AsyncConnection, id_: str, sha256: str, at: datetime) -> None:
    """Has a file not shown any more; it is kept."""
    await connection.execute(
        update(announcement_files)
        .where(
            announcement_files.c.announcement_id == id_,
            announcement_files.c.sha256 == sha256,
            announcement_files.c.removed_at.is_(None),
        )
        .values(removed_at=at)
    )


async def files_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[Attachment]]:
    """The files of some pieces as they stand, by name."""
    named = [announcement_files.c[name] for name in Attachment.model_fields]
    rows = await connection.execute(
        select(announcement_files.c.announcement_id, *named)
        .where(
            announcement_files.c.announcement_id == func.any(list(ids)),
            announcement_files.c.removed_at.is_(None),
        )
        .order_by(announcement_files.c.name, announcement_files.c.sha256)
    )
    files: dict[str, list[Attachment]] = {id_: [] for id_ in ids}
    for row in rows.mappings():
        known = {name: row[name] for name in Attachment.model_fields}
        files[row["announcement_id"]].append(Attachment(**known))
    return files


async def content_of(
    connection: AsyncConnection, id_: str, sha256: str
) -> tuple[Attachment, bytes] | None:
    """A file that stands with a piece, with its content; None if there is none."""
    named = [announcement_files.c[name] for name in Attachment.model_fields]
    rows = await connection.execute(
        select(*named, announcement_files.c.content).where(
            announcement_files.c.announcement_id == id_,
            announcement_files.c.sha256 == sha256,
            announcement_files.c.removed_at.is_(None),
        )
    )
    row = rows.mappings().first()
    if row is None:
        return None
    known = {name: row[name] for name in Attachment.model_fields}
    return Attachment(**known), bytes(row["content"])
