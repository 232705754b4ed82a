"""Deputies and revocations, as they stand on record."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import deputies, revocations


class Deputy(Value):
    """Who acts for whom in an authority, from ``starts`` to ``ends``, the first instant after."""

    id: str
    authority: str
    person: str
    deputy: str
    starts: datetime
    ends: datetime
    named_by: str
    note_sha256: str = ""
    named_at: datetime
    ended_at: datetime | None = None


class Revocation(Value):
    """A person's capacities in an authority, taken away until they are given back.

    ``job_id`` is the job that releases what they had claimed, "" where there was nothing.
    """

    id: str
    authority: str
    person: str
    revoked_by: str
    note_sha256: str
    job_id: str = ""
    revoked_at: datetime
    restored_by: str = ""
    restored_at: datetime | None = None


async def add_deputy(connection: AsyncConnection, named: Deputy) -> Deputy:
    """Puts a deputy on record; the one that stands under this id already stays."""
    values = named.model_dump()
    await connection.execute(insert(deputies).values(**values).on_conflict_do_nothing())
    standing = await deputy(connection, named.id)
    assert standing is not None
    return standing


async def deputy(connection: AsyncConnection, id_: str) -> Deputy | None:
    """One deputy, None for none with this id."""
    rows = await connection.execute(select(deputies).where(deputies.c.id == id_))
    row = rows.mappings().first()
    return Deputy(**row) if row else None


async def deputies_of(connection: AsyncConnection, authority: str) -> list[Deputy]:
    """Those of an authority, the latest first."""
    rows = await connection.execute(
        select(deputies)
        .where(deputies.c.authority == authority)
        .order_by(deputies.c.starts.desc(), deputies.c.id)
        .limit(500)
    )
    return [Deputy(**row) for row in rows.mappings()]


async def end_deputy(connection: AsyncConnection, id_: str, at: datetime) -> None:
    """Ends it, unless it has been."""
    await connection.execute(
        update(deputies)
        .where(deputies.c.id == id_, deputies.c.ended_at.is_(None))
        .values(ended_at=at)
    )


async def principals(
    connection: AsyncConnection, authority: str, deputy_: str, now: datetime
) -> list[str]:
    """For whom somebody acts in an authority now."""
    rows = await connection.execute(
        select(deputies.c.person)
        .where(
            deputies.c.authority == authority,
            deputies.c.deputy == deputy_,
            deputies.c.starts <= now,
            deputies.c.ends > now,
            deputies.c.ended_at.is_(None),
        )
        .distinct()
    )
    return list(rows.scalars())


def _standing(person: str, authority: str) -> Select[Any]:
    return select(revocations.c.revoked_at).where(
        revocations.c.person == person,
        revocations.c.authority == authority,
        revocations.c.restored_at.is_(None),
    )


async def revoked(connection: AsyncConnection, person: str, authority: str) -> datetime | None:
    """Since when a person may not act for an authority any more, None if they may."""
    rows = await connection.execute(_standing(person, authority).limit(1))
    since: datetime | None = rows.scalar()
    return since


async def add_revocation(connection: AsyncConnection, revocation: Revocation) -> Revocation:
    """Puts a revocation on record; the one that stands under this id already stays."""
    values = revocation.model_dump()
    await connection.execute(insert(revocations).values(**values).on_conflict_do_nothing())
    kept = await revocation_by_id(connection, revocation.id)
    assert kept is not None
    return kept


async def revocation_by_id(connection: AsyncConnection, id_: str) -> Revocation | None:
    """One revocation, None for none with this id."""
    rows = await connection.execute(select(revocations).where(revocations.c.id == id_))
    row = rows.mappings().first()
    return Revocation(**row) if row else None


async def revocations_of(connection: AsyncConnection, authority: str) -> list[Revocation]:
    """Those of an authority, the latest first."""
    rows = await connection.execute(
        select(revocations)
        .where(revocations.c.authority == authority)
        .order_by(revocations.c.revoked_at.desc(), revocations.c.id)
        .limit(500)
    )
    return [Revocation(**row) for row in rows.mappings()]


async def released_by(connection: AsyncConnection, id_: str, job_id: str) -> None:
    """Keeps which job releases the claims of a revoked person."""
    await connection.execute(
        update(revocations).where(revocations.c.id == id_).values(job_id=job_id)
    )


async def restore(connection: AsyncConnection, id_: str, by: str, at: datetime) -> None:
    """Gives the capacities back, unless they have been."""
    await connection.execute(
        update(revocations)
        .where(revocations.c.id == id_, revocations.c.restored_at.is_(None))
        .values(restored_by=by, restored_at=at)
    )
