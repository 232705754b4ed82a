"""Cases whose deadline has come are told so, whatever their own timers' place in the spread is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from domain.case import kind
from engine.starting import start_case
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from services.clock import Clock
from services.deadlines import Deadlines
from services.starts import filing_start
from store import cases, journal, rule_sets, unfinished
from store.database import beside
from tests.system import System, institution, running
from tests.workflows import test_engine

pytestmark = pytest.mark.anyio

rules_open_today = test_engine.rules_open_today


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment,
    engine: AsyncEngine,
    rules_open_today: Path,
    timers_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[System]:
    monkeypatch.setattr(kind, "SPREAD", timedelta(days=365))
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules_open_today, runner=runner) as found:
        yield found


async def filings(system: System, closes: datetime, *names: str) -> list[str]:
    """Filings on record whose window closes at an instant; their ids."""
    document = RuleLibrary(system.settings.rules).resolve(2023, "350000").document
    async with system.engine.begin() as connection:
        await rule_sets.store(connection, document)
    await system.add(*(institution(name) for name in names))
    ids = []
    for name in names:
        facts = institution(name).facts_for(None)
        start = filing_start(2023, "", CompiledRules(document), facts, datetime.now(UTC))
        plan = start.opening.plan
        fill = plan.fill.model_copy(update={"closes": closes})
        due = plan.model_copy(update={"fill": fill, "supplement": None})
        opening = start.opening.model_copy(update={"plan": due})
        await start_case(system.client, start.model_copy(update={"opening": opening}))
        ids.append(start.case_id)
    async with asyncio.timeout(20):
        while await statuses(system, ids) != ["draft"] * len(ids):
            await asyncio.sleep(0.05)
    return ids


async def statuses(system: System, ids: list[str]) -> list[str]:
    async with system.engine.connect() as connection:
        found = await cases.statuses(connection, ids)
    return [found[id_].value for id_ in ids if id_ in found]


def looking(system: System, clock: Clock | None = None) -> Deadlines:
    return Deadlines(system.client, system.engine, clock or system.now)


async def until(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))


async def test_what_is_due_lapses_once_and_what_is_not_is_left_alone(system: System) -> None:
    closes = datetime.now(UTC) + timedelta(seconds=12)
    due = await filings(system, closes, *(f"due-{n}" for n in range(20)))
    later = await filings(system, closes + timedelta(days=1), "later")
    # a second has not passed yet
    await looking(system, lambda: closes + timedelta(seconds=1) - timedelta(microseconds=1)).look()
    assert await statuses(system, due) == ["draft"] * 20
    await until(closes + timedelta(seconds=1.5))
    await asyncio.gather(*(looking(system).look() for _ in range(3)))
    assert await statuses(system, due) == ["lapsed"] * 20
    await looking(system).look()
    assert await statuses(system, later) == ["draft"]
    for case_id in due:
        async with system.engine.connect() as connection:
            steps = await journal.steps(connection, case_id)
        last = steps[-1]
        # as its timer would have had it
        assert (last.event, last.command_id) == ("lapsed", f"lapse@{last.sequence - 1}")
        assert (last.actor.role, last.received_at) == ("system", closes)
        assert last.at > closes
        assert [step.event for step in steps].count("lapsed") == 1
        async with asyncio.timeout(10):
            ended = await system.client.get_workflow_handle(case_id).result()
        assert ended == "lapsed"
    async with system.engine.connect() as connection:
        refused = await connection.execute(text("SELECT count(*) FROM refusals"))
    assert refused.scalar_one() == 0


async def test_one_process_is_at_it_and_no_case_keeps_another_waiting(system: System) -> None:
    closes = datetime.now(UTC) + timedelta(seconds=12)
    broken, gone, well = await filings(system, closes, "a-broken", "b-gone", "c-well")
    async with system.engine.begin() as connection:
        await connection.execute(
            text("UPDATE cases SET plan = plan - 'fill' WHERE case_id = :id"), {"id": broken}
        )
    await system.client.get_workflow_handle(gone).terminate("by hand")
    await until(closes + timedelta(seconds=1.5))
    async with beside(system.engine) as connection:
        assert await unfinished.alone(connection, "deadlines")
        await looking(system).look()
        assert await statuses(system, [well]) == ["draft"]
    async with asyncio.timeout(10):
        # the server hears a little later that the connection is closed
        while await statuses(system, [broken, gone, well]) != ["draft", "draft", "lapsed"]:
            await looking(system).look()
