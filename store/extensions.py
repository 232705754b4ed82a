"""Extensions: what was granted where, until when, and which of them reach a newcomer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor, Extend
from domain.jurisdictions import known
from domain.model import Value
from store import jobs as of_jobs
from store.areas import lies_in
from store.tables import cases, extensions, institutions, jobs


class Extension(Value):
    """More time for the filings of a period; its id is that of the job that gives it to each.

    ``standing``: for the whole of ``jurisdiction``, newcomers too. ``until`` is the first instant
    no longer inside, ``given_until`` what was granted first. ``note_sha256`` is the reason.
    ``extended`` cases have their time from it.
    """

    id: str
    kind: str
    year: int
    quarter: int
    jurisdiction: str
    standing: bool
    until: datetime
    given_until: datetime
    document: str
    authorised_by: str
    note_sha256: str
    granted_by: Actor
    granted_at: datetime
    shortened_by: str = ""
    shortened_note: str = ""
    shortened_job: str = ""
    shortened_at: datetime | None = None
    total: int = 0
    extended: int = 0


_GIVEN = (
    select(func.count())
    .where(cases.c.extension == extensions.c.id, cases.c.extension != "")
    .scalar_subquery()
)


def _extensions() -> Select[Any]:
    return select(extensions, jobs.c.total, _GIVEN.label("extended")).join(
        jobs, jobs.c.id == extensions.c.id
    )


async def add(connection: AsyncConnection, extension: Extension) -> None:
    """Puts an extension on record, beside its job."""
    row = extension.model_dump(exclude={"granted_by", "total", "extended"})
    row["granted_by"] = extension.granted_by.model_dump(mode="json")
    await connection.execute(extensions.insert().values(**row))


async def by_id(connection: AsyncConnection, id_: str) -> Extension | None:
    """One extension, None if there is none with this id."""
    rows = await connection.execute(_extensions().where(extensions.c.id == id_))
    row = rows.mappings().first()
    return Extension(**row) if row else None


async def held(connection: AsyncConnection, id_: str) -> Extension | None:
    """One extension that nobody else changes until the transaction ends."""
    await connection.execute(
        select(extensions.c.id).where(extensions.c.id == id_).with_for_update()
    )
    return await by_id(connection, id_)


async def of_place(
    connection: AsyncConnection,
    year: int,
    quarter: int,
    place: str,
    after: tuple[datetime, str] | None,
    size: int,
) -> list[Extension]:
    """Up to ``size`` extensions within a place, or of a place around it; the newest first."""
    within = lies_in(extensions.c.jurisdiction, place)
    above = list(known().tree.upwards(place))
    around = extensions.c.standing & extensions.c.jurisdiction.in_(above)
    query = (
        _extensions()
        .where(extensions.c.year == year, extensions.c.quarter == quarter, or_(within, around))
        .order_by(extensions.c.granted_at.desc(), extensions.c.id.desc())
        .limit(size)
    )
    if after is not None:
        query = query.where(tuple_(extensions.c.granted_at, extensions.c.id) < tuple_(*after))
    return [Extension(**row) for row in (await connection.execute(query)).mappings()]


async def standing(
    connection: AsyncConnection, kind: str, year: int, quarter: int, now: datetime
) -> list[Extension]:
    """The extensions of whole places that still run, the longest first."""
    query = (
        _extensions()
        .where(
            extensions.c.standing,
            extensions.c.kind == kind,
            extensions.c.year == year,
            extensions.c.quarter == quarter,
            extensions.c.until > now,
        )
        .order_by(extensions.c.until.desc(), extensions.c.id)
    )
    return [Extension(**row) for row in (await connection.execute(query)).mappings()]


async def for_newcomers(
    connection: AsyncConnection, owners: dict[str, str], running: Sequence[Extension]
) -> dict[str, Extend]:
    """What each case that comes on record now is given; ``owners`` are institutions by case."""
    if not running:
        return {}
    found = await connection.execute(
        select(institutions.c.id, institutions.c.region).where(
            institutions.c.id == func.any(list(owners.values()))
        )
    )
    regions = {row.id: row.region for row in found}
    given = {}
    for case_id, institution in owners.items():
        region = regions.get(institution, "")
        for extension in running:
            if region and known().lies_in(region, extension.jurisdiction):
                given[case_id] = command_of(extension)
                break
    return given


def command_of(extension: Extension) -> Extend:
    """The command by which a newcomer is given what its place has."""
    return Extend(
        id=f"extension:{extension.id}",
        actor=extension.granted_by,
        received_at=extension.granted_at,
        note_sha256=extension.note_sha256,
        until=extension.until,
        document=extension.document,
        extension=extension.id,
    )


async def shorten(
    connection: AsyncConnection,
    id_: str,
    until: datetime,
    at: datetime,
    *,
    by: str,
    note_sha256: str,
    job_id: str,
) -> None:
    """Has an extension end earlier: newcomers are given that."""
    await connection.execute(
        update(extensions)
        .where(extensions.c.id == id_)
        .values(
            until=until,
            shortened_at=at,
            shortened_by=by,
            shortened_note=note_sha256,
            shortened_job=job_id,
        )
    )


async def remove(connection: AsyncConnection, id_: str) -> None:
    """Takes back an extension of one case that the case did not take, with its job."""
    await connection.execute(extensions.delete().where(extensions.c.id == id_))
    await of_jobs.remove(connection, id_)
