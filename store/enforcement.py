"""Enforcement: facts of filing seen through the role that sees nothing else, cases, register."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    column,
    func,
    not_,
    or_,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.status import Status
from domain.citation import Citation
from domain.clock import BEIJING
from domain.model import Value
from domain.refusals import Refused
from store.areas import lies_in, regions
from store.data_keys import hiding
from store.hidden import Destroyed, destroyed
from store.roles import ENFORCEMENT
from store.tables import (
    enforcement_attachments,
    enforcement_cases,
    enforcement_documents,
)


class FilingDates(Value):
    """What enforcement may know of a filing or a batch: the fact and the dates of it."""

    case_id: str
    kind: str
    year: int
    quarter: int
    institution_id: str
    rule_set: str
    status: Status
    obligation: str
    due: datetime
    submitted_at: datetime | None
    extended_until: datetime | None
    approved_at: datetime | None
    reminders_served: tuple[datetime, ...]


class Measure(Value):
    """A measure that took effect. ``cured``: what it was for is made good, ended or not."""

    case_id: str
    about: str
    institution_id: str
    institution_name: str
    region: str
    year: int
    authority: str
    jurisdiction: str
    measure: str
    label: str
    kind: str
    effects: tuple[str, ...]
    published: bool
    effective_at: datetime
    expires_at: datetime | None
    cure: str
    cite: Citation | None
    ended_at: datetime | None
    ended_by: str | None
    cured: bool


class Opened(Value):
    """A case of enforcement as it was opened."""

    case_id: str
    about: str
    n: int
    authority: str
    year: int
    serial: int
    opened_at: datetime


class Document(Value):
    """A document that was made, without its content."""

    case_id: str
    sequence: int
    kind: str
    number: str
    sha256: str
    made_at: datetime


class Attachment(Value):
    """A file that an institution has added, without its content."""

    case_id: str
    sha256: str
    name: str
    media: str
    given_by: str
    given_at: datetime


# --- the facts of filings -------------------------------------------------------------------------


async def filing_dates(engine: AsyncEngine, case_id: str) -> FilingDates | None:
    """The fact and the dates of one filing; None for a case of another kind, or none.

    Read as the role that may see nothing else: whatever this asked for beyond them would fail.
    """
    async with engine.begin() as connection:
        await connection.execute(text(f"SET LOCAL ROLE {ENFORCEMENT}"))
        found = await connection.execute(
            text("SELECT * FROM filing_dates_in_sight WHERE case_id = :case_id"),
            {"case_id": case_id},
        )
        row = found.mappings().first()
        if row is None:
            return None
        served = await connection.execute(
            text("SELECT at FROM reminder_dates WHERE case_id = :case_id ORDER BY at"),
            {"case_id": case_id},
        )
        known = {name: row[name] for name in FilingDates.model_fields if name in row}
        reminders = tuple(at.astimezone(BEIJING) for at in served.scalars())
        return FilingDates(**known, reminders_served=reminders)


# --- cases ----------------------------------------------------------------------------------------


async def put_on_record(
    connection: AsyncConnection,
    about: str,
    case_id_of: Any,
    authority: str,
    key: str,
    opened_by: str,
    opened_at: datetime,
) -> Opened:
    """The case that a key leads to; a new one with the next number of its authority's year."""
    year = opened_at.astimezone(BEIJING).year
    for lock in (f"enforcement|{about}", f"enforcement|{authority}|{year}"):
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))"), {"lock": lock}
        )
    standing = await opened_with(connection, about, key)
    if standing is not None:
        return standing
    n = await connection.scalar(
        select(func.coalesce(func.max(enforcement_cases.c.n), 0) + 1).where(
            enforcement_cases.c.about == about
        )
    )
    serial = await connection.scalar(
        select(func.coalesce(func.max(enforcement_cases.c.serial), 0) + 1).where(
            enforcement_cases.c.authority == authority, enforcement_cases.c.year == year
        )
    )
    assert n is not None
    added = await connection.execute(
        insert(enforcement_cases)
        .values(
            case_id=case_id_of(about, n),
            about=about,
            n=n,
            authority=authority,
            year=year,
            serial=serial,
            key=key,
            opened_by=opened_by,
            opened_at=opened_at,
        )
        .returning(*enforcement_cases.c)
    )
    return _opened(added.mappings().one())


