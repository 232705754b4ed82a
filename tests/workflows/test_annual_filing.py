"""A filing's life on a real engine whose clock can be moved, over HTTP alone."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from tests.conftest import LATER
from tests.system import (
    AUDITOR,
    CHECKER,
    FILER,
    OPERATOR,
    REVIEWER,
    System,
    institution,
    running,
)

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


@pytest.fixture
async def system(
    skipping_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> AsyncIterator[System]:
    async with running(skipping_engine, engine, moved_rules) as found:
        yield found


def moment(text: str) -> datetime:
    """An instant in China, `LATER` years after the one a notice speaks of."""
    year, rest = text.split("-", 1)
    return datetime.fromisoformat(f"{int(year) + LATER}-{rest}+08:00")


async def through_all_levels(system: System, filing: str, chain: list[str]) -> None:
    for level, authority in enumerate(chain, 1):
        reviewer = system.token(REVIEWER, f"reviewer-{authority}", authority)
        tasks = (await system.send("GET", "/api/tasks", reviewer)).body["items"]
        assert [task["id"] for task in tasks] == [f"filing/{filing}"]
        claimed = await system.act(filing, "claim", reviewer)
        assert claimed.status == 200, claimed.body
        approved = await system.act(filing, "approve", reviewer)
        assert approved.status == 200, approved.body
        assert approved.body["level"] == (level + 1 if level < len(chain) else 0)
        assert (await system.send("GET", "/api/tasks", reviewer)).body["items"] == []


CASES = {
    "Fujian 2023": (
        2023, "350000", "350102", "amr-350000",
        ["amr-350102", "amr-350100", "amr-350000"],
        "2024-01-01T00:00:00", "2024-02-29T23:59:59", "闽市监认证〔2024〕1号", "四（三）",
        "2024-03-08T00:00:00",
    ),
    "Hunan 2023": (
        2023, "430000", "430102", "amr-430000",
        ["amr-430000"],
        "2024-03-01T00:00:00", "2024-04-30T23:59:59", "湘市监认函〔2024〕8号", "二",
        "2024-05-01T00:00:00",
    ),
    "national 2024": (
        2024, "000000", "440106", "amr-440000",
        ["amr-440000"],
        "2025-01-13T00:00:00", "2025-03-21T23:59:59", "市监检测函〔2024〕595号", "二",
        "2025-03-22T00:00:00",
    ),
    "national 2020": (
        2020, "000000", "440106", "amr-440000",
        ["amr-440000"],
        "2021-02-01T00:00:00", "2021-01-31T23:59:59",
        "市场监管总局办公厅关于开展2020年度认可与检验检测服务业统计工作的通知（2020-12-01）", "二",
        "2021-02-01T00:00:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_filing_goes_through_its_levels_within_its_own_dates(
    system: System, name: str
) -> None:
    (year, place, region, issuer, chain, review, last, document, clause, closed) = CASES[name]
    await system.add(
        institution("in-time", region, issuer=issuer),
        institution("too-late", region, issuer=issuer),
    )
    await system.open(year, place)
    filing, other = f"{year}/in-time", f"{year}/too-late"
    clerk = system.token(FILER, "clerk-1", "in-time")
    late_clerk = system.token(FILER, "clerk-2", "too-late")

    shown = (await system.send("GET", f"/api/filings/{filing}", clerk)).body
    assert shown["status"] == "scheduled"
    early = await system.save(filing, clerk)
    assert (early.status, early.body["code"]) == (409, "not_open_yet")

    await system.skip_to(moment(last) - timedelta(minutes=5))
    for kept, clerk_of in ((filing, clerk), (other, late_clerk)):
        assert (await system.save(kept, clerk_of)).status == 200
    # the last second of the last day (29 February in Fujian) is still inside
    await system.skip_to(moment(last) - SECOND)
    submitted = await system.submit(filing, clerk)
    assert submitted.status == 200, submitted.body

    review_opens = moment(review)
    if review_opens > system.now():
        assert submitted.body["status"] == "submitted"
        await system.skip_to(review_opens)
        await system.until(filing, "in_review")
    else:
        assert submitted.body["status"] == "in_review"
    if name in ("Fujian 2023", "national 2020"):
        await through_all_levels(system, filing, chain)
        checker = system.token(CHECKER, "checker-1", "samr")
        passed = await system.act(filing, "quality", checker, {"outcome": "pass"})
        assert (passed.status, passed.body["status"]) == (200, "completed")

    # and the next second is not, whoever asks; the answer names the clause and the date
    await system.skip_to(moment(closed))
    refused = await system.submit(other, late_clerk)
    assert refused.status == 409
    assert refused.body["code"] == "fill_closed"
    assert refused.body["sources"][0]["document"] == document
    assert refused.body["sources"][0]["clause"] == clause
    assert datetime.fromisoformat(refused.body["at"]) == moment(closed)
    assert "延期" in refused.body["remedy"]
    await system.until(other, "lapsed")
    if name not in ("Fujian 2023", "national 2020"):
        # filed in time but approved by nobody inside the window, as these notices demand
        await system.until(filing, "lapsed")
        reviewer = system.token(REVIEWER, "reviewer-1", chain[0])
        stuck = await system.act(filing, "claim", reviewer)
        assert (stuck.status, stuck.body["code"]) == (409, "review_closed")
        assert stuck.body["sources"][0]["document"] == document


async def test_fujians_supplementary_filing_is_taken_until_7_march_and_marked_late(
    system: System,
) -> None:
    await system.add(institution("late", "350102"), institution("later", "350102"))
    await system.open(2023, "350000")
    clerk = system.token(FILER, "clerk-1", "late")
    await system.skip_to(moment("2024-03-01T00:00:00"))
    submitted = await system.submit("2023/late", clerk)
    assert submitted.status == 200, submitted.body
    auditor = system.token(AUDITOR, "auditor-1")
    entries = (await system.send("GET", "/api/filings/2023/late/timeline", auditor)).body["entries"]
    assert "补报" in next(e["detail"] for e in entries if e["event"] == "submitted")
    await system.skip_to(moment("2024-03-07T23:59:59") - SECOND)
    second = system.token(FILER, "clerk-2", "later")
    assert (await system.submit("2023/later", second)).status == 200


async def test_an_approval_in_the_last_second_counts(system: System) -> None:
    await system.add(institution("last", "440106", issuer="amr-440000"))
    await system.open(2024, "000000")
    clerk = system.token(FILER, "clerk-1", "last")
    reviewer = system.token(REVIEWER, "reviewer-1", "amr-440000")
    await system.skip_to(moment("2025-01-13T00:00:00"))
    await system.until("2024/last", "draft")
    assert (await system.submit("2024/last", clerk)).status == 200
    assert (await system.act("2024/last", "claim", reviewer)).status == 200
    await system.skip_to(moment("2025-03-21T23:59:58"))
    approved = await system.act("2024/last", "approve", reviewer)
    assert (approved.status, approved.body["status"]) == (200, "quality_check")
    # the quality check itself has no end in the notice
    await system.skip_to(moment("2025-06-01T00:00:00"))
    checker = system.token(CHECKER, "checker-1", "samr")
    assert (await system.act("2024/last", "quality", checker, {"outcome": "pass"})).status == 200


async def test_a_lapsed_filing_is_revived_by_an_extension_and_a_completed_one_by_reopening(
    system: System,
) -> None:
    await system.add(institution("sick", "440106", issuer="amr-440000"))
    await system.open(2024, "000000")
    filing = "2024/sick"
    clerk = system.token(FILER, "clerk-1", "sick")
    operator = system.token(OPERATOR, "operator-1", "440000")
    reviewer = system.token(REVIEWER, "reviewer-1", "amr-440000")
    checker = system.token(CHECKER, "checker-1", "samr")
    await system.skip_to(moment("2025-03-22T00:00:00"))
    await system.until(filing, "lapsed")
    grant = {
        "until": moment("2025-04-10T00:00:00").isoformat(),
        "reason": "洪灾",
        "document": "示例",
    }
    key = {"idempotency_key": "extend-once"}
    extended = await system.act(filing, "extension", operator, grant, **key)
    assert (extended.status, extended.body["status"]) == (200, "draft")
    again = await system.act(filing, "extension", operator, grant, **key)
    assert again.body == extended.body
    assert (await system.submit(filing, clerk)).status == 200
    assert (await system.act(filing, "claim", reviewer)).status == 200
    assert (await system.act(filing, "approve", reviewer)).status == 200
    passing = {"idempotency_key": "pass-once"}
    passed = await system.act(filing, "quality", checker, {"outcome": "pass"}, **passing)
    assert passed.body["status"] == "completed"
    # the workflow has ended; a retry is still answered with what happened then
    repeated = await system.act(filing, "quality", checker, {"outcome": "pass"}, **passing)
    assert repeated.body == passed.body
    ended = await system.submit(filing, clerk)
    assert (ended.status, ended.body["code"]) == (409, "case_ended")
    cause = {"until": moment("2025-05-10T00:00:00").isoformat(), "reason": "数据有误"}
    reopened = await system.act(filing, "reopen", operator, cause)
    assert (reopened.status, reopened.body["status"]) == (200, "returned")
    assert (await system.save(filing, clerk)).status == 200
    # what was approved stands when the correction does not come in time
    await system.skip_to(moment("2025-05-10T00:00:00"))
    assert (await system.until(filing, "completed"))["revision"] == 1
