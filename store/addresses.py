"""Where notices are sent outside the system: mail of authorities, webhooks of anybody."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from domain.notices import Channel
from store.tables import addresses


class Address(Value):
    """An address of an institution or an authority on one channel."""

    id: str
    addressee: str
    channel: Channel
    target: str
    active: bool
    registered_by: str
    registered_at: datetime
    ended_at: datetime | None


async def add(connection: AsyncConnection, address: Address) -> None:
    """Registers an address; one with this id already there stays as it is."""
    values = address.model_dump() | {"channel": address.channel.value}
    await connection.execute(insert(addresses).values(values).on_conflict_do_nothing())


async def by_id(connection: AsyncConnection, id_: str) -> Address | None:
    """One address, None if there is none with this id."""
    found = await connection.execute(select(addresses).where(addresses.c.id == id_))
    row = found.mappings().first()
    return Address(**row) if row else None


async def of(
    connection: AsyncConnection, addressee: str, channel: Channel | None = None
) -> list[Address]:
    """The addresses of an addressee, ended ones included, in the order they were registered."""
    query = select(addresses).where(addresses.c.addressee == addressee)
    if channel is not None:
        query = query.where(addresses.c.channel == channel.value)
    rows = await connection.execute(query.order_by(addresses.c.registered_at, addresses.c.id))
    return [Address(**row) for row in rows.mappings()]


async def end(connection: AsyncConnection, id_: str, at: datetime) -> bool:
    """Sends nothing there any more; False when that was so before."""
    done = await connection.execute(
        update(addresses)
        .where(addresses.c.id == id_, addresses.c.active)
        .values(active=False, ended_at=at)
        .returning(addresses.c.id)
    )
    return done.first() is not None
