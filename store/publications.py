"""Which rule sets were published for a year and a jurisdiction, and which of them are in force."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor
from domain.model import Value
from store.areas import lies_in
from store.tables import publications, rule_sets


class Publication(Value):
    """One revision that was published. ``set_id`` is the id its document gives itself.

    It is in force from ``published_at`` until the next one of its year and jurisdiction is.
    """

    year: int
    jurisdiction: str
    revision: int
    rule_set: str
    set_id: str
    published_by: Actor
    published_at: datetime
    note_sha256: str
    command_id: str


def _publications() -> Select[Any]:
    return select(*publications.c, rule_sets.c.id.label("set_id")).join(
        rule_sets, rule_sets.c.sha256 == publications.c.rule_set
    )


async def hold_still(connection: AsyncConnection) -> None:
    """Lets nobody else publish before the transaction ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('publish', 0))"))


async def add(connection: AsyncConnection, publication: Publication) -> None:
    """Puts a publication on record."""
    row = publication.model_dump(exclude={"set_id"})
    await connection.execute(insert(publications).values(row))


async def in_force(
    connection: AsyncConnection, year: int, place: str, at: datetime | None = None
) -> dict[str, Publication]:
    """What is in force at an instant, by default now, of a place and all within it, by place."""
    query = (
        _publications()
        .where(
            publications.c.year == year,
            lies_in(publications.c.jurisdiction, place),
        )
        .order_by(publications.c.jurisdiction, publications.c.revision)
    )
    if at is not None:
        query = query.where(publications.c.published_at <= at)
    # the last of each place stays
    rows = (await connection.execute(query)).mappings()
    return {row["jurisdiction"]: Publication(**row) for row in rows}


async def of_place(connection: AsyncConnection, year: int, jurisdiction: str) -> list[Publication]:
    """All revisions of one year and place, the newest first."""
    query = (
        _publications()
        .where(publications.c.year == year, publications.c.jurisdiction == jurisdiction)
        .order_by(publications.c.revision.desc())
    )
    return [Publication(**row) for row in (await connection.execute(query)).mappings()]


async def by_command(connection: AsyncConnection, command_id: str) -> list[Publication]:
    """What one command has published, by place."""
    query = (
        _publications()
        .where(publications.c.command_id == command_id)
        .order_by(publications.c.jurisdiction)
    )
    return [Publication(**row) for row in (await connection.execute(query)).mappings()]


async def years(connection: AsyncConnection) -> list[int]:
    """The years for which anything was published."""
    found = await connection.execute(
        select(publications.c.year).distinct().order_by(publications.c.year)
    )
    return list(found.scalars())


async def named(connection: AsyncConnection, hashes: list[str]) -> dict[str, tuple[str, int]]:
    """The ids and revisions of stored rule sets, by their sha256."""
    found = await connection.execute(
        select(rule_sets.c.sha256, rule_sets.c.id, rule_sets.c.revision).where(
            rule_sets.c.sha256 == func.any(hashes)
        )
    )
    return {row.sha256: (row.id, row.revision) for row in found}
