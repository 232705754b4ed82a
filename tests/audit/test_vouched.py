"""Every column there is: vouched for, or named with a reason; and found when it is changed."""

import random

import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.tables import metadata
from store.tables.audit import HASHED_ELSEWHERE
from tests.audit.conftest import World
from tests.audit.corruption import by_hand, changed, found_by
from tests.audit.vouched import FOLLOWS, NO_EVIDENCE, NOT_VOUCHED

pytestmark = pytest.mark.anyio

_COLUMNS = text("""
    SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum
""")
_SEALED = text("""
    SELECT c.relname, t.tgargs FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgname = c.relname || '_sealed_on_insert'
""")
_CHECKS = text("""
    SELECT conname FROM pg_constraint
    WHERE contype = 'c' AND conrelid = CAST(:table AS regclass) AND coninhcount = 0
""")


async def _sealed(connection: AsyncConnection) -> set[tuple[str, str]]:
    rows = (await connection.execute(_SEALED)).all()
    return {
        (table, column)
        for table, given in rows
        for column in bytes(given).decode().split("\0")[1].split(",")
    }


async def test_every_column_is_vouched_for_or_named_with_a_reason(audited: AsyncEngine) -> None:
    """A table or column that a migration adds is sealed by it (`SELECT seal_table('…')`), or named
    in `tests/audit/vouched.py`."""
    async with audited.connect() as connection:
        there = {(table, column) for table, column in await connection.execute(_COLUMNS)}
        sealed = await _sealed(connection)
    told = {(table, column) for table, columns in FOLLOWS.items() for column in columns}
    told |= sealed
    told |= {(table, one) for table, columns in HASHED_ELSEWHERE.items() for one in columns}
    left = {one for one in there if one[0] not in NO_EVIDENCE}
    assert left - told - set(NOT_VOUCHED) == set()
    # nothing is named that is not there, and nothing vouched for is excused
    assert (told | set(NOT_VOUCHED)) - there == set()
    assert told & set(NOT_VOUCHED) == set()
    assert set(NO_EVIDENCE) <= {table for table, _ in there}


async def anything_goes(connection: AsyncConnection, table: Table) -> None:
    """Takes away what would not let somebody write whatever they like."""
    for name in (await connection.execute(_CHECKS, {"table": table.name})).scalars().all():
        await connection.execute(text(f'ALTER TABLE {table.name} DROP CONSTRAINT "{name}"'))
    for column in table.columns:
        if column.identity is not None:
            await connection.execute(
                text(f'ALTER TABLE {table.name} ALTER COLUMN "{column.name}" DROP IDENTITY')
            )


async def _changed(
    connection: AsyncConnection, table: Table, column: str, choose: random.Random
) -> bool:
    """Changes a value; into another one where what came first stands there already."""
    for _ in range(20):
        try:
            async with connection.begin_nested():
                return await changed(connection, table, column, choose)
        except IntegrityError:
            continue
    raise AssertionError(table.name, column)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_change_of_any_column_is_found(world: World, audited: AsyncEngine) -> None:
    choose, missed, unchanged = random.Random(11), [], []
    for table in metadata.sorted_tables:
        if table.name in NO_EVIDENCE:
            continue
        for column in table.columns:
            if (table.name, column.name) in NOT_VOUCHED:
                continue
            async with by_hand(audited) as connection:
                await anything_goes(connection, table)
                if not await _changed(connection, table, column.name, choose):
                    unchanged.append((table.name, column.name))
                elif (await found_by(connection, world)).ok:
                    missed.append((table.name, column.name))
    assert (missed, unchanged) == ([], [])
