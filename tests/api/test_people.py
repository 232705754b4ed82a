"""Who acts for whom, who is given what, and what becomes of somebody's tasks with their role."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Actor
from services.memberships import PassedRoles
from tests.accounts import TERMINAL, given, in_order
from tests.api.conftest import whole_system
from tests.api.people import GUANGDONG, Filing, events_of
from tests.system import OPERATOR, REVIEWER, Answer, System, institution

pytestmark = pytest.mark.anyio

AUTHORITY = GUANGDONG[1]
MANY = 4


@pytest.fixture
async def submitted(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Four filings of Guangdong that wait for its reviewers."""
    async with whole_system(postgres, open_rules) as house:
        region, issuer = GUANGDONG
        await house.add(*(institution(f"lab-{n}", region, issuer=issuer) for n in range(MANY)))
        await house.open(2024, "000000")
        for n in range(MANY):
            await Filing(house, f"lab-{n}", GUANGDONG).submitted()
        yield house
        await in_order(house)


def reviewer(house: System, name: str) -> str:
    return house.token(REVIEWER, name, AUTHORITY)


def operator(house: System, jurisdiction: str = "440000") -> str:
    return house.token(OPERATOR, f"operator-{jurisdiction}", jurisdiction)


def lab(house: System, number: int) -> Filing:
    return Filing(house, f"lab-{number}", GUANGDONG)


async def job(house: System, token: str, **body: Any) -> dict[str, Any]:
    asked = {"selection": {"campaign": "2024/000000"}, **body}
    answer = await house.send("POST", "/api/jobs", token, asked)
    assert answer.status == 202, answer.body
    for _ in range(600):
        shown = await house.send("GET", f"/api/jobs/{answer.body['id']}", token)
        if shown.body["state"] == "done":
            return dict(shown.body)
        await house.pause(0.05)
    raise AssertionError(shown.body)


async def mine(house: System, token: str) -> list[str]:
    page = await house.send("GET", "/api/tasks?claimed=mine", token)
    return [item["institution"] for item in page.body["items"]]


async def test_a_role_that_ends_gives_back_what_was_claimed_with_it(submitted: System) -> None:
    house = submitted
    role = await given(house, "r-leaving", REVIEWER, AUTHORITY)
    leaving = reviewer(house, "r-leaving")
    assert (await lab(house, 0).act("claim", leaving)).status == 200
    at_the_terminal = Actor(subject="cli.tests", role=OPERATOR, scope="000000")
    await house.parts.memberships.end(role.id, at_the_terminal, "（生成）调离", by_hand=True)
    assert (await house.send("GET", "/api/tasks", leaving)).status == 403
    await claimed_by_others(house, 0)
    # one whose last instant passes, whatever anybody does, and one who goes on as what they were
    ends = house.now() + timedelta(days=400)
    for number, name, renewed in ((1, "r-passing", False), (2, "r-renewed", True)):
        for starts, until in ((None, ends), *(((ends, None),) if renewed else ())):
            await house.parts.memberships.give(
                name, REVIEWER, AUTHORITY, False, starts, until, TERMINAL, f"{name} {starts}", "",
                by_hand=True,
            )  # fmt: skip
        assert (await lab(house, number).act("claim", reviewer(house, name))).status == 200
    now = [ends - timedelta(seconds=1)]
    passed = PassedRoles(house.engine, house.parts.jobs, lambda: now[0])
    await passed.look()
    assert "role_ended" not in await events_of(house, "person/r-passing")
    now[0] = ends
    # two processes at once, and again: it is one end
    await asyncio.gather(passed.look(), passed.look())
    await passed.look()
    for name in ("r-passing", "r-renewed"):
        assert (await events_of(house, f"person/{name}")).count("role_ended") == 1, name
    await claimed_by_others(house, 1)
    taken = await lab(house, 2).act("claim", reviewer(house, "r-staying"))
    assert (taken.status, taken.body["code"]) == (409, "claimed_by_other")


async def claimed_by_others(house: System, number: int) -> None:
    """Whoever stays can claim a filing within the time that a job takes."""
    for _ in range(200):
        claimed = await lab(house, number).act("claim", reviewer(house, "r-staying"))
        if claimed.status == 200:
            break
        await house.pause(0.05)
    assert claimed.status == 200, claimed.body


