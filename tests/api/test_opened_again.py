"""A year that was annulled is opened again: its filings begin anew, what was before counts not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.as_of import figures_as_of
from audit.recompute import Recomputing
from audit.replay import replay
from audit.verify import Keys, verify
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor, Annul
from domain.case.opening import chain
from domain.case.review import decide
from domain.case.workflow_messages import SEQUENCE, RecordRequest
from domain.filing.kind import FILING
from domain.numbers.quarters import Period
from services.reconciler import Reconciler
from services.rule_sets import PinnedRules
from store import cases, content, journal
from store.writer import write_steps
from tests.api.conftest import whole_system
from tests.api.people import FUJIAN, GUANGDONG, Filing
from tests.system import OPERATOR, System, institution

pytestmark = pytest.mark.anyio

PATH = "/api/campaigns/2024/000000"
REASON = {"reason": "（生成）误选年度"}


@pytest.fixture
async def two(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Two institutions in each of two provinces; no campaign."""
    async with whole_system(postgres, open_rules) as house:
        for name, (region, issuer) in {"fujian": FUJIAN, "guangdong": GUANGDONG}.items():
            for n in range(2):
                await house.add(institution(f"{name}-{n}", region, issuer=issuer))
        yield house


def operator(house: System) -> str:
    return house.token(OPERATOR, "operator-1", "000000")


async def opened(house: System, key: str) -> None:
    """The campaign opened, and everybody's process running."""
    answer = await house.send("POST", PATH, operator(house), idempotency_key=key)
    assert answer.status == 202, answer.body
    for _ in range(600):
        shown = (await house.send("GET", PATH, operator(house))).body
        if shown["started_at"] and shown["launched"] == 4:
            return
        await house.pause(0.05)
    raise AssertionError(shown)


async def annulled(house: System, key: str) -> str:
    """The campaign annulled with all its filings; the id of the job."""
    second = house.token(OPERATOR, "operator-2", "000000")
    answer = await house.by_two(f"{PATH}/annul", operator(house), second, REASON, key)
    assert answer.status == 202, answer.body
    for _ in range(600):
        shown = (await house.send("GET", PATH, operator(house))).body
        job = (await house.send("GET", f"/api/jobs/{answer.body['job']}", operator(house))).body
        if shown["statuses"]["annulled"] == 4 and job["state"] == "done":
            return str(answer.body["job"])
        await house.pause(0.05)
    raise AssertionError(shown)


async def total(house: System, at: datetime | None = None) -> dict[str, Any]:
    query = f"?as_of={at.isoformat().replace('+', '%2B')}" if at else ""
    answer = await house.send("GET", f"{PATH}/progress{query}", operator(house))
    assert answer.status == 200, answer.body
    figures: dict[str, Any] = answer.body["total"]
    return figures


