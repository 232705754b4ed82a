"""A worker killed in the middle of each step of enforcement: the step is taken once, and not lost.

The engine's clock can be moved, so that terms of days end in a moment. What records a step waits
for a lock while its worker is killed with ``kill -9``; another one, which remembers nothing, takes
over. Whoever is not answered asks again with the same key.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from domain.enforcement.state import EnforcementEvent
from store import journal
from tests.command import environment
from tests.databases import owning
from tests.enforcing import Matter, at, enforcing_rules
from tests.system import KEY, OPERATOR, System, institution, running

pytestmark = pytest.mark.anyio

_WORKER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from pydantic import SecretStr
from services.doors import door_of, engine_of
from settings import Settings
from store.database import connect
from worker import build_worker

async def main(address, namespace, url, rules, key):
    settings = Settings(
        database_url=SecretStr(url),
        temporal_address=address,
        temporal_namespace=namespace,
        token_key=SecretStr(key),
    )
    client = await engine_of(settings)
    commands = door_of(settings).commands
    async with build_worker(
        client, connect(url), commands, rules=Path(rules), max_cached_workflows=0
    ):
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""
_WAITING = text("SELECT 1 FROM pg_locks WHERE relation = 'journal'::regclass AND NOT granted")
_GIVEN_UP = timedelta(seconds=11)
"""After which the engine gives what nobody answers for to another worker."""


class House:
    """The system, and one worker that can be killed while it records something."""

    def __init__(self, system: System, rules: Path) -> None:
        self.system = system
        client = system.client
        url = system.engine.url.render_as_string(hide_password=False)
        where = (client.service_client.config.target_host, client.namespace, url, str(rules), KEY)
        self._line = [sys.executable, "-c", _WORKER, *where]
        self._start()

    def stop(self) -> None:
        """Kills the worker."""
        self._process.kill()
        self._process.wait()

    async def killed(self, asked: Coroutine[Any, Any, Any]) -> Any:
        """Something is asked for, and its worker is killed while it is being recorded."""
        async with owning(self.system.engine) as holding:
            await holding.execute(text("LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE"))
            task = asyncio.create_task(asked)
            async with asyncio.timeout(60), self.system.engine.connect() as looking:
                while not await looking.scalar(_WAITING):
                    assert not task.done(), "nothing was recorded"
                    await asyncio.sleep(0.02)
            self.stop()
            await holding.rollback()
        self._start()
        await self.system.environment.sleep(_GIVEN_UP)
        return await task

    async def matter(self, id_: str) -> Matter:
        """A filing that has lapsed, and a case that was opened about it."""
        lab = Matter(self.system, id_)
        lab.path = f"/api/enforcement/{lab.about}/1"
        opening = {"about": lab.about}
        await self.killed(
            self._patiently(lab, "/api/enforcement", lab.officer, opening, answered=201)
        )
        return lab

    async def act(self, lab: Matter, name: str, token: str, **body: Any) -> None:
        """One act whose worker is killed, asked for with the same key until it is answered."""
        await self.killed(self._patiently(lab, f"{lab.path}/{name}", token, body))

    async def comes(self, instant: str) -> None:
        """A term ends, and the worker is killed while that is recorded."""
        await self.killed(self.system.skip_to(at(instant)))

    # --- private steps -----------------------------------------------------------------------

    def _start(self) -> None:
        self._process = subprocess.Popen(self._line, env=environment())

    async def _patiently(
        self, lab: Matter, path: str, token: str, body: Any, answered: int = 200
    ) -> None:
        for _ in range(60):
            key = f"{lab.id}-{path}"
            answer = await self.system.send("POST", path, token, body, idempotency_key=key)
            if answer.status == answered:
                return
            assert answer.status in (429, 503), answer.body
            await asyncio.sleep(0.2)
        raise AssertionError(answer.body)


@pytest.fixture
async def house(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, later_rules: Path, tmp_path: Path
) -> AsyncIterator[House]:
    """Institutions that have not filed; one of them was served a reminder in time."""
    rules = enforcing_rules(later_rules, tmp_path / "rules")
    async with running(skipping_engine, engine, rules, working=False) as system:
        found = House(system, rules)
        try:
            names = ("listed", "referred", "dismissed", "forgotten")
            await system.add(*(institution(id_) for id_ in names))
            await system.skip_to(at("2029-01-20T10:00:00"))
            await system.open(2028, "000000")
            operator = system.token(OPERATOR, "operator-1", "000000")
            reminder = {"text": "（生成）请尽快上报。"}
            path = "/api/filings/2028/referred/reminders"
            assert (await system.send("POST", path, operator, reminder)).status == 200
            await system.skip_to(at("2029-03-01T10:00:00"))
            yield found
        finally:
            found.stop()


async def _taken(lab: Matter) -> list[str]:
    """The steps of a case on record, in order; each of its documents was made once."""
    async with lab.system.engine.connect() as connection:
        steps = await journal.steps(connection, lab.path.removeprefix("/api/"))
    assert [step.sequence for step in steps] == [*range(1, len(steps) + 1)]
    papers = [one["sha256"] for one in (await lab.shown())["documents"]]
    assert len(set(papers)) == len(papers)
    return [step.event for step in steps]


WHY = "（生成）经催促仍未上报"


async def test_a_worker_killed_while_something_is_decided_and_takes_effect(house: House) -> None:
    lab = await house.matter("listed")
    await lab.done("propose", lab.officer, {"measure": "listed-abnormal", "reason": WHY})
    await lab.done("notice", lab.officer)
    await house.system.skip_to(at("2029-03-09T09:00:00"))
    await house.act(lab, "decide", lab.decider, outcome="impose", reason=WHY)
    await lab.done("service", lab.officer)
    await house.comes("2029-03-24T00:00:01")
    assert await _taken(lab) == [
        "enforcement_opened",
        "measure_proposed",
        "prior_notice_given",
        "measure_decided",
        "decision_served",
        "measure_took_effect",
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_worker_killed_in_the_middle_of_each_step(house: House) -> None:
    """Every event that enforcement knows, each with its worker killed in the middle of it."""
    lab = await house.matter("listed")
    await house.act(lab, "propose", lab.officer, measure="listed-abnormal", reason=WHY)
    await house.act(lab, "notice", lab.officer)
    await house.act(lab, "statement", lab.filer, text="（生成）没有收到。")
    await house.system.skip_to(at("2029-03-09T09:00:00"))
    await house.act(lab, "decide", lab.decider, outcome="impose", reason=WHY)
    await house.act(lab, "service", lab.officer)
    await house.comes("2029-03-24T00:00:01")
    await house.act(lab, "objection", lab.filer, text="（生成）日期记错了。")
    await house.comes("2029-04-14T00:00:01")
    await house.act(lab, "objection-answer", lab.decider, upheld=True, reason="（生成）属实")
    taken = await _taken(lab)
    assert taken == [
        "enforcement_opened",
        "measure_proposed",
        "prior_notice_given",
        "statement_made",
        "measure_decided",
        "decision_served",
        "measure_took_effect",
        "objection_raised",
        "objection_answer_late",
        "objection_answered",
        "measure_ended",
    ]
    referred = await house.matter("referred")
    await house.act(referred, "propose", referred.officer, measure="referral", reason=WHY)
    await house.act(referred, "decide", referred.decider, outcome="impose", reason=WHY)
    handed = {"agency": "（生成）统计局", "document": "（生成）移送函"}
    await house.act(referred, "refer", referred.officer, **handed)
    taken += await _taken(referred)
    dismissed = await house.matter("dismissed")
    await house.act(dismissed, "propose", dismissed.officer, measure="warning", reason=WHY)
    await house.act(dismissed, "decide", dismissed.decider, outcome="dismiss", reason=WHY)
    taken += await _taken(dismissed)
    forgotten = await house.matter("forgotten")
    await house.comes("2029-08-01T00:00:00")
    assert await _taken(forgotten) == ["enforcement_opened", "measure_ended"]
    assert set(taken) == set(EnforcementEvent)
