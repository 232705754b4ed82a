"""Connections that are no good any more: closed, silent, read-only, frozen."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.embedded.postgres import EmbeddedPostgres
from store.database import connect
from store.probe import can_write
from tests.ill_treated import as_superuser, frozen


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, to be ill-treated."""
    with EmbeddedPostgres(short_folder / "frozen") as server:
        yield server


@asynccontextmanager
async def connected(url: str, patience: float = 60) -> AsyncIterator[AsyncEngine]:
    engine = connect(url, pool_size=4, patience=patience)
    try:
        yield engine
    finally:
        await engine.dispose()


async def backends(engine: AsyncEngine, count: int = 4) -> set[int]:
    """The server's processes behind so many connections in use at once."""

    async def one() -> int:
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.2)"))
            return int(found.scalar_one())

    return set(await asyncio.gather(*(one() for _ in range(count))))


class Silencer:
    """A way to the server on which connections that are open can be made silent."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._open: list[asyncio.Event] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        out_reader, out_writer = await asyncio.open_connection(*self._there)
        heard = asyncio.Event()
        heard.set()
        self._open.append(heard)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    await heard.wait()
                    sink.write(data)
                    await sink.drain()
            finally:
                sink.close()

        await asyncio.gather(
            carry(reader, out_writer), carry(out_reader, writer), return_exceptions=True
        )

    def hush(self) -> None:
        """What is open now says nothing any more; what is opened later does."""
        for heard in self._open:
            heard.clear()
        self._silent, self._open = self._open, []

    def release(self) -> None:
        for heard in self._silent:
            heard.set()


@pytest.mark.anyio
async def test_connections_that_the_server_has_closed_cost_nobody_anything(
    server: EmbeddedPostgres,
) -> None:
    async with connected(server.url) as engine:
        before = await backends(engine)
        assert len(before) == 4
        as_superuser(server, f"SELECT pg_terminate_backend(n) FROM unnest(ARRAY{[*before]}) AS n")
        # the news is there a moment after the server has said so
        await asyncio.sleep(0.3)
        after = await backends(engine)
    assert len(after) == 4
    assert not before & after


@pytest.mark.anyio
async def test_what_is_prepared_outlives_a_transaction_that_is_taken_back(
    server: EmbeddedPostgres,
) -> None:
    """Each read ends so. What was written in it is gone all the same."""
    as_superuser(server, "CREATE TABLE IF NOT EXISTS kept (n int)", "GRANT ALL ON kept TO zhibao")
    async with connected(server.url) as engine:
        for number in range(12):
            async with engine.connect() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (:n)"), {"n": number})
                await connection.execute(text("SELECT count(*) AS often FROM kept"))
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM kept"))).scalar_one() == 0
            prepared = await connection.execute(
                text("SELECT generic_plans FROM pg_prepared_statements WHERE statement ~ 'often'")
            )
            # one and the same connection, since nobody else asked
            assert prepared.scalar_one() >= 1
            with pytest.raises(DBAPIError):
                await connection.execute(text("SELECT 1 / 0"))
            await connection.rollback()
            assert (await connection.execute(text("SELECT count(*) FROM kept"))).scalar_one() == 0


@pytest.mark.anyio
async def test_silent_connections_cost_one_wait_and_no_more(server: EmbeddedPostgres) -> None:
    url = make_url(server.url)
    between = Silencer(str(url.host), int(url.port or 0))
    listening = await asyncio.start_server(between, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    here = url.set(port=port).render_as_string(hide_password=False)
    async with connected(here, patience=1) as engine:
        before = await backends(engine)
        between.hush()
        began = time.monotonic()
        with pytest.raises(SQLAlchemyError):
            await backends(engine, 1)
        assert 1 <= time.monotonic() - began < 5
        began = time.monotonic()
        after = await backends(engine)
        assert time.monotonic() - began < 5
        assert not before & after
    between.release()
    listening.close()
    await listening.wait_closed()


@pytest.mark.anyio
async def test_a_statement_may_take_as_long_as_the_patience_lasts(server: EmbeddedPostgres) -> None:
    async with connected(server.url, patience=1) as engine, engine.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.5)"))
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT pg_sleep(3)"))


@pytest.mark.anyio
async def test_after_a_switchover_the_read_only_connections_are_thrown_away(
    server: EmbeddedPostgres,
) -> None:
    """Sessions that are open become read-only, as on a demoted server; new ones may write."""
    as_superuser(
        server, "CREATE TABLE IF NOT EXISTS acts (n int)", "GRANT INSERT ON acts TO zhibao"
    )
    async with connected(server.url) as engine:
        before = await backends(engine)
        as_superuser(
            server,
            "ALTER ROLE zhibao SET default_transaction_read_only = off",
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        )
        try:
            await asyncio.sleep(0.3)
            # sessions know of it from their next statement on
            await backends(engine)
            with pytest.raises(DBAPIError, match="read-only"):
                async with engine.begin() as connection:
                    await connection.execute(text("INSERT INTO acts VALUES (1)"))
            for _ in range(4):
                async with engine.begin() as connection:
                    await connection.execute(text("INSERT INTO acts VALUES (2)"))
            after = await backends(engine)
        finally:
            as_superuser(
                server,
                "ALTER SYSTEM RESET default_transaction_read_only",
                "ALTER ROLE zhibao RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            )
    assert not before & after


@pytest.mark.anyio
async def test_a_frozen_server_is_given_up_and_used_again_once_it_goes_on(
    server: EmbeddedPostgres,
) -> None:
    async with connected(server.url, patience=2) as engine:
        await backends(engine)
        with frozen(server):
            began = time.monotonic()
            answers = await asyncio.gather(
                *(backends(engine, 1) for _ in range(10)), return_exceptions=True
            )
            # the pool's four go silent; whoever waited for them, or connects anew, waits as well
            assert time.monotonic() - began < 12
            assert all(isinstance(one, SQLAlchemyError) for one in answers)
        assert len(await backends(engine)) == 4


@pytest.mark.anyio
async def test_the_probe_says_whether_anything_can_be_written(server: EmbeddedPostgres) -> None:
    async with connected(server.url) as engine:
        async with engine.connect() as connection:
            assert await can_write(connection) is True
        # nobody may write a file to disk: what a full disk comes to
        as_superuser(server, "ALTER SYSTEM SET temp_file_limit = 0", "SELECT pg_reload_conf()")
        try:
            await asyncio.sleep(0.3)
            await backends(engine)
            async with engine.connect() as connection:
                with pytest.raises(DBAPIError):
                    await can_write(connection)
        finally:
            as_superuser(server, "ALTER SYSTEM RESET temp_file_limit", "SELECT pg_reload_conf()")
        as_superuser(
            server,
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        )
        try:
            await asyncio.sleep(0.3)
            told = []
            for _ in range(2):
                async with engine.connect() as connection:
                    told.append(await can_write(connection))
            assert told[-1] is False
        finally:
            as_superuser(
                server,
                "ALTER SYSTEM RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            )
