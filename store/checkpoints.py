"""Checkpoints over the record, and the rows that each of them seals, in an order that stays.

Whatever a checkpoint seals only grows, and each row has a number that is given out in order: before
its commit, so that where numbers have come to is asked for while nobody else writes.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import canonical_json
from domain.clock import in_utc
from domain.model import Value
from store.tables import (
    checkpoints,
    histories,
    notes,
    outbox,
    refusals,
    revisions,
    rule_sets,
    seal_log,
)

LOG = "register/checkpoints"
"""The chain of operators' steps that tells of every checkpoint."""

SEALED: dict[str, tuple[str, str]] = {
    "steps": (
        "outbox",
        """SELECT o.id AS no, o.transaction, j.case_id, j.sequence, j.hash, j.recorded_at
        FROM outbox o JOIN journal j USING (case_id, sequence)
        WHERE o.id > :after AND o.id <= :upto ORDER BY o.id""",
    ),
    "refusals": (
        "refusals",
        """SELECT id AS no, case_id, number, hash FROM refusals
        WHERE id > :after AND id <= :upto ORDER BY id""",
    ),
    "revisions": (
        "revisions",
        """SELECT no, case_id, revision, sha256, saved_by, saved_at FROM revisions
        WHERE no > :after AND no <= :upto ORDER BY no""",
    ),
    "notes": (
        "notes",
        """SELECT no, sha256, written_at FROM notes
        WHERE no > :after AND no <= :upto ORDER BY no""",
    ),
    "rule_sets": (
        "rule_sets",
        """SELECT no, sha256, stored_at FROM rule_sets
        WHERE no > :after AND no <= :upto ORDER BY no""",
    ),
    "histories": (
        "histories",
        """SELECT no, case_id, run_id, sequence, events, sha256 FROM histories
        WHERE no > :after AND no <= :upto AND closed ORDER BY no""",
    ),
    "seals": (
        "seal_log",
        """SELECT no, id, "table", key, sha256, login, at FROM seal_log
        WHERE no > :after AND no <= :upto ORDER BY no""",
    ),
}
"""What is sealed, by name: the table whose numbers count, and what a leaf is made of."""

_NUMBER = {
    "outbox": outbox.c.id,
    "refusals": refusals.c.id,
    "revisions": revisions.c.no,
    "notes": notes.c.no,
    "rule_sets": rule_sets.c.no,
    "histories": histories.c.no,
    "seal_log": seal_log.c.no,
}

_HEADS = text("""
    SELECT DISTINCT ON (j.case_id COLLATE "C") j.case_id, j.sequence, j.hash
    FROM journal j JOIN outbox o USING (case_id, sequence)
    WHERE o.id <= :upto
    ORDER BY j.case_id COLLATE "C", j.sequence DESC
""")
_NEWS = text("""
    SELECT EXISTS (SELECT FROM outbox WHERE id > :steps AND case_id <> :log)
        OR EXISTS (SELECT FROM refusals WHERE id > :refusals)
        OR EXISTS (SELECT FROM revisions WHERE no > :revisions)
        OR EXISTS (SELECT FROM seal_log WHERE no IS NULL)
""")
_PAGE = 500


class Checkpoint(Value):
    """One checkpoint; ``body`` is what is signed (see docs/audit.md), ``sha256`` its hash.

    ``key`` and ``signature`` are empty where no key was at hand.
    """

    number: int
    body: dict[str, Any]
    sha256: str
    key: str
    signature: str
    made_at: datetime


async def all_of_them(connection: AsyncConnection) -> list[Checkpoint]:
    """All checkpoints, the first one first."""
    found = await connection.execute(select(checkpoints).order_by(checkpoints.c.number))
    return [Checkpoint(**row) for row in found.mappings()]


async def last(connection: AsyncConnection) -> Checkpoint | None:
    """The newest checkpoint, None before the first."""
    found = await connection.execute(
        select(checkpoints).order_by(checkpoints.c.number.desc()).limit(1)
    )
    row = found.mappings().first()
    return Checkpoint(**row) if row else None


async def first_signed_over(
    connection: AsyncConnection, case_id: str, sequence: int
) -> Checkpoint | None:
    """The first signed checkpoint that seals a step, None while there is none."""
    number = (
        select(outbox.c.id)
        .where(outbox.c.case_id == case_id, outbox.c.sequence == sequence)
        .scalar_subquery()
    )
    upto = checkpoints.c.body["sealed"]["steps"]["upto"].as_integer()
    found = await connection.execute(
        select(checkpoints)
        .where(checkpoints.c.key != "", upto >= number)
        .order_by(checkpoints.c.number)
        .limit(1)
    )
    row = found.mappings().first()
    return Checkpoint(**row) if row else None


async def add(connection: AsyncConnection, made: Checkpoint) -> None:
    """Puts a checkpoint on record."""
    await connection.execute(insert(checkpoints).values(made.model_dump()))


async def has_news(connection: AsyncConnection, upto: Mapping[str, int]) -> bool:
    """Whether anything is on record beyond what a checkpoint seals, and tells of it."""
    asked = {name: upto.get(name, 0) for name in ("steps", "refusals", "revisions")}
    return bool((await connection.execute(_NEWS, {**asked, "log": LOG})).scalar_one())


async def marks(connection: AsyncConnection) -> dict[str, int]:
    """How far the numbers of all sealed tables have come; below them, nothing comes any more.

    For a moment nobody writes: whoever does is waited for, and waits for the transaction's end.
    """
    # seals have no number before: those of whoever is still writing are the next checkpoint's
    await connection.execute(text("SELECT number_seals()"))
    # the owner's work: who may only add to a table may not lock it either
    await connection.execute(text("SELECT stand_still()"))
    numbers = {}
    for name, (table, _) in SEALED.items():
        found = await connection.execute(select(func.coalesce(func.max(_NUMBER[table]), 0)))
        numbers[name] = int(found.scalar_one())
    return numbers


async def leaves(
    connection: AsyncConnection, name: str, after: int, upto: int
) -> AsyncGenerator[tuple[int, bytes]]:
    """The rows of a sealed table between two numbers: each with its number, as a leaf."""
    result = await connection.stream(
        text(SEALED[name][1]),
        {"after": after, "upto": upto},
        execution_options={"yield_per": _PAGE},
    )
    try:
        async for page in result.mappings().partitions(_PAGE):
            for row in page:
                yield int(row["no"]), leaf(dict(row))
    finally:
        # whoever has seen enough leaves the rest
        await result.close()


async def heads(connection: AsyncConnection, upto: int) -> AsyncIterator[tuple[str, bytes]]:
    """Where each chain stood, in the order of the cases' ids: its id, and its head as a leaf."""
    result = await connection.stream(_HEADS, {"upto": upto}, execution_options={"yield_per": _PAGE})
    async for page in result.mappings().partitions(_PAGE):
        for row in page:
            yield row["case_id"], leaf(dict(row))


def leaf(row: Mapping[str, Any]) -> bytes:
    """A row as a leaf: its canonical JSON, instants in UTC."""
    return canonical_json(
        {
            name: in_utc(value) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
    )
