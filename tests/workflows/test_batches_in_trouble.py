"""What could go wrong with uploads and complaints beside one another."""

import pytest
from sqlalchemy import text

from store.numbers import report_numbers
from tests.system import FILER, System, institution
from tests.workflows.test_report_batch import (  # noqa: F401
    moment,
    numbers,
    quarter,
    read,
    system,
    upload,
)

pytestmark = pytest.mark.anyio


async def test_a_file_that_the_case_refused_can_be_given_up(system: System) -> None:  # noqa: F811
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of, clerk = quarter("2023Q4"), system.token(FILER, "clerk", "lab")
    await system.open(of, "430000")
    await system.skip_to(moment("2023-12-31T10:00:00"))
    refused = await upload(system, f"{of}/lab", clerk, numbers("HN-1"))
    assert refused.body["code"] == "not_open_yet"
    path = f"/api/report-batches/{of}/lab/uploads"
    found = (await system.send("GET", path, clerk)).body["items"]
    for one in found:
        gone = await system.send("DELETE", f"{path}/{one['id']}", clerk)
        assert gone.status == 200, gone.body


async def test_a_file_sent_twice_and_completed_again_does_not_block_its_batch(
    system: System,  # noqa: F811
) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of, clerk = quarter("2023Q4"), system.token(FILER, "clerk", "lab")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, same = f"{of}/lab", numbers("HN-1")
    async with system.engine.connect() as c:
        no = (await c.execute(text("SELECT no FROM institutions WHERE id='lab'"))).scalar_one()
    first = await system.engine.connect()
    await report_numbers.lock_institution(first, no)
    one = await upload(system, batch, clerk, same, "one")
    await upload(system, batch, clerk, numbers("HN-2"), "other")
    two = await upload(system, batch, clerk, same, "two")
    assert two.body["stage"] == "queued"
    await first.rollback()
    await first.close()
    for _ in range(100):
        path = f"/api/report-batches/{batch}/uploads/{one.body['id']}"
        if (await system.send("GET", path, clerk)).body["stage"] == "accepted":
            break
        await system.pause(0.05)
    await upload(system, batch, clerk, same, "two")
    for _ in range(100):
        declared = await system.send(
            "POST", f"/api/report-batches/{batch}/submit", clerk, {"total": 2}
        )
        if declared.status == 200:
            return
        await system.pause(0.1)
    shown = (await system.send("GET", f"/api/report-batches/{batch}/uploads", clerk)).body
    raise AssertionError((declared.body, [(u["stage"], u["id"]) for u in shown["items"]]))


async def test_two_strangers_may_choose_the_same_key(system: System) -> None:  # noqa: F811
    path = "/public/complaints"
    one = {"number": "A-1", "about": "甲"}
    two = {"number": "B-1", "about": "乙"}
    assert (await system.send("POST", path, body=one, idempotency_key="1")).status == 201
    other = await system.send("POST", path, body=two, idempotency_key="1")
    assert other.status == 201, other.body
