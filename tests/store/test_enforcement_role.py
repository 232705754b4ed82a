"""Whoever enforces sees that and when something was filed, and never what: the database says so."""

import inspect

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.ext.asyncio import AsyncEngine

from store import enforcement
from store.roles import ENFORCEMENT as ROLE
from store.tables import metadata

SEEN = {"filing_dates_in_sight", "reminder_dates", "enforcement_register"}


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    connection.execute(f"SET ROLE {ROLE}")
    return connection


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_no_table_can_be_read_or_written(database_url: str, table: str) -> None:
    with _connect(database_url) as connection:
        for statement in (f"SELECT * FROM {table}", f"DELETE FROM {table}"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)


def test_what_can_be_read_is_three_views_with_no_content_in_them(database_url: str) -> None:
    with _connect(database_url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ).fetchall()
    assert {row[0] for row in rows} == SEEN
    dates = {row[1]: row[2] for row in rows if row[0] == "filing_dates_in_sight"}
    assert set(dates) == {
        "case_id", "kind", "year", "quarter", "institution_id", "jurisdiction", "rule_set",
        "status", "obligation", "due", "submitted_at", "extended_until", "approved_at",
    }  # fmt: skip
    assert "jsonb" not in dates.values()


@pytest.mark.anyio
async def test_the_facts_of_a_filing_are_read_as_that_role(engine: AsyncEngine) -> None:
    """A view that asked for more would fail here; the function names no table at all."""
    assert await enforcement.filing_dates(engine, "filing/2024/nobody") is None
    source = inspect.getsource(enforcement.filing_dates)
    assert "SET LOCAL ROLE" in source
    async with engine.connect() as connection:
        # and nobody else goes on as that role on the connection it was read on
        name = (await connection.exec_driver_sql("SELECT current_user")).scalar_one()
    assert name != ROLE
