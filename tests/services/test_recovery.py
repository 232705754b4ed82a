"""Files kept by a process that dies before it tells their workflow: taken up, each once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.case.commands import Actor
from domain.certificates.imports import ImportMode
from domain.clock import day_of
from domain.numbers.state import BatchFindings
from engine.values import VALUES
from services.campaigns.lookup import filing_record
from services.certificates.imports import CertificateImportService
from services.numbers.batches import BatchService
from services.reconciler import Reconciler
from services.recovery import LEFT_AFTER, Recovery
from store import cases, institutions
from store.numbers import uploads
from tests.certificates import ISSUER
from tests.import_files import row, table
from tests.system import CLERK, FILER, OPERATOR, System, institution, running
from tests.workflows.test_adoption import record_behind_its_back
from tests.workflows.test_certificate_import import done, rows, send
from tests.workflows.test_report_batch import (
    SECOND,
    batch_is,
    events,
    lookup,
    moment,
    numbers,
    quarter,
    read,
    upload,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def skipping(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, later_rules: Path
) -> AsyncIterator[System]:
    """The whole system on a clock that can be moved."""
    async with running(skipping_engine, engine, later_rules) as found:
        yield found


async def nowhere() -> Client:
    """An engine that nobody listens for: whatever is handed over gets no further."""
    return await Client.connect("127.0.0.1:1", lazy=True, data_converter=VALUES)


async def dies_after(kept: Callable[[], Awaitable[bool]], work: Coroutine[Any, Any, Any]) -> None:
    """Does a piece of work that ends, in the middle of it, as soon as something is on record."""
    task = asyncio.create_task(work)
    async with asyncio.timeout(10):
        while not await kept():
            assert not task.done()
            await asyncio.sleep(0.02)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)


async def value(system: System, query: str, **given: Any) -> Any:
    async with system.engine.connect() as connection:
        return (await connection.execute(text(query), given)).scalar()


def looking_at(system: System, now: datetime) -> Recovery:
    return Recovery(system.engine, system.parts.imports, system.parts.batches, lambda: now)


def recovery(system: System) -> Recovery:
    """Looks at what was left, so late that nothing can still be on its way."""
    return looking_at(system, system.now() + LEFT_AFTER + SECOND)


# --- imports of certificates ----------------------------------------------------------------------


async def left_import(system: System, *given: dict[str, Any]) -> dict[str, Any]:
    """An import on record, to be worked through, that no workflow has heard of."""
    actor = Actor(subject="issuing-clerk", role=CLERK, scope=ISSUER)
    service = CertificateImportService(
        await nowhere(), system.engine, system.parts.certificates, lambda _: True, system.now
    )

    async def kept() -> bool:
        return bool(await value(system, "SELECT count(*) FROM certificate_imports"))

    await dies_after(kept, service.load(table(*given), "x.csv", ImportMode.GOOD, actor, "key"))
    id_ = await value(system, "SELECT id FROM certificate_imports")
    assert await system.parts.imports.find(id_) is not None
    return {"id": id_}


async def runs(system: System, found: dict[str, Any]) -> int:
    """How often the workflow of an import has been started."""
    wanted = f'WorkflowId = "certificate-import/{found["id"]}"'
    return (await system.client.count_workflows(wanted)).count


async def test_an_import_that_was_never_begun_is_decided_once(system: System) -> None:
    found = await left_import(system, row(1), row(2, year="x"), row(3))
    await system.pause(0.5)
    standing = await system.parts.imports.find(found["id"])
    assert standing is not None
    assert (standing.stage, standing.counts) == ("working", {"waiting": 2, "bad": 1})
    await asyncio.gather(*(recovery(system).recover() for _ in range(3)))
    shown = await done(system, found)
    assert shown["counts"] == {"issued": 2, "bad": 1}
    assert sorted(one["number"] for one in await rows(system, found)) == [
        "",
        "251301060001",
        "251301060002",
    ]
    await recovery(system).recover()
    assert await value(system, "SELECT count(*) FROM certificates") == 2
    ended = "SELECT count(*) FROM journal WHERE event = 'certificates_imported'"
    assert await value(system, ended) == 1
    assert await runs(system, found) == 1


async def test_an_import_under_way_is_left_alone_and_one_cut_short_goes_on(
    system: System,
) -> None:
    found = await send(system, table(*(row(place) for place in range(1, 41))))
    handle = system.client.get_workflow_handle(f"certificate-import/{found['id']}")
    first = (await handle.describe()).run_id
    await recovery(system).recover()
    assert (await handle.describe()).run_id == first
    await handle.terminate("an operator's mistake")
    await recovery(system).recover()
    shown = await done(system, found)
    assert shown["counts"] == {"issued": 40}
    assert (await handle.describe()).run_id != first
    assert await value(system, "SELECT count(*) FROM certificates") == 40


# --- uploads of report numbers --------------------------------------------------------------------


async def batch(system: System, at: datetime) -> tuple[str, str]:
    """A batch of the last quarter of 2023 in Hunan at an instant, and its clerk's token."""
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(at)
    return f"{of}/lab", system.token(FILER, "clerk", "lab")