async def test_a_year_that_was_annulled_begins_anew_and_nothing_of_before_counts(
    two: System,
) -> None:
    house = two
    await opened(house, "first-opening")
    done = Filing(house, "guangdong-0", GUANGDONG)
    await done.completed()
    drafted = Filing(house, "fujian-0", FUJIAN)
    await drafted.saved()
    first = datetime.now(UTC)
    job = await annulled(house, "first-annulment")
    between = datetime.now(UTC)
    steps = len(await done.timeline())

    await opened(house, "second-opening")
    shown = (await house.send("GET", PATH, operator(house))).body
    assert (shown["opening"], shown["annulled_at"], shown["reason"]) == (2, None, "")
    assert (shown["started"], shown["launched"]) == (4, 4)
    assert {status: n for status, n in shown["statuses"].items() if n} == {"draft": 4}
    anew = (await done.timeline())[steps:]
    assert [(entry["sequence"], entry["event"]) for entry in anew] == [
        (steps + 1, "scheduled"),
        (steps + 2, "opened"),
    ]

    # nothing of before counts, and before it did
    now = await total(house)
    assert (now["must"], now["submitted"], now["completed"], now["not_filed"]) == (4, 0, 0, 4)
    then = await total(house, first)
    assert (then["must"], then["submitted"], then["completed"], then["not_filed"]) == (4, 1, 1, 3)
    nobody = await total(house, between)
    assert (nobody["must"], nobody["voluntary"], nobody["submitted"]) == (0, 0, 0)
    stood = await figures_as_of(house.engine, "campaign/2024/000000", between)
    assert stood.statuses == {"annulled": 4}
    activity = await house.send("GET", f"{PATH}/activity?by=day&days=2", operator(house))
    assert activity.status == 200, activity.body
    assert sum(row["submitted"] for row in activity.body["items"]) == 0
    # what was saved is where its filer goes on, submitted by nobody
    draft = (await drafted.get(drafted.filer, "/draft")).body
    assert draft["revision"] == 1

    # what was asked of the first opening is answered by it, and asks nothing of the second
    late = await house.send("POST", PATH, operator(house), idempotency_key="first-opening")
    assert late.status == 202, late.body
    late = await house.send(
        "POST", f"{PATH}/annul", operator(house), REASON, idempotency_key="first-annulment"
    )
    assert (late.status, late.body["job"]) == (202, job)
    shown = (await house.send("GET", PATH, operator(house))).body
    assert (shown["annulled_at"], shown["statuses"]["draft"]) == (None, 4)

    # a whole life once more, by processes of its own
    await done.completed()
    await drafted.submitted()
    now = await total(house)
    assert (now["must"], now["submitted"], now["completed"], now["not_filed"]) == (4, 2, 1, 2)
    await nothing_is_wrong(house, done.case_id, drafted.case_id)

    # and annulled again, by a job of its own
    assert await annulled(house, "second-annulment") != job
    await opened(house, "third-opening")
    assert (await total(house))["not_filed"] == 4
    await nothing_is_wrong(house, done.case_id, drafted.case_id)


async def nothing_is_wrong(house: System, *cases: str) -> None:
    """Record, decisions, processes and their histories all agree."""
    found = await verify(house.engine, house.client, Keys(), house.now)
    assert found.findings == ()
    for case_id in cases:
        known = await house.client.get_workflow_handle(case_id).query(SEQUENCE)
        async with house.engine.connect() as connection:
            at = await connection.execute(
                text("SELECT sequence FROM cases WHERE case_id = :id"), {"id": case_id}
            )
        assert known == at.scalar_one()
        assert (await replay(house.engine, house.client, case_id)).differences == ()
        decisions = (await Recomputing(house.engine).case(case_id)).decisions
        assert decisions
        assert all(decision.same for decision in decisions)
        assert len({d.sequence for d in decisions if d.kind == "obligation"}) > 1
    reconciler = Reconciler(house.client, house.engine, PinnedRules(house.engine), house.now)
    assert [behind async for behind in reconciler.sweep(closely=True)] == []


async def test_an_annulment_that_is_under_way_is_finished_before_anything_is_opened(
    two: System,
) -> None:
    house = two
    await opened(house, "first-opening")
    job = await annulled(house, "first-annulment")
    # a job that was stopped could be resumed, and would then act on what has begun anew
    async with house.engine.begin() as connection:
        waiting = text("UPDATE job_items SET outcome = :outcome WHERE number = 1 AND job_id = :id")
        await connection.execute(waiting, {"outcome": "", "id": job})
    refused = await house.send("POST", PATH, operator(house))
    assert (refused.status, refused.body["code"]) == (409, "annulment_unfinished")
    assert "还有 1 件" in refused.body["detail"]
    assert "zhibao jobs resume" in refused.body["remedy"]
    async with house.engine.begin() as connection:
        await connection.execute(waiting, {"outcome": "done", "id": job})
    await opened(house, "second-opening")


