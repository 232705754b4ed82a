"""Idempotency keys: which request each key was first used for, for ever."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import requests


async def use_key(connection: AsyncConnection, key: bytes, body_sha256: str) -> tuple[bool, str]:
    """Whether a key (its hash) was used before, and the sha256 of what it was first used for."""
    first = await connection.execute(
        insert(requests)
        .values(key=key, body_sha256=body_sha256)
        .on_conflict_do_nothing()
        .returning(requests.c.key)
    )
    repeated = first.first() is None
    known = await connection.execute(select(requests.c.body_sha256).where(requests.c.key == key))
    return repeated, known.scalar_one()
