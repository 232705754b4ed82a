"""What a case's workflow may not have done: cases to compare with the engine."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import ENDED, Status
from domain.complaints import COMPLAINT
from domain.filing.kind import FILING

_WITHOUT_AFTERLIFE = (FILING.name, COMPLAINT.name)
"""Kinds to whose cases time brings nothing after their end."""


_DUE = text("""
    SELECT case_id, due FROM cases
    WHERE kind = :kind AND status = ANY(:open) AND due <= :by
      AND (CAST(:due AS timestamptz) IS NULL OR (due, case_id) > (:due, :case_id))
    ORDER BY due, case_id LIMIT :size
""")

_ALONE = text("SELECT pg_try_advisory_lock(hashtextextended(:what, 0))")


class Due(NamedTuple):
    """A case whose status has run out."""

    case_id: str
    due: datetime


class LastStep(NamedTuple):
    """A case with its last step; ``over``: it has ended, and time brings nothing more."""

    case_id: str
    sequence: int
    over: bool = False


_OPEN = text("""
    SELECT case_id, sequence, status = ANY(:ended) AND kind = ANY(:over) FROM cases
    WHERE case_id > :after AND launched
      AND (status <> ALL(:ended) OR kind = 'certificate' OR updated_at > :lately)
    ORDER BY case_id LIMIT :size
""")

_MOVED = text("""
    SELECT o.case_id, max(o.sequence), bool_or(c.status = ANY(:ended) AND c.kind = ANY(:over))
    FROM outbox o JOIN cases c USING (case_id)
    WHERE o.id > :after AND o.id <= :upto AND c.launched
    GROUP BY o.case_id
""")

_SEQUENCES = text("SELECT case_id, sequence FROM cases WHERE case_id = ANY(:ids)")

_WORK_LEFT = text("""
    SELECT u.case_id FROM uploads u
    WHERE u.stage = 'queued' AND EXISTS (
        SELECT FROM journal j
        WHERE j.case_id = u.case_id AND j.command_id = u.command ->> 'id'
    ) AND NOT EXISTS (
        SELECT FROM journal j
        WHERE j.case_id = u.case_id AND j.command_id = 'finish:' || u.id
    )
    UNION
    SELECT c.case_id FROM complaints c JOIN cases k USING (case_id)
    WHERE c.outcome = '' AND k.status = 'completed'
    LIMIT :size
""")


_ENDS = {"ended": list(ENDED), "over": list(_WITHOUT_AFTERLIFE)}


async def open_cases(
    connection: AsyncConnection, lately: datetime, after: str, size: int
) -> list[LastStep]:
    """Cases that ought to have a workflow, with their last steps, in the order of their ids.

    Those that a campaign has yet to launch are left to it. Certificates and cases moved after
    ``lately`` are among them though they have ended.
    """
    asked = {"after": after, "lately": lately, "size": size, **_ENDS}
    return [LastStep(*row) for row in await connection.execute(_OPEN, asked)]


async def moved(connection: AsyncConnection, after: int, upto: int) -> list[LastStep]:
    """Cases with steps between two places of the outbox, each with its last step there."""
    asked = {"after": after, "upto": upto, **_ENDS}
    return [LastStep(*row) for row in await connection.execute(_MOVED, asked)]


async def sequences(connection: AsyncConnection, ids: Sequence[str]) -> list[LastStep]:
    """Those of some cases that are on record, with their last steps."""
    return [LastStep(*row) for row in await connection.execute(_SEQUENCES, {"ids": list(ids)})]


async def due(connection: AsyncConnection, by: datetime, after: Due | None, size: int) -> list[Due]:
    """Filings that were to be submitted by an instant, after one of them; the longest due first.

    Of other kinds, what is due is not always what a timer stands for.
    """
    place = {"due": after.due, "case_id": after.case_id} if after else {"due": None, "case_id": ""}
    asked = {"kind": FILING.name, "open": [Status.DRAFT, Status.RETURNED], "by": by, **place}
    return [Due(*row) for row in await connection.execute(_DUE, {**asked, "size": size})]


async def alone(connection: AsyncConnection, what: str) -> bool:
    """Whether nobody else is at this work; nobody else will be until the connection is closed."""
    return bool((await connection.execute(_ALONE, {"what": what})).scalar_one())


async def with_work_left(connection: AsyncConnection, *, size: int = 1_000) -> list[str]:
    """Cases with a file that is to be read, or an outcome that is to be told."""
    return list((await connection.execute(_WORK_LEFT, {"size": size})).scalars())
