"""Changes made by hand with a superuser's rights, in any table, and taken back afterwards."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from audit.findings import Tally, Verified
from audit.verify import check_record
from domain.canonical import sha256_of
from store.hidden import HiddenColumn
from tests.audit.conftest import World, now


@asynccontextmanager
async def by_hand(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for which neither triggers nor foreign keys hold; all it does is taken back."""
    async with engine.connect() as connection:
        await connection.execute(text("SET session_replication_role = replica"))
        try:
            yield connection
        finally:
            await connection.rollback()


async def found_by(connection: AsyncConnection, world: World, case_id: str = "") -> Verified:
    tally = Tally()
    await check_record(connection, world.keys, now, tally, case_id)
    return tally.result()


def other(value: Any, choose: random.Random) -> Any:
    """Something else of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + choose.choice((1, -1, 7, 100_003))
        case str():
            if len(value) == 64 and all(one in "0123456789abcdef" for one in value):
                return ("1" if value[0] == "0" else "0") + value[1:]
            return f"{value}x" if choose.random() < 0.5 or not value else value[:-1] + "~"
        case datetime():
            return value + choose.choice((1, -1)) * timedelta(seconds=choose.choice((1, 3600)))
        case date():
            return value + timedelta(days=choose.choice((1, -1)))
        case bytes() | memoryview():
            raw = bytearray(value)
            raw[choose.randrange(len(raw))] ^= 1
            return bytes(raw)
        case dict() | list():
            return _elsewhere(value, choose)
    raise AssertionError(value)


def _elsewhere(value: Any, choose: random.Random) -> Any:
    """A JSON value in which one thing is different, wherever it stands."""
    if isinstance(value, dict):
        if not value:
            return {"x": 1}
        name = choose.choice(sorted(value))
        if choose.random() < 0.15:
            return {key: part for key, part in value.items() if key != name}
        return {**value, name: _elsewhere(value[name], choose)}
    if isinstance(value, list):
        if not value:
            return [1]
        place = choose.randrange(len(value))
        if choose.random() < 0.15:
            return [*value[:place], *value[place + 1 :]]
        return [*value[:place], _elsewhere(value[place], choose), *value[place + 1 :]]
    return "x" if value is None else other(value, choose)


async def changed(
    connection: AsyncConnection,
    table: Table,
    column: str,
    choose: random.Random,
    where: str = "true",
) -> bool:
    """Changes one value of one row, one that is none too; False if there is no row."""
    rows = await connection.execute(
        text(f"SELECT ctid::text AS place, tableoid::regclass::text AS part, \"{column}\" AS value"
             f" FROM {table.name} WHERE {where} ORDER BY \"{column}\" IS NULL, ctid")
    )  # fmt: skip
    found = rows.all()
    if not found:
        return False
    row = choose.choice([one for one in found if one.value is not None] or found)
    value: Any
    if row.value is None:
        of = table.c[column].type
        # what is hidden is text where it stands
        value = _SOME[str if isinstance(of, HiddenColumn) else of.python_type]
    else:
        value = other(row.value, choose)
    assert value != row.value
    as_json = isinstance(table.c[column].type, JSONB)
    given = json.dumps(value, ensure_ascii=False) if as_json else value
    kind = "jsonb" if as_json else table.c[column].type.compile(connection.dialect)
    await connection.execute(
        text(f'UPDATE {row.part} SET "{column}" = CAST(:value AS {kind})'
             " WHERE ctid = CAST(:place AS tid)"),
        {"value": given, "place": row.place},
    )  # fmt: skip
    return True


_SOME: dict[type, Any] = {
    str: "x",
    int: 7,
    bool: True,
    date: date(2001, 1, 1),
    datetime: datetime(2001, 1, 1, tzinfo=UTC),
    object: {"x": 1},
    bytes: b"x",
    list: ["x"],
}
"""Something where there was nothing."""


async def deleted(connection: AsyncConnection, table: Table, choose: random.Random) -> bool:
    """Deletes one row."""
    rows = (await connection.execute(text(f"SELECT ctid::text AS place, tableoid::regclass::text"
            f" AS part FROM {table.name} ORDER BY ctid"))).all()  # fmt: skip
    if not rows:
        return False
    row = choose.choice(rows)
    await connection.execute(
        text(f"DELETE FROM {row.part} WHERE ctid = CAST(:place AS tid)"), {"place": row.place}
    )
    return True


async def some_step(connection: AsyncConnection, choose: random.Random, least: int = 1) -> Any:
    """A row of the journal, of a chain of at least so many steps that more than one person sees."""
    rows = await connection.execute(
        text("""
            SELECT j.*, count(*) OVER (PARTITION BY case_id) AS steps FROM journal j
            ORDER BY case_id COLLATE "C", sequence
        """)
    )
    return choose.choice([row for row in rows.all() if row.steps >= least])


async def cut(connection: AsyncConnection, choose: random.Random) -> tuple[str, int]:
    """Takes the last steps of a chain away; the tables around it stay as they are."""
    row = await some_step(connection, choose, 2)
    place = {"case_id": row.case_id, "sequence": max(row.sequence, 2)}
    await connection.execute(
        text("DELETE FROM journal WHERE case_id = :case_id AND sequence >= :sequence"), place
    )
    return row.case_id, int(place["sequence"])


async def reordered(connection: AsyncConnection, choose: random.Random) -> tuple[str, int]:
    """Two steps change places."""
    row = await some_step(connection, choose, 2)
    other_place = row.sequence + 1 if row.sequence < row.steps else row.sequence - 1
    for before, after in (
        (row.sequence, -1),
        (other_place, row.sequence),
        (-1, other_place),
    ):
        await connection.execute(
            text("UPDATE journal SET sequence = :after"
                 " WHERE case_id = :case_id AND sequence = :before"),
            {"case_id": row.case_id, "before": before, "after": after},
        )  # fmt: skip
    return row.case_id, min(row.sequence, other_place)


async def inserted(connection: AsyncConnection, choose: random.Random) -> tuple[str, int]:
    """A step more at the end of a chain, chained as it should be."""
    row = await some_step(connection, choose)
    steps = await connection.execute(
        text("SELECT * FROM journal WHERE case_id = :case_id ORDER BY sequence DESC LIMIT 1"),
        {"case_id": row.case_id},
    )
    last = steps.one()
    step = {**last.step, "sequence": last.sequence + 1, "previous_hash": last.hash}
    await connection.execute(
        text("""
            INSERT INTO journal (case_id, sequence, event, command_id, step, hash, at)
            VALUES (:case_id, :sequence, :event, :command_id, CAST(:step AS jsonb), :hash, :at)
        """),
        {
            "case_id": row.case_id,
            "sequence": last.sequence + 1,
            "event": last.event,
            "command_id": last.command_id,
            "step": json.dumps(step, ensure_ascii=False),
            "hash": sha256_of(step),
            "at": last.at,
        },
    )
    return row.case_id, last.sequence + 1


async def written_anew(connection: AsyncConnection, choose: random.Random) -> tuple[str, int]:
    """A step is changed and every hash from there on made anew; the tables around it stay."""
    row = await some_step(connection, choose, 2)
    rows = await connection.execute(
        text("SELECT * FROM journal WHERE case_id = :case_id ORDER BY sequence"),
        {"case_id": row.case_id},
    )
    head = ""
    for one in rows.all():
        step = dict(one.step)
        if one.sequence < row.sequence:
            continue
        if one.sequence == row.sequence:
            step["received_at"] = "2020-01-01T00:00:00Z"
        if head:
            step["previous_hash"] = head
        head = sha256_of(step)
        await connection.execute(
            text("UPDATE journal SET step = CAST(:step AS jsonb), hash = :hash"
                 " WHERE case_id = :case_id AND sequence = :sequence"),
            {"step": json.dumps(step, ensure_ascii=False), "hash": head,
             "case_id": one.case_id, "sequence": one.sequence},
        )  # fmt: skip
    return row.case_id, row.sequence
