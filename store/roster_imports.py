"""Imports of rosters, each with its report row by row."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.refusals import Refused
from store.data_keys import hiding
from store.hidden import Destroyed, destroyed, roster_subject
from store.tables import roster_imports


async def by_id(connection: AsyncConnection, id_: str) -> dict[str, Any] | None:
    """The report of one import, None if there is none with this id.

    Raises Refused: what was told of its rows has been destroyed.
    """
    rows = await connection.execute(select(roster_imports).where(roster_imports.c.id == id_))
    return _report(rows.mappings().first())


async def latest(connection: AsyncConnection) -> dict[str, Any] | None:
    """The report of the import that came last, None before the first. Raises Refused: the same."""
    rows = await connection.execute(
        select(roster_imports).order_by(roster_imports.c.imported_at.desc()).limit(1)
    )
    return _report(rows.mappings().first())


def _report(row: RowMapping | None) -> dict[str, Any] | None:
    if row is not None and row["problems"] is Destroyed.KEY:
        raise Refused(destroyed(roster_subject(row["id"])))
    return dict(row) if row is not None else None


async def newest_by_scope(connection: AsyncConnection) -> dict[str, datetime]:
    """When the last roster came from an operator of each jurisdiction."""
    rows = await connection.execute(
        select(roster_imports.c.scope, func.max(roster_imports.c.imported_at).label("at"))
        .where(roster_imports.c.scope != "")
        .group_by(roster_imports.c.scope)
    )
    return {row.scope: row.at for row in rows}


async def save(
    connection: AsyncConnection, report: dict[str, Any], imported_by: str, scope: str
) -> None:
    """Keeps an import's report; the same file imported anew is the latest again."""
    key = await hiding(connection, roster_subject(report["id"]))
    problems = key.of(report["problems"])
    row = {**report, "problems": problems, "imported_by": imported_by, "scope": scope}
    await connection.execute(
        insert(roster_imports)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["id"], set_={**row, "imported_at": func.clock_timestamp()}
        )
    )
