"""Withdrawals and corrections as they were asked for; making them true is another matter."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from domain.model import Value
from domain.numbers.report_numbers import UploadStage
from store.tables import number_changes, uploads


async def add(
    connection: AsyncConnection,
    *,
    id_: str,
    case_id: str,
    institution_no: int,
    kind: Literal["withdrawn", "corrected"],
    content: dict[str, Any],
    reason: str,
    changed_by: str,
    at: datetime,
) -> None:
    """Keeps what is asked for; what stands under the same id is left alone."""
    await connection.execute(
        insert(number_changes)
        .values(
            id=id_,
            case_id=case_id,
            institution_no=institution_no,
            kind=kind,
            content=content,
            sha256=sha256_of(content),
            reason=reason,
            changed_by=changed_by,
            asked_at=at,
        )
        .on_conflict_do_nothing()
    )


class StoredChange(Value):
    """A withdrawal or correction as it was asked for; ``made``: it is true already."""

    no: int
    id: str
    case_id: str
    institution_no: int
    kind: str
    content: dict[str, Any]
    changed_by: str
    made: bool


async def by_id(connection: AsyncConnection, id_: str, case_id: str) -> StoredChange | None:
    """A change of a case, None if the case has none with this id."""
    columns = number_changes.c
    found = await connection.execute(
        select(
            columns.no, columns.id, columns.case_id, columns.institution_no, columns.kind,
            columns.content, columns.changed_by, columns.made_at.is_not(None).label("made"),
        ).where(columns.id == id_, columns.case_id == case_id)
    )  # fmt: skip
    row = found.mappings().first()
    return StoredChange(**row) if row else None


async def mark_made(connection: AsyncConnection, no: int, at: datetime) -> None:
    """Says that a change has become true."""
    await connection.execute(
        update(number_changes).where(number_changes.c.no == no).values(made_at=at)
    )


class Totals(Value):
    """How many numbers of a batch stand, were withdrawn or corrected, wait for their day."""

    numbers: int
    withdrawn: int
    waiting: int


async def totals(connection: AsyncConnection, case_id: str, now: datetime) -> Totals:
    """A batch's totals, from its uploads and changes alone."""
    accepted = func.sum(uploads.c.accepted)
    waiting = accepted.filter(uploads.c.visible_from > now)
    counted = (
        await connection.execute(
            select(func.coalesce(accepted, 0), func.coalesce(waiting, 0)).where(
                uploads.c.case_id == case_id, uploads.c.stage == UploadStage.ACCEPTED.value
            )
        )
    ).one()
    content = number_changes.c.content
    listed = func.coalesce(content["numbers"], content["corrections"])
    gone = await connection.execute(
        select(func.coalesce(func.sum(func.jsonb_array_length(listed)), 0)).where(
            number_changes.c.case_id == case_id, number_changes.c.made_at.is_not(None)
        )
    )
    withdrawn = int(gone.scalar_one())
    return Totals(numbers=int(counted[0]) - withdrawn, withdrawn=withdrawn, waiting=int(counted[1]))
