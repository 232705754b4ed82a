"""Complaints from the public: what was said, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import Status
from domain.complaints import ComplaintOutcome
from domain.model import Value
from store import cases
from store.cases import Case
from store.content import notes_by_sha256
from store.data_keys import hiding
from store.numbers.lookup import NAME_KEY
from store.tables import cases as cases_table
from store.tables import complaints, institutions, journal


class Complaint(Value):
    """One complaint. ``outcome`` is None until it has been resolved; ``contact`` may be empty."""

    case_id: str
    number: str
    institution_id: str | None
    institution_name: str
    about: str
    contact: str
    status: Status
    outcome: ComplaintOutcome | None
    reply: str
    received_at: datetime
    resolved_at: datetime | None


class Settled(Value):
    """A resolved complaint as its batches are told of it."""

    number: str
    institution_id: str | None
    outcome: ComplaintOutcome
    resolved_at: datetime


async def receipt_of(connection: AsyncConnection, case_id: str) -> str:
    """The hash of the receipt that a complaint got, "" where there is none."""
    found = await connection.execute(
        select(complaints.c.receipt_sha256).where(complaints.c.case_id == case_id)
    )
    return found.scalar() or ""


async def add(
    connection: AsyncConnection,
    *,
    case_id: str,
    receipt_sha256: str,
    number: str,
    institution_id: str | None,
    institution_name: str,
    about: str,
    contact: str,
    received_at: datetime,
) -> None:
    """Keeps a complaint; one that stands already is left alone."""
    key = await hiding(connection, case_id)
    await connection.execute(
        insert(complaints)
        .values(
            case_id=case_id,
            receipt_sha256=receipt_sha256,
            number=number,
            institution_id=institution_id,
            institution_name=institution_name,
            about=key.of(about),
            contact=key.of(contact),
            received_at=received_at,
        )
        .on_conflict_do_nothing()
    )


def _complaints() -> Select[Any]:
    status = func.coalesce(cases_table.c.status, Status.SUBMITTED.value).label("status")
    return select(*complaints.c, status).join(
        cases_table, cases_table.c.case_id == complaints.c.case_id, isouter=True
    )


async def by_receipt(connection: AsyncConnection, receipt_sha256: str) -> Complaint | None:
    """The complaint behind a receipt, None if there is none."""
    return await _one(connection, complaints.c.receipt_sha256 == receipt_sha256)


async def by_case(connection: AsyncConnection, case_id: str) -> Complaint | None:
    """The complaint of a case, None if there is none."""
    return await _one(connection, complaints.c.case_id == case_id)


async def _one(connection: AsyncConnection, where: ColumnElement[bool]) -> Complaint | None:
    row = (await connection.execute(_complaints().where(where))).mappings().first()
    if row is None:
        return None
    known = {name: row[name] for name in Complaint.model_fields}
    return Complaint(**{**known, "outcome": row["outcome"] or None})


async def holders(connection: AsyncConnection, number: str, institution_name: str) -> Sequence[str]:
    """The institutions a complaint may be about: of this name, or with this number.

    The name is given as `domain.text.name_key` has it.
    """
    if institution_name:
        found = await connection.execute(
            select(func.coalesce(institutions.c.merged_into, institutions.c.id))
            .distinct()
            .where(NAME_KEY.in_([institution_name]))
            .limit(2)
        )
    else:
        found = await connection.execute(_HOLDERS, {"number": number})
    return list(found.scalars())


_HOLDERS = text("""
    SELECT DISTINCT coalesce(i.merged_into, i.id) FROM report_numbers r
    JOIN institutions i ON i.no = r.institution_no
    WHERE hashtextextended(r.number, 0) = hashtextextended(:number, 0) AND r.number = :number
    LIMIT 2
""")


async def settle(connection: AsyncConnection, case_id: str) -> Settled:
    """Copies outcome and reply from the record to where the receipt finds them; again: the same."""
    row = (
        await connection.execute(
            select(journal.c.step, journal.c.at)
            .where(journal.c.case_id == case_id, journal.c.event == "complaint_resolved")
            .order_by(journal.c.sequence.desc())
            .limit(1)
        )
    ).one()
    body = row.step["body"]
    notes = await notes_by_sha256(connection, [body["reply_sha256"]])
    reply = notes.get(body["reply_sha256"], {}).get("reply", "")
    key = await hiding(connection, case_id)
    found = await connection.execute(
        update(complaints)
        .where(complaints.c.case_id == case_id)
        .values(outcome=body["outcome"], reply=key.of(reply), resolved_at=row.at)
        .returning(complaints.c.number, complaints.c.institution_id)
    )
    about = found.one()
    return Settled(
        number=about.number,
        institution_id=about.institution_id,
        outcome=ComplaintOutcome(body["outcome"]),
        resolved_at=row.at,
    )


async def batches(connection: AsyncConnection, settled: Settled) -> list[Case]:
    """The batches that hold the number complained of, at the institution concerned."""
    if not settled.number or settled.institution_id is None:
        return []
    asked = {"number": settled.number, "institution": settled.institution_id}
    ids = (await connection.execute(_BATCHES, asked)).scalars()
    found = [await cases.by_id(connection, case_id) for case_id in ids]
    return [case for case in found if case is not None]


_BATCHES = text("""
    SELECT DISTINCT u.case_id FROM report_numbers r
    JOIN institutions i ON i.no = r.institution_no
    JOIN uploads u ON u.no = r.upload_no
    WHERE hashtextextended(r.number, 0) = hashtextextended(:number, 0) AND r.number = :number
      AND coalesce(i.merged_into, i.id) = :institution
    ORDER BY 1
""")