async def left_upload(system: System, named: str, content: str, key: str = "a" * 64) -> str:
    """An upload, received completely, that its batch has not heard of; its id."""
    actor = Actor(subject="clerk", role=FILER, scope="lab")
    service = BatchService(await nowhere(), system.engine, system.parts.pinned, system.now)
    async with system.engine.connect() as connection:
        case = await cases.by_id(connection, f"report-numbers/{named}")
    assert case is not None
    path = f"/api/report-batches/{named}/uploads/resumable"
    body = {"filename": "x.csv", "media": "csv"}
    begun = await system.send("POST", path, system.token(FILER, "clerk", "lab"), body)
    assert begun.status == 201, begun.body
    id_ = str(begun.body["id"])

    async def stream() -> AsyncIterator[bytes]:
        yield content.encode()

    await service.receive(case, id_, 0, stream())

    async def kept() -> bool:
        return bool(await stage(system, id_) == "queued")

    await dies_after(kept, service.complete(case, id_, actor, key, None))
    return id_


async def stage(system: System, id_: str) -> Any:
    return await value(system, "SELECT stage FROM uploads WHERE id = :id", id=id_)


async def test_an_upload_whose_batch_was_never_told_is_decided_once(skipping: System) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    id_ = await left_upload(skipping, named, numbers("HN-1", "HN-2"))
    # it may still be on its way
    completed = await value(
        skipping, "SELECT (command ->> 'received_at')::timestamptz FROM uploads"
    )
    await looking_at(skipping, completed).recover()
    await looking_at(skipping, completed + LEFT_AFTER).recover()
    assert await stage(skipping, id_) == "queued"
    assert "upload_received" not in [one["event"] for one in await events(skipping, named)]
    late = completed + LEFT_AFTER + timedelta(microseconds=1)
    await asyncio.gather(*(looking_at(skipping, late).recover() for _ in range(3)))
    shown = await read(skipping, named, clerk, id_)
    assert (shown["stage"], shown["accepted"]) == ("accepted", 2)
    await recovery(skipping).recover()
    record = await events(skipping, named)
    received = [one for one in record if one["event"] == "upload_received"]
    assert len(received) == 1
    assert received[0]["subject"] == "clerk"
    assert [one["event"] for one in record].count("numbers_accepted") == 1
    await skipping.skip_to(moment("2024-01-11T00:00:00"))
    assert await lookup(skipping, "HN-1") == "found"


async def test_a_sender_who_asks_again_meets_the_file_that_was_taken_up(skipping: System) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    key = "completed-by-hand"
    # as the API makes it of the capacity, the person and the key
    command_id = hashlib.sha256(f"filer|lab|clerk|{key}".encode()).hexdigest()
    id_ = await left_upload(skipping, named, numbers("HN-1"), command_id)
    await recovery(skipping).recover()
    again = await skipping.send(
        "POST",
        f"/api/report-batches/{named}/uploads/{id_}/complete",
        clerk,
        {},
        idempotency_key=key,
    )
    assert again.status == 202, again.body
    assert (await read(skipping, named, clerk, id_))["accepted"] == 1
    names = [one["event"] for one in await events(skipping, named)]
    assert names.count("upload_received") == 1


async def test_a_file_that_came_in_time_is_in_time_when_it_is_taken_up(skipping: System) -> None:
    named, clerk = await batch(skipping, moment("2024-01-31T23:59:50"))
    id_ = await left_upload(skipping, named, numbers("HN-1"))
    assert skipping.now() < moment("2024-02-01T00:00:00")
    await skipping.skip_to(moment("2024-02-01T00:00:10"))
    await recovery(skipping).recover()
    shown = await read(skipping, named, clerk, id_)
    assert shown["stage"] == "accepted"
    assert datetime.fromisoformat(shown["visible_from"]) == moment("2024-02-01T00:00:00")
    late = "SELECT step #>> '{body,late}' FROM journal WHERE event = 'upload_received'"
    assert await value(skipping, late) == "false"


