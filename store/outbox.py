"""Events for downstream systems, in an order in which none can appear behind a reader's back."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.areas import regions


class OutgoingEvent(Value):
    """One event: which case, which step, what it is called, where the case stands since."""

    transaction: int
    id: int
    case_id: str
    sequence: int
    event: str
    status: str | None
    authority: str | None
    at: datetime
    hash: str


# Rows of a transaction that is still open, or of a later one, are held back: identities are given
# out before commits, and a reader that has gone past a number would never see it otherwise.
_AFTER = text("""
    SELECT o.transaction, o.id, o.case_id, o.sequence, j.event,
           j.step #>> '{position,status}' AS status,
           j.step #>> '{position,authority}' AS authority, j.at, j.hash
    FROM outbox o JOIN journal j USING (case_id, sequence)
    WHERE (o.transaction, o.id) > (:transaction, :id)
      AND o.transaction < txid_snapshot_xmin(txid_current_snapshot())
      AND (CAST(:regions AS text[]) IS NULL OR EXISTS (
          SELECT 1 FROM cases c JOIN institutions i ON i.id = c.institution_id
          WHERE c.case_id = o.case_id AND i.region = ANY(CAST(:regions AS text[]))))
    ORDER BY o.transaction, o.id
    LIMIT :size
""")


async def newest(connection: AsyncConnection) -> int:
    """The place of the newest event, 0 while there is none."""
    found = await connection.execute(text("SELECT coalesce(max(id), 0) FROM outbox"))
    return int(found.scalar_one())


async def after(
    connection: AsyncConnection, transaction: int, id_: int, size: int, within: str = ""
) -> list[OutgoingEvent]:
    """The events after a reader's last one, at most ``size``."""
    found = await connection.execute(
        _AFTER, {"transaction": transaction, "id": id_, "size": size, "regions": regions(within)}
    )
    return [OutgoingEvent(**row) for row in found.mappings()]
