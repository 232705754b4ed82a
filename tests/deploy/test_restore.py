"""A running system is copied as documented and restored: every open case has a process.

Between the copy of the engine and that of the database people act and open cases and campaigns, in
the documented order of the two and in the other.
"""

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecutionStatus

from deploy.embedded.postgres import EmbeddedPostgres, postgres_bin
from deploy.embedded.temporal import EmbeddedTemporal
from engine.client import connect_engine
from engine.search_attributes import REGISTERED
from services.reconciler import Behind, Reconciler
from store.database import connect
from store.migrate import upgrade
from tests.databases import as_owner, database, libpq
from tests.deploy.record_release import CHAIN, open_rules
from tests.system import FILER, OPERATOR, REVIEWER, System, institution, running
from tests.workflows.test_complaint import BODY, complain, task

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(short_folder: Path) -> Iterator[Path]:
    made = short_folder / "restore"
    made.mkdir()
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def serving(temporal: EmbeddedTemporal, url: str, rules: Path) -> AsyncIterator[System]:
    client = await connect_engine(temporal.address, temporal.namespace)
    engine = connect(url)
    environment = cast(Any, SimpleNamespace(client=client))
    async with running(environment, engine, rules) as system:
        yield system
    await engine.dispose()


def copy_engine(data: Path, to: Path) -> None:
    """As on the operator's page."""
    file = data / "temporal" / "temporal.db"
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)


def program(name: str, *words: str | Path) -> None:
    subprocess.run([postgres_bin() / name, *words], check=True, capture_output=True)


async def act_between(system: System) -> None:
    """What one of the two copies does not have: a claim, a complaint, a campaign with a filing."""
    reviewer = system.token(REVIEWER, "r-1", CHAIN[0])
    assert (await system.act("2023/inst-1", "claim", reviewer)).status == 200
    await complain(system, BODY, "between")
    await task(system, system.token(REVIEWER, "reviewer-1", "samr"))
    await system.open(2024, "000000")


async def sweep(system: System) -> list[Behind]:
    """What `zhibao audit reconcile` shows."""
    looking = Reconciler(system.client, system.engine, system.parts.pinned, system.now)
    return [one async for one in looking.sweep(closely=True)]


@pytest.mark.parametrize("first", ["engine", "database"])
async def test_every_open_case_has_a_process_after_restoring(
    folder: Path, postgres: EmbeddedPostgres, database_url: str, first: str
) -> None:
    rules, copy, dump = open_rules(folder / "rules"), folder / "copy.db", folder / "zhibao.dump"
    owner = libpq(as_owner(database_url))
    data = folder / "before"
    with EmbeddedTemporal(data, search_attributes=REGISTERED) as temporal:
        async with serving(temporal, database_url, rules) as system:
            await system.add(institution("inst-1"), institution("inst-2"))
            await system.open(2023, "350000")
            clerk = system.token(FILER, "clerk-1", "inst-1")
            assert (await system.submit("2023/inst-1", clerk)).status == 200
            if first == "engine":
                copy_engine(data, copy)
            else:
                program("pg_dump", "--format=custom", f"--file={dump}", owner)
            await act_between(system)
            if first == "engine":
                program("pg_dump", "--format=custom", f"--file={dump}", owner)
            else:
                copy_engine(data, copy)
            # done since the copies, and lost
            other = system.token(FILER, "clerk-2", "inst-2")
            assert (await system.submit("2023/inst-2", other)).status == 200

    with database(postgres, "restored", "template0") as restored:
        upgrade(as_owner(restored))
        target = f"--dbname={libpq(as_owner(restored))}"
        program("pg_restore", "--clean", "--if-exists", "--no-owner", target, dump)
        upgrade(as_owner(restored))
        await again(folder, restored, rules, copy, first)


async def again(folder: Path, url: str, rules: Path, copy: Path, first: str) -> None:
    """Engine and database start from what was kept."""
    after = folder / "after"
    (after / "temporal").mkdir(parents=True)
    copy.rename(after / "temporal" / "temporal.db")
    with EmbeddedTemporal(after, search_attributes=REGISTERED) as temporal:
        async with serving(temporal, url, rules) as system:
            await goes_on(system, first)


async def goes_on(system: System, first: str) -> None:
    """The differences are shown, then there are none, and the case takes its next act."""
    before = {one.case_id: one.state for one in await sweep(system)}
    if first == "engine":
        [complaint] = [one for one in before if one.startswith("complaint/")]
        assert before == {
            "filing/2023/inst-1": "running",
            "filing/2024/inst-1": "missing",
            "filing/2024/inst-2": "missing",
            complaint: "missing",
        }
    else:
        assert before == {"filing/2023/inst-1": "ahead"}
    looking = Reconciler(system.client, system.engine, system.parts.pinned, system.now)
    async with asyncio.timeout(30):
        while await sweep(system):
            await looking.reconcile()
            await asyncio.sleep(0.5)
    reviewer = system.token(REVIEWER, "r-1", CHAIN[0])
    name = "approve" if first == "engine" else "claim"
    done = await system.act("2023/inst-1", name, reviewer)
    assert done.status == 200, done.body
    # sent once more by who sent it before the loss
    other = system.token(FILER, "clerk-2", "inst-2")
    again = await system.submit("2023/inst-2", other)
    assert again.status == 200, again.body
    operator = system.token(OPERATOR, "operator-1", "000000")
    campaigns = (await system.send("GET", "/api/campaigns", operator)).body["items"]
    assert len(campaigns) == (2 if first == "engine" else 1)
    for campaign in campaigns:
        handle = system.client.get_workflow_handle(
            f"campaign/{campaign['year']}/{campaign['jurisdiction']}"
        )
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert await sweep(system) == []
