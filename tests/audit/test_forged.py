"""A superuser who knows how seals are made, and makes them: what he leaves behind all the same."""

import random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.tables import metadata
from store.tables.audit import HASHED_ELSEWHERE, SEALED_BY_ROW
from tests.audit.conftest import World
from tests.audit.corruption import by_hand, changed, deleted, found_by

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


async def _one_value(connection: AsyncConnection, table: str, choose: random.Random) -> str:
    """Changes a value of a sealed column, whichever can be; which. "": the database lets nobody."""
    keys = {column.name for column in metadata.tables[table].primary_key}
    columns = [
        column.name
        for column in metadata.tables[table].columns
        if column.name not in keys | {HASHED_ELSEWHERE.get(table)} and column.identity is None
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
        for table in TABLES:
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
    assert len(said) >= (len(TABLES) - 1 if act == "changed" else 30)


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
        for table in TABLES:
            assert await _one_value(connection, table, choose), table
            await _sealed_anew(connection, table)
        found = await found_by(connection, world)
    named = {one.table for one in found.findings}
    assert set(TABLES) - named == set()


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
