"""What a filing's process takes in the engine's store: ``python -m bench.engine_size``.

As many filings as asked for are put on record and launched as a campaign launches them, and each
has its first turn. Then the embedded engine's file is gone through table by table.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from bench.seeds import add_filings
from bench.system import Bench, servers
from services.campaigns.launch import AT_ONCE, PAGE, launch_page, put_on_record

TARGET = 12_288
"""Bytes a filing: half of what it takes with nothing done about it."""
_CAMPAIGN = "bench"


async def main(number: int) -> dict[str, Any]:
    """Bytes a filing, by table of the engine's store, and by event of a filing's history."""
    async with servers() as bench:
        starts, _ = await add_filings(bench, range(number))
        now = datetime.now(UTC)
        with bench.worker("full"):
            before = await _bytes(bench)
            for first in range(0, number, PAGE):
                await put_on_record(bench.engine, starts[first : first + PAGE], now)
            while await launch_page(bench.engine, bench.client, _CAMPAIGN, now, lambda: None):
                pass
            await _all_begun(bench, [start.case_id for start in starts[-AT_ONCE:]])
            events = await _events(bench, starts[number // 2].case_id)
            after = await _bytes(bench)
    tables = {n: round((after[n] - before[n]) / number) for n in after if after[n] - before[n]}
    tables = dict(sorted(tables.items(), key=lambda table: -table[1]))
    taken = sum(tables.values())
    answer = {"bytes": taken, "target": TARGET, "met": taken <= TARGET}
    return {**answer, "number": number, "tables": tables, "events": events}


async def _all_begun(bench: Bench, ids: list[str]) -> None:
    """Waits until none of these filings' first turns is still to come."""
    for case_id in ids:
        while "7" not in {event.split()[1] for event in await _events(bench, case_id)}:
            await asyncio.sleep(0.1)
    # what is written after a turn: timers, and the list of processes
    await asyncio.sleep(3)


async def _events(bench: Bench, case_id: str) -> dict[str, int]:
    """The bytes of each event of a history, in order."""
    history = await bench.client.get_workflow_handle(case_id).fetch_history()
    return {f"{e.event_id} {e.event_type}": e.ByteSize() for e in history.events}


async def _bytes(bench: Bench) -> Counter[str]:
    """Bytes in use of each table, its indexes included, as pages of the file hold them."""
    file = bench.settings.rules.parent / "temporal" / "temporal.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_master USING (name)"
            " GROUP BY tbl_name"
        )
        return Counter(dict(rows.fetchall()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000, help="filings")
    parser.add_argument("--short", action="store_true", help="a few: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 above the target")
    given = parser.parse_args()
    result = asyncio.run(main(200 if given.short else given.number))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:12}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