async def opened_with(connection: AsyncConnection, about: str, key: str) -> Opened | None:
    """The case about a case that a key was opened with, None if there is none."""
    found = await connection.execute(
        select(enforcement_cases).where(
            enforcement_cases.c.about == about, enforcement_cases.c.key == key
        )
    )
    row = found.mappings().first()
    return _opened(row) if row is not None else None


def _opened(row: Any) -> Opened:
    return Opened(**{name: row[name] for name in Opened.model_fields})


async def about_of(connection: AsyncConnection, case_id: str) -> Opened | None:
    """What a case of enforcement was opened for, None if there is none."""
    found = await connection.execute(
        select(enforcement_cases).where(enforcement_cases.c.case_id == case_id)
    )
    row = found.mappings().first()
    return _opened(row) if row is not None else None


async def under_way(connection: AsyncConnection, about: str, now: datetime) -> Sequence[str]:
    """The cases about a case that have not ended; one that never began only for its first hour."""
    found = await connection.execute(
        text("""
            SELECT e.case_id FROM enforcement_cases e LEFT JOIN cases c USING (case_id)
            WHERE e.about = :about AND CASE WHEN c.case_id IS NULL
                  THEN e.opened_at > :now - interval '1 hour' ELSE c.status <> 'completed' END
            ORDER BY e.n
        """),
        {"about": about, "now": now},
    )
    return list(found.scalars())


async def to_cure(connection: AsyncConnection, size: int) -> Sequence[str]:
    """Cases not over whose filing has been approved since they were opened."""
    found = await connection.execute(
        text("""
            SELECT e.case_id FROM enforcement_cases e
            JOIN cases c ON c.case_id = e.case_id
            JOIN filing_dates f ON f.case_id = e.about
            WHERE c.status IN ('in_review', 'in_force')
              AND f.status IN ('approved', 'quality_check', 'completed')
              AND f.approved_at > c.opened_at
            ORDER BY e.case_id LIMIT :size
        """),
        {"size": size},
    )
    return list(found.scalars())


# --- what is in force -----------------------------------------------------------------------------

_REGISTER = table("enforcement_register", *(column(name) for name in Measure.model_fields))
_SEEN = _REGISTER.c


def _holds(now: datetime) -> ColumnElement[bool]:
    """In force at an instant, whatever its timers have done by then."""
    return and_(
        _SEEN.ended_at.is_(None),
        not_(_SEEN.cured),
        _SEEN.effective_at <= now,
        or_(_SEEN.expires_at.is_(None), _SEEN.expires_at > now),
    )


async def in_force(connection: AsyncConnection, institution: str, now: datetime) -> list[Measure]:
    """The measures in force against an institution at ``now``."""
    found = await connection.execute(
        select(_REGISTER)
        .where(_SEEN.institution_id == institution, _holds(now))
        .order_by(_SEEN.effective_at, _SEEN.case_id)
    )
    return [_measure(row) for row in found.mappings()]


async def register(
    connection: AsyncConnection,
    now: datetime,
    *,
    within: str = "",
    measure: str | None = None,
    holds: bool | None = None,
    published: bool | None = None,
    name: str = "",
    after: tuple[datetime, str] | None = None,
    size: int = 50,
) -> list[Measure]:
    """Up to ``size`` measures that took effect, the newest first; ``holds``: in force, or over."""
    query = (
        select(_REGISTER)
        .where(_SEEN.effective_at <= now)
        .order_by(_SEEN.effective_at.desc(), _SEEN.case_id.desc())
        .limit(size)
    )
    query = query.where(lies_in(_SEEN.region, within))
    if measure is not None:
        query = query.where(_SEEN.measure == measure)
    if holds is not None:
        query = query.where(_holds(now) if holds else not_(_holds(now)))
    if published is not None:
        query = query.where(_SEEN.published == published)
    if name:
        query = query.where(_SEEN.institution_name.contains(name, autoescape=True))
    if after is not None:
        query = query.where(tuple_(_SEEN.effective_at, _SEEN.case_id) < tuple_(*after))
    found = await connection.execute(query)
    return [_measure(row) for row in found.mappings()]


def _measure(row: Any) -> Measure:
    known = {name: row[name] for name in Measure.model_fields}
    return Measure(**{**known, "effects": tuple(row["effects"] or ())})