async def test_tasks_are_assigned_and_handed_over_one_by_one_and_in_bulk(
    submitted: System,
) -> None:
    house = submitted
    for wrong in (operator(house, "000000"), operator(house, "440100")):
        assert (await lab(house, 0).act("assign", wrong, {"person": "r-1"})).status == 403
    filer = await lab(house, 0).act("assign", operator(house), {"person": "clerk-lab-0"})
    assert (filer.status, filer.body["code"]) == (409, "person_not_fit")
    assigned = await job(house, operator(house), action="assign", person="r-1")
    assert (assigned["total"], assigned["done"]) == (MANY, MANY)
    assert len(await mine(house, reviewer(house, "r-1"))) == MANY
    handed = await lab(house, 0).act("hand-over", reviewer(house, "r-1"), {"person": "r-2"})
    assert handed.status == 200, handed.body
    rest = await job(house, reviewer(house, "r-1"), action="hand_over", person="r-3", reason="x")
    assert (rest["done"], rest["refused"]) == (MANY - 1, 1)
    entries = await lab(house, 0).timeline(lab(house, 0).auditor)
    given = [(e["event"], e["person"]) for e in entries if e["person"]]
    assert given == [("task_assigned", "r-1"), ("task_handed_over", "r-2")]
    # the filer deals with an authority, not with the people in it
    seen = await lab(house, 0).timeline(lab(house, 0).filer)
    assert {(e["person"], e["on_behalf_of"]) for e in seen} == {("", "")}
    assert (await lab(house, 0).act("approve", reviewer(house, "r-1"))).status == 409
    await lab(house, 0).done("approve", reviewer(house, "r-2"))


async def name_deputy(house: System, token: str, **more: Any) -> Answer:
    ends = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    body = {"person": "r-1", "deputy": "r-2", "ends": ends, "reason": "（生成）年休假", **more}
    return await house.send("POST", "/api/people/deputies", token, body)


async def test_a_deputy_acts_on_the_tasks_of_somebody_away_for_their_time_only(
    submitted: System,
) -> None:
    house, r1, r2 = submitted, reviewer(submitted, "r-1"), reviewer(submitted, "r-2")
    for number in range(3):
        await lab(house, number).done("claim", r1)
    refused = await lab(house, 0).act("approve", r2)
    assert (refused.status, refused.body["code"]) == (409, "claimed_by_other")
    assert (await name_deputy(house, r2)).status == 403
    assert (await name_deputy(house, reviewer(house, "r-1"), deputy="r-1")).status == 422
    assert (await name_deputy(house, operator(house, "350000"), authority=AUTHORITY)).status == 403
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await name_deputy(house, r1, starts=later)).status == 201
    assert (await lab(house, 0).act("approve", r2)).status == 409
    named = await name_deputy(house, r1)
    assert (named.status, named.body["open"]) == (201, True)
    assert sorted(await mine(house, r2)) == ["lab-0", "lab-1", "lab-2"]
    await lab(house, 0).done("approve", r2, idempotency_key="once")
    entries = await lab(house, 0).timeline()
    [approved] = [entry for entry in entries if entry["event"] == "approved"]
    assert (approved["subject"], approved["on_behalf_of"]) == ("r-2", "r-1")
    ended = await house.send("POST", f"/api/people/deputies/{named.body['id']}/end", r1)
    assert ended.body["open"] is False
    assert (await lab(house, 1).act("approve", r2)).status == 409
    # the same act sent again is the same act, whoever may act for whom by now
    again = await lab(house, 0).act("approve", r2, idempotency_key="once")
    assert again.status == 200, again.body
    named_twice = ["deputy_named"] * 2
    assert await events_of(house, "person/r-1") == [*named_twice, "deputy_ended"]
    # those of another authority have no deputies here
    other = house.token(REVIEWER, "r-2", "amr-350000")
    assert (
        await house.send("GET", "/api/people/deputies?authority=amr-440000", other)
    ).status == 403


async def test_whoever_loses_a_role_loses_the_tasks_at_once_and_is_given_no_more(
    submitted: System,
) -> None:
    house, r1 = submitted, reviewer(submitted, "r-1")
    for number in range(2):
        await lab(house, number).done("claim", r1)
    body = {"person": "r-1", "authority": AUTHORITY, "reason": "（生成）调离"}
    path = "/api/people/revocations"
    assert (await house.send("POST", path, operator(house, "350000"), body)).status == 403
    assert (await house.send("POST", path, r1, body)).status == 403
    revoked = await house.send("POST", path, operator(house), body)
    assert revoked.status == 201, revoked.body
    gone = await house.send("GET", "/api/tasks", r1)
    assert (gone.status, gone.body["code"]) == (403, "role_revoked")
    # in another authority they are somebody else
    assert (
        await house.send("GET", "/api/tasks", house.token(REVIEWER, "r-1", "samr"))
    ).status == 200
    for number in range(2):
        for _ in range(200):
            shown = (await lab(house, number).get()).body
            if not shown["claimed"]:
                break
            await house.pause(0.05)
        assert shown["claimed"] is False
    given = await lab(house, 0).act("assign", operator(house), {"person": "r-1"})
    assert (given.status, given.body["code"]) == (409, "person_revoked")
    deputy = await name_deputy(house, operator(house), person="r-2", deputy="r-1")
    assert (deputy.status, deputy.body["code"]) == (422, "deputy_refused")
    back = await house.send("POST", f"{path}/{revoked.body['id']}/restore", operator(house))
    assert back.body["restored_by"] == "operator-440000"
    assert await events_of(house, "person/r-1") == ["role_revoked", "role_restored"]
    assert (await house.send("GET", "/api/tasks", r1)).status == 200


