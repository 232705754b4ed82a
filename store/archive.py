"""Histories of processes that have ended, kept after the engine has forgotten them."""

import gzip
import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import ENDED
from domain.model import Value
from store.tables import histories


class Archived(Value):
    """One run's history. ``content`` is its JSON, as the engine's own tools write and read it.

    ``sequence`` is the last step of the case when it was kept; ``closed``: the run had ended.
    """

    case_id: str
    run_id: str
    sequence: int
    events: int
    closed: bool
    started_at: datetime
    content: str

    @property
    def sha256(self) -> str:
        """The hash of its JSON."""
        return hashlib.sha256(self.content.encode()).hexdigest()


async def keep(connection: AsyncConnection, kept: Archived, at: datetime) -> bool:
    """Keeps a history; one of a run that had ended is kept once and for all.

    Returns whether it is kept now and was not before.
    """
    one = (histories.c.case_id == kept.case_id) & (histories.c.run_id == kept.run_id)
    standing = await connection.execute(select(histories.c.closed).where(one))
    if standing.scalar_one_or_none():
        return False
    await connection.execute(delete(histories).where(one))
    await connection.execute(
        insert(histories).values(
            **kept.model_dump(exclude={"content"}),
            sha256=kept.sha256,
            content=gzip.compress(kept.content.encode(), mtime=0),
            archived_at=at,
        )
    )
    return True


async def of_case(connection: AsyncConnection, case_id: str) -> list[Archived]:
    """The kept histories of a case, the earliest run first."""
    found = await connection.execute(
        select(histories).where(histories.c.case_id == case_id).order_by(histories.c.started_at)
    )
    return [
        Archived(
            **{name: row[name] for name in Archived.model_fields if name != "content"},
            content=gzip.decompress(row["content"]).decode(),
        )
        for row in found.mappings()
    ]


_WAITING = text("""
    SELECT c.case_id, c.sequence FROM cases c
    WHERE c.status = ANY(:ended) AND c.launched AND c.case_id > :after AND c.updated_at < :before
      AND NOT EXISTS (
        SELECT FROM histories h WHERE h.case_id = c.case_id AND h.sequence >= c.sequence)
    ORDER BY c.case_id LIMIT :size
""")


async def waiting(
    connection: AsyncConnection, before: datetime, after: str, size: int
) -> Sequence[tuple[str, int]]:
    """Cases that have ended before an instant and are not kept as they are, with last steps."""
    asked = {"ended": list(ENDED), "before": before, "after": after, "size": size}
    return [(row.case_id, row.sequence) for row in await connection.execute(_WAITING, asked)]


_SIZE = text("SELECT count(*) AS runs, coalesce(sum(length(content)), 0) AS bytes FROM histories")


async def size(connection: AsyncConnection) -> tuple[int, int]:
    """How many histories are kept, and how many bytes they take."""
    row = (await connection.execute(_SIZE)).one()
    return int(row.runs), int(row.bytes)
