"""Whether the database can be written to now."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def can_write(connection: AsyncConnection) -> bool:
    """Whether a transaction commits and the disk takes a file. Raises what the database raises.

    Nothing stays behind: a transaction's number is taken, and half a megabyte is sorted on disk.
    """
    mode = await connection.execute(text("SHOW transaction_read_only"))
    if mode.scalar_one() == "on":
        # such a connection is of no use; the server may take writes on another
        await connection.invalidate()
        return False
    await connection.execute(text("SET LOCAL work_mem = '64kB'"))
    await connection.execute(
        text("""
            SELECT pg_current_xact_id(), (
                SELECT max(probe) FROM (
                    SELECT md5(n::text) || repeat(' ', 100) || n AS probe
                    FROM generate_series(1, 4000) AS n ORDER BY probe OFFSET 1
                ) AS sorted
            )
        """)
    )
    await connection.commit()
    return True
