"""What authorities report of their own work, revision by revision."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import authority_figures as table


class OwnRevision(Value):
    """One saved revision of an authority's figures; ``submitted_at`` None: a draft."""

    year: int
    subject: str
    revision: int
    authority: str
    rule_set: str
    content: dict[str, Any]
    sha256: str
    saved_by: str
    saved_at: datetime
    submitted_by: str = ""
    submitted_at: datetime | None = None


async def latest(
    connection: AsyncConnection, year: int, subject: str, *, submitted: bool = False
) -> OwnRevision | None:
    """The newest revision, or the newest that was submitted; None for none."""
    query = select(table).where(table.c.year == year, table.c.subject == subject)
    if submitted:
        query = query.where(table.c.submitted_at.is_not(None))
    rows = await connection.execute(query.order_by(table.c.revision.desc()).limit(1))
    row = rows.mappings().first()
    return OwnRevision(**row) if row else None


async def save(connection: AsyncConnection, new: OwnRevision) -> bool:
    """Keeps a revision; False where somebody has saved that one."""
    done = await connection.execute(
        insert(table).values(new.model_dump()).on_conflict_do_nothing().returning(table.c.revision)
    )
    return done.first() is not None


async def submit(
    connection: AsyncConnection, year: int, subject: str, revision: int, by: str, at: datetime
) -> None:
    """Says of a revision that it was submitted."""
    await connection.execute(
        update(table)
        .where(
            table.c.year == year,
            table.c.subject == subject,
            table.c.revision == revision,
            table.c.submitted_at.is_(None),
        )
        .values(submitted_by=by, submitted_at=at)
    )


async def first_submitted(connection: AsyncConnection, year: int, subject: str) -> datetime | None:
    """When an authority's figures were first submitted, None while they were not."""
    rows = await connection.execute(
        select(table.c.submitted_at)
        .where(table.c.year == year, table.c.subject == subject, table.c.submitted_at.is_not(None))
        .order_by(table.c.submitted_at)
        .limit(1)
    )
    return rows.scalar()
