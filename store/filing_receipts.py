"""The signed receipts of submissions; each is kept once and never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import filing_receipts, revisions


class FilingReceipt(Value):
    """A receipt as it is kept; ``signature`` is over the canonical JSON of ``body``."""

    case_id: str
    sequence: int
    body: dict[str, Any]
    sha256: str
    key: str
    signature: str
    made_at: datetime


async def keep(connection: AsyncConnection, receipt: FilingReceipt) -> FilingReceipt:
    """Keeps a receipt; where there is one already, that one stays and is given back."""
    done = await connection.execute(
        insert(filing_receipts).values(receipt.model_dump()).on_conflict_do_nothing()
    )
    if done.rowcount:
        return receipt
    standing = await of_step(connection, receipt.case_id, receipt.sequence)
    assert standing is not None
    return standing


async def of_step(connection: AsyncConnection, case_id: str, sequence: int) -> FilingReceipt | None:
    """The receipt of one submission, None if none is kept."""
    columns = [filing_receipts.c[name] for name in FilingReceipt.model_fields]
    found = await connection.execute(
        select(*columns).where(
            filing_receipts.c.case_id == case_id, filing_receipts.c.sequence == sequence
        )
    )
    row = found.mappings().first()
    return FilingReceipt(**row) if row else None


async def content_parts(connection: AsyncConnection, case_id: str, revision: int) -> list[str]:
    """The parts that a revision of a case holds."""
    found = await connection.execute(
        select(revisions.c.content).where(
            revisions.c.case_id == case_id, revisions.c.revision == revision
        )
    )
    content = found.scalar()
    return sorted(content) if isinstance(content, dict) else []
