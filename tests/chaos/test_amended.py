"""A worker is killed in the middle of an amendment: each filing is old or new, none is both."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import text

from deploy.demo.publishing import publish_at
from files.roster import RosterInstitution, roster_csv
from store.database import connect
from tests.api.people import FUJIAN, GUANGDONG
from tests.chaos.machine import YEAR, Machine, open_rules
from tests.chaos.people import People, certified
from tests.chaos.test_launch import WHO, until
from tests.import_files import CSV

pytestmark = pytest.mark.anyio

CAMPAIGN = f"/api/campaigns/{YEAR}/000000"
THREE_WEEKS = timedelta(days=21)


def in_two_provinces(count: int) -> list[RosterInstitution]:
    """Generated institutions, half of them in Fujian."""
    return [
        entry.model_copy(
            update={
                "institution": entry.institution.model_copy(update={"region": region}),
                "certificates": tuple(
                    one.model_copy(update={"issuer": issuer, "level": "provincial"})
                    for one in entry.certificates
                ),
            }
        )
        for entry, (region, issuer) in zip(
            certified(count), [FUJIAN, GUANGDONG] * (count // 2), strict=True
        )
    ]


def three_weeks_more(rules: Path) -> None:
    """Fujian's own rules, by which all windows close three weeks later than the nation's."""
    national = yaml.safe_load((rules / str(YEAR) / "national.yaml").read_text("utf-8"))
    windows = national["filing"]["windows"]
    for span in windows.values():
        closes = datetime.fromisoformat(span["to"]) + THREE_WEEKS
        span["to"] = closes.date().isoformat()
    overlay = {
        "id": f"amended-fujian-{YEAR}",
        "year": YEAR,
        "jurisdiction": "350000",
        "extends": f"{YEAR}/national",
        "title": "修订（生成）",
        "revision": 1,
        "filing": {"windows": windows},
        "examples": [
            {
                "name": "当日零点起",
                "at": f"{windows['fill']['from']}T00:00:00+08:00",
                "expect": {"inside": list(windows)},
            }
        ],
    }
    file = rules / str(YEAR) / "fujian.yaml"
    file.write_text(yaml.safe_dump(overlay, allow_unicode=True, sort_keys=False), "utf-8")


async def survive(folder: Path, count: int, kills: int, within: float) -> None:
    """Amends the rules of half of ``count`` filings while the worker is killed."""
    rules = open_rules(folder)
    machine, random = Machine(folder / "amended", rules), Random(1)
    try:
        async with machine.running(), httpx.AsyncClient(timeout=60) as http:
            people = People(machine.url, http, random)
            await people.ask(
                "POST",
                "/api/institutions/imports",
                WHO,
                "roster",
                content=roster_csv(in_two_provinces(count)),
                headers={"Content-Type": CSV},
            )
            await people.ask("POST", CAMPAIGN, WHO, "open", json={})
            await until(people, CAMPAIGN, "launched", count, within)
            database = machine.settings["DATABASE_URL"]
            before = await closings(database)
            (closes,) = before["350102"]
            three_weeks_more(rules)
            await publish_at(database, rules, datetime.now(UTC))
            why = {"reason": "受灾（生成）"}
            made = await people.ask("POST", f"{CAMPAIGN}/amendments", WHO, "amend", json=why)
            path, half = f"/api/jobs/{made['id']}", count // 2
            for number in range(1, kills + 1):
                await until(people, path, "done", half * number // (kills + 2), within)
                await machine.kill("worker", random)
                # in the middle of it, too, each is old or new
                assert (await closings(database))["350102"].keys() <= {closes, closes + THREE_WEEKS}
            await until(people, path, "done", half, within)
            shown: Any = await people.ask("GET", path, WHO, "look")
            assert (shown["total"], shown["refused"]) == (half, 0)
            again = await people.ask("POST", f"{CAMPAIGN}/amendments", WHO, "amend", json=why)
            assert again["id"] == made["id"]
            after = await closings(database)
            assert after == {**before, "350102": {closes + THREE_WEEKS: half}}
            assert await times_amended(database) == Counter({1: half})
    finally:
        (rules / str(YEAR) / "fujian.yaml").unlink(missing_ok=True)


async def closings(database_url: str) -> dict[str, Counter[datetime]]:
    """How many filings of each region fill in until when, by what they run on and what is due."""
    engine = connect(database_url, pool_size=1)
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("""
                SELECT i.region, (c.plan -> 'fill' ->> 'closes')::timestamptz AS closes, c.due
                FROM cases c JOIN institutions i ON i.id = c.institution_id
            """)
        )
        found: dict[str, Counter[datetime]] = {}
        for region, closes, due in rows:
            assert due == closes
            found.setdefault(region, Counter())[closes] += 1
    await engine.dispose()
    return found


async def times_amended(database_url: str) -> Counter[int]:
    """How many filings were amended how often, by the journal."""
    engine = connect(database_url, pool_size=1)
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT count(*) FROM journal WHERE event = 'amended' GROUP BY case_id")
        )
        found = Counter(rows.scalars())
    await engine.dispose()
    return found


async def test_a_worker_killed_in_the_middle_of_an_amendment_is_no_loss(short_folder: Path) -> None:
    await asyncio.wait_for(survive(short_folder, 60, kills=1, within=120), 240)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_two_thousand_filings_run_while_their_province_has_three_weeks_more(
    short_folder: Path,
) -> None:
    await survive(short_folder, 2_000, kills=3, within=600)
