"""Reminders by the rules: to the instant, to whoever has to act, once each, as time goes by."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from tests.conftest import LATER
from tests.system import FILER, OPERATOR, REVIEWER, System, institution, running
from tests.workflows.test_annual_filing import moment

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
YEAR = 2025 + LATER


@pytest.fixture
async def system(
    skipping_engine: WorkflowEnvironment,
    engine: AsyncEngine,
    moved_rules: Path,
) -> AsyncIterator[System]:
    async with running(skipping_engine, engine, moved_rules) as found:
        yield found


async def reminded(system: System, filing: str) -> list[tuple[str, str]]:
    """The reminders that stand in a filing's timeline: when, and their labels and dates."""
    auditor = system.token(OPERATOR, "operator-1", "000000")
    answer = await system.send("GET", f"/api/filings/{filing}/timeline", auditor)
    return [
        (entry["at"][:10], entry["detail"])
        for entry in answer.body["entries"]
        if entry["event"] == "reminded"
    ]


async def notices(system: System, token: str) -> list[dict[str, Any]]:
    await system.parts.telling.tell_all()
    listed = (await system.send("GET", "/api/notices", token)).body["items"]
    return [(await system.send("GET", f"/api/notices/{one['id']}", token)).body for one in listed]


async def test_reminders_are_given_to_the_instant_and_only_to_whoever_has_to_act(
    system: System,
) -> None:
    for name in ("late", "filed", "more-time"):
        await system.add(institution(name, "440106", issuer="amr-440000"))
    await system.open(2024, "000000")
    clerks = {
        name: system.token(FILER, f"c-{name}", name) for name in ("late", "filed", "more-time")
    }
    operator = system.token(OPERATOR, "operator-1", "000000")
    reviewer = system.token(REVIEWER, "reviewer-1", "amr-440000")
    await system.skip_to(moment("2025-02-01T00:00:00"))
    assert (await system.submit("2024/filed", clerks["filed"])).status == 200
    until = {"until": f"{YEAR}-04-01T00:00:00+08:00", "reason": "（生成）", "document": "（生成）"}
    assert (await system.act("2024/more-time", "extension", operator, until)).status == 200

    await system.skip_to(moment("2025-03-14T00:00:00") - SECOND)
    assert await reminded(system, "2024/late") == []
    await system.skip_to(moment("2025-03-14T00:00:00") + SECOND)
    week = (f"{YEAR}-03-14", f"填报截止前七日提醒，{YEAR}-03-21 24:00（北京时间） 截止")
    assert await reminded(system, "2024/late") == [week]
    [notice] = await notices(system, clerks["late"])
    assert (notice["kind"], notice["title"]) == ("reminder", "填报截止前七日提醒")
    assert notice["body"].startswith("测试机构 late（生成）：2024年度")
    assert f"{YEAR}-03-21 24:00（北京时间） 截止" in notice["body"]
    assert {one["channel"] for one in notice["channels"]} == {"message", "mail"}
    # nobody is reminded of what is done, or of a day that an extension has moved
    assert await reminded(system, "2024/filed") == []
    assert await reminded(system, "2024/more-time") == []

    await system.skip_to(moment("2025-03-18T00:00:00") - SECOND)
    assert await notices(system, reviewer) == []
    await system.skip_to(moment("2025-03-18T00:00:00") + SECOND)
    [to_review] = await notices(system, reviewer)
    assert (to_review["audience"], to_review["addressee"]) == ("reviewer", "amr-440000")
    assert "待广东省市场监督管理局审核" in to_review["body"]
    assert await notices(system, clerks["filed"]) == []

    await system.skip_to(moment("2025-03-20T00:00:00") + SECOND)
    assert [day for day, _ in await reminded(system, "2024/late")] == [
        f"{YEAR}-03-14", f"{YEAR}-03-20",
    ]  # fmt: skip
    await system.skip_to(moment("2025-03-22T00:00:00") + SECOND)
    await system.until("2024/late", "lapsed")

    await system.skip_to(moment("2025-03-30T00:00:00") - SECOND)
    assert await reminded(system, "2024/more-time") == []
    await system.skip_to(moment("2025-03-30T00:00:00") + SECOND)
    assert await reminded(system, "2024/more-time") == [
        (f"{YEAR}-03-30", f"延期届满前一日提醒，{YEAR}-03-31 24:00（北京时间） 截止")
    ]
    # another extension has a reminder of its own
    later = until | {"until": f"{YEAR}-04-11T00:00:00+08:00"}
    assert (await system.act("2024/more-time", "extension", operator, later)).status == 200
    await system.skip_to(moment("2025-04-09T00:00:00") + SECOND)
    days = [day for day, _ in await reminded(system, "2024/more-time")]
    assert days == [f"{YEAR}-03-30", f"{YEAR}-04-09"]


async def test_nobody_is_told_of_a_day_that_had_passed_long_before(system: System) -> None:
    """What is sent back after the week's reminder is told of the last day only."""
    await system.add(institution("back", "440106", issuer="amr-440000"))
    await system.open(2024, "000000")
    clerk = system.token(FILER, "clerk-1", "back")
    reviewer = system.token(REVIEWER, "reviewer-1", "amr-440000")
    await system.skip_to(moment("2025-03-10T00:00:00"))
    assert (await system.submit("2024/back", clerk)).status == 200
    await system.skip_to(moment("2025-03-17T00:00:00"))
    assert (await system.act("2024/back", "claim", reviewer)).status == 200
    reasons = {"reason": "（生成）请核实", "fields": []}
    assert (await system.act("2024/back", "return", reviewer, reasons)).status == 200
    await system.skip_to(moment("2025-03-19T00:00:00"))
    assert await reminded(system, "2024/back") == []
    await system.skip_to(moment("2025-03-20T00:00:00") + SECOND)
    assert [day for day, _ in await reminded(system, "2024/back")] == [f"{YEAR}-03-20"]
