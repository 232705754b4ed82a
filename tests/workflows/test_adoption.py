"""A crash between the journal's commit and the engine's history leaves the workflow behind."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from domain.case import commands as c
from domain.case.commands import Actor
from domain.case.events import hash_of
from domain.case.opening import chain
from domain.case.review import decide
from domain.case.state import Findings
from domain.case.workflow_messages import RecordRequest
from domain.kinds import KINDS
from domain.refusals import Refusal
from store import cases, journal
from store.writer import JournalWriter
from tests.system import FILER, OPERATOR, REVIEWER, System, institution, running
from tests.workflows.test_engine import rules_open_today

pytestmark = pytest.mark.anyio

assert rules_open_today  # the fixture is used below by name


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    async with running(dev_engine, engine, rules_open_today) as found:
        yield found


async def record_behind_its_back(
    system: System, case_id: str, command: c.Command, findings: Findings | None = None
) -> None:
    """Records a command as its workflow would have, without the workflow's knowing."""
    async with system.engine.connect() as connection:
        case = await cases.by_id(connection, case_id)
        assert case is not None
        kind = KINDS[case.kind]
        carried = await journal.carried(connection, kind, case_id)
    state, now = kind.state(carried.state), command.received_at
    events = decide(kind, state, case.plan, command, now, findings)
    assert not isinstance(events, Refusal), events
    steps = chain(case_id, carried.sequence, carried.head, command, events, now)
    await JournalWriter(system.engine).record(RecordRequest(steps=steps))


async def test_the_next_act_first_adopts_what_the_journal_holds(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    filing = "2023/inst-1"
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit(filing, clerk)).status == 200
    lost = Actor(subject="r-lost", role=REVIEWER, scope="amr-350102")
    claim = c.Claim(id="lost-claim", actor=lost, received_at=datetime.now(UTC))
    await record_behind_its_back(system, f"filing/{filing}", claim)

    other = system.token(REVIEWER, "r-other", "amr-350102")
    refused = await system.act(filing, "claim", other)
    assert (refused.status, refused.body["code"]) == (409, "claimed_by_other")
    operator = system.token(OPERATOR, "operator-1", "350000")
    freed = await system.act(filing, "release", operator, {"note": "领取人外出"})
    assert freed.status == 200, freed.body
    assert (await system.act(filing, "claim", other)).status == 200
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, f"filing/{filing}")
    assert [step.sequence for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.hash == hash_of(step) for step in steps)
    events = [step.event for step in steps]
    assert events[-4:] == ["assigned", "claimed", "released", "claimed"]


async def test_the_lost_act_sent_again_is_answered_with_what_it_did(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    filing = "2023/inst-1"
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit(filing, clerk)).status == 200
    async with system.engine.connect() as connection:
        case = await cases.by_id(connection, f"filing/{filing}")
    assert case is not None
    person = Actor(subject="r-1", role=REVIEWER, scope="amr-350102")
    claim = c.Claim(id="claim-1", actor=person, received_at=datetime.now(UTC))
    await record_behind_its_back(system, f"filing/{filing}", claim)
    receipt = await system.parts.filings.act(case, claim)
    assert (receipt.command_id, receipt.sequence) == ("claim-1", case.sequence + 1)
    again = await system.parts.filings.act(case, claim)
    assert again == receipt
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, f"filing/{filing}")
    assert [step.event for step in steps].count("claimed") == 1
