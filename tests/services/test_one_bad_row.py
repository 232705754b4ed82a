"""One bad row is one bad row; and a stage is shown only when its step is on record."""

import pytest
from sqlalchemy import text

from store.numbers import uploads
from tests.databases import owning
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
    async with owning(system.engine) as connection:
        await connection.execute(text("ALTER TABLE journal DISABLE TRIGGER USER"))
        await connection.execute(
            text("UPDATE journal SET command_id = 'x' || command_id WHERE command_id = :id"),
            {"id": f"finish:{shown['id']}"},
        )
    again = (await system.send("GET", path, clerk)).body
    assert (again["stage"], again["accepted"], again["decided_at"]) == ("checking", 0, None)
    listed = await system.send("GET", f"{batch}/uploads", clerk)
    assert [one["stage"] for one in listed.body["items"]] == ["checking"]


async def broken(system: System, statement: str, **given: object) -> None:
    """What nothing of ours writes."""
    async with owning(system.engine) as connection:
        await connection.execute(text("ALTER TABLE journal DISABLE TRIGGER USER"))
        await connection.execute(text(statement), given)


async def pages(system: System, path: str, token: str, key: str) -> list[str]:
    """What a list shows, two at a time."""
    seen, after = list[str](), ""
    while True:
        page = await system.send("GET", f"{path}{'&' if '?' in path else '?'}size=2{after}", token)
        assert page.status == 200, page.body
        seen += [one[key] for one in page.body["items"]]
        if page.body["next"] is None:
            return seen
        after = f"&cursor={page.body['next']}"


async def test_a_malformed_step_breaks_its_own_case_only(system: System) -> None:
    names = [f"lab-{number}" for number in range(5)]
    await system.add(*(institution(one, "430102", issuer="amr-430000") for one in names))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    operator = system.token(OPERATOR, "operator-1", "000000")
    grant = {"until": "2033-05-01T00:00:00+08:00", "reason": "服务中断（生成）"}
    for name in names[:2]:
        path = f"/api/report-batches/{of}/{name}/extension"
        extended = await system.send("POST", path, operator, grant)
        assert extended.status == 200, extended.body
    await broken(
        system,
        """UPDATE journal SET step = jsonb_set(step, '{body,until}', '"some day"')
           WHERE event = 'extended' AND case_id = :id""",
        id=f"report-numbers/{of}/lab-1",
    )
    listed = await pages(system, f"/api/report-batches?quarter={of}", operator, "institution")
    # lists do not read the journal
    assert listed == names
    clerk = system.token(FILER, "clerk", "lab-0")
    shown = await system.send("GET", f"/api/report-batches/{of}/lab-0", clerk)
    assert shown.body["windows"]["fill"]["closes"] == grant["until"]
    # what is not even a step breaks its own timeline, and nobody's list of what happened
    await broken(
        system,
        "UPDATE journal SET step = '[]' WHERE case_id = :id",
        id=f"report-numbers/{of}/lab-2",
    )
    auditor = system.token(AUDITOR, "auditor-1")
    timeline = f"/api/report-batches/{of}/{{}}/timeline"
    assert (await system.send("GET", timeline.format("lab-2"), auditor)).status == 500
    assert (await system.send("GET", timeline.format("lab-3"), auditor)).status == 200
    events = (await system.send("GET", "/api/events?size=200", auditor)).body["items"]
    assert {f"report-numbers/{of}/{one}" for one in names} <= {one["case_id"] for one in events}


async def test_a_malformed_institution_keeps_nobody_from_lists_exports_and_campaigns(
    system: System,
) -> None:
    names = [f"lab-{number}" for number in range(5)]
    await system.add(*(institution(one, "430102", issuer="amr-430000") for one in names))
    await broken(system, "UPDATE institutions SET national_centres = '7' WHERE id = 'lab-1'")
    rest = [one for one in names if one != "lab-1"]
    operator = system.token(OPERATOR, "operator-1", "000000")
    assert await pages(system, "/api/institutions", operator, "id") == rest
    of = quarter("2023Q4")
    await system.open(of, "430000")
    listed = await pages(system, f"/api/report-batches?quarter={of}", operator, "institution")
    assert listed == rest


async def test_a_malformed_campaign_keeps_no_other_from_being_listed(system: System) -> None:
    of = quarter("2023Q4")
    for place in ("430000", "350000"):
        await system.open(of, place)
    await broken(system, "UPDATE campaigns SET rule_sets = '[]' WHERE jurisdiction = '350000'")
    operator = system.token(OPERATOR, "operator-1", "000000")
    listed = (await system.send("GET", "/api/campaigns", operator)).body["items"]
    assert [one["case_id"] for one in listed] == [f"campaign/{of}/430000"]


async def test_a_malformed_upload_keeps_no_other_from_being_listed_and_taken_up(
    system: System,
) -> None:
    await system.add(institution("lab", "430102", issuer="amr-430000"))
    of = quarter("2023Q4")
    await system.open(of, "430000")
    await system.skip_to(moment("2024-01-10T10:00:00"))
    batch, clerk = f"/api/report-batches/{of}/lab", system.token(FILER, "clerk", "lab")
    ids = []
    for number in range(4):
        sent = await upload(system, f"{of}/lab", clerk, numbers(f"HN-{number}"))
        ids.append(sent.body["id"])
    await broken(
        system,
        """UPDATE uploads SET stage = 'queued',
               command = '{"id": "lost", "received_at": "2020-01-01T00:00:00Z"}' WHERE id = :id""",
        id=ids[1],
    )
    listed = await pages(system, f"{batch}/uploads", clerk, "id")
    assert listed == [one for one in reversed(ids) if one != ids[1]]
    async with system.engine.connect() as connection:
        assert await uploads.never_handed_over(connection, system.now()) == []
