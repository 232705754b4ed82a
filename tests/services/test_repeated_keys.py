"""A key means one act, for ever: however often a case has moved since, and wherever it is sent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from api.door.app import create_app
from api.door.parts import build_parts
from domain.case import commands as c
from domain.case import workflow_messages
from domain.case.commands import Actor
from domain.refusals import Code, Refused
from store import cases, journal
from store.cases import Case
from store.database import connect
from tests.system import FILER, REVIEWER, System, institution, running
from tests.workflows import test_engine
from tests.workflows.test_adoption import record_behind_its_back
from tests.workflows.test_report_batch import moment, numbers, quarter, read
from workflows import case as case_workflow

pytestmark = pytest.mark.anyio

rules_open_today = test_engine.rules_open_today

CASE = "filing/2023/inst-1"
PERSON = Actor(subject="r-1", role=REVIEWER, scope="amr-350102")


def claim(key: str) -> c.Claim:
    return c.Claim(id=key, actor=PERSON, received_at=datetime.now(UTC))


def release(key: str) -> c.Release:
    return c.Release(id=key, actor=PERSON, received_at=datetime.now(UTC))


async def on_record(system: System) -> Case:
    async with system.engine.connect() as connection:
        found = await cases.by_id(connection, CASE)
    assert found is not None
    return found


async def act(system: System, command: c.Command) -> workflow_messages.Receipt:
    return await system.parts.filings.act(await on_record(system), command)


async def first_key_again(system: System, acts: int) -> None:
    """Claims, moves the case so many times, and claims once more with the first key."""
    await test_engine.open_now(system, "inst-1")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    first = await act(system, claim("first"))
    for number in range(acts // 2):
        await act(system, release(f"release-{number}"))
        await act(system, claim(f"claim-{number}"))
    await act(system, release("last"))
    before = await on_record(system)
    assert await act(system, claim("first")) == first
    after = await on_record(system)
    # nobody has claimed it again
    assert (after.sequence, after.claimed_by) == (before.sequence, "")
    with pytest.raises(Refused) as refused:
        await act(system, release("first"))
    assert refused.value.refusal.code is Code.KEY_REUSED
    # and the workflow goes on from there
    last = await act(system, claim("another"))
    assert last.sequence == before.sequence + 1
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, CASE)
    assert [step.sequence for step in steps] == list(range(1, last.sequence + 1))


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules_open_today, runner=runner) as found:
        yield found


async def test_the_first_key_again_when_the_workflow_has_forgotten_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_workflow, "_MOST_UPDATES_PER_RUN", 5)
    monkeypatch.setattr(workflow_messages, "RECEIPTS_CARRIED", 3)
    await first_key_again(system, 20)


async def test_the_first_key_again_after_six_hundred_acts(system: System) -> None:
    await first_key_again(system, 600)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_the_first_key_again_after_twenty_one_hundred_acts(system: System) -> None:
    await first_key_again(system, 2_100)


async def test_a_key_whose_step_the_workflow_has_lost_is_answered_and_made_known(
    system: System,
) -> None:
    await test_engine.open_now(system, "inst-1")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    await record_behind_its_back(system, CASE, claim("lost"))
    receipt = await act(system, claim("lost"))
    assert receipt.sequence == (await on_record(system)).sequence
    handle = system.client.get_workflow_handle(CASE)
    assert await handle.query(workflow_messages.SEQUENCE) == receipt.sequence


async def test_fifty_pairs_of_one_key_on_two_apis_come_to_one_upload_each(
    skipping_engine: WorkflowEnvironment,
    engine: AsyncEngine,
    database_url: str,
    later_rules: Path,
) -> None:
    pairs = 50
    async with running(skipping_engine, engine, later_rules) as system:
        names = [f"lab{number}" for number in range(pairs)]
        await system.add(*(institution(one, "430102", issuer="amr-430000") for one in names))
        of = quarter("2023Q4")
        await system.open(of, "430000")
        await system.skip_to(moment("2024-01-10T10:00:00"))
        other = connect(database_url)
        parts = build_parts(system.settings, system.client, other, system.now)
        transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://other") as http:

            async def pair(name: str) -> None:
                path = f"/api/report-batches/{of}/{name}/uploads"
                headers = {
                    "authorization": f"Bearer {system.token(FILER, 'clerk', name)}",
                    "idempotency-key": "the-one-key",
                    "content-type": "text/csv",
                }
                content = numbers(f"HN-{name}").encode()
                both = await asyncio.gather(
                    *(
                        one.post(path, headers=headers, content=content)
                        for one in (system.http, http)
                    )
                )
                assert [one.status_code for one in both] == [202, 202], [one.text for one in both]
                first, second = (one.json() for one in both)
                assert first["id"] == second["id"]
                shown = await read(
                    system, f"{of}/{name}", headers["authorization"][7:], first["id"]
                )
                assert (shown["stage"], shown["accepted"]) == ("accepted", 1)

            for start in range(0, pairs, 10):
                await asyncio.gather(*(pair(name) for name in names[start : start + 10]))
        async with engine.connect() as connection:
            received = await connection.execute(
                text("SELECT count(*) FROM journal WHERE event = 'upload_received'")
            )
            assert received.scalar_one() == pairs
        await other.dispose()
