"""Whatever becomes of a case's workflow, the case goes on from its record."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from domain.case import commands as c
from domain.case.commands import Actor, Role
from domain.case.workflow_messages import SEQUENCE
from services.reconciler import Behind, Reconciler
from store import cases, complaints, journal
from store.certificates import register
from tests.certificates import Office, content
from tests.system import CHECKER, FILER, REVIEWER, System, institution, running
from tests.workflows import test_engine
from tests.workflows.test_adoption import record_behind_its_back
from tests.workflows.test_certificate import due_for_renewal
from tests.workflows.test_complaint import BODY, complain, state, task
from workflows.case import CaseWorkflow

pytestmark = pytest.mark.anyio

rules_open_today = test_engine.rules_open_today

FILING = "2023/inst-1"
CASE = f"filing/{FILING}"


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules_open_today, runner=runner) as found:
        await test_engine.open_now(found, "inst-1")
        clerk = found.token(FILER, "clerk-1", "inst-1")
        assert (await found.submit(FILING, clerk)).status == 200
        yield found


def reconciler(system: System) -> Reconciler:
    return Reconciler(system.client, system.engine, system.parts.pinned, system.now)


async def recorded(system: System) -> int:
    async with system.engine.connect() as connection:
        case = await cases.by_id(connection, CASE)
    assert case is not None
    return case.sequence


async def delete(system: System, case_id: str) -> None:
    """Has the engine forget a workflow."""
    await system.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=system.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=case_id),
        )
    )
    handle = system.client.get_workflow_handle(case_id)
    async with asyncio.timeout(20):
        while await known(handle):
            await asyncio.sleep(0.1)


async def carried_on(system: System, expected: int = 1) -> list[Behind]:
    """What one look after another carries on, until so much is; the engine's lists lag."""
    looking, done = reconciler(system), list[Behind]()
    async with asyncio.timeout(60):
        while len({one.case_id for one in done}) < expected:
            looking._swept = -1_000.0
            done += await looking.reconcile()
            await asyncio.sleep(0.2)
    return done


async def agree(system: System) -> None:
    """The workflow runs and knows every step; nothing more is to be done; the case can end."""
    handle = system.client.get_workflow_handle(CASE)
    async with asyncio.timeout(20):
        while await handle.query(SEQUENCE) != await recorded(system):
            await asyncio.sleep(0.1)
    assert await reconciler(system).reconcile() == []
    for authority in ("amr-350102", "amr-350100", "amr-350000"):
        reviewer = system.token(REVIEWER, f"r-{authority}", authority)
        claimed = await system.act(FILING, "claim", reviewer)
        assert claimed.status == 200, claimed.body
        assert (await system.act(FILING, "approve", reviewer)).status == 200
    checker = system.token(CHECKER, "checker-1", "samr")
    passed = await system.act(FILING, "quality", checker, {"outcome": "pass"})
    assert passed.body["status"] == "completed"
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, CASE)
    assert [step.sequence for step in steps] == list(range(1, len(steps) + 1))
    assert len({(step.command_id, step.event) for step in steps}) == len(steps)


async def test_what_agrees_is_left_alone(system: System) -> None:
    looking = reconciler(system)
    for _ in range(3):
        assert await looking.reconcile() == []
    assert [one async for one in looking.sweep(closely=True)] == []


async def test_a_workflow_behind_the_journal_catches_up(system: System) -> None:
    person = Actor(subject="r-amr-350102", role=REVIEWER, scope="amr-350102")
    claim = c.Claim(id="lost", actor=person, received_at=datetime.now(UTC))
    await record_behind_its_back(system, CASE, claim)
    record = await recorded(system)
    expected = Behind(case_id=CASE, record=record, engine=record - 1, state="running")
    assert [one async for one in reconciler(system).sweep(closely=True)] == [expected]
    [done] = await reconciler(system).reconcile()
    assert done == expected.model_copy(update={"done": "caught_up"})
    reviewer = system.token(REVIEWER, "r-amr-350102", "amr-350102")
    assert (await system.act(FILING, "release", reviewer)).status == 200
    await agree(system)


async def test_a_terminated_workflow_is_started_again(system: System) -> None:
    await system.client.get_workflow_handle(CASE).terminate("by hand")
    [done] = await carried_on(system)
    assert (done.state, done.done) == ("terminated", "started")
    await agree(system)


