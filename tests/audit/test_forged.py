"""A superuser who knows how seals are made, and makes them: what he leaves behind all the same."""

import json
import random
from typing import Any

import pytest
from sqlalchemy import (
    Index,
    PrimaryKeyConstraint,
    RowMapping,
    Table,
    UniqueConstraint,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.tables import metadata
from store.tables.audit import HASHED_ELSEWHERE, SEALED_BY_ROW
from tests.audit.conftest import World
from tests.audit.corruption import by_hand, changed, deleted, found_by, other
from tests.audit.test_vouched import anything_goes
from tests.audit.vouched import NO_EVIDENCE

pytestmark = pytest.mark.anyio

TABLES = sorted(SEALED_BY_ROW)
SEAL_ANEW = """
    UPDATE seals s SET sha256 = seal_of(x.j, :columns) FROM (
        SELECT to_jsonb(r) AS j FROM {table} r) x
    WHERE s."table" = :table AND s.key = seal_key(x.j, :keys)
"""
GIVEN = text("""
    SELECT t.tgargs FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relname = :table AND t.tgname = c.relname || '_sealed_on_insert'
""")


async def _with_rows(connection: AsyncConnection, *tables: str) -> list[str]:
    """Those of the tables that hold anything; that all of them do, the slow test of every column
    sees to."""
    held = []
    for table in tables or TABLES:
        found = await connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})"))
        if found.scalar_one():
            held.append(table)
    return held


async def _one_value(connection: AsyncConnection, table: str, choose: random.Random) -> str:
    """Changes a value of a sealed column, whichever can be; which. "": the database lets nobody."""
    keys = {column.name for column in metadata.tables[table].primary_key}
    columns = [
        column.name
        for column in metadata.tables[table].columns
        if column.name not in keys | set(HASHED_ELSEWHERE.get(table, ()))
        and column.identity is None
    ]
    # a table of nothing but a key has that changed
    for column in choose.sample(columns, len(columns)) or sorted(keys):
        try:
            async with connection.begin_nested():
                if await changed(connection, metadata.tables[table], column, choose):
                    return column
        except DBAPIError:
            continue
    return ""


@pytest.mark.parametrize("act", ["changed", "deleted"])
async def test_a_superuser_gives_no_seals_though_he_says_he_is_the_application(
    world: World, audited: AsyncEngine, act: str
) -> None:
    """The setting is his to set, and the triggers run: no seal comes of it. In every table."""
    choose, said = random.Random(3), set()
    async with by_hand(audited) as connection:
        tables = await _with_rows(connection)
        for table in tables:
            # triggers run, foreign keys do not stand in the way
            await connection.execute(text("SET session_replication_role = origin"))
            await connection.execute(text("SET zhibao.writer = 'on'"))
            try:
                async with connection.begin_nested():
                    if act == "changed":
                        done = bool(await _one_value(connection, table, choose))
                    else:
                        done = await deleted(connection, metadata.tables[table], choose)
            except DBAPIError:
                # a guard of the database itself, or somebody refers to it
                continue
            if done:
                said.add(table)
        found = await found_by(connection, world)
    named = {one.table for one in found.findings}
    assert said - named == set()
    assert len(said) >= (len(tables) - 1 if act == "changed" else 30)


async def _sealed_anew(connection: AsyncConnection, table: str) -> None:
    given = (await connection.execute(GIVEN, {"table": table})).scalar_one()
    keys, columns, *_ = bytes(given).decode().split("\0")
    await connection.execute(text("SET timezone = 'UTC'"))
    await connection.execute(
        text(SEAL_ANEW.format(table=table)), {"table": table, "keys": keys, "columns": columns}
    )
    await connection.execute(text("SET timezone = 'Asia/Shanghai'"))


async def test_seals_made_anew_by_hand_are_not_those_that_were_given(
    world: World, audited: AsyncEngine
) -> None:
    """With triggers off, each row's seal is made to fit it again. In every table."""
    choose = random.Random(5)
    async with by_hand(audited) as connection:
        tables = await _with_rows(connection)
        for table in tables:
            assert await _one_value(connection, table, choose), table
            await _sealed_anew(connection, table)
        found = await found_by(connection, world)
    named = {one.table for one in found.findings}
    assert set(tables) - named == set()


