"""One system per test module, under generated rules whose windows are open at this moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from domain.clock import day_of
from services.clock import system_clock
from store.database import connect
from tests.databases import fresh_database
from tests.engines import fresh_engine
from tests.system import System, running


@pytest.fixture(scope="session")
def open_rules(short_folder: Path) -> Path:
    """The demonstration's rules: 2024, the nation and five provinces, windows around today."""
    folder = short_folder / "open-rules"
    write_rules(folder, day_of(system_clock()))
    return folder


@asynccontextmanager
async def whole_system(postgres: EmbeddedPostgres, rules: Path) -> AsyncIterator[System]:
    """A system of one's own, in real time; nothing is on record in it."""
    with fresh_database(postgres) as url:
        engine = connect(url, pool_size=20)
        async with (
            fresh_engine() as environment,
            running(environment, engine, rules) as found,
        ):
            yield found
        await engine.dispose()


@pytest.fixture(scope="module")
async def house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """A system shared by the tests of a module, with the national campaign of 2024 open."""
    async with whole_system(postgres, open_rules) as found:
        await found.open(2024, "000000")
        yield found


@pytest.fixture
async def empty_house(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """A system of this test's own, with no campaign."""
    async with whole_system(postgres, open_rules) as found:
        yield found
