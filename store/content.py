"""What people write: revisions of a filing's content, and notes under their hash."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from domain.case.events import EventName
from domain.case.status import Status
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from store.data_keys import hiding
from store.hidden import Destroyed, destroyed
from store.tables import cases, journal, notes, revisions


class Revision(Value):
    """One saved revision; ``content`` maps a part's id to its form's values."""

    case_id: str
    revision: int
    sha256: str
    content: dict[str, Any]
    saved_by: str
    saved_at: datetime


async def latest_revision(connection: AsyncConnection, case_id: str) -> Revision | None:
    """The newest revision of a case's content, None if nothing was saved yet.

    Raises Refused when it is not what was saved, or submitted, or was destroyed.
    """
    return await _one(connection, case_id, None)


async def revision(connection: AsyncConnection, case_id: str, number: int) -> Revision | None:
    """One revision of a case's content, None if there is none with this number.

    Raises Refused when it is not what was saved, or submitted, or was destroyed.
    """
    return await _one(connection, case_id, number)


async def _one(connection: AsyncConnection, case_id: str, number: int | None) -> Revision | None:
    named = [revisions.c[name] for name in Revision.model_fields]
    query = select(*named, _SUBMITTED).where(revisions.c.case_id == case_id)
    if number is not None:
        query = query.where(revisions.c.revision == number)
    found = await connection.execute(query.order_by(revisions.c.revision.desc()).limit(1))
    row = found.mappings().first()
    if row is None:
        return None
    if row["content"] is Destroyed.KEY:
        raise Refused(destroyed(case_id))
    read = Revision(**{name: row[name] for name in Revision.model_fields})
    kept = {read.sha256, row["submitted"] or read.sha256}
    if kept != {sha256_of(read.content)}:
        params = {"case": case_id, "what": f"第 {read.revision} 稿的内容"}
        raise Refused(Refusal(code=Code.CONTENT_ALTERED, params=params))
    return read


_SUBMITTED = (
    select(journal.c.step["body"]["content_sha256"].astext)
    .where(
        journal.c.case_id == revisions.c.case_id,
        journal.c.event == EventName.SUBMITTED,
        journal.c.step["body"]["revision"].as_integer() == revisions.c.revision,
    )
    .order_by(journal.c.sequence.desc())
    .limit(1)
    .scalar_subquery()
    .label("submitted")
)
"""What the journal says was submitted: whoever changes a revision by hand may change its hash."""


async def save_revision(
    connection: AsyncConnection,
    case_id: str,
    based_on: int,
    content: dict[str, Any],
    saved_by: str,
    saved_at: datetime,
) -> Revision | None:
    """Saves the revision after ``based_on``; None when somebody else has saved that one.

    The very same content saved again by the same person is answered with what stands.
    """
    new = Revision(
        case_id=case_id,
        revision=based_on + 1,
        sha256=sha256_of(content),
        content=content,
        saved_by=saved_by,
        saved_at=saved_at,
    )
    # gaps would let a writer with a made-up base overtake others
    if based_on and await revision(connection, case_id, based_on) is None:
        return None
    key = await hiding(connection, case_id)
    done = await connection.execute(
        insert(revisions)
        .values(new.model_dump() | {"content": key.of(content, str(new.revision))})
        .on_conflict_do_nothing()
        .returning(revisions.c.saved_at)
    )
    saved = done.first()
    if saved is not None:
        # the instant as the database tells it, so that a retry is answered word for word
        return new.model_copy(update={"saved_at": saved.saved_at})
    standing = await revision(connection, case_id, new.revision)
    same = standing is not None and (standing.sha256, standing.saved_by) == (new.sha256, saved_by)
    return standing if same else None


class Completed(Value):
    """What a case that is complete was complete with, and the rule set it ran on."""

    rule_set: str
    content: dict[str, Any]


async def completed(connection: AsyncConnection, case_id: str) -> Completed | None:
    """The content of a case that is complete; None for any other, and where it is destroyed."""
    found = await connection.execute(
        select(cases.c.rule_set, revisions.c.content)
        .join(
            revisions,
            (revisions.c.case_id == cases.c.case_id) & (revisions.c.revision == cases.c.revision),
        )
        .where(cases.c.case_id == case_id, cases.c.status == Status.COMPLETED)
    )
    row = found.mappings().first()
    if row is None or row["content"] is Destroyed.KEY:
        return None
    return Completed(**row)


async def history(connection: AsyncConnection, case_id: str) -> list[Revision]:
    """All revisions of a case, the newest first, without their content."""
    found = await connection.execute(
        select(*(revisions.c[name] for name in Revision.model_fields if name != "content"))
        .where(revisions.c.case_id == case_id)
        .order_by(revisions.c.revision.desc())
    )
    return [Revision(**row, content={}) for row in found.mappings()]


async def editors(connection: AsyncConnection, case_id: str, after: int) -> tuple[str, ...]:
    """Who has saved a revision of a case after one, by name."""
    found = await connection.execute(
        select(revisions.c.saved_by)
        .distinct()
        .where(revisions.c.case_id == case_id, revisions.c.revision > after)
        .order_by(revisions.c.saved_by)
    )
    return tuple(found.scalars())


async def save_note(connection: AsyncConnection, note: dict[str, Any]) -> str:
    """Keeps a note; returns the sha256 it is found under."""
    sha256 = sha256_of(note)
    key = await hiding(connection, f"note/{sha256}")
    await connection.execute(
        insert(notes).values(sha256=sha256, note=key.of(note)).on_conflict_do_nothing()
    )
    return sha256


async def notes_by_sha256(
    connection: AsyncConnection, hashes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The notes kept under these hashes; none whose key has been destroyed."""
    found = await connection.execute(
        select(notes.c.sha256, notes.c.note).where(notes.c.sha256 == func.any(list(hashes)))
    )
    return {row.sha256: row.note for row in found if row.note is not Destroyed.KEY}
