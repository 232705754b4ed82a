"""``zhibao audit reconcile`` beside a real worker: what is behind is shown and carried on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from deploy.embedded.processes import choose_port
from domain.case import commands as c
from domain.case.commands import Actor
from store import cases
from tests import command
from tests.command import ZHIBAO
from tests.system import FILER, KEY, REVIEWER, System, running
from tests.workflows import test_engine
from tests.workflows.test_adoption import record_behind_its_back

pytestmark = pytest.mark.anyio

rules_open_today = test_engine.rules_open_today

LOST, ENDED = "filing/2023/inst-lost", "filing/2023/inst-ended"


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules_open_today, runner=runner) as found:
        yield found


def environment(system: System, database_url: str, **more: str) -> dict[str, str]:
    return command.environment(
        DATABASE_URL=database_url,
        TEMPORAL_ADDRESS=system.client.service_client.config.target_host,
        TEMPORAL_NAMESPACE=system.client.namespace,
        ZHIBAO_TOKEN_KEY=KEY,
        **more,
    )


async def reconcile(where: dict[str, str], folder: Path, *words: str) -> tuple[int | None, str]:
    """What the command ends with, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(*ZHIBAO, "audit", "reconcile", *words), cwd=folder, env=where, stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err, err
    return process.returncode, (out or err).decode()


@asynccontextmanager
async def worker(where: dict[str, str], folder: Path) -> AsyncIterator[Path]:
    """A worker in a process of its own, and the file that its log goes to."""
    log = folder / "worker.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(*ZHIBAO, "worker"), cwd=folder, env=where, stdout=file, stderr=file
        )
    try:
        yield log
    finally:
        process.terminate()
        assert await process.wait() == 0, log.read_text()


async def sequence(system: System, case_id: str) -> int:
    async with system.engine.connect() as connection:
        case = await cases.by_id(connection, case_id)
    assert case is not None
    return case.sequence


def counted(metrics: str, done: str) -> float:
    """The counter of what was carried on, 0 before there was any."""
    for line in metrics.splitlines():
        if line.startswith("zhibao_carried_on") and f'done="{done}"' in line:
            return float(line.rpartition(" ")[2])
    return 0


async def test_what_is_behind_is_shown_until_a_worker_has_carried_it_on(
    system: System, database_url: str, tmp_path: Path
) -> None:
    port = choose_port()
    where = environment(
        system, database_url, ZHIBAO_METRICS=f"127.0.0.1:{port}", ZHIBAO_LOG_FORMAT="json"
    )
    await test_engine.open_now(system, "inst-lost", "inst-ended", "inst-well")
    code, said = await reconcile(where, tmp_path, "--json")
    assert (code, json.loads(said)) == (0, {"behind": []})

    clerk = system.token(FILER, "clerk-1", "inst-lost")
    assert (await system.submit("2023/inst-lost", clerk)).status == 200
    person = Actor(subject="r-1", role=REVIEWER, scope="amr-350102")
    claim = c.Claim(id="lost", actor=person, received_at=datetime.now(UTC))
    await record_behind_its_back(system, LOST, claim)
    await system.client.get_workflow_handle(ENDED).terminate("by hand")
    steps = {one: await sequence(system, one) for one in (LOST, ENDED)}

    code, said = await reconcile(where, tmp_path, "--json")
    assert code == 1
    gone: dict[str, Any] = {"case_id": ENDED, "record": steps[ENDED], "engine": None, "done": ""}
    lost = {"case_id": LOST, "record": steps[LOST], "engine": steps[LOST] - 1, "done": ""}
    assert json.loads(said) == {
        "behind": [{**gone, "state": "terminated"}, {**lost, "state": "running"}]
    }
    code, said = await reconcile(where, tmp_path)
    assert (code, said.splitlines()[-1]) == (1, "落后 2 件。工作进程两分钟内续办。")
    # looking changes nothing
    assert json.loads((await reconcile(where, tmp_path, "--json"))[1])["behind"][1]["done"] == ""

    async with worker(where, tmp_path) as log, httpx.AsyncClient() as http:
        async with asyncio.timeout(60):
            while (await reconcile(where, tmp_path, "--json"))[0] != 0:
                await asyncio.sleep(1)
        assert await reconcile(where, tmp_path) == (0, "落后 0 件。\n")
        metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        assert counted(metrics, "started") == 1
        assert counted(metrics, "caught_up") == 1
        told = [json.loads(line) for line in log.read_text().splitlines()]
        carried = {one["case_id"]: one for one in told if one["event"] == "carried_on"}
        assert {id_: (one["done"], one["level"]) for id_, one in carried.items()} == {
            ENDED: ("started", "warning"),
            LOST: ("caught_up", "warning"),
        }
    # whoever claimed it is known to the workflow now
    release = await system.act(
        "2023/inst-lost", "release", system.token(REVIEWER, "r-1", "amr-350102")
    )
    assert release.status == 200, release.body


async def test_a_system_that_is_away_is_said_in_a_sentence(tmp_path: Path) -> None:
    where = command.environment(
        DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none",
        TEMPORAL_ADDRESS="127.0.0.1:1",
        ZHIBAO_TOKEN_KEY=KEY,
    )
    code, said = await reconcile(where, tmp_path, "--json")
    assert (code, "连不上数据库或流程引擎" in said) == (1, True)


async def test_without_settings_their_names_are_told(tmp_path: Path) -> None:
    where = command.environment()
    for name in ("DATABASE_URL", "TEMPORAL_ADDRESS", "ZHIBAO_TOKEN_KEY"):
        where.pop(name, None)
    code, said = await reconcile(where, tmp_path, "--json")
    assert (code, "DATABASE_URL" in said) == (2, True)
