"""A worker is killed in the middle of a bulk return: every filing is sent back, and none twice."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from files.roster import RosterInstitution, roster_csv
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from store.database import connect
from tests.api.people import GUANGDONG
from tests.chaos.figures import keep
from tests.chaos.machine import YEAR, Machine, open_rules
from tests.chaos.people import People, certified
from tests.chaos.test_launch import WHO, until
from tests.import_files import CSV
from tests.system import REVIEWER

pytestmark = pytest.mark.anyio

REGION, AUTHORITY = GUANGDONG
REVIEWING = (REVIEWER, "reviewer-1", AUTHORITY)
CAMPAIGN = f"/api/campaigns/{YEAR}/000000"


def of_one_authority(count: int) -> list[RosterInstitution]:
    """Generated institutions that one authority reviews."""
    return [
        entry.model_copy(
            update={
                "institution": entry.institution.model_copy(update={"region": REGION}),
                "certificates": tuple(
                    one.model_copy(update={"issuer": AUTHORITY, "level": "provincial"})
                    for one in entry.certificates
                ),
            }
        )
        for entry in certified(count)
    ]


async def survive(folder: Path, count: int, kills: int, within: float) -> None:
    """Submits ``count`` filings, claims all in one job and sends all back in another."""
    machine, random = Machine(folder / "bulk", open_rules(folder)), Random(1)
    content = blank_example(FormLibrary(open_rules(folder) / "forms").get(f"statistics-{YEAR}"))
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people, hasty = People(machine.url, http, random), asyncio.Semaphore(24)
        roster = of_one_authority(count)
        await people.ask(
            "POST",
            "/api/institutions/imports",
            WHO,
            "roster",
            content=roster_csv(roster),
            headers={"Content-Type": CSV},
        )
        await people.ask("POST", CAMPAIGN, WHO, "open", json={})
        await until(people, CAMPAIGN, "launched", count, within)

        async def submitted(institution: str) -> None:
            async with hasty:
                await people.submit(institution, content)

        await asyncio.gather(*(submitted(entry.id) for entry in roster))
        await job(people, "claim", count, within)
        began = time.monotonic()
        path = await begun(people, "return")
        for number in range(1, kills + 1):
            await until_by(people, path, "done", count * number // (kills + 2), within)
            await machine.kill("worker", random)
        shown = await until_by(people, path, "done", count, within)
        seconds = time.monotonic() - began
        assert (shown["total"], shown["refused"]) == (count, 0)
        again = await begun(people, "return")
        assert again == path
        returned = await times_returned(machine.settings["DATABASE_URL"])
        assert len(returned) == count
        assert set(returned.values()) == {1}
        keep(f"bulk-return-{count}", {"filings": count, "kills": kills, "seconds": round(seconds)})


async def begun(people: People, action: str) -> str:
    """The address of a job over all filings that are with the authority."""
    body = {"action": action, "selection": {"campaign": f"{YEAR}/000000"}, "reason": "（生成）"}
    asked = await people.ask("POST", "/api/jobs", REVIEWING, action, json=body)
    return f"/api/jobs/{asked['id']}"


async def job(people: People, action: str, count: int, within: float) -> None:
    """A job, to its end."""
    await until_by(people, await begun(people, action), "done", count, within)


async def until_by(
    people: People, path: str, figure: str, wanted: int, within: float
) -> dict[str, Any]:
    """What a job shows to its reviewer once a figure of it has come so far."""
    deadline = time.monotonic() + within
    while True:
        shown: dict[str, Any] = await people.ask("GET", path, REVIEWING, "look")
        if shown[figure] >= wanted:
            return shown
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.1)


async def times_returned(database_url: str) -> Counter[str]:
    """How often each filing was sent back, by the journal."""
    engine = connect(database_url)
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT case_id FROM journal WHERE event = 'returned'")
        )
        found = Counter(rows.scalars())
    await engine.dispose()
    return found


async def test_a_worker_killed_in_the_middle_of_a_bulk_return_is_no_loss(
    short_folder: Path,
) -> None:
    await survive(short_folder, 120, kills=1, within=120)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_thousand_filings_are_sent_back_with_the_worker_killed_three_times(
    short_folder: Path,
) -> None:
    await survive(short_folder, 2_000, kills=3, within=600)
