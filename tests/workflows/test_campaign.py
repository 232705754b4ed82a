"""A campaign starts everybody's filing once, whatever happens to the pass over the register."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.case.workflow_messages import CaseStart
from services.campaigns import launch
from tests.system import AUDITOR, OPERATOR, System, certificate, institution, running

pytestmark = pytest.mark.anyio


async def test_a_pass_that_breaks_off_goes_on_where_it_was_and_starts_nobody_twice(
    dev_engine: WorkflowEnvironment,
    engine: AsyncEngine,
    moved_rules: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    really_start = launch.start_case  # type: ignore[attr-defined]

    async def breaking(client: Client, start: CaseStart, *, again: bool = False) -> None:
        if len(started) == 7:
            started.append("broke off")
            raise RuntimeError("the worker's connection is gone")
        started.append(start.case_id)
        await really_start(client, start, again=again)

    monkeypatch.setattr(launch, "start_case", breaking)
    monkeypatch.setattr(launch, "PAGE", 3)
    monkeypatch.setattr(launch, "AT_ONCE", 1)
    async with running(dev_engine, engine, moved_rules) as system:
        await system.add(*(institution(f"inst-{n:02}") for n in range(12)))
        await system.open(2023, "350000")
        shown = await status(system, 2023, "350000")
        assert (shown["considered"], shown["started"], shown["total"]) == (12, 12, 12)
        assert shown["launched"] == 12
    assert "broke off" in started
    # the two pages done before were not gone through again
    assert started.count("filing/2023/inst-00") == 1
    assert {id_ for id_ in started if id_ != "broke off"} == {
        f"filing/2023/inst-{n:02}" for n in range(12)
    }


async def test_everybody_gets_the_rules_of_the_smallest_area_that_has_some(
    system: System,
) -> None:
    await system.add(
        institution("in-fujian", "350102"),
        institution("in-hunan", "430102", issuer="amr-430000"),
        institution("in-guangdong", "440106", issuer="amr-440000"),
    )
    await system.open(2023, "350000")
    await system.open(2023, "430000")
    await system.open(2024, "000000")
    auditor = system.token(AUDITOR, "auditor-1")
    filings = (await system.send("GET", "/api/filings", auditor)).body["items"]
    sets = {filing["id"]: filing["rule_set"] for filing in filings}
    assert set(sets) == {
        "filing/2023/in-fujian",
        "filing/2023/in-hunan",
        "filing/2024/in-fujian",
        "filing/2024/in-hunan",
        "filing/2024/in-guangdong",
    }
    assert len(set(sets.values())) == 3
    pinned = (
        await system.send("GET", f"/api/rule-sets/{sets['filing/2023/in-hunan']}", auditor)
    ).body
    assert pinned["ruleset"]["id"] == "hunan-2023"


async def test_those_who_may_file_get_a_filing_when_they_ask_and_others_never(
    system: System,
) -> None:
    await system.add(
        institution("may-file", "350102", certificates=(), other_qualifications=("特种设备",)),
        institution("nothing", "350102", certificates=()),
        institution("must-file", "350102"),
        institution(
            "both",
            "350102",
            certificates=(certificate("1", "amr-350000", 5), certificate("2", "samr", 5)),
        ),
    )
    await system.open(2024, "000000")
    shown = await status(system, 2024, "000000")
    assert (shown["started"], shown["voluntary"], shown["outside"]) == (2, 1, 1)
    operator = system.token(OPERATOR, "operator-1", "350000")
    asked = await system.send("POST", "/api/filings/2024/may-file", operator)
    assert asked.status == 202
    assert (await system.until("2024/may-file", "scheduled"))["obligation"] == "may"
    never = await system.send("POST", "/api/filings/2024/nothing", operator)
    assert (never.status, never.body["code"]) == (409, "not_in_statistics")


async def status(system: System, year: int, place: str) -> dict[str, Any]:
    operator = system.token(OPERATOR, "operator-1", "000000")
    found: dict[str, Any] = (
        await system.send("GET", f"/api/campaigns/{year}/{place}", operator)
    ).body
    return found
