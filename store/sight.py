"""For whom the database is asked: each transaction says so, and policies of rows go by it.

A second line behind the rights check (migration 0057): a query whose filters were forgotten shows
no content, file, contact or complaint beyond the place and the purpose of whoever asks. Nobody in
particular, a worker or a command, sees all; the login could say that it is nobody, so this guards
against mistakes and not against whoever holds the login.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.model import Value


class Sight(Value):
    """Who asks: a role, what it is for, and the codes of the regions in it, "" for all."""

    role: str
    scope: str
    regions: str


_sight: ContextVar[Sight | None] = ContextVar("sight", default=None)

_TOLD = (
    "SELECT set_config('zhibao.role', %s, {0}), set_config('zhibao.scope', %s, {0}),"
    " set_config('zhibao.regions', %s, {0})"
)
_FOR_THE_TRANSACTION, _FOR_THE_CONNECTION = _TOLD.format("true"), _TOLD.format("false")
_NOBODY = Sight(role="", scope="", regions="")
_KEPT = "seen by"


@contextmanager
def seen_by(sight: Sight | None) -> Iterator[None]:
    """Within this the database is asked for somebody; None: for nobody in particular."""
    before = _sight.set(sight)
    try:
        yield
    finally:
        _sight.reset(before)


def tell(engine: AsyncEngine) -> None:
    """Has the engine's transactions say for whom they ask."""
    listen(engine.sync_engine, "begin", _tell)


def _tell(connection: Any) -> None:
    """Says for whom a transaction asks, unless the connection knows.

    Where each statement is a transaction of its own, the connection remembers it for the next.
    """
    sight = _sight.get() or _NOBODY
    if sight == connection.info.get(_KEPT, _NOBODY):
        return
    told = (sight.role, sight.scope, sight.regions)
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        # what goes wrong leaves nothing half known
        connection.info[_KEPT] = None
        connection.exec_driver_sql(_FOR_THE_CONNECTION, told)
        connection.info[_KEPT] = sight
    else:
        connection.exec_driver_sql(_FOR_THE_TRANSACTION, told)


async def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The driver's connection, for what goes straight to it, told for whom it is asked.

    Without a transaction begun it would go on asking for whoever had the connection before: what
    is out of their sight is neither read nor changed, and nobody is told.
    """
    if not connection.in_transaction():
        await connection.begin()
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