async def test_a_process_that_missed_it_all_goes_on_under_the_new_plan(
    two: System,
) -> None:
    house = two
    await opened(house, "first-opening")
    actor = Actor(subject="operator-1", role=OPERATOR, scope="000000")
    reason = REASON["reason"]
    await house.parts.campaigns.annul(Period(2024), "000000", actor, "annulled", reason)
    # as after a crash between the journal and the engine: on record, and no process knows of it
    async with house.engine.begin() as connection:
        ids = await connection.execute(text("SELECT case_id FROM cases"))
        for case_id in list(ids.scalars()):
            await annulled_on_record(connection, case_id, actor)
    await opened(house, "second-opening")
    late = Filing(house, "guangdong-1", GUANGDONG)
    known = await house.client.get_workflow_handle(late.case_id).query(SEQUENCE)
    assert known == (await late.timeline())[-1]["sequence"] - 3
    await late.saved()
    draft = (await late.get(late.filer, "/draft")).body
    body = {"revision": draft["revision"], "sha256": draft["sha256"], "choice": None}
    answer = await late.act("submit", late.filer, body)
    assert answer.status == 200, answer.body
    assert answer.body["status"] == "in_review"
    # the others are carried on without anybody's asking
    reconciler = Reconciler(house.client, house.engine, PinnedRules(house.engine), house.now)
    for _ in range(20):
        if [behind async for behind in reconciler.sweep(closely=True)] == []:
            break
        await reconciler.reconcile()
        await house.pause(0.5)
    await nothing_is_wrong(house, late.case_id, "filing/2024/fujian-0")


async def annulled_on_record(connection: AsyncConnection, case_id: str, actor: Actor) -> None:
    case = await cases.by_id(connection, case_id)
    assert case is not None
    carried = await journal.carried(connection, FILING, case_id)
    state, now = FILING.state(carried.state), datetime.now(UTC)
    note = await content.save_note(connection, REASON)
    command = Annul(id="by-hand", actor=actor, received_at=now, note_sha256=note)
    events = decide(FILING, state, case.plan, command, now)
    assert isinstance(events, tuple)
    steps = chain(case_id, carried.sequence, carried.head, command, events, now)
    await write_steps(connection, [RecordRequest(steps=steps)])


async def test_filings_of_a_year_annulled_in_one_place_begin_anew_where_it_is_opened_then(
    two: System,
) -> None:
    house = two
    await house.open(2024, "350000")
    fujian = "/api/campaigns/2024/350000"
    second = house.token(OPERATOR, "operator-2", "000000")
    answer = await house.by_two(f"{fujian}/annul", operator(house), second, REASON, "fujian")
    assert answer.status == 202, answer.body
    for name in ("fujian-0", "fujian-1"):
        await house.until(f"2024/{name}", "annulled")
    refused = await house.send("GET", f"{fujian}/progress", operator(house))
    assert refused.body["code"] == "campaign_not_found"
    between = datetime.now(UTC)
    foreseen = (await house.send("GET", f"{PATH}/forecast", operator(house))).body
    assert (foreseen["must"], foreseen["elsewhere"]) == (4, 0)
    await opened(house, "the-nation")
    now = await total(house)
    assert (now["must"], now["not_filed"]) == (4, 4)
    assert (await total(house, between))["must"] == 0
    await Filing(house, "fujian-0", FUJIAN).submitted()
    # one that is annulled alone, in a year that stands, is not put on the list once more
    ask = {"action": "annul", "selection": {"ids": ["filing/2024/fujian-1"]}, **REASON}
    asked = await house.send("POST", "/api/jobs", operator(house), ask)
    assert asked.status == 202, asked.body
    await house.until("2024/fujian-1", "annulled")
    again = await house.send("POST", f"{PATH}/rescan", operator(house))
    assert again.status == 202, again.body
    await house.pause(2)
    assert await Filing(house, "fujian-1", FUJIAN).status() == "annulled"
    await nothing_is_wrong(house, "filing/2024/fujian-0")
