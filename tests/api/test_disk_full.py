"""The database's disk is full: nobody is told that something was done that was not."""

import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from api.server import PATIENCE
from deploy.embedded.postgres import EmbeddedPostgres
from store import journal
from store.database import connect
from store.migrate import upgrade
from tests.ill_treated import as_if_full, full, small_disk
from tests.system import AUDITOR, FILER, REVIEWER, Answer, System, running
from tests.workflows import test_engine

pytestmark = pytest.mark.anyio

rules_open_today = test_engine.rules_open_today

FILING = "2023/inst-1"
_SMALL = {"shared_buffers": "32MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}


class Disk:
    """A server on a disk that can be filled."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, *, real: bool) -> None:
        self.server = server
        self._folder = folder
        self._real = real

    def full(self) -> AbstractContextManager[None]:
        return full(self._folder) if self._real else as_if_full(self.server)


@pytest.fixture
def disk(short_folder: Path) -> Iterator[Disk]:
    folder = short_folder / "small"
    with small_disk(folder, 128) as real, EmbeddedPostgres(folder, settings=_SMALL) as server:
        upgrade(server.owner_url)
        yield Disk(server, folder, real=real)


@pytest.fixture
async def engine(disk: Disk) -> AsyncIterator[AsyncEngine]:
    engine = connect(disk.server.url, patience=PATIENCE)
    yield engine
    await engine.dispose()


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules_open_today, runner=runner) as found:
        yield found


async def timed(system: System, *asked: Any, **headers: str) -> tuple[float, Answer]:
    began = time.monotonic()
    answer = await system.send(*asked, **headers)
    return time.monotonic() - began, answer


async def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(
    system: System, disk: Disk
) -> None:
    await test_engine.open_now(system, "inst-1")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit(FILING, clerk)).status == 200
    reviewer = system.token(REVIEWER, "r-1", "amr-350102")
    acts = itertools.cycle(("claim", "release"))
    done: dict[str, int] = {}

    async def act(key: str, name: str) -> Answer:
        path = f"/api/filings/{FILING}/{name}"
        seconds, answer = await timed(system, "POST", path, reviewer, {}, idempotency_key=key)
        assert seconds < 15.5
        if answer.status == 200:
            done[key] = answer.body["sequence"]
        else:
            assert (answer.status, answer.body["code"]) == (503, "unavailable"), answer.body
        return answer

    assert (await system.send("GET", "/readyz")).status == 200
    with disk.full():
        # what still finds room in a page that is there is done, and everything else is not
        for number in itertools.count():
            assert number < 2_000
            key, name = f"key-{number}", next(acts)
            if (await act(key, name)).status == 503:
                break
        for _ in range(3):
            seconds, answer = await timed(system, "GET", "/readyz")
            assert (answer.status, seconds < 4) == (503, True), answer.body
            assert answer.body["parts"]["database"] is False
        assert (await system.send("GET", "/api/filings?size=5", reviewer)).status == 200
        # what must be on record to be seen is shown if there was room for the record, or not at all
        auditor = system.token(AUDITOR, "auditor-1")
        assert (await system.send("GET", "/api/filings?size=5", auditor)).status in (200, 503)
    began = time.monotonic()
    while (await system.send("GET", "/readyz")).status != 200:
        assert time.monotonic() - began < 10
    assert (await act(key, name)).status == 200
    assert time.monotonic() - began < 10
    assert (await act("another", next(acts))).status == 200
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, f"filing/{FILING}")
    assert [step.sequence for step in steps] == list(range(1, len(steps) + 1))
    # each once, and nothing else
    assert len({(step.command_id, step.event) for step in steps}) == len(steps)
    assert sorted(done.values()) == [step.sequence for step in steps[-len(done) :]]
