"""The engine's port is no door: what did not come through the gateway does nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError

from domain.campaigns import CampaignStage, CampaignStart
from domain.case.commands import Actor, Approve, Command
from domain.case.workflow_messages import (
    ACT,
    CAMPAIGN_WORKFLOW,
    TASK_QUEUE,
    Act,
    CaseStart,
    Receipt,
)
from domain.certificates.imports import IMPORT_WORKFLOW, ImportStart
from domain.filing.kind import FILING
from domain.jobs import JOB_WORKFLOW, JobStart
from engine.codec import HIDDEN, payloads_in
from engine.orders import Secret
from services.doors import door_of
from services.revival import start_from_record
from store import cases, journal
from tests.api.people import Filing, filing
from tests.system import OPERATOR, REVIEWER, System

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def outsider(house: System) -> Client:
    """Whoever reaches the engine's port; even one who knows how payloads are hidden."""
    port = house.environment.client
    return Client(
        port.service_client,
        namespace=port.namespace,
        data_converter=house.client.data_converter,
    )


def approval(found: Filing, subject: str = "nobody-in-particular") -> Command:
    actor = Actor(subject=subject, role=REVIEWER, scope=found.issuer)
    now = datetime.now(UTC)
    return Approve(id=f"forged-{subject}-{found.id}", actor=actor, received_at=now)


def secret(house: System) -> Secret:
    return door_of(house.settings).commands()[0]


async def sent(client: Client, case_id: str, act: Act, id_: str) -> str:
    """The type of the failure that an act sent past the gateway ends with."""
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await client.get_workflow_handle(case_id).execute_update(
            ACT, act, id=id_, result_type=Receipt, rpc_timeout=timedelta(seconds=20)
        )
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    return f"{cause.type}: {cause.message}"


async def steps(house: System, case_id: str) -> int:
    async with house.engine.connect() as connection:
        return len(await journal.steps(connection, case_id))


async def counted(house: System, code: str) -> int:
    query = text("SELECT coalesce(sum(times), 0) FROM refusal_counts WHERE code = :code")
    async with house.engine.connect() as connection:
        return int((await connection.execute(query, {"code": code})).scalar_one())


async def test_no_command_is_carried_out_that_the_gateway_has_not_signed(
    house: System, outsider: Client
) -> None:
    found, other = await filing(house), await filing(house)
    reviewer = "reviewer-who-claimed"
    for one in (found, other):
        await one.submitted()
        await one.done("claim", house.token(REVIEWER, reviewer, one.issuer))
    before = [await steps(house, one.case_id) for one in (found, other)]
    known = await counted(house, "unsigned_command")
    command = approval(found, reviewer)
    key, now = secret(house), datetime.now(UTC)

    bare = Act.of(command)
    good = bare.warranted(found.case_id, "act", key.id, key.value, now)
    foreign = bare.warranted(found.case_id, "act", "another", b"o" * 32, now)
    guessed = bare.warranted(found.case_id, "act", key.id, b"o" * 32, now)
    elsewhere = bare.warranted(other.case_id, "act", key.id, key.value, now)
    stale = bare.warranted(found.case_id, "act", key.id, key.value, now - timedelta(days=2))
    altered = good.model_copy(
        update={"command": {**good.command, "acting_for": reviewer, "seen_sequence": 1}}
    )
    for name, act, why in (
        ("bare", bare, "unsigned"),
        ("foreign", foreign, "foreign_key"),
        ("guessed", guessed, "altered"),
        ("elsewhere", elsewhere, "altered"),
        ("stale", stale, "stale"),
        ("altered", altered, "altered"),
    ):
        assert await sent(outsider, found.case_id, act, name) == f"unsigned_command: {why}", name
    assert await steps(house, found.case_id) == before[0]
    assert await steps(house, other.case_id) == before[1]
    assert await counted(house, "unsigned_command") == known + 6
    # and people go on
    await found.done("approve", house.token(REVIEWER, reviewer, found.issuer))


async def test_no_process_does_anything_that_the_gateway_has_not_started(
    house: System, outsider: Client
) -> None:
    found = await filing(house)
    async with house.engine.connect() as connection:
        case = await cases.by_id(connection, found.case_id)
        recorded = await journal.steps(connection, found.case_id)
    assert case is not None
    true = start_from_record(case, recorded, house.now())
    made_up = "filing/2024/made-up-by-an-outsider"
    invented = CaseStart(case_id=made_up, opening=true.opening, requested_at=house.now())
    campaign = CampaignStart(
        case_id="campaign/2024/990000",
        year=2024,
        jurisdiction="990000",
        opened_by=Actor(subject="nobody", role=OPERATOR, scope="000000"),
        requested_at=house.now(),
        rule_sets={},
        stages=(CampaignStage(id="fill", label="填报", opens=house.now(), closes=house.now()),),
        command_id="forged",
    )
    for name, start, id_ in (
        (FILING.workflow, invented, made_up),
        (CAMPAIGN_WORKFLOW, campaign, campaign.case_id),
        (JOB_WORKFLOW, JobStart(job_id="0" * 32), "job/" + "0" * 32),
        (IMPORT_WORKFLOW, ImportStart(import_id="0" * 32), "certificate-import/" + "0" * 32),
    ):
        handle = await outsider.start_workflow(name, start, id=id_, task_queue=TASK_QUEUE)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        cause: BaseException | None = failed.value.cause
        cause = cause.cause if isinstance(cause, ActivityError) else cause
        assert isinstance(cause, ApplicationError), name
        assert cause.type == "unsigned_start", name
    assert await steps(house, made_up) == 0
    assert await steps(house, campaign.case_id) == 0


async def test_a_process_begun_by_an_outsider_gives_way_to_one_from_the_record(
    house: System, outsider: Client
) -> None:
    found = await filing(house)
    async with house.engine.connect() as connection:
        case = await cases.by_id(connection, found.case_id)
        recorded = await journal.steps(connection, found.case_id)
    assert case is not None
    true = start_from_record(case, recorded, house.now())
    state: dict[str, Any] = {**true.carried.state, "revision": 36}
    forged = true.model_copy(update={"carried": true.carried.model_copy(update={"state": state})})
    await outsider.get_workflow_handle(found.case_id).terminate("by an outsider")
    handle = await outsider.start_workflow(
        FILING.workflow,
        forged,
        id=found.case_id,
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )
    draft = await house.save(found.name, found.filer)
    assert draft.status == 200
    cancel = {"reason": "（生成）"}
    refused = await found.act("cancel", found.operator, cancel)
    assert (refused.status, refused.body["code"]) == (503, "unsigned_command")
    assert await steps(house, found.case_id) == len(recorded)
    with pytest.raises(WorkflowFailureError):
        async with asyncio.timeout(20):
            await handle.result()
    await found.done("submit", found.filer, {**_standing(draft.body), "choice": None})


def _standing(draft: dict[str, Any]) -> dict[str, Any]:
    return {"revision": draft["revision"], "sha256": draft["sha256"]}


async def test_the_engine_keeps_nothing_of_a_case_that_can_be_read_there(house: System) -> None:
    found = await filing(house)
    await found.submitted()
    plain = house.environment.client.get_workflow_handle(found.case_id)
    events = (await plain.fetch_history()).events
    kept = [payload for event in events for payload in payloads_in(event)]
    told = [payload for payload in kept if payload.metadata["encoding"] != HIDDEN]
    assert len(kept) - len(told) > 3
    # besides, the engine's own notes of what was done at once, and by what it is found
    for payload in told:
        assert b"clerk-" not in payload.data
        assert len(payload.data) < 300
