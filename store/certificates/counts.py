"""How often the public scans and searches for certificates; no asker, nothing asked is stored."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.public import Counted
from store.areas import lies_in
from store.tables import certificate_counts


class CertificateCount(NamedTuple):
    """What was answered in a month (``2025-03``) about certificates of one province's issuers."""

    month: str
    province: str
    what: Counted
    answer: str


async def add_counts(connection: AsyncConnection, counts: Mapping[CertificateCount, int]) -> None:
    """Adds to what has been counted, in one statement."""
    statement = insert(certificate_counts).values(
        [
            {**one._asdict(), "what": one.what.value, "count": number}
            for one, number in sorted(counts.items())  # one order for all processes: no deadlock
        ]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["month", "province", "what", "answer"],
            set_={"count": certificate_counts.c.count + statement.excluded.count},
        )
    )


async def counts(
    connection: AsyncConnection,
    first: str,
    last: str,
    within: str,
    after: tuple[str, str, str] | None,
    size: int,
) -> list[tuple[str, str, Counted, dict[str, int]]]:
    """Up to ``size`` of month, province and what, in that order, with each answer's count."""
    table = certificate_counts.c
    places = table.month, table.province, table.what
    query = select(*places, func.jsonb_object_agg(table.answer, table.count)).where(
        table.month.between(first, last)
    )
    query = query.where(lies_in(table.province, within))
    if after is not None:
        query = query.where(tuple_(*places) > tuple_(*after))
    found = await connection.execute(query.group_by(*places).order_by(*places).limit(size))
    return [(month, province, Counted(what), answers) for month, province, what, answers in found]
