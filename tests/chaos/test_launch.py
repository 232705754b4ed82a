"""A worker is killed while a campaign is launched, and while a job goes through it."""

import asyncio
import os
import time
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deploy.demo.roster import generate_roster
from domain.case.events import hash_of
from domain.clock import day_of
from domain.ids import NATION
from files.roster import roster_csv
from services.clock import system_clock
from store import journal
from store.database import connect
from tests.chaos.figures import keep
from tests.chaos.machine import Machine, open_rules
from tests.chaos.people import People
from tests.import_files import CSV
from tests.system import OPERATOR

pytestmark = pytest.mark.anyio

WHO = (OPERATOR, "operator-1", NATION)
CAMPAIGN = "/api/campaigns/2024/000000"


async def survive(folder: Path, count: int, kills: int, within: float, *, job: bool) -> None:
    """Launches a year and extends all of it, each with the worker killed again and again."""
    machine, random = Machine(folder / f"launch-{count}", open_rules(folder)), Random(1)
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people = People(machine.url, http, random)
        content = roster_csv(generate_roster(count, seed=3, as_of=day_of(system_clock())))
        headers = {"Content-Type": CSV}
        roster = "/api/institutions/imports"
        await people.ask("POST", roster, WHO, "roster", content=content, headers=headers)
        began = time.monotonic()
        foreseen = await people.ask("GET", f"{CAMPAIGN}/forecast", WHO, "forecast")
        must, seconds = foreseen["must"], {"forecast": time.monotonic() - began}
        began = time.monotonic()
        await people.ask("POST", CAMPAIGN, WHO, "open", json={})
        workable = asyncio.create_task(until(people, CAMPAIGN, "started", must, within))
        workable.add_done_callback(lambda _: seconds.update(on_record=time.monotonic() - began))
        for number in range(1, kills + 1):
            await until(people, CAMPAIGN, "launched", must * number // (kills + 2), within)
            await machine.kill("worker", random)
        shown = await until(people, CAMPAIGN, "launched", must, within)
        seconds["launched"] = time.monotonic() - began
        await workable
        told = {name: round(taken, 1) for name, taken in seconds.items()}
        keep(f"launch-{count}", {"filings": must, "kills": kills, "seconds": told})
        assert shown["started"] == sum(shown["statuses"].values()) == must
        if job:
            await extend_all(people, (machine, random), must, kills, within)
        events = ["scheduled", "opened", *(["extended"] if job else [])]
        await confirm(machine.settings["DATABASE_URL"], must, events)


async def extend_all(
    people: People, killing: tuple[Machine, Random], must: int, kills: int, within: float
) -> None:
    """A job over all of them, with the worker of a machine killed at random."""
    machine, random = killing
    job = await people.ask(
        "POST",
        "/api/jobs",
        WHO,
        "job",
        json={
            "action": "extend",
            "selection": {"campaign": "2024/000000"},
            "until": "2099-01-01T00:00:00+08:00",
            "reason": "（生成）",
        },
    )
    path = f"/api/jobs/{job['id']}"
    for number in range(1, kills + 1):
        await until(people, path, "done", must * number // (kills + 2), within)
        await machine.kill("worker", random)
    shown = await until(people, path, "done", must, within)
    assert (shown["total"], shown["refused"]) == (must, 0)


async def until(
    people: People, path: str, figure: str, wanted: int, within: float
) -> dict[str, Any]:
    """What an address shows once a figure of it has come so far."""
    deadline = time.monotonic() + within
    while True:
        shown: dict[str, Any] = await people.ask("GET", path, WHO, "look")
        if shown[figure] >= wanted:
            return shown
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.1)


async def confirm(database_url: str, must: int, events: list[str]) -> None:
    """Each filing is there once, its chain unbroken, and all of it has happened once."""
    engine = connect(database_url)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT case_id FROM cases WHERE launched"))
        ids = list(rows.scalars())
        assert len(ids) == must
        for case_id, steps in (await journal.steps_of(connection, ids)).items():
            assert [step.event for step in steps] == events, case_id
            assert all(step.hash == hash_of(step) for step in steps)
            heads = [step.hash for step in steps]
            assert [step.previous_hash for step in steps[1:]] == heads[:-1]
    await engine.dispose()


async def begin_anew(folder: Path, count: int, within: float) -> None:
    """Annuls a year and opens it again, each with the worker killed in the middle."""
    machine, random = Machine(folder / "anew", open_rules(folder)), Random(2)
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people = People(machine.url, http, random)
        content = roster_csv(generate_roster(count, seed=3, as_of=day_of(system_clock())))
        headers = {"Content-Type": CSV}
        roster = "/api/institutions/imports"
        await people.ask("POST", roster, WHO, "roster", content=content, headers=headers)
        must = (await people.ask("GET", f"{CAMPAIGN}/forecast", WHO, "forecast"))["must"]
        await people.ask("POST", CAMPAIGN, WHO, "open", json={})
        await until(people, CAMPAIGN, "launched", must, within)
        reason = {"reason": "（生成）误选年度"}
        job = await people.ask("POST", f"{CAMPAIGN}/annul", WHO, "annul", json=reason)
        path = f"/api/jobs/{job['job']}"
        await until(people, path, "done", must // 3, within)
        await machine.kill("worker", random)
        await until(people, path, "done", must, within)
        await people.ask("POST", CAMPAIGN, WHO, "open-again", json={})
        await until(people, CAMPAIGN, "launched", must // 3, within)
        await machine.kill("worker", random)
        shown = await until(people, CAMPAIGN, "launched", must, within)
        assert shown["started"] == sum(shown["statuses"].values()) == must
        assert (shown["opening"], shown["statuses"]["annulled"]) == (2, 0)
        events = ["scheduled", "opened", "annulled", "scheduled", "opened"]
        await confirm(machine.settings["DATABASE_URL"], must, events)


async def test_a_worker_killed_while_a_year_begins_anew_is_no_loss(short_folder: Path) -> None:
    await begin_anew(short_folder, 200, within=120)


async def test_a_worker_killed_while_a_job_goes_through_a_year_is_no_loss(
    short_folder: Path,
) -> None:
    await survive(short_folder, 200, kills=1, within=120, job=True)


async def test_a_worker_killed_while_two_thousand_filings_are_launched_is_no_loss(
    short_folder: Path,
) -> None:
    # each kill costs the minute after which the engine has somebody else go on
    await survive(short_folder, 2_300, kills=1, within=240, job=False)


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_a_whole_country_s_launch_and_three_kills(short_folder: Path) -> None:
    """``make chaos SLOW=tests/chaos/test_launch.py FILINGS=54000``."""
    count = int(os.environ.get("FILINGS") or 2_300)
    await survive(short_folder, count, kills=3, within=3600, job=count <= 5_000)
