"""Many filings that lapse at one instant, and people who act meanwhile: ``python -m bench.lapses``.

Filings are started, all with windows that close at the same instant; before, at and after it
people claim and release other filings through the service that the API asks. Told are how long it
took until every lapse was on record, how long people waited, and what a lapse cost in processor
time; and, before that, how many bare timers the same servers carry out in a second that all fire at
once, each with one local activity that does nothing. The targets are 180 seconds for 5,000 lapses,
five seconds for 99 of 100 acts, and no act that is not answered.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from bench.bare import QUEUE, BareLapse
from bench.filing_life import acts
from bench.seeds import REVIEWER, add_filings
from bench.system import Bench, servers
from domain.case import commands as c
from domain.case.commands import Actor, Role
from domain.case.workflow_messages import CaseStart
from domain.clock import day_of
from domain.refusals import Refused
from engine.starting import start_case
from services.cases import CaseService
from services.clock import system_clock
from store import cases

TARGETS = {"seconds": 180.0, "p99": 5.0}
_AT_ONCE = 32
_STARTS = 14
"""So many starts a second are counted on; the instant comes when all have begun."""
_BARE_STARTS = 40

_PERSON = Actor(subject="bench-reviewer", role=Role.REVIEWER, scope=REVIEWER)


def closing_at(start: CaseStart, instant: datetime) -> CaseStart:
    """The same filing, due at another instant."""
    plan = start.opening.plan
    fill = plan.fill.model_copy(update={"closes": instant})
    due = plan.model_copy(update={"fill": fill, "supplement": None})
    return start.model_copy(update={"opening": start.opening.model_copy(update={"plan": due})})


async def start_all(bench: Bench, starts: Sequence[CaseStart]) -> None:
    """Starts filings, and waits until all are on record."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(start: CaseStart) -> None:
        async with gate:
            await start_case(bench.client, start)

    await asyncio.gather(*(one(start) for start in starts))
    while await count(bench, "case_id = ANY(:ids)", ids=[one.case_id for one in starts]) < len(
        starts
    ):
        await asyncio.sleep(0.5)


async def count(bench: Bench, where: str, **given: object) -> int:
    """How many cases there are of some sort."""
    async with bench.engine.connect() as connection:
        found = await connection.execute(text(f"SELECT count(*) FROM cases WHERE {where}"), given)
        return int(found.scalar_one())


async def people(
    bench: Bench, filings: Sequence[str], every: float, over: asyncio.Event
) -> tuple[list[float], int]:
    """Claims and releases, one every so many seconds; how long each took, how many failed."""
    service = CaseService(bench.client, bench.engine, system_clock)
    waited: list[float] = []
    failed = 0

    async def act(case_id: str, command: c.Command) -> None:
        nonlocal failed
        began = time.perf_counter()
        async with bench.engine.connect() as connection:
            case = await cases.by_id(connection, case_id)
        assert case is not None
        try:
            await service.act(case, command)
        except Refused as refused:
            failed += 1
            print(refused.refusal.code, file=sys.stderr)
        waited.append(time.perf_counter() - began)

    tasks: set[asyncio.Task[None]] = set()

    async def turns(case_id: str) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            now = datetime.now(UTC)
            command = (c.Claim, c.Release)[number % 2]
            await act(case_id, command(id=f"turn-{number}", actor=_PERSON, received_at=now))
            await asyncio.sleep(every * len(filings))

    for case_id in filings:
        tasks.add(asyncio.create_task(turns(case_id)))
        await asyncio.sleep(every)
    await asyncio.gather(*tasks)
    return waited, failed


def memory_of(pid: int) -> float | None:
    """Megabytes that a process has in memory, None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    [kilobytes] = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return round(int(kilobytes) / 1000, 1)


async def bare_limit(bench: Bench, number: int) -> float:
    """How many bare timers of one instant are carried out in a second."""
    due = datetime.now(UTC) + timedelta(seconds=5 + number / _BARE_STARTS)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def start(place: int) -> None:
        async with gate:
            await bench.bare.start_workflow(
                BareLapse.run, due.timestamp(), id=f"bare-{place}", task_queue=QUEUE
            )

    await asyncio.gather(*(start(place) for place in range(number)))
    if datetime.now(UTC) > due:
        raise RuntimeError("the instant had come before all were started")
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
    ended = "WorkflowType = 'bare-lapse' AND ExecutionStatus = 'Completed'"
    while (await bench.client.count_workflows(ended)).count < number:
        await asyncio.sleep(0.5)
    return number / (datetime.now(UTC) - due).total_seconds()


async def main(lapses: int, bare: int, acting: int, every: float) -> dict[str, object]:
    """Seconds until all had lapsed, and how long people waited before and meanwhile."""
    async with servers() as bench:
        with bench.worker("bare"):
            limit = await bare_limit(bench, bare)
        del bench.processes["bare worker"]
        starts, sha256 = await add_filings(bench, range(lapses + acting))
        with bench.worker("full"):
            reviewed = starts[:acting]
            await start_all(bench, reviewed)
            service = CaseService(bench.client, bench.engine, system_clock)
            for start in reviewed:
                async with bench.engine.connect() as connection:
                    case = await cases.by_id(connection, start.case_id)
                assert case is not None
                await service.act(case, acts(start, sha256)[0])
            instant = datetime.now(UTC) + timedelta(seconds=10 + lapses / _STARTS)
            await start_all(bench, [closing_at(one, instant) for one in starts[acting:]])
            ahead = (instant - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0.0, ahead - 5))
            over = asyncio.Event()
            ids = [one.case_id for one in reviewed]
            before = bench.cpu()
            waiting = asyncio.create_task(people(bench, ids, every, over))
            while await count(bench, "status = 'lapsed'") < lapses:
                await asyncio.sleep(0.5)
            seconds = (datetime.now(UTC) - instant).total_seconds()
            cost = {name: spent - before[name] for name, spent in bench.cpu().items()}
            memory = memory_of(bench.processes["full worker"])
            over.set()
            waited, failed = await waiting
    ordered = sorted(waited)
    p99 = ordered[int(len(ordered) * 0.99)]
    met = seconds <= TARGETS["seconds"] and p99 <= TARGETS["p99"] and not failed
    return {
        "day": day_of(system_clock()).isoformat(),
        "lapses": lapses,
        "started_ahead": round(ahead, 1),
        "seconds": round(seconds, 1),
        "acts": len(waited),
        "p50": round(ordered[len(ordered) // 2], 3),
        "p99": round(p99, 3),
        "longest": round(ordered[-1], 3),
        "failed": failed,
        "cpu_ms": {name: round(spent * 1000 / lapses, 1) for name, spent in cost.items()},
        "worker_mb": memory,
        "bare_per_second": round(limit, 1),
        "load": os.getloadavg()[:2],
        "targets": TARGETS,
        "met": met,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lapses", type=int, default=5_000)
    parser.add_argument("--bare", type=int, default=600, help="bare timers of one instant")
    parser.add_argument("--people", type=int, default=20, help="filings that are acted on")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two acts")
    parser.add_argument("--short", action="store_true", help="a few lapses: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 off the targets")
    given = parser.parse_args()
    lapses, bare = (60, 60) if given.short else (given.lapses, given.bare)
    result = asyncio.run(main(lapses, bare, given.people, given.every))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:16}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
