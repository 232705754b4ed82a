"""Cases opened for whoever did not file in a campaign, and acts on the command line."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment

from rules.file.catalogue import SHIPPED
from tests.command import ZHIBAO, environment
from tests.system import FILER, KEY, OFFICER, OPERATOR, Answer, System, institution, running

pytestmark = pytest.mark.anyio

LATE = {"after_window": True, "reason": "（生成）补办"}
ALL = {"action": "open_enforcement", "selection": {"campaign": "2020/000000"}}


@pytest.fixture
async def system(dev_engine: WorkflowEnvironment, engine: AsyncEngine) -> AsyncIterator[System]:
    """Three filings of 2020 that have lapsed: two in Guangdong, one in Fujian."""
    async with running(dev_engine, engine, SHIPPED) as found:
        places = {"first": "440106", "second": "440106", "fujian": "350102"}
        for id_, region in places.items():
            await found.add(institution(id_, region, issuer=f"amr-{region[:2]}0000"))
        await found.open(2020, "000000", LATE)
        nation = found.token(OPERATOR, "operator-1", "000000")
        soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        for id_ in places:
            extended = await found.act(
                f"2020/{id_}", "extension", nation, {"until": soon, "reason": "（生成）洪灾"}
            )
            assert extended.status == 200, extended.body
        for id_ in places:
            await found.until(f"2020/{id_}", "lapsed")
        yield found


async def _done(system: System, asked: Answer, operator: str) -> dict[str, Any]:
    """A job that has come to its end, with its items by their case."""
    assert asked.status == 202, asked.body
    path = f"/api/jobs/{asked.body['id']}"
    for _ in range(400):
        job = (await system.send("GET", path, operator)).body
        if job["state"] == "done":
            break
        await system.pause(0.05)
    items = (await system.send("GET", f"{path}/items", operator)).body["items"]
    return {item["case_id"]: (item["outcome"], item["code"]) for item in items}


async def test_cases_are_opened_for_all_who_did_not_file_once_and_in_ones_own_region(
    system: System,
) -> None:
    guangdong = system.token(OPERATOR, "operator-2", "440000")
    opened = await system.send(
        "POST", "/api/enforcement", guangdong, {"about": "filing/2020/first"}
    )
    assert opened.status == 201, opened.body
    asked = await system.send("POST", "/api/jobs", guangdong, ALL, idempotency_key="once")
    assert await _done(system, asked, guangdong) == {
        "filing/2020/first": ("refused", "enforcement_under_way"),
        "filing/2020/second": ("done", ""),
    }
    again = await system.send("POST", "/api/jobs", guangdong, ALL, idempotency_key="once")
    assert again.body["id"] == asked.body["id"]
    another = await system.send("POST", "/api/jobs", guangdong, ALL)
    assert set((await _done(system, another, guangdong)).values()) == {
        ("refused", "enforcement_under_way")
    }
    listed = (await system.send("GET", "/api/enforcement", guangdong)).body["items"]
    assert sorted(one["id"] for one in listed) == [
        "enforcement/filing/2020/first/1",
        "enforcement/filing/2020/second/1",
    ]
    # it is opened, and nothing is proposed by it
    assert {one["status"] for one in listed} == {"in_review"}
    for token in (system.token(OFFICER, "o", "amr-440000"), system.token(FILER, "f", "first")):
        refused = await system.send("POST", "/api/jobs", token, ALL)
        assert refused.status == 403, refused.body


async def test_the_command_line_opens_shows_proposes_and_decides(system: System) -> None:
    url = system.engine.url.render_as_string(hide_password=False)
    engine = system.client.service_client.config.target_host
    keyed = {"ZHIBAO_TOKEN_KEY": KEY}
    named = {"TEMPORAL_ADDRESS": engine, "TEMPORAL_NAMESPACE": system.client.namespace}
    settings = {"DATABASE_URL": url, **named, **keyed}

    async def command(*words: str) -> tuple[int, Any]:
        done = await asyncio.to_thread(
            subprocess.run,
            [*ZHIBAO, "enforcement", *words],
            capture_output=True,
            env=environment(**settings, COLUMNS="300"),
        )
        said = done.stdout.decode()
        told = json.loads(said) if "--json" in words and said else done.stderr.decode()
        return done.returncode, told

    code, job = await command("open-all", "2020", "000000", "--region", "440000", "--json")
    assert code == 0, job
    assert (job["total"], job["action"]) == (2, "open_enforcement")
    nation = system.token(OPERATOR, "operator-1", "000000")
    outcomes = await _done(system, Answer(202, job, httpx.Headers()), nation)
    assert set(outcomes.values()) == {("done", "")}
    case = "enforcement/filing/2020/first/1"
    _, listed = await command("list", "--institution", "first", "--json")
    assert [row["case_id"] for row in listed["rows"]] == [case]
    said = ("--authority", "amr-440000", "--reason", "（生成）经催促仍未上报")
    code, _ = await command("propose", case, "warning", *said, "--json")
    assert code == 0
    _, shown = await command("show", case, "--json")
    assert (shown["stage"], shown["measure"]) == ("proposed", "warning")
    # whoever is logged in has proposed, and cannot decide as well
    code, told = await command("decide", case, "dismiss", *said)
    assert (code, "同一人" in told) == (1, True), told
    code, told = await command(
        "state", case, "--institution", "second", "--text", "（生成）没有收到"
    )
    assert code == 1, told
    code, _ = await command("withdraw", case, *said, "--json")
    assert code == 0
    _, figures = await command("figures", "2020", "000000", "--json")
    assert figures["total"] == 2
    assert {row["ended_by"] for row in figures["rows"]} == {"withdrawn", ""}