ANOTHER = """
    INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(r) || :other)).*
    FROM (SELECT * FROM {table} ORDER BY {last} DESC LIMIT 1) r
"""


def _unique(one: object) -> bool:
    """Whether it is an index whose values stand there once, be it only of some rows."""
    return isinstance(one, Index) and bool(one.unique)


def _another(table: Table, row: RowMapping, choose: random.Random) -> Any:
    """A key, and whatever else stands there once, that nobody has yet; as JSON values."""
    every: list[Any] = [*table.constraints, *table.indexes]
    once = {
        column.name
        for one in every
        if isinstance(one, PrimaryKeyConstraint | UniqueConstraint) or _unique(one)
        for column in one.columns
    }
    given = {
        column.name: other(row[column.name], choose)
        for column in table.columns
        if column.name in once and row[column.name] is not None
    }
    return json.loads(json.dumps(given, default=str))


async def _one_more(connection: AsyncConnection, table: Table, choose: random.Random) -> bool:
    """Adds a row to a table, like one that is there but for its keys; whether it could."""
    last = [table.columns[0], *table.primary_key][-1].name
    newest = text(f"SELECT * FROM {table.name} ORDER BY {last} DESC LIMIT 1")
    row = (await connection.execute(newest)).mappings().one()
    add = text(ANOTHER.format(table=table.name, last=last))
    add = add.bindparams(bindparam("other", type_=JSONB))
    for _ in range(20):
        try:
            async with connection.begin_nested():
                await connection.execute(add, {"other": _another(table, row, choose)})
                return True
        except IntegrityError:
            # that one is there as well
            continue
    return False


TOLD_OF_ELSEWHERE = {"outbox": "journal", "refusal_heads": "refusals"}
"""Tables that say how far another goes: that one is named, as cut off before."""


async def test_a_row_more_in_any_table_is_found(world: World, audited: AsyncEngine) -> None:
    choose = random.Random(7)
    added = set()
    async with by_hand(audited) as connection:
        held = await _with_rows(connection, *metadata.tables)
        tables = [metadata.tables[name] for name in held if name not in NO_EVIDENCE]
        for table in tables:
            await anything_goes(connection, table)
            if await _one_more(connection, table, choose):
                added.add(table.name)
        found = await found_by(connection, world)
    named = {one.table for one in found.findings}
    assert added - named == set(TOLD_OF_ELSEWHERE)
    assert {one.name for one in tables} - added == set()
    for name, elsewhere in TOLD_OF_ELSEWHERE.items():
        async with by_hand(audited) as connection:
            await anything_goes(connection, metadata.tables[name])
            assert await _one_more(connection, metadata.tables[name], choose)
            found = await found_by(connection, world)
        assert {(one.kind.value, one.table) for one in found.findings} == {("cut", elsewhere)}


async def test_a_row_less_is_found_though_its_seal_went_along(
    world: World, audited: AsyncEngine
) -> None:
    async with by_hand(audited) as connection:
        tables = await _with_rows(connection)
        for table in tables:
            await connection.execute(text(f"DELETE FROM {table}"))
        await connection.execute(text("DELETE FROM seals"))
        found = await found_by(connection, world)
    named = {one.table for one in found.findings}
    assert set(tables) - named == set()


async def test_what_a_seal_was_is_sealed(world: World, audited: AsyncEngine) -> None:
    """Whoever makes the log of seals fit as well meets the checkpoints."""
    for statement in (
        "UPDATE seal_log SET sha256 = repeat('0', 64) WHERE no = 3",
        "UPDATE seal_log SET login = 'postgres' WHERE no = 3",
        "UPDATE seal_log SET at = at - interval '1 year' WHERE no = 3",
        "DELETE FROM seal_log WHERE no = 3",
        "UPDATE seal_log SET no = NULL WHERE no = 3",
        "UPDATE seal_log SET no = -no WHERE no IN (3, 4)",
    ):
        async with by_hand(audited) as connection:
            done = await connection.execute(text(statement))
            assert done.rowcount
            found = await found_by(connection, world)
        assert ("checkpoint", "seal_log") in {
            (one.kind.value, one.table) for one in found.findings
        }, statement