async def test_a_list_comes_from_a_table_and_the_outcomes_go_out_as_one(submitted: System) -> None:
    house, token = submitted, operator(submitted)

    async def upload(content: str) -> Any:
        return await house.http.post(
            "/api/jobs/lists",
            content=content.encode(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "text/csv",
                "Idempotency-Key": f"list-{hash(content)}",
            },
        )

    bad = await upload("机构编号\nlab-0\n=1+1\n")
    assert (bad.status_code, bad.json()["code"]) == (422, "list_rejected")
    assert bad.json()["errors"][0]["pointer"].startswith("/rows/3")
    kept = await upload("机构编号\nlab-0\nfiling/2024/lab-1\nnobody\nlab-0\n")
    assert (kept.status_code, kept.json()["count"]) == (201, 3)
    chosen = {"campaign": "2024/000000", "list": kept.json()["id"]}
    done = await job(house, token, action="cancel", selection=chosen, reason="（生成）")
    assert (done["total"], done["done"], done["refused"]) == (3, 2, 1)
    assert await events_of(house, f"job-list/{kept.json()['id']}") == ["job_list_added"]
    assert await events_of(house, f"job/{done['id']}") == ["job_begun"]
    other = await house.send(
        "POST", "/api/jobs", operator(house, "000000"),
        {"action": "cancel", "selection": chosen, "reason": "（生成）"},
    )  # fmt: skip
    assert other.status == 404
    report = await house.http.get(
        f"/api/jobs/{done['id']}/report?format=xlsx", headers={"Authorization": f"Bearer {token}"}
    )
    sheet = openpyxl.load_workbook(BytesIO(report.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert [row[4] for row in rows[1:]] == ["已办", "已办", "未办"]


async def test_tasks_are_sorted_by_due_date_and_by_age_page_by_page(submitted: System) -> None:
    house, token = submitted, reviewer(submitted, "r-1")
    await lab(house, 0).done("claim", token)
    await lab(house, 0).done("return", token, {"reason": "（生成）"})
    await lab(house, 0).submitted()
    seen: list[str] = []
    cursor = ""
    while True:
        page = await house.send("GET", f"/api/tasks?sort=age&size=1{cursor}", token)
        seen += [item["institution"] for item in page.body["items"]]
        if page.body["next"] is None:
            break
        cursor = f"&cursor={page.body['next']}"
    assert seen == ["lab-1", "lab-2", "lab-3", "lab-0"]
    due = await house.send("GET", "/api/tasks?sort=due", token)
    assert sorted(i["institution"] for i in due.body["items"]) == sorted(seen)


async def test_lists_of_filings_are_sorted_by_due_date_and_by_age_page_by_page(
    submitted: System,
) -> None:
    house, token = submitted, operator(submitted)
    until = {"until": "2099-01-01T00:00:00+08:00", "reason": "（生成）"}
    for number in (2, 0):
        await lab(house, number).done("extension", token, until)
    await house.add(institution("a-draft", GUANGDONG[0], issuer=AUTHORITY))
    await house.send("POST", "/api/filings/2024/a-draft", token)

    async def listed(sort: str) -> list[str]:
        seen: list[str] = []
        cursor = ""
        while True:
            path = f"/api/filings?sort={sort}&size=2{cursor}"
            page = await house.send("GET", path, token)
            assert page.status == 200, page.body
            seen += [item["institution"] for item in page.body["items"]]
            if page.body["next"] is None:
                return seen
            cursor = f"&cursor={page.body['next']}"

    assert await listed("id") == ["a-draft", "lab-0", "lab-1", "lab-2", "lab-3"]
    assert await listed("age") == ["lab-0", "lab-1", "lab-2", "lab-3", "a-draft"]
    by_due = await listed("due")
    assert sorted(by_due) == sorted(await listed("id"))
    assert by_due[-2:] == ["lab-0", "lab-2"]
