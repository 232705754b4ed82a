"""Lives that no other test plays from end to end, for the histories that later versions replay."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from domain.canonical import sha256_of
from domain.case import commands as c
from domain.case.commands import Actor
from rules.file.library import SHIPPED, current_library
from services.publishing import put_in_force
from services.reconciler import Reconciler
from tests.certificates import Office, content
from tests.deploy.record_release import CHAIN, open_rules
from tests.system import (
    CHECKER,
    FILER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    System,
    certificate,
    institution,
    running,
)
from tests.workflows.test_adoption import record_behind_its_back
from tests.workflows.test_complaint import complain, task
from tests.workflows.test_report_batch import (
    ask,
    batch_is,
    extended,
    read,
    shortened,
    upload,
)

pytestmark = pytest.mark.anyio

GRANT = {"until": "2090-01-01T00:00:00+08:00", "reason": "（生成）洪灾", "document": "示例"}
LATE = {"after_window": True, "reason": "（生成）补办"}
CAUSE = {"reason": "（生成）误列入名录"}


@pytest.fixture(scope="module")
def rules_of_all_times(short_folder: Path) -> Path:
    """Fujian's windows of 2023 are open; those of the nation in 2020 and 2024 are long over."""
    folder = open_rules(short_folder / "rules-lives")
    for year in ("2020", "2024"):
        shutil.copy(SHIPPED / year / "national.yaml", folder / year / "national.yaml")
    return folder


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules_of_all_times: Path
) -> AsyncIterator[System]:
    async with running(dev_engine, engine, rules_of_all_times) as found:
        yield found


