"""A whole system on a port, as the pages' commands expect it: with the demonstration's data."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from api.door.app import create_app
from deploy.demo.campaign import QUARTER, Demo, Filing, completed
from deploy.demo.report_numbers import tell_numbers
from deploy.demo.roster import generate_roster
from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from domain.clock import day_of
from files.roster import roster_csv
from settings import Settings
from tests.api.conftest import whole_system
from tests.command import ROOT
from tests.docs.forked import started
from tests.system import KEY, OPERATOR, System

INSTITUTIONS = 240
"""As many as `zhibao up --demo` generates, so that its institutions have the same numbers."""
REPORTING = "demo-000012"
"""One whose filing needs one review and a quality check, and which holds a certificate in force."""


@pytest.fixture(scope="session")
def zhibao(short_folder: Path) -> Iterator[Path]:
    """The program that pages' commands run."""
    with started(short_folder, ROOT) as program:
        yield program


@pytest.fixture(scope="module")
async def served(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Where the API answers, and the environment that ``zhibao`` reaches the same system with.

    One for all pages: what a page changes is of institutions that no other page names.
    """
    rules = tmp_path_factory.mktemp("served") / "demo-rules"
    write_rules(rules, day_of(datetime.now(UTC)))
    async with whole_system(postgres, rules) as system:
        await fill(system)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            config = uvicorn.Config(
                create_app(system.parts), log_config=None, lifespan="off", ws="none"
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                await until_answering(address)
                await report(system, address, rules)
                yield (
                    address,
                    {
                        "DATABASE_URL": system.engine.url.render_as_string(hide_password=False),
                        "TEMPORAL_ADDRESS": system.client.service_client.config.target_host,
                        "TEMPORAL_NAMESPACE": system.client.namespace,
                        "ZHIBAO_TOKEN_KEY": KEY,
                        "ZHIBAO_RULES": str(rules),
                    },
                )
            finally:
                server.should_exit = True
                await serving


async def fill(system: System) -> None:
    """The generated roster, and this year's campaign over it."""
    operator = system.token(OPERATOR, "demo-operator", "000000")
    answer = await system.http.post(
        "/api/institutions/imports",
        content=roster_csv(generate_roster(INSTITUTIONS, 2024)),
        headers={
            "Authorization": f"Bearer {operator}",
            "Content-Type": "text/csv",
            "Idempotency-Key": "roster",
        },
    )
    assert answer.status_code == 200, answer.text
    await system.open(2024, "000000")


async def report(system: System, address: str, rules: Path) -> None:
    """The demonstration's first report numbers, of an institution that may report some."""
    settings = Settings(
        database_url=SecretStr("unused"),
        temporal_address="unused",
        token_key=SecretStr(KEY),
        rules=rules,
    )
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        demo = Demo(settings, http, lambda _: None)
        shown = await demo.send("GET", f"/api/filings/2024/{REPORTING}", demo.operator)
        await completed(demo, Filing(demo, shown))
        await tell_numbers(demo, QUARTER, [REPORTING])


async def until_answering(address: str) -> None:
    """Waits until the port answers."""
    async with httpx.AsyncClient() as http:
        for _ in range(100):
            with suppress(httpx.HTTPError):
                if (await http.get(f"{address}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError("the API does not answer")
