"""One bad row is one bad row; and a stage is shown only when its step is on record."""

import pytest
from sqlalchemy import text

from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, System, institution
from tests.workflows.test_report_batch import (
    moment,
    numbers,
    quarter,
    system,
    upload,
)

pytestmark = pytest.mark.anyio

assert system  # the fixture is used below by name


async def test_a_malformed_plan_breaks_its_own_case_only(system: System) -> None:
    names = [f"lab-{number}" for number in range(5)]
    await system.add(*(institution(one, "430102", issuer="amr-430000") for one in names))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    async with system.engine.begin() as connection:
        await connection.execute(
            text("""
                UPDATE cases SET plan = plan - 'fill' WHERE institution_id = 'lab-1'
            """)
        )
        await connection.execute(
            text("UPDATE cases SET status = 'in_review', authority = 'amr-430000'")
        )
    operator = system.token(OPERATOR, "operator-1", "000000")
    seen, path = list[str](), f"/api/report-batches?quarter={of}&size=2"
    after = ""
    while True:
        page = await system.send("GET", f"{path}{after}", operator)
        assert page.status == 200, page.body
        seen += [one["institution"] for one in page.body["items"]]
        if page.body["next"] is None:
            break
        after = f"&cursor={page.body['next']}"
    assert seen == [one for one in names if one != "lab-1"]
    reviewer = system.token(REVIEWER, "r-1", "amr-430000")
    tasks = await system.send("GET", "/api/tasks?size=2", reviewer)
    assert tasks.status == 200, tasks.body
    auditor = system.token(AUDITOR, "auditor-1")
    own = await system.send("GET", f"/api/report-batches/{of}/lab-1", auditor)
    assert own.status == 500


async def test_accepted_is_shown_once_the_step_is_on_record(system: System) -> None:
    names = [f"lab-{number}" for number in range(5)]
    await system.add(*(institution(one, "430102", issuer="amr-430000") for one in names))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    for name in names:
        batch, clerk = f"/api/report-batches/{of}/{name}", system.token(FILER, "clerk", name)
        sent = await upload(system, f"{of}/{name}", clerk, numbers(f"HN-{name}"))
        path = f"{batch}/uploads/{sent.body['id']}"
        while (shown := (await system.send("GET", path, clerk)).body)["stage"] != "accepted":
            await system.pause(0.005)
        # no 409: there is nothing under way any more
        declared = await system.send("POST", f"{batch}/submit", clerk, {"total": 1})
        assert declared.status == 200, declared.body
    # an outcome that is decided and not on record yet is not told
    async with system.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE journal DISABLE TRIGGER USER"))
        await connection.execute(
            text("UPDATE journal SET command_id = 'x' || command_id WHERE command_id = :id"),
            {"id": f"finish:{shown['id']}"},
        )
    again = (await system.send("GET", path, clerk)).body
    assert (again["stage"], again["accepted"], again["decided_at"]) == ("checking", 0, None)
    listed = await system.send("GET", f"{batch}/uploads", clerk)
    assert [one["stage"] for one in listed.body["items"]] == ["checking"]