async def test_what_the_batch_refuses_is_refused_once_and_can_be_completed_again(
    skipping: System,
) -> None:
    named, clerk = await batch(skipping, moment("2024-01-31T10:00:00"))
    path = f"/api/report-batches/{named}"
    shown = (await skipping.send("GET", path, clerk)).body
    last = datetime.fromisoformat(shown["windows"]["supplement"]["closes"])
    await skipping.skip_to(last - 10 * SECOND)
    id_ = await left_upload(skipping, named, numbers("HN-1"))
    await skipping.skip_to(last + SECOND)
    await batch_is(skipping, named, status="lapsed")
    for _ in range(3):
        await recovery(skipping).recover()
    refused = "SELECT count(*) FROM refusals WHERE action = 'receive_upload'"
    assert (await stage(skipping, id_), await value(skipping, refused)) == ("queued", 1)
    operator = skipping.token(OPERATOR, "operator-1", "000000")
    grant = {"until": (last + timedelta(days=5)).isoformat(), "reason": "服务中断（生成）"}
    extended = await skipping.send("POST", f"{path}/extension", operator, grant)
    assert extended.status == 200, extended.body
    await recovery(skipping).recover()
    assert await stage(skipping, id_) == "queued"
    again = await skipping.send("POST", f"{path}/uploads/{id_}/complete", clerk, {})
    assert again.status == 202, again.body
    assert (await read(skipping, named, clerk, id_))["accepted"] == 1
    assert await value(skipping, refused) == 1


async def test_files_received_as_always_are_not_handed_over_again(skipping: System) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    sent = await upload(skipping, named, clerk, numbers("HN-1"))
    await recovery(skipping).recover()
    assert (await read(skipping, named, clerk, sent.body["id"]))["accepted"] == 1
    names = [one["event"] for one in await events(skipping, named)]
    assert names.count("upload_received") == 1
    assert await value(skipping, "SELECT count(*) FROM refusals") == 0


# --- uploads whose step is on record, and whose workflow has lost it ------------------------------


async def lost_upload(system: System, named: str, *, key: str = "b" * 64) -> str:
    """An upload whose batch recorded it, and whose workflow was lost with the worker."""
    id_ = await left_upload(system, named, numbers("HN-1", "HN-2"), key)
    case_id = f"report-numbers/{named}"
    async with system.engine.connect() as connection:
        found = await uploads.by_id(connection, id_)
        case = await cases.by_id(connection, case_id)
    assert found is not None
    assert found.command is not None
    assert case is not None
    rules = await system.parts.pinned.get(case.rule_set)
    async with system.engine.connect() as connection:
        known = await institutions.by_ids(connection, ["lab"])
        facts = known["lab"].facts_for(None)
        record = await filing_record(
            connection, system.parts.pinned, "lab", facts.institution.region, system.now()
        )
    gate = rules.gate(facts, record, day_of(system.now()))
    await record_behind_its_back(system, case_id, found.command, BatchFindings(gate=gate))
    return id_


def reconciler(system: System) -> Reconciler:
    return Reconciler(system.client, system.engine, system.parts.pinned, system.now)


async def test_an_upload_on_record_that_its_workflow_lost_is_read_without_being_asked_for(
    skipping: System,
) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    id_ = await lost_upload(skipping, named)
    await recovery(skipping).recover()
    assert await stage(skipping, id_) == "queued"
    await reconciler(skipping).reconcile()
    shown = await read(skipping, named, clerk, id_)
    assert (shown["stage"], shown["accepted"]) == ("accepted", 2)


async def test_an_upload_on_record_that_its_workflow_lost_is_read_when_it_is_asked_for(
    skipping: System,
) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    key = "completed-by-hand"
    command_id = hashlib.sha256(f"filer|lab|clerk|{key}".encode()).hexdigest()
    id_ = await lost_upload(skipping, named, key=command_id)
    path = f"/api/report-batches/{named}/uploads/{id_}/complete"
    again = await skipping.send("POST", path, clerk, {}, idempotency_key=key)
    assert again.status == 202, again.body
    shown = await read(skipping, named, clerk, id_)
    assert (shown["stage"], shown["accepted"]) == ("accepted", 2)


async def test_an_upload_of_a_batch_whose_workflow_has_ended_is_read(skipping: System) -> None:
    named, clerk = await batch(skipping, moment("2024-01-10T10:00:00"))
    id_ = await lost_upload(skipping, named)
    await skipping.client.get_workflow_handle(f"report-numbers/{named}").terminate("by hand")
    # whoever acts next is refused, and frees what is stuck
    path = f"/api/report-batches/{named}/submit"
    await skipping.send("POST", path, clerk, {"total": 2})
    shown = await read(skipping, named, clerk, id_)
    assert (shown["stage"], shown["accepted"]) == ("accepted", 2)
