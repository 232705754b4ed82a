"""What the API answers while its database stands still, or takes no writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.server import PATIENCE
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor, Role
from store.database import connect
from store.migrate import upgrade
from tests.api.lookups import Lookups, lookups_on
from tests.ill_treated import as_superuser, frozen

pytestmark = pytest.mark.anyio

READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = on"
WRITABLE = "ALTER SYSTEM RESET default_transaction_read_only"
RELOAD = "SELECT pg_reload_conf()"
SESSIONS_WRITE = "ALTER ROLE zhibao SET default_transaction_read_only = off"
"""New sessions, that is: those that are open follow the server."""
SESSIONS_AS_ALL = "ALTER ROLE zhibao RESET default_transaction_read_only"


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(short_folder / "away") as server:
        upgrade(server.owner_url)
        yield server


@pytest.fixture
async def engine(server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """Connections as the API makes them, few enough that all are in use at once."""
    engine = connect(server.url, pool_size=4, patience=PATIENCE)
    yield engine
    # what was late is still ending
    while engine.pool.checkedout():  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
    await engine.dispose()


async def ask(house: Lookups, method: str, path: str, role: Role | None) -> tuple[float, Any]:
    """How many seconds an answer took, and the answer."""
    headers = {"Idempotency-Key": f"{path}-{time.monotonic_ns()}"}
    if role is not None:
        scope = "000000" if role is Role.OPERATOR else ""
        actor = Actor(subject="somebody", role=role, scope=scope)
        issued = house.parts.identity.issue(actor, datetime.now(UTC), timedelta(days=1))
        headers["Authorization"] = f"Bearer {issued}"
    began = time.monotonic()
    answer = await house.http.request(method, path, headers=headers)
    return time.monotonic() - began, answer


ASKED = [
    ("GET", "/api/filings?size=5", Role.AUDITOR),
    ("GET", "/api/institutions?size=5", Role.OPERATOR),
    ("POST", "/api/campaigns/2024/000000/rescan", Role.OPERATOR),
    ("GET", "/public/report-numbers?number=JC2", None),
    ("GET", "/readyz", None),
]


async def test_while_the_database_stands_still_everybody_is_told_so_in_time(
    server: EmbeddedPostgres, engine: AsyncEngine
) -> None:
    async with lookups_on(engine) as house:
        # connections are open before; what is asked for now is in no cache then
        await asyncio.gather(*(ask(house, "GET", "/api/filings", Role.AUDITOR) for _ in range(4)))
        with frozen(server):
            answers = await asyncio.gather(*(ask(house, *one) for one in ASKED * 2))
        for (method, path, _), (seconds, answer) in zip(ASKED * 2, answers, strict=True):
            assert answer.status_code == 503, (method, path)
            assert seconds < (4 if path == "/readyz" else 15.5), (method, path, seconds)
            if path != "/readyz":
                assert answer.json()["code"] == "unavailable"
        _, answer = await ask(house, *ASKED[0])
        assert answer.status_code == 200


async def test_sessions_that_became_read_only_cost_nobody_anything(
    server: EmbeddedPostgres, engine: AsyncEngine
) -> None:
    """As after a switchover: connections that are open lead to a server that takes no writes."""
    async with lookups_on(engine) as house:

        async def write() -> Any:
            return (await ask(house, "POST", "/api/campaigns/2031/000000", Role.OPERATOR))[1]

        # each of them uses its key, and is told that there are no such rules
        before = [await write() for _ in range(4)]
        assert {one.json()["code"] for one in before} == {"rules_not_found"}
        as_superuser(server, SESSIONS_WRITE, READ_ONLY, RELOAD)
        try:
            await asyncio.sleep(0.3)
            # sessions know of it from their next statement on
            await asyncio.gather(*(ask(house, *ASKED[0]) for _ in range(4)))
            answers = await asyncio.gather(*(write() for _ in range(8)))
        finally:
            as_superuser(server, WRITABLE, SESSIONS_AS_ALL, RELOAD)
        assert {one.json()["code"] for one in answers} == {"rules_not_found"}


async def test_a_server_that_takes_no_writes_is_not_ready(
    server: EmbeddedPostgres, engine: AsyncEngine
) -> None:
    async with lookups_on(engine) as house:

        async def says() -> Any:
            return (await ask(house, "GET", "/readyz", None))[1].json()["parts"]["database"]

        assert await says() is True
        as_superuser(server, READ_ONLY, RELOAD)
        try:
            await asyncio.sleep(0.3)
            assert [await says() for _ in range(2)][-1] is False
        finally:
            as_superuser(server, WRITABLE, RELOAD)
        await asyncio.sleep(0.3)
        assert [await says() for _ in range(2)][-1] is True
        # what a full disk comes to
        as_superuser(server, "ALTER SYSTEM SET temp_file_limit = 0", RELOAD)
        try:
            await asyncio.sleep(0.3)
            assert [await says() for _ in range(2)][-1] is False
        finally:
            as_superuser(server, "ALTER SYSTEM RESET temp_file_limit", RELOAD)