async def figures(
    connection: AsyncConnection, campaign: str, within: str
) -> list[tuple[str, str, str, int]]:
    """Of a campaign's enforcement: stage event, measure, how it ended, and how many cases."""
    found = await connection.execute(
        text("""
            SELECT c.status,
                   coalesce((SELECT j.step -> 'body' ->> 'measure' FROM journal j
                             WHERE j.case_id = c.case_id AND j.event = 'measure_proposed'
                             ORDER BY j.sequence DESC LIMIT 1), '') AS measure,
                   coalesce((SELECT j.step -> 'body' ->> 'by' FROM journal j
                             WHERE j.case_id = c.case_id AND j.event = 'measure_ended'
                             ORDER BY j.sequence DESC LIMIT 1), '') AS ended_by,
                   count(*) AS cases
            FROM enforcement_cases e
            JOIN cases c ON c.case_id = e.case_id
            JOIN cases f ON f.case_id = e.about
            JOIN institutions i ON i.id = c.institution_id
            WHERE f.campaign = :campaign
              AND coalesce(i.region = ANY(CAST(:regions AS text[])), true)
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """),
        {"campaign": campaign, "regions": regions(within)},
    )
    return [(row.status, row.measure, row.ended_by, row.cases) for row in found]


# --- documents and attachments --------------------------------------------------------------------


async def keep_document(
    connection: AsyncConnection,
    case_id: str,
    sequence: int,
    kind: str,
    number: str,
    sha256: str,
    content: bytes,
    made_at: datetime,
) -> str:
    """Keeps a document of a step; the sha256 of the one that stands, this or an earlier one."""
    key = await hiding(connection, case_id)
    await connection.execute(
        insert(enforcement_documents)
        .values(
            case_id=case_id,
            sequence=sequence,
            kind=kind,
            number=number,
            sha256=sha256,
            content=key.of(content, str(sequence)),
            made_at=made_at,
        )
        .on_conflict_do_nothing()
    )
    standing = await connection.scalar(
        select(enforcement_documents.c.sha256).where(
            enforcement_documents.c.case_id == case_id,
            enforcement_documents.c.sequence == sequence,
        )
    )
    assert standing is not None
    return str(standing)


async def documents(connection: AsyncConnection, case_id: str) -> list[Document]:
    """The documents of a case, in order."""
    found = await connection.execute(
        select(*(enforcement_documents.c[name] for name in Document.model_fields))
        .where(enforcement_documents.c.case_id == case_id)
        .order_by(enforcement_documents.c.sequence)
    )
    return [Document(**row) for row in found.mappings()]


async def document(connection: AsyncConnection, case_id: str, sha256: str) -> bytes | None:
    """The PDF of a case's document, None if there is none of this hash.

    Raises Refused: its key has been destroyed, or it is not what was made.
    """
    found = await connection.scalar(
        select(enforcement_documents.c.content)
        .where(enforcement_documents.c.case_id == case_id, enforcement_documents.c.sha256 == sha256)
        .limit(1)
    )
    if found is Destroyed.KEY:
        raise Refused(destroyed(case_id))
    return found


async def attach(
    connection: AsyncConnection,
    case_id: str,
    sha256: str,
    name: str,
    media: str,
    content: bytes,
    given_by: str,
    given_at: datetime,
) -> None:
    """Keeps a file that an institution adds to its case; the same again changes nothing."""
    key = await hiding(connection, case_id)
    await connection.execute(
        insert(enforcement_attachments)
        .values(
            case_id=case_id,
            sha256=sha256,
            name=name,
            media=media,
            content=key.of(content, sha256),
            given_by=given_by,
            given_at=given_at,
        )
        .on_conflict_do_nothing()
    )


async def attachments(connection: AsyncConnection, case_id: str) -> list[Attachment]:
    """The files added to a case, in order."""
    found = await connection.execute(
        select(*(enforcement_attachments.c[name] for name in Attachment.model_fields))
        .where(enforcement_attachments.c.case_id == case_id)
        .order_by(enforcement_attachments.c.given_at, enforcement_attachments.c.sha256)
    )
    return [Attachment(**row) for row in found.mappings()]


async def attachment(
    connection: AsyncConnection, case_id: str, sha256: str
) -> tuple[str, str, bytes] | None:
    """Name, media type and content of a file added to a case, None if there is none.

    Raises Refused: its key has been destroyed, or it is not what was added.
    """
    found = await connection.execute(
        select(
            enforcement_attachments.c.name,
            enforcement_attachments.c.media,
            enforcement_attachments.c.content,
        ).where(
            enforcement_attachments.c.case_id == case_id,
            enforcement_attachments.c.sha256 == sha256,
        )
    )
    row = found.first()
    if row is None:
        return None
    if row.content is Destroyed.KEY:
        raise Refused(destroyed(case_id))
    return row.name, row.media, row.content
