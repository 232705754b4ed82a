"""Database engines: one place that knows how connections are made, and when one is no good.

A connection that answers is not yet one that works. One whose other side has gone silent, whose
server has become read-only or is shutting down, or which was closed under us is thrown away, with
all others as old, so that whoever asks next gets a fresh one.
"""

import select
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from sqlalchemy import URL, NullPool, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from store import sight
from store.roles import PUBLIC, PUBLISHED

Answer = TypeVar("Answer")

_OPTIONS = "-c timezone=Asia/Shanghai -c zhibao.writer=on"
"""Instants are read in the zone of the notices, whatever the server's own. What is written here is
the application's own writing: its rows are sealed (`store.tables.audit`), those of others are not.
"""

_LONGEST_STATEMENT = 60.0

_AS_THE_PUBLIC = f" -c role={PUBLIC} -c search_path={PUBLISHED},public"

_STATEMENT_AND_A_BIT = 70.0
"""Silence longer than any statement may take, in seconds."""

_REACHING = {
    "connect_timeout": 4,
    # what is sent and not acknowledged by then was sent into nothing (milliseconds; Linux)
    "tcp_user_timeout": 8000,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_REST = 20.0
"""After so many seconds at rest a connection is asked whether it is still there."""

_OF_NO_USE = frozenset({"25006", "57P01", "57P02", "57P03", "57P04", "57P05"})
"""SQLSTATEs after which another connection may work and this one does not: the server has become
read-only, or it is going down."""


def connect(
    url: str, *, pool_size: int = 10, patience: float = _STATEMENT_AND_A_BIT
) -> AsyncEngine:
    """An asynchronous engine on ``postgresql+psycopg://…``; nothing is connected yet.

    A server that is silent for ``patience`` seconds while something is asked of it counts as gone.
    """
    return _pooled(make_url(url), patience, pool_size)


def _pooled(
    url: URL,
    patience: float,
    pool_size: int,
    longest: float = _LONGEST_STATEMENT,
    options: str = "",
) -> AsyncEngine:
    engine = _engine(
        url,
        patience,
        f" -c statement_timeout={longest * 1000:.0f}{options}",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=4,
        # those just used know what they have prepared; the others come to rest
        pool_use_lifo=True,
        # shorter than balancers and address translators keep a connection nobody uses
        pool_recycle=240,
    )
    sight.tell(engine)
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", _refuse_the_dead)
    return engine


def connect_public(
    url: str | URL, *, longest: float, pool_size: int = 10, patience: float = _STATEMENT_AND_A_BIT
) -> AsyncEngine:
    """An engine for what anybody asks: it sees what is published, and no statement takes long.

    ``longest``: seconds that one statement may take. Tables' names lead to the views of them in the
    schema `published`; whose login the address has must be given the role for it.
    """
    return _pooled(make_url(url), patience, pool_size, longest, _AS_THE_PUBLIC)


def lost_its_connection(failure: BaseException) -> bool:
    """Whether the database was asked on a connection that was of no use; another may be."""
    return isinstance(failure, DBAPIError) and failure.connection_invalidated


@asynccontextmanager
async def beside(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One more connection for who holds one of the pool: waiting there might wait for oneself."""
    own = _engine(
        engine.url,
        _STATEMENT_AND_A_BIT,
        f" -c statement_timeout={_LONGEST_STATEMENT * 1000:.0f}",
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )
    async with own.connect() as connection:
        yield connection


def _engine(url: URL, patience: float, more: str, **pool: Any) -> AsyncEngine:
    async def reach(*arguments: Any, **options: Any) -> _Watched:
        connection = await _Watched.connect(*arguments, **options)
        connection.patience = patience
        return connection

    return create_async_engine(
        url,
        # errors are logged: no value of a form may stand in them
        hide_parameters=True,
        connect_args={**_REACHING, "options": _OPTIONS + more, "async_creator_fn": reach},
        # a statement by itself leaves nothing to take back
        skip_autocommit_rollback=True,
        **pool,
    )


class _Watched(psycopg.AsyncConnection[Any]):
    """A connection that closes itself when it is of no use any more."""

    patience = _STATEMENT_AND_A_BIT

    async def wait(self, gen: PQGen[Answer], *arguments: Any, **options: Any) -> Answer:
        """Everything asked of the server goes through here."""
        try:
            return await super().wait(_heard(gen, self.patience), *arguments, **options)
        except _Silent:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server has gone silent") from None
        except psycopg.Error as failure:
            if failure.sqlstate in _OF_NO_USE:
                self.pgconn.finish()
            raise

    async def rollback(self) -> None:
        """Takes back what is under way, and keeps what is prepared.

        Each read in a transaction ends with this, and psycopg forgets all that is prepared then:
        what refers to a table made meanwhile would fail. None is made here, and to plan a statement
        can take longer than to carry it out.
        """
        async with self.lock:
            await self.wait(_taken_back(self.pgconn))


def _taken_back(connection: PGconn) -> PQGen[None]:
    if connection.transaction_status == TransactionStatus.IDLE:
        return
    connection.send_query(b"ROLLBACK")
    for result in (yield from generators.execute(connection)):
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


class _Silent(Exception):
    pass


def _heard(gen: PQGen[Answer], patience: float) -> Generator[Any, Any, Answer]:
    """The same exchange with the server, given up when nothing comes for too long."""
    try:
        wanted = next(gen)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    since = time.monotonic()
    while True:
        ready = yield wanted
        if ready:
            since = time.monotonic()
        elif time.monotonic() - since > patience:
            raise _Silent
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            answer = end.value
            return answer


def _note_rest(_: Any, record: Any) -> None:
    record.info["at rest since"] = time.monotonic()


def _refuse_the_dead(connection: Any, record: Any, _: Any) -> None:
    """Asks a connection whether it is still there when there is a reason to; that costs a trip.

    Whoever is at rest and has something to read was closed, or is about to be told so.
    """
    rested = time.monotonic() - record.info.get("at rest since", time.monotonic())
    driver = record.driver_connection
    try:
        if rested > _REST or _has_news(driver.pgconn.socket):
            _ping(connection)
    except (psycopg.Error, OSError) as failure:
        raise InvalidatePoolError(str(failure)) from failure


def _ping(connection: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT 1")
    finally:
        cursor.close()
    connection.rollback()


def _has_news(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
