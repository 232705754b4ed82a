"""Opening a campaign beside bare starts: ``python -m bench.campaign_start``. Target: 0.9.

The real campaign reads the register, resolves everybody's obligation and plan, and starts the
filings from its activity, from their record; the bare one starts as many empty workflows from an
activity, as many at once. Both workers give each workflow its first turn meanwhile.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from bench.bare import QUEUE, BareCampaign
from bench.seeds import NATION, YEAR, add_institutions
from bench.system import Bench, servers
from domain.campaigns import CampaignStage, CampaignStart
from domain.case.commands import Actor, Role
from domain.case.workflow_messages import CAMPAIGN_WORKFLOW, TASK_QUEUE
from domain.ids import campaign_id
from rules.file.library import RuleLibrary
from services.campaigns import launch
from store import rule_sets
from store.tables import cases, journal

TARGET = 0.9
_FIRST_TURN = 4
_OPERATOR = Actor(subject="bench-operator", role=Role.OPERATOR, scope=NATION)


async def bare(bench: Bench, number: int, name: str) -> tuple[float, float]:
    """Seconds until so many bare lives were started, and until all had begun."""
    return await bench.bare.execute_workflow(
        BareCampaign.run, args=[name, number, launch.AT_ONCE], id=name, task_queue=QUEUE
    )


async def full(bench: Bench, year: int) -> tuple[float, float]:
    """Seconds until every filing was started, and until all had had their first turn.

    That they had is asked of the engine one by one, within the time that is measured.
    """
    document = RuleLibrary(bench.settings.rules).resolve(YEAR, NATION).document
    async with bench.engine.begin() as connection:
        pinned = await rule_sets.store(connection, {**document, "year": year})
    now = datetime.now(UTC)
    end = now + timedelta(days=60)
    start = CampaignStart(
        case_id=campaign_id(year, NATION),
        year=year,
        jurisdiction=NATION,
        opened_by=_OPERATOR,
        requested_at=now,
        rule_sets={NATION: pinned},
        stages=(CampaignStage(id="open", label="填报", opens=now, closes=end),),
        command_id="bench",
    )
    since = time.perf_counter()
    await bench.client.start_workflow(
        CAMPAIGN_WORKFLOW, start, id=start.case_id, task_queue=TASK_QUEUE
    )
    scanned = (
        select(func.count())
        .select_from(journal)
        .where(journal.c.case_id == start.case_id, journal.c.event == "filings_started")
    )
    of_campaign = select(cases.c.case_id).where(cases.c.campaign == start.case_id)
    started = await _reached(bench, scanned, 1, since)
    async with bench.engine.connect() as connection:
        ids = (await connection.execute(of_campaign)).scalars().all()
    for id_ in ids:
        while not await _has_begun(bench, id_):
            await asyncio.sleep(0.01)
    return started, time.perf_counter() - since


async def _has_begun(bench: Bench, case_id: str) -> bool:
    """Whether a process has had its first turn: started, scheduled, taken up, done."""
    told = await bench.client.get_workflow_handle(case_id).describe()
    return told.history_length >= _FIRST_TURN


async def _reached(bench: Bench, query: Any, wanted: int, since: float) -> float:
    while True:
        async with bench.engine.connect() as connection:
            if (await connection.execute(query)).scalar_one() >= wanted:
                return time.perf_counter() - since
        await asyncio.sleep(0.02)


async def main(number: int, rounds: int) -> dict[str, object]:
    """Median rates of both, in turns, and the ratio of the starts."""
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "full": []}
    async with servers() as bench:
        await add_institutions(bench, range(number))
        with bench.worker("bare"), bench.worker("full"):
            await bare(bench, 50, "warm-up")
            for one in range(rounds):
                found["bare"].append(await bare(bench, number, f"bare-{one}"))
                found["full"].append(await full(bench, YEAR + one))
    rates = {
        kind: {
            name: round(statistics.median(number / seconds[index] for seconds in many), 1)
            for index, name in enumerate(("started", "begun"))
        }
        for kind, many in found.items()
    }
    ratio, begun = (
        round(rates["full"][name] / rates["bare"][name], 3) for name in ("started", "begun")
    )
    answer = {"ratio": ratio, "target": TARGET, "met": ratio >= TARGET, "begun_ratio": begun}
    return {**rates, **answer, "number": number, "rounds": rounds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000, help="filings per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="a few: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    given = parser.parse_args()
    size = (50, 1) if given.short else (given.number, given.rounds)
    result = asyncio.run(main(*size))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:12}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
