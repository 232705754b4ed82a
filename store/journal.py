"""Reading the journal, and appending the steps of operators that no workflow carries."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor
from domain.case.events import GENESIS, Step, chained, event_of
from domain.case.kind import CaseKind, evolve
from domain.case.workflow_messages import Carried, Receipt, RecordRequest, newest, receipt_of
from store.tables import assignments, cases, journal
from store.writer import write_steps


async def steps(connection: AsyncConnection, case_id: str) -> list[Step]:
    """All steps of a case, in order."""
    found = await connection.execute(
        select(journal.c.step, journal.c.hash)
        .where(journal.c.case_id == case_id)
        .order_by(journal.c.sequence)
    )
    return [Step(**step, hash=hash_) for step, hash_ in found]


async def steps_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[Step]]:
    """All steps of several cases, each case's in order."""
    rows = await connection.execute(
        select(journal.c.case_id, journal.c.step, journal.c.hash)
        .where(journal.c.case_id == func.any(list(ids)))
        .order_by(journal.c.case_id, journal.c.sequence)
    )
    by_case: dict[str, list[Step]] = {}
    for case_id, step, hash_ in rows:
        by_case.setdefault(case_id, []).append(Step(**step, hash=hash_))
    return by_case


async def by_command(connection: AsyncConnection, case_id: str, command_id: str) -> Step | None:
    """The last step that a command led to, None if it led to none."""
    found = await connection.execute(
        select(journal.c.step, journal.c.hash)
        .where(journal.c.case_id == case_id, journal.c.command_id == command_id)
        .order_by(journal.c.sequence.desc())
        .limit(1)
    )
    row = found.first()
    return Step(**row[0], hash=row[1]) if row else None


async def carried(connection: AsyncConnection, kind: CaseKind, case_id: str) -> Carried:
    """A case's memory, rebuilt from its journal: what a new run of its workflow starts from."""
    return memory(kind, await steps(connection, case_id))


def memory(kind: CaseKind, recorded: Iterable[Step]) -> Carried:
    """The memory that all steps of a case, in order, come to."""
    state, receipts, last = kind.new(), dict[str, Receipt](), None
    for step in recorded:
        state, last = evolve(kind, state, event_of(step)), step
        receipts[step.command_id] = receipt_of(step)
    if last is None:
        return Carried()
    return Carried(
        state=state.model_dump(mode="json"),
        sequence=last.sequence,
        head=last.hash,
        receipts=newest(receipts),
    )


async def lock(connection: AsyncConnection, case_id: str) -> None:
    """Lets nobody else append a step of a campaign or a register before the transaction ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:case_id, 0))"), {"case_id": case_id}
    )


async def append_operator_step(
    connection: AsyncConnection,
    case_id: str,
    event: str,
    actor: Actor,
    at: datetime,
    body: dict[str, Any],
    command_id: str,
    command_sha256: str = "",
    note_sha256: str = "",
) -> Step:
    """Appends one step of a campaign or a register; the same command again changes nothing."""
    await lock(connection, case_id)
    recorded = await by_command(connection, case_id, command_id)
    if recorded is not None:
        return recorded
    found = await connection.execute(
        select(journal.c.sequence, journal.c.hash)
        .where(journal.c.case_id == case_id)
        .order_by(journal.c.sequence.desc())
        .limit(1)
    )
    sequence, head = found.first() or (0, GENESIS)
    step = chained(
        Step(
            case_id=case_id,
            sequence=sequence + 1,
            event=event,
            actor=actor,
            position=None,
            cite=None,
            body=body,
            at=at,
            received_at=at,
            command_id=command_id,
            command_sha256=command_sha256,
            note_sha256=note_sha256,
            previous_hash=head,
        )
    )
    await write_steps(connection, [RecordRequest(steps=(step,))])
    return step


async def involved_with_institution(
    connection: AsyncConnection, institution: str
) -> frozenset[str]:
    """The authorities that have ever had a case of an institution."""
    found = await connection.execute(
        select(assignments.c.authority)
        .distinct()
        .join(cases, cases.c.case_id == assignments.c.case_id)
        .where(cases.c.institution_id == institution)
    )
    return frozenset(found.scalars())


async def involved(connection: AsyncConnection, case_id: str) -> frozenset[str]:
    """The authorities whose turn a case has ever been."""
    found = await connection.execute(
        select(assignments.c.authority).where(assignments.c.case_id == case_id)
    )
    return frozenset(found.scalars())
