"""Bulk jobs: one act on many filings, each with its outcome; stopped, resumed, killed, repeated."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from activities import job as job_activities
from deploy.embedded.postgres import EmbeddedPostgres
from domain.case.commands import Command
from domain.case.workflow_messages import Receipt
from domain.refusals import Code, Refusal, Refused
from services.cases import CaseService
from store.cases import Case
from tests.api.conftest import whole_system
from tests.api.people import FUJIAN, GUANGDONG, Filing, events_of
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER, Answer, System, institution

pytestmark = pytest.mark.anyio

MANY = 30
UNTIL = "2099-01-01T00:00:00+08:00"


@pytest.fixture
async def guangdong(postgres: EmbeddedPostgres, open_rules: Path) -> AsyncIterator[System]:
    """Thirty institutions in Guangdong and one in Fujian, their filings of 2024 open."""
    async with whole_system(postgres, open_rules) as house:
        region, issuer = GUANGDONG
        await house.add(
            *(institution(f"lab-{n:02}", region, issuer=issuer) for n in range(MANY)),
            institution("elsewhere", FUJIAN[0], issuer=FUJIAN[1]),
        )
        await house.open(2024, "000000")
        yield house


def operator(house: System, jurisdiction: str = "440000") -> str:
    return house.token(OPERATOR, f"operator-{jurisdiction}", jurisdiction)


def extension(**selection: Any) -> dict[str, Any]:
    return {
        "action": "extend",
        "selection": {"campaign": "2024/000000", **selection},
        "until": UNTIL,
        "reason": "（生成）台风",
        "document": "",
    }


async def ask(house: System, body: Any, token: str = "", **headers: str) -> Answer:
    return await house.send("POST", "/api/jobs", token or operator(house), body, **headers)


async def done(house: System, job: Answer, token: str = "") -> dict[str, Any]:
    """A job that has come to its end."""
    assert job.status == 202, job.body
    for _ in range(600):
        shown = await house.send("GET", f"/api/jobs/{job.body['id']}", token or operator(house))
        if shown.body["state"] == "done":
            return dict(shown.body)
        await house.pause(0.05)
    raise AssertionError(shown.body)


async def outcomes(house: System, job: str, token: str = "") -> list[dict[str, Any]]:
    answer = await house.send("GET", f"/api/jobs/{job}/items?size=200", token or operator(house))
    assert answer.status == 200, answer.body
    return list(answer.body["items"])


async def count_of(house: System, name: str, event: str) -> int:
    auditor = house.token(AUDITOR, "auditor-1")
    told = await house.send("GET", f"/api/filings/2024/{name}/timeline", auditor)
    return [entry["event"] for entry in told.body["entries"]].count(event)


async def test_a_selection_is_extended_case_by_case_within_the_operator_s_region(
    guangdong: System,
) -> None:
    house = guangdong
    answers = await asyncio.gather(
        *(ask(house, extension(), idempotency_key="once") for _ in range(3))
    )
    assert len({answer.body["id"] for answer in answers}) == 1
    shown = await done(house, answers[0])
    assert (shown["total"], shown["done"], shown["refused"]) == (MANY, MANY, 0)
    assert await count_of(house, "lab-00", "extended") == 1
    assert await count_of(house, "elsewhere", "extended") == 0
    other = await ask(house, extension(region="440100"), idempotency_key="once")
    assert (other.status, other.body["code"]) == (422, "key_reused")
    report = await house.http.get(
        f"/api/jobs/{shown['id']}/report",
        headers={"Authorization": f"Bearer {operator(house)}"},
    )
    lines = report.content.decode("utf-8-sig").splitlines()
    assert len(lines) == MANY + 1
    assert lines[1].startswith("1,filing/2024/lab-00,lab-00,")


async def test_every_id_of_a_list_has_an_outcome_whether_it_may_be_acted_on_or_not(
    guangdong: System,
) -> None:
    house = guangdong
    await Filing(house, "lab-01", GUANGDONG).completed()
    ids = [f"filing/2024/{name}" for name in ("lab-00", "lab-01", "elsewhere", "nobody")]
    job = await ask(house, extension(ids=ids))
    shown = await done(house, job)
    assert (shown["total"], shown["done"], shown["refused"]) == (4, 1, 3)
    told = {item["case_id"]: item for item in await outcomes(house, shown["id"])}
    assert [told[id_]["code"] for id_ in ids] == ["", "case_ended", "not_found", "not_found"]
    assert "重新开启" in told[ids[1]]["message"]
    # a foreign case and one that does not exist are told alike
    assert told[ids[2]]["message"] == told[ids[3]]["message"]
    for region in ("440100", "4401", "440106"):
        city = await ask(house, extension(region=region, statuses=["draft"]))
        assert city.body["total"] == MANY - 1, region
    # names are compared as everywhere, however they are written
    alike = await ask(house, extension(name="ｌａｂ－０３"))
    assert alike.body["total"] == 1
    none = await ask(house, extension(region="350000"))
    assert (none.status, none.body["code"]) == (422, "nothing_selected")


async def test_who_may_ask_and_see(guangdong: System) -> None:
    house = guangdong
    filer = house.token(FILER, "clerk-1", "lab-00")
    assert (await ask(house, extension(), filer)).status == 403
    reviewer = house.token(REVIEWER, "reviewer-1", "amr-440000")
    assert (await ask(house, extension(), reviewer)).body["code"] == "forbidden"
    wrong: list[dict[str, Any]] = [{"until": None}, {"reason": None}, {"selection": {}}]
    for missing in wrong:
        answer = await ask(house, {**extension(), **missing})
        assert answer.status == 422, missing
    job = await ask(house, extension())
    await done(house, job)
    path = f"/api/jobs/{job.body['id']}"
    assert (await house.send("GET", path, operator(house, "350000"))).status == 404
    assert (await house.send("GET", path, operator(house, "000000"))).status == 200
    for jurisdiction, listed in (("440000", 1), ("350000", 0), ("000000", 1)):
        page = await house.send("GET", "/api/jobs", operator(house, jurisdiction))
        assert len(page.body["items"]) == listed, jurisdiction


async def test_a_reviewer_claims_and_returns_what_is_its_authority_s_turn(
    guangdong: System,
) -> None:
    house = guangdong
    for n in range(3):
        await Filing(house, f"lab-{n:02}", GUANGDONG).submitted()
    reviewer = house.token(REVIEWER, "reviewer-1", "amr-440000")
    chosen = {"selection": {"campaign": "2024/000000"}}
    claimed = await done(house, await ask(house, {"action": "claim", **chosen}, reviewer), reviewer)
    assert (claimed["total"], claimed["done"]) == (3, 3)
    asked = {"action": "return", **chosen, "reason": "（生成）请补充"}
    returned = await done(house, await ask(house, asked, reviewer), reviewer)
    assert returned["done"] == 3
    assert [await count_of(house, f"lab-{n:02}", "returned") for n in range(4)] == [1, 1, 1, 0]


async def test_a_job_is_stopped_and_resumed_and_no_case_is_acted_on_twice(
    guangdong: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, acted = guangdong, []
    really_act, held = CaseService.act, asyncio.Event()
    monkeypatch.setattr(job_activities, "_AT_ONCE", 1)

    async def slowly(self: CaseService, case: Case, command: Command) -> Receipt:
        if command.id.startswith("job:"):
            acted.append(command.id)
            if len(acted) == 5:
                await held.wait()
            if len(acted) == 9:
                raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"}))
        return await really_act(self, case, command)

    monkeypatch.setattr(CaseService, "act", slowly)
    job = await ask(house, extension())
    path = f"/api/jobs/{job.body['id']}"
    while len(acted) < 5:
        await house.pause(0.02)
    stopped = await house.send("POST", f"{path}/stop", operator(house))
    assert stopped.body["state"] == "stopped"
    held.set()
    await house.pause(0.5)
    standing = (await house.send("GET", path, operator(house))).body
    assert (standing["state"], standing["done"], len(acted)) == ("stopped", 5, 5)
    resumed = await house.send("POST", f"{path}/resume", operator(house))
    assert resumed.body["state"] == "running"
    assert await events_of(house, f"job/{stopped.body['id']}") == [
        "job_begun",
        "job_stopped",
        "job_resumed",
    ]
    # an engine that does not answer in between is no outcome
    shown = await done(house, job)
    assert (shown["done"], shown["refused"]) == (MANY, 0)
    assert [await count_of(house, f"lab-{n:02}", "extended") for n in range(MANY)] == [1] * MANY


def reminder(**selection: Any) -> dict[str, Any]:
    return {
        "action": "serve_reminder",
        "selection": {"campaign": "2024/000000", **selection},
        "reason": "（生成）请尽快填报",
        "channels": ["message"],
        "document": "示例〔2025〕3号",
    }


async def reminded(house: System, token: str) -> dict[str, list[str]]:
    """The instants of the 催报 on everybody who has not filed."""
    path = "/api/campaigns/2024/000000/non-filers?size=200"
    rows = (await house.send("GET", path, token)).body["items"]
    return {row["institution"]: row["reminders_served"] for row in rows}


async def test_everybody_who_is_late_is_reminded_once_and_listed_with_the_instant(
    guangdong: System,
) -> None:
    house = guangdong
    await Filing(house, "lab-01", GUANGDONG).submitted()
    asked = reminder(ids=["filing/2024/lab-01", "filing/2024/lab-00", "filing/2024/elsewhere"])
    answers = [await ask(house, asked, idempotency_key="once") for _ in range(2)]
    assert answers[0].body["id"] == answers[1].body["id"]
    shown = await done(house, answers[0])
    assert (shown["action_label"], shown["done"], shown["refused"]) == ("催报", 1, 2)
    assert [item["code"] for item in await outcomes(house, shown["id"])] == [
        "wrong_status",
        "",
        "not_found",
    ]
    listed = await reminded(house, operator(house))
    auditor = house.token(AUDITOR, "auditor-1")
    told = (await house.send("GET", "/api/filings/2024/lab-00/timeline", auditor)).body["entries"]
    served = told[-1]
    assert (served["event"], served["note"]["reason"]) == ("reminder_served", asked["reason"])
    assert "站内消息催报，示例〔2025〕3号" in served["detail"]
    assert listed["lab-00"] == [served["at"]]
    assert {name for name, instants in listed.items() if instants} == {"lab-00"}
    wordless = await ask(house, {**asked, "reason": None})
    assert (wordless.status, wordless.body["code"]) == (422, "reason_required")


async def test_a_regulator_reminds_its_own_region_before_it_is_anybody_s_turn(
    guangdong: System,
) -> None:
    house = guangdong
    mine = house.token(REVIEWER, "reviewer-1", "amr-440000")
    shown = await done(house, await ask(house, reminder(statuses=["draft"]), mine), mine)
    assert (shown["total"], shown["done"]) == (MANY, MANY)
    for scope in ("amr-350200", "cnas"):
        other = house.token(REVIEWER, "reviewer-2", scope)
        none = await ask(house, reminder(statuses=["draft"]), other)
        assert (none.status, none.body["code"]) == (422, "nothing_selected"), scope
    listed = await reminded(house, operator(house, "000000"))
    assert len(listed.pop("lab-00")) == 1
    assert listed["elsewhere"] == []
