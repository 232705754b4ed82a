"""How often something was tried, counted together for all processes, and forgotten in time."""

from datetime import datetime

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.tables import tries

_FORGOTTEN_AT_ONCE = 20


async def count(
    connection: AsyncConnection, key: str, now: datetime, ends_at: datetime, more: int = 1
) -> tuple[int, datetime]:
    """Counts ``more`` under a key, in a window that ends at ``ends_at`` if one begins now.

    How many that makes, and when the window ends. Some that are over are forgotten meanwhile.
    """
    over = tries.c.ends_at <= now
    counted = insert(tries).values(key=key, count=more, ends_at=ends_at)
    rows = await connection.execute(
        counted.on_conflict_do_update(
            index_elements=[tries.c.key],
            set_={
                "count": case((over, more), else_=tries.c.count + more),
                "ends_at": case((over, ends_at), else_=tries.c.ends_at),
            },
        ).returning(tries.c.count, tries.c.ends_at)
    )
    found = rows.one()
    old = (
        select(tries.c.key)
        .where(tries.c.ends_at <= now)
        .order_by(tries.c.ends_at)
        .limit(_FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(delete(tries).where(tries.c.key.in_(old)))
    return found[0], found[1]