def soon() -> dict[str, str]:
    """More time for a moment."""
    return GRANT | {"until": (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()}


async def play(system: System, path: str, *acts: tuple[str, str, Any, str]) -> None:
    """Acts on a case one after the other; each with the status that it leads to."""
    for name, token, body, status in acts:
        done = await system.send("POST", f"{path}/{name}", token, body)
        assert (done.status, done.body.get("status")) == (200, status), (name, done.body)


async def test_a_filing_goes_back_and_forth_and_is_cancelled(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    filing, path = "2023/inst-1", "/api/filings/2023/inst-1"
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit(filing, clerk)).status == 200
    await play(system, path, ("withdraw", clerk, {}, "withdrawn"))
    assert (await system.submit(filing, clerk)).status == 200
    first = system.token(REVIEWER, "r-1", CHAIN[0])
    for name in ("claim", "release"):
        await play(system, path, (name, first, {}, "in_review"))
    for authority in CHAIN:
        reviewer = system.token(REVIEWER, f"r-{authority}", authority)
        assert (await system.act(filing, "claim", reviewer)).status == 200
        assert (await system.act(filing, "approve", reviewer)).status == 200
    checker = system.token(CHECKER, "checker-1", "samr")
    back = {"outcome": "send_back", "reason": "（生成）数据有误"}
    operator = system.token(OPERATOR, "operator-1", "350000")
    await play(
        system,
        path,
        ("claim", checker, {}, "quality_check"),
        ("quality", checker, back, "returned"),
        ("cancel", operator, CAUSE, "cancelled"),
    )


async def amended(system: System, revision: int) -> None:
    """Fujian's filings of 2023 come under a further revision, by which all closes a week later."""
    found = current_library(system.settings.rules).resolve(2023, "350000")
    document = {**found.document, "revision": revision}
    later = timedelta(days=7 * revision)
    windows = {
        name: span and {**span, "to": (date.fromisoformat(span["to"]) + later).isoformat()}
        for name, span in document["filing"]["windows"].items()
    }
    document["filing"] = {**document["filing"], "windows": windows}
    sha256 = sha256_of(document)
    new = replace(found, revision=revision, document=document, sha256=sha256)
    by = Actor(subject="publisher-1", role=OPERATOR, scope="000000")
    async with system.engine.begin() as connection:
        await put_in_force(connection, [new], by, f"publish-{revision}", "（生成）", system.now())
    operator = system.token(OPERATOR, "operator-1", "350000")
    made = await system.send(
        "POST", "/api/campaigns/2023/350000/amendments", operator, {"reason": "（生成）洪灾"}
    )
    assert made.status == 202, made.body
    path = f"/api/jobs/{made.body['id']}"
    async with asyncio.timeout(20):
        while (await system.send("GET", path, operator)).body["state"] != "done":
            await asyncio.sleep(0.1)
    job = (await system.send("GET", path, operator)).body
    assert (job["done"], job["refused"]) == (1, 0), job


async def test_a_filing_is_amended_with_its_filer_and_with_its_reviewer(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    filing = "2023/inst-1"
    before = await system.until(filing, "draft")
    await amended(system, 101)
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit(filing, clerk)).status == 200
    first = system.token(REVIEWER, f"r-{CHAIN[0]}", CHAIN[0])
    assert (await system.act(filing, "claim", first)).status == 200
    await amended(system, 102)
    # whose turn it is, and who has claimed it, stays
    assert (await system.act(filing, "approve", first)).status == 200
    for authority in CHAIN[1:]:
        reviewer = system.token(REVIEWER, f"r-{authority}", authority)
        assert (await system.act(filing, "claim", reviewer)).status == 200
        assert (await system.act(filing, "approve", reviewer)).status == 200
    after = await system.until(filing, "quality_check")
    closes = [datetime.fromisoformat(one["windows"]["fill"]["closes"]) for one in (before, after)]
    assert closes[1] - closes[0] == timedelta(days=7 * 102)
    assert after["ruleset"]["revision"] == 102


async def test_a_filing_is_asked_about_and_asked_back(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    filing, path = "2023/inst-1", "/api/filings/2023/inst-1"
    clerk = system.token(FILER, "clerk-1", "inst-1")
    first = system.token(REVIEWER, "r-1", CHAIN[0])
    operator = system.token(OPERATOR, "operator-1", "350000")
    said = {"text": "（生成）人员数如何计算"}
    await play(
        system,
        path,
        ("reminders", operator, {"text": "（生成）请填报"}, "draft"),
        ("questions", clerk, said, "draft"),
        ("questions/1/answer", first, said, "draft"),
        ("questions/1/close", clerk, {}, "draft"),
        ("questions/1/reopen", first, CAUSE, "draft"),
    )
    assert (await system.submit(filing, clerk)).status == 200
    await play(
        system,
        path,
        ("claim", first, {}, "in_review"),
        ("ask-return", clerk, CAUSE, "in_review"),
        ("decline-return", first, CAUSE, "in_review"),
        ("ask-return", clerk, CAUSE, "in_review"),
        ("return", first, CAUSE, "returned"),
        ("cancel", operator, CAUSE, "cancelled"),
    )


async def test_a_filing_is_confirmed_excused_waived_and_remarked_on(system: System) -> None:
    await system.add(institution("inst-1", legal_person=True))
    await system.open(2023, "350000")
    path = "/api/filings/2023/inst-1"
    clerk = system.token(FILER, "clerk-1", "inst-1")
    head = system.token(RESPONSIBLE, "head-1", "inst-1")
    operator = system.token(OPERATOR, "operator-1", "350000")
    province = system.token(REVIEWER, "r-3", CHAIN[2])
    saved = (await system.save("2023/inst-1", clerk)).body
    complete = saved["parts"]
    wrong = {**complete, "annual-report": {**complete["annual-report"]}}
    wrong["annual-report"]["institution_name"] = "另一名称（生成）"
    blocked = await system.send("PUT", f"{path}/draft", clerk, {"parts": wrong}, if_match='"1"')
    [found] = [f for f in blocked.body["report"]["findings"] if f["sha256"]]
    waiver = {"revision": 2, "finding": found["sha256"], **CAUSE}
    await play(
        system,
        path,
        ("waivers", clerk, waiver, "draft"),
        ("waivers/1/decline", province, CAUSE, "draft"),
        ("waivers", clerk, waiver, "draft"),
        ("waivers/2/grant", province, CAUSE, "draft"),
        ("ask-unsigned", clerk, CAUSE, "draft"),
        ("excuse-signer", operator, CAUSE, "draft"),
        ("demand-signer", operator, CAUSE, "draft"),
    )
    last = await system.send("PUT", f"{path}/draft", clerk, {"parts": complete}, if_match='"2"')
    standing = {"revision": 3, "sha256": last.body["sha256"]}
    first = system.token(REVIEWER, "r-1", CHAIN[0])
    remark = {"fields": [{"part": "statistics", "field": "patents", "reason": "（生成）"}]}
    await play(
        system,
        path,
        ("attest", head, standing, "draft"),
        ("submit", clerk, standing, "in_review"),
        ("claim", first, {}, "in_review"),
        ("remarks", first, remark, "in_review"),
        ("return", first, CAUSE, "returned"),
        ("cancel", operator, CAUSE, "cancelled"),
    )


async def test_a_filing_is_given_to_people_and_more_time_and_less(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    operator = system.token(OPERATOR, "operator-1", "350102")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    extensions = "/api/campaigns/2023/350000/extensions"
    fujian = system.token(OPERATOR, "operator-2", "350000")
    until = datetime(2190, 1, 1, tzinfo=UTC)
    given = await extended(system, extensions, fujian, until)
    await shortened(system, extensions, fujian, given)
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    reviewer = system.token(REVIEWER, "r-1", CHAIN[0])
    await play(
        system,
        "/api/filings/2023/inst-1",
        ("assign", operator, {"person": "r-1"}, "in_review"),
        ("hand-over", reviewer, {"person": "r-2"}, "in_review"),
        ("approve", system.token(REVIEWER, "r-2", CHAIN[0]), {}, "in_review"),
    )
    for authority in CHAIN[1:]:
        reviewer = system.token(REVIEWER, f"r-{authority}", authority)
        assert (await system.act("2023/inst-1", "claim", reviewer)).status == 200
        assert (await system.act("2023/inst-1", "approve", reviewer)).status == 200
    checker = system.token(CHECKER, "checker-1", "samr")
    remark = {"outcome": "pass_with_remark", "reason": "（生成）口径请统一"}
    await play(system, "/api/filings/2023/inst-1", ("quality", checker, remark, "completed"))


async def test_a_national_certificate_is_reviewed_by_its_national_department(
    system: System,
) -> None:
    national = certificate("240000000001", "samr")
    await system.add(institution("national", certificates=(national,)))
    await system.open(2023, "350000")
    clerk = system.token(FILER, "clerk-1", "national")
    submitted = await system.submit("2023/national", clerk)
    assert submitted.status == 200, submitted.body
    authority = submitted.body["authority"]
    assert not authority.startswith("amr-"), authority
    reviewer = system.token(REVIEWER, "r-1", authority)
    checker = system.token(CHECKER, "checker-1", "samr")
    await play(
        system,
        "/api/filings/2023/national",
        ("claim", reviewer, {}, "in_review"),
        ("approve", reviewer, {}, "quality_check"),
        ("quality", checker, {"outcome": "pass"}, "completed"),
    )


async def test_a_filing_lapses_is_extended_completed_and_opened_again(system: System) -> None:
    await system.add(institution("late", "440106", issuer="amr-440000"))
    await system.open(2024, "000000", LATE)
    clerk = system.token(FILER, "clerk-1", "late")
    operator = system.token(OPERATOR, "operator-1", "440000")
    await play(system, "/api/filings/2024/late", ("extension", operator, soon(), "draft"))
    await system.until("2024/late", "lapsed")
    reviewer = system.token(REVIEWER, "r-1", "amr-440000")
    checker = system.token(CHECKER, "checker-1", "samr")
    path = "/api/filings/2024/late"
    await play(system, path, ("extension", operator, GRANT, "draft"))
    assert (await system.submit("2024/late", clerk)).status == 200
    await play(
        system,
        path,
        ("claim", reviewer, {}, "in_review"),
        ("approve", reviewer, {}, "quality_check"),
        ("quality", checker, {"outcome": "pass"}, "completed"),
        ("reopen", operator, GRANT, "returned"),
    )


async def test_a_filing_is_told_to_catch_up(system: System) -> None:
    await system.add(institution("inst-1"))
    await system.open(2023, "350000")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    person = Actor(subject="r-1", role=REVIEWER, scope=CHAIN[0])
    claim = c.Claim(id="lost", actor=person, received_at=datetime.now(UTC))
    await record_behind_its_back(system, "filing/2023/inst-1", claim)
    looking = Reconciler(system.client, system.engine, system.parts.pinned, system.now)
    assert [one.done for one in await looking.reconcile()] == ["caught_up"]
    reviewer = system.token(REVIEWER, "r-1", CHAIN[0])
    assert (await system.act("2023/inst-1", "approve", reviewer)).status == 200


async def test_a_batch_lapses_is_extended_complained_of_and_opened_again(system: System) -> None:
    await system.add(institution("late", "440106", issuer="amr-440000"))
    await system.add(institution("none", "440106", issuer="amr-440000"))
    await system.open("2020Q4", "000000", LATE)
    clerk = system.token(FILER, "clerk-1", "late")
    operator = system.token(OPERATOR, "operator-1", "440000")
    batch, path = "2020Q4/late", "/api/report-batches/2020Q4/late"
    await play(system, path, ("extension", operator, soon(), "draft"))
    await batch_is(system, batch, status="lapsed")
    await play(
        system,
        path,
        ("reminders", operator, {"text": "（生成）请报送"}, "lapsed"),
        ("extension", operator, GRANT, "draft"),
    )
    file = "报告编号,出具日期\nGD-1,2020-12-05\nGD-2,2020-12-06\n"
    taken = await upload(system, batch, clerk, file)
    assert taken.status == 202, taken.body
    await read(system, batch, clerk, taken.body["id"])
    declared = await system.send("POST", f"{path}/submit", clerk, {"total": 2})
    assert (declared.status, declared.body["status"]) == (200, "completed"), declared.body
    body = {"number": "GD-1", "about": "（生成）不符", "contact": "c@example.org"}
    await complain(system, body, "complaint-1")
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    complaint = f"/api/complaints/{(await task(system, samr))['id'].partition('/')[2]}"
    resolve = {"outcome": "substantiated", "reply": "（生成）已更正。", "reason": "（生成）附卷"}
    await play(
        system,
        complaint,
        ("claim", samr, {}, "in_review"),
        ("release", samr, {}, "in_review"),
        ("claim", samr, {}, "in_review"),
        ("resolve", samr, resolve, "completed"),
    )
    async with asyncio.timeout(20):
        while (await batch_is(system, batch))["sequence"] <= declared.body["sequence"]:
            await asyncio.sleep(0.1)
    await play(system, path, ("reopen", operator, GRANT, "returned"))
    await play(system, path, ("cancel", operator, CAUSE, "cancelled"))


async def test_a_complaint_is_cancelled(system: System) -> None:
    body = {"number": "GD-1", "about": "（生成）重复", "contact": "c@example.org"}
    await complain(system, body, "complaint-1")
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    path = f"/api/complaints/{(await task(system, samr))['id'].partition('/')[2]}"
    operator = system.token(OPERATOR, "operator-1", "000000")
    await play(system, path, ("cancel", operator, CAUSE, "cancelled"))


async def test_an_application_is_claimed_let_go_and_cancelled(system: System) -> None:
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    path = await office.begin({"content": content()})
    assert (await office.apply(path)).status == 200
    operator = system.token(OPERATOR, "operator-1", "350000")
    await play(
        system,
        path,
        ("claim", office.reviewer, {}, "in_review"),
        ("release", office.reviewer, {}, "in_review"),
        ("cancel", operator, CAUSE, "cancelled"),
    )


async def test_a_campaign_makes_another_pass_and_one_that_is_over_ends(system: System) -> None:
    await system.add(institution("early"))
    await system.open(2023, "350000")
    await system.open(2024, "000000", LATE)
    await system.add(institution("later"))
    operator = system.token(OPERATOR, "operator-1", "000000")
    asked = await system.send("POST", "/api/campaigns/2023/350000/rescan", operator)
    assert asked.status == 202, asked.body
    await system.until("2023/later", "draft")
    over = system.client.get_workflow_handle("campaign/2024/000000")
    async with asyncio.timeout(20):
        while (await over.describe()).status is not WorkflowExecutionStatus.COMPLETED:
            await asyncio.sleep(0.1)


async def test_a_campaign_and_its_filings_are_annulled_by_a_job(system: System) -> None:
    await system.add(institution("inst-1"), institution("inst-2"))
    await system.open(2023, "350000")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    operator = system.token(OPERATOR, "operator-1", "000000")
    second = system.token(OPERATOR, "operator-2", "000000")
    path = "/api/campaigns/2023/350000/annul"
    reason = {"reason": "（生成）误选年度"}
    asked = await system.by_two(path, operator, second, reason, "annul-1")
    assert asked.status == 202, asked.body
    for name in ("inst-1", "inst-2"):
        await system.until(f"2023/{name}", "annulled")
    ended = system.client.get_workflow_handle("campaign/2023/350000")
    async with asyncio.timeout(20):
        while (await ended.describe()).status is not WorkflowExecutionStatus.COMPLETED:
            await asyncio.sleep(0.1)


async def test_a_year_that_was_annulled_is_opened_again(system: System) -> None:
    await system.add(institution("inst-1"), institution("inst-2"))
    await system.open(2023, "350000")
    clerk = system.token(FILER, "clerk-1", "inst-1")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    operator = system.token(OPERATOR, "operator-1", "000000")
    second = system.token(OPERATOR, "operator-2", "000000")
    path = "/api/campaigns/2023/350000"
    reason = {"reason": "（生成）误选年度"}
    asked = await system.by_two(f"{path}/annul", operator, second, reason, "annul-1")
    for name in ("inst-1", "inst-2"):
        await system.until(f"2023/{name}", "annulled")
    async with asyncio.timeout(20):
        job = f"/api/jobs/{asked.body['job']}"
        while (await system.send("GET", job, operator)).body["state"] != "done":
            await asyncio.sleep(0.1)
    await system.open(2023, "350000")
    await system.until("2023/inst-2", "draft")
    assert (await system.submit("2023/inst-1", clerk)).status == 200
    asked = await system.by_two(f"{path}/annul", operator, second, reason, "annul-2")
    assert asked.status == 202, asked.body
    for name in ("inst-1", "inst-2"):
        await system.until(f"2023/{name}", "annulled")


async def test_a_voluntary_batch_is_asked_for(system: System) -> None:
    await system.add(institution("may", "440106", issuer="amr-440000"))
    await system.open("2024Q4", "000000")
    clerk = system.token(FILER, "clerk-1", "may")
    assert (await ask(system, "2024Q4/may", clerk)).status == 202
    refused = await upload(system, "2024Q4/may", clerk, "报告编号,出具日期\nGD-1,2024-12-05\n")
    assert refused.status == 409, refused.body
