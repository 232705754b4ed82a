"""Ways to look at an inbox that people have saved, by the name that they gave them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import saved_views


class SavedView(Value):
    """A filter of the inbox, each blank by its name, and what its reader calls it."""

    name: str
    wanted: dict[str, str]
    saved_at: datetime


async def of_person(connection: AsyncConnection, person: str) -> list[SavedView]:
    """A person's own, the latest first."""
    mine = saved_views.c
    rows = await connection.execute(
        select(mine.name, mine.wanted, mine.saved_at)
        .where(mine.person == person)
        .order_by(mine.saved_at.desc(), mine.name)
    )
    return [SavedView(**row) for row in rows.mappings()]


async def save(
    connection: AsyncConnection, person: str, name: str, wanted: Mapping[str, str], now: datetime
) -> None:
    """Saves one; one of the same name gives way to it."""
    new = insert(saved_views).values(person=person, name=name, wanted=dict(wanted), saved_at=now)
    given = {"wanted": new.excluded.wanted, "saved_at": new.excluded.saved_at}
    await connection.execute(
        new.on_conflict_do_update(index_elements=["person", "name"], set_=given)
    )


async def forget(connection: AsyncConnection, person: str, names: list[str]) -> None:
    """Forgets those of these names."""
    mine = saved_views.c
    await connection.execute(delete(saved_views).where(mine.person == person, mine.name.in_(names)))