async def known(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether the engine knows a workflow."""
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


async def test_a_deleted_workflow_is_started_again(system: System) -> None:
    await delete(system, CASE)
    [done] = await carried_on(system)
    assert (done.state, done.done) == ("missing", "started")
    await agree(system)


async def test_a_workflow_reset_to_before_a_step_catches_up(system: System) -> None:
    handle = system.client.get_workflow_handle(CASE)
    history = await handle.fetch_history()
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    last = [event.event_id for event in history.events if event.event_type == done][-1]
    await system.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=system.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=CASE),
            reason="by hand",
            workflow_task_finish_event_id=last,
            request_id="reset-1",
            reset_reapply_exclude_types=[
                ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
                ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
            ],
        )
    )
    [behind] = await carried_on(system)
    assert (behind.state, behind.done) == ("running", "caught_up")
    await agree(system)


def changed_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a filing begins with a timer that no history of before has."""
    before = CaseWorkflow.begin

    async def begin(self: CaseWorkflow) -> None:
        await workflow.sleep(0.1)
        await before(self)

    monkeypatch.setattr(CaseWorkflow, "begin", begin)


@pytest.fixture
async def forgetful(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_open_today: Path
) -> AsyncIterator[System]:
    """As `system`, with a worker that replays at every step."""
    runner = UnsandboxedWorkflowRunner()
    async with running(
        dev_engine, engine, rules_open_today, runner=runner, max_cached_workflows=0
    ) as found:
        await test_engine.open_now(found, "inst-1")
        clerk = found.token(FILER, "clerk-1", "inst-1")
        assert (await found.submit(FILING, clerk)).status == 200
        yield found


async def test_an_act_on_a_case_that_does_not_replay_is_taken_and_the_case_goes_on(
    forgetful: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_code(monkeypatch)
    reviewer = forgetful.token(REVIEWER, "r-amr-350102", "amr-350102")
    claimed = await forgetful.act(FILING, "claim", reviewer)
    assert claimed.status == 200, claimed.body
    assert (await forgetful.act(FILING, "release", reviewer)).status == 200
    await agree(forgetful)


async def test_a_case_that_does_not_replay_is_found_and_started_from_its_record(
    forgetful: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_code(monkeypatch)
    found = [one async for one in reconciler(forgetful).sweep(closely=True)]
    assert [(one.case_id, one.state) for one in found] == [(CASE, "unreadable")]
    states: list[str] = []
    async with asyncio.timeout(60):
        while "failed" not in states:
            states += [one.state for one in await carried_on(forgetful)]
    assert states[0] == "unreadable"
    await agree(forgetful)


async def test_a_row_without_steps_is_told_of_and_nobody_acts_on_it(system: System) -> None:
    planted = "filing/2023/inst-9"
    async with system.engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO cases SELECT (jsonb_populate_record(NULL::cases, to_jsonb(c)
                    || jsonb_build_object('case_id', CAST(:planted AS text)))).*
                FROM cases c WHERE case_id = :case_id
            """),
            {"planted": planted, "case_id": CASE},
        )
    found = [one async for one in reconciler(system).sweep(closely=True)]
    assert [(one.case_id, one.engine, one.state) for one in found] == [(planted, None, "missing")]
    # there is nothing that it could be carried on from
    assert await reconciler(system).reconcile() == []
    operator = system.token(Role.OPERATOR, "operator-1", "000000")
    refused = await system.act("2023/inst-9", "cancel", operator, {"reason": "（生成）"})
    assert (refused.status, refused.body["code"]) == (404, "not_found")
    await agree(system)


@pytest.mark.parametrize("how", ["terminated", "deleted"])
async def test_a_campaign_whose_process_is_gone_is_opened_once_more(
    system: System, how: str
) -> None:
    campaign = "campaign/2023/350000"
    handle = system.client.get_workflow_handle(campaign)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    if how == "terminated":
        await handle.terminate("by hand")
    else:
        await delete(system, campaign)
    await reconciler(system).reconcile()
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    async with system.engine.connect() as connection:
        before = await journal.steps(connection, campaign)
    await asyncio.sleep(1)
    async with system.engine.connect() as connection:
        after = await journal.steps(connection, campaign)
    assert [step.event for step in after] == [step.event for step in before]


async def test_a_case_that_has_ended_on_record_is_ended_at_the_engine(system: System) -> None:
    operator = Actor(subject="operator-1", role=Role.OPERATOR, scope="350000")
    cancel = c.Cancel(
        id="lost", actor=operator, received_at=datetime.now(UTC), note_sha256="0" * 64
    )
    await record_behind_its_back(system, CASE, cancel)
    looking = reconciler(system)
    [done] = await looking.reconcile()
    assert (done.case_id, done.state, done.done) == (CASE, "running", "caught_up")
    async with asyncio.timeout(20):
        assert await system.client.get_workflow_handle(CASE).result() == "cancelled"
    # and that is all: nothing of it is looked into again
    for _ in range(3):
        looking._swept = -1_000.0
        assert await looking.reconcile() == []
    assert looking._at_rest == {}


async def test_a_case_that_cannot_be_read_keeps_no_other_from_being_carried_on(
    system: System,
) -> None:
    await system.add(institution("inst-0"))
    operator = system.token(Role.OPERATOR, "operator-1", "000000")
    assert (await system.send("POST", "/api/campaigns/2023/350000/rescan", operator)).status == 202
    broken = "filing/2023/inst-0"
    async with asyncio.timeout(20):
        while not await known(system.client.get_workflow_handle(broken)):
            await asyncio.sleep(0.1)
        while (await system.until("2023/inst-0", "draft"))["status"] != "draft":
            await asyncio.sleep(0.1)
    async with system.engine.begin() as connection:
        await connection.execute(
            text("UPDATE cases SET plan = plan - 'fill' WHERE case_id = :id"), {"id": broken}
        )
    for case_id in (broken, CASE):
        await system.client.get_workflow_handle(case_id).terminate("by hand")
    [done] = await carried_on(system)
    assert (done.case_id, done.done) == (CASE, "started")


@pytest.mark.parametrize("how", ["terminated", "deleted"])
async def test_the_outcome_of_a_complaint_is_told_though_its_process_is_gone(
    system: System, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    receipt = await complain(system, BODY, "a")
    reviewer = system.token(REVIEWER, "reviewer-1", "samr")
    case_id = (await task(system, reviewer))["id"]
    path = f"/api/complaints/{case_id.partition('/')[2]}"
    with monkeypatch.context() as broken:
        broken.setattr(complaints, "settle", _fails)
        assert (await system.send("POST", f"{path}/claim", reviewer, {})).status == 200
        body = {"outcome": "substantiated", "reply": "经核实属实。", "reason": "附卷"}
        assert (await system.send("POST", f"{path}/resolve", reviewer, body)).status == 200
        if how == "terminated":
            await system.client.get_workflow_handle(case_id).terminate("by hand")
        else:
            await delete(system, case_id)
    assert (await state(system, receipt, "completed"))["outcome"] is None
    [done] = await reconciler(system).reconcile()
    state_then = "terminated" if how == "terminated" else "missing"
    assert (done.case_id, done.state, done.done) == (case_id, state_then, "started")
    async with asyncio.timeout(20):
        while (told := await state(system, receipt, "completed"))["outcome"] is None:
            await asyncio.sleep(0.1)
    assert (told["outcome"], told["reply"]) == ("substantiated", body["reply"])
    async with asyncio.timeout(20):
        assert await system.client.get_workflow_handle(case_id).result() == "completed"
    assert await reconciler(system).reconcile() == []


@pytest.mark.parametrize("how", ["terminated", "deleted"])
async def test_what_a_renewal_replaces_is_marked_though_its_process_is_gone(
    system: System, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    before, code = await due_for_renewal(office)
    with monkeypatch.context() as broken:
        broken.setattr(register, "supersede_listed", _fails)
        path = await office.issue({"content": content(), "renews": code})
        renewed = await office.held(path)
        assert (await office.held(before))["status"] == "valid"
        case_id = path.replace("/api/certificates/", "certificate/")
        if how == "terminated":
            await system.client.get_workflow_handle(case_id).terminate("by hand")
        else:
            await delete(system, case_id)
    done = await carried_on(system)
    assert [one.case_id for one in done] == [case_id]
    async with asyncio.timeout(20):
        while (held := await office.held(before))["status"] == "valid":
            await asyncio.sleep(0.1)
    assert (held["status"], held["superseded_by"]) == ("superseded", renewed["code"])
    async with system.engine.connect() as connection:
        steps = await journal.steps(connection, case_id)
    assert [step.event for step in steps].count("predecessor_superseded") == 1


async def _fails(*_: Any) -> Any:
    raise ConnectionError("away")
