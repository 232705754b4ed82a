"""From stored CSV pieces to numbers on record, beside a bare COPY: ``python -m bench.ingest``.

The full thing: reading, checking, leaving out what is there, merging, all in one transaction of a
process of its own. The bare limit: binary rows, sorted by the index's key beforehand, copied into
the same table. Both add to a year that millions of numbers are in already, in turns; the uploading
institution has an earlier batch in it.

PostgreSQL has room for the log of a round, as docs/scale.md advises: otherwise a checkpoint falls
into one round or another and decides it. The target is a ratio of at least 0.5, and less than
200 MB above the idle process whatever the size.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench.system import ROOT, cpu_of
from deploy.embedded.postgres import EmbeddedPostgres
from domain.numbers.report_numbers import IngestRequest
from services.numbers.ingest import ingest
from store.database import connect
from store.migrate import upgrade
from store.numbers import report_numbers
from tests.number_uploads import Numbers

TARGET = 0.5
MOST_MB = 200
_ROOM_FOR_THE_LOG = {"max_wal_size": "16GB", "checkpoint_timeout": "30min"}
_PIECE = 4 * 1024 * 1024
_FIRST, _DAYS = date(2024, 7, 1), 92
_EPOCH = date(2000, 1, 1)


class Round(NamedTuple):
    """Rows a second, and microseconds of processor time a row, PostgreSQL's included."""

    rate: float
    cpu_us: float


def used(postgres: int) -> float:
    """Processor seconds of the server and its children so far; 0 where nothing tells."""
    return cpu_of(postgres) or 0.0


def rows(prefix: str, count: int) -> Iterator[tuple[str, date]]:
    """Numbers as laboratories give them, with their days, in no order of any index."""
    for n in range(count):
        number = f"{prefix}{n * 7919 % 1_000_003:07d}-2024-{n:07d}"
        yield number, _FIRST + timedelta(days=n * 31 % _DAYS)


def csv_file(prefix: str, count: int) -> bytes:
    """The upload of these rows."""
    lines = [f"{number},{day}\r\n" for number, day in rows(prefix, count)]
    return ("报告编号,出具日期\r\n" + "".join(lines)).encode()


def sorted_rows(connection: "psycopg.Connection[Any]", prefix: str, count: int) -> list[bytes]:
    """The same rows for COPY, in binary and in the order of the index."""
    connection.execute("CREATE TEMPORARY TABLE bare (number text, day date)")
    with connection.cursor().copy("COPY bare FROM STDIN") as copy:
        for row in rows(prefix, count):
            copy.write_row(row)
    found = connection.execute("SELECT * FROM bare ORDER BY hashtextextended(number, 0)")
    parts = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    for number, day in found:
        text = number.encode()
        head = struct.pack(">hi", 5, len(text)) + text
        parts.append(head + struct.pack(">6ii", 4, (day - _EPOCH).days, 4, 1, 4, 0, -1))
    connection.execute("DROP TABLE bare")
    connection.commit()
    whole = b"".join(parts) + b"\xff\xff"
    return [whole[start : start + 262_144] for start in range(0, len(whole), 262_144)]


def bare(connection: "psycopg.Connection[Any]", prefix: str, count: int, postgres: int) -> Round:
    """The bare COPY."""
    blocks = sorted_rows(connection, prefix, count)
    before, own, started = used(postgres), time.process_time(), time.perf_counter()
    with connection.cursor().copy("COPY report_numbers FROM STDIN (FORMAT binary)") as copy:
        for block in blocks:
            copy.write(block)
    connection.commit()
    seconds = time.perf_counter() - started
    spent = used(postgres) - before + time.process_time() - own
    return Round(count / seconds, spent / count * 1e6)


async def full(
    url: str, numbers: Numbers, name: str, count: int, postgres: int
) -> tuple[Round, float]:
    """A process that ingests an upload, and the memory it took at most above being idle."""
    case_id = await numbers.batch("lab")
    request = await numbers.upload(case_id, csv_file(name, count), id_=name, piece=_PIECE)
    before = used(postgres)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.ingest", "--child", request.model_dump_json()],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    assert told["numbers"] == count
    spent = used(postgres) - before + told["cpu"]
    return Round(count / told["seconds"], spent / count * 1e6), told["peak_mb"]


async def child(url: str, request: IngestRequest) -> dict[str, float]:
    """One ingest in this process, which was idle with a connection open before."""
    engine = connect(url)
    async with engine.begin() as connection:
        await report_numbers.ensure_years(connection, 2024, 2024)
    idle = _mb("VmRSS")
    own, started = time.process_time(), time.perf_counter()
    outcome = await ingest(engine, request, lambda rows: None)
    seconds, cpu = time.perf_counter() - started, time.process_time() - own
    peak = _mb("VmHWM")
    await engine.dispose()
    return {
        "numbers": outcome.numbers,
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": round(peak - idle, 1),
    }


def _mb(name: str) -> float:
    """Memory of this process, now (VmRSS) or at most (VmHWM); Linux tells, others only the most."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


async def prefill(url: str, numbers: Numbers, count: int) -> None:
    """A year that others and the laboratory itself have numbers in already."""
    earlier = await numbers.batch("lab", "2024Q1")
    rows_ = "报告编号,出具日期\r\nearlier-1,2024-01-02\r\n".encode()
    request = await numbers.upload(earlier, rows_, id_="earlier")
    engine = connect(url)
    await ingest(engine, request, lambda rows: None)
    await engine.dispose()
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("SET work_mem = '256MB'")
        connection.execute(
            """
            INSERT INTO report_numbers SELECT number, day, lab, 0 FROM (
                SELECT 'PRE-' || lpad(i::text, 9, '0') AS number,
                       date '2024-01-01' + i %% 366 AS day,
                       1000 + i %% 50 AS lab FROM generate_series(1, %s) AS i
            ) AS made ORDER BY hashtextextended(number, 0)
            """,
            (count,),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE report_numbers")


async def main(count: int, rounds: int, before: int, sizes: list[int]) -> dict[str, Any]:
    """Median rates in turns, their ratio, and the memory at each size."""
    with (
        tempfile.TemporaryDirectory(prefix="zb") as data,
        EmbeddedPostgres(Path(data), settings=_ROOM_FOR_THE_LOG) as server,
    ):
        upgrade(server.owner_url)
        engine = connect(server.url)
        numbers = Numbers(engine)
        await prefill(server.url, numbers, before)
        found: dict[str, list[Round]] = {"bare": [], "full": []}
        memory: dict[int, float] = {}
        with psycopg.connect(server.owner_url.replace("+psycopg", "")) as connection:
            for number in range(rounds):
                for kind in ("bare", "full") if number % 2 else ("full", "bare"):
                    if kind == "bare":
                        found[kind].append(bare(connection, f"B{number}-", count, server.pid))
                        continue
                    told, peak = await full(server.url, numbers, f"F{number}-", count, server.pid)
                    found[kind].append(told)
                    memory[count] = max(memory.get(count, 0.0), peak)
        for size in sizes:
            if size != count:
                _, memory[size] = await full(server.url, numbers, f"S{size}-", size, server.pid)
        await engine.dispose()
    rates = {kind: statistics.median(one.rate for one in many) for kind, many in found.items()}
    cpu = {kind: statistics.median(one.cpu_us for one in many) for kind, many in found.items()}
    ratio = round(rates["full"] / rates["bare"], 3)
    return {
        **{kind: round(rate) for kind, rate in rates.items()},
        "ratio": ratio,
        "cpu_us": {kind: round(us, 2) for kind, us in cpu.items()},
        "cpu_ratio": round(cpu["bare"] / cpu["full"], 3),
        "target": TARGET,
        "memory_mb": {str(size): memory[size] for size in sorted(memory)},
        "most_mb": MOST_MB,
        "met": ratio >= TARGET and max(memory.values()) < MOST_MB,
        "rows": count,
        "before": before,
        "rounds": {kind: [round(one.rate) for one in many] for kind, many in found.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="rows per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=int, default=4_000_000, help="rows there before")
    parser.add_argument("--short", action="store_true", help="a few rows: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asked = IngestRequest.model_validate_json(given.child)
        print(json.dumps(asyncio.run(child(os.environ["DATABASE_URL"], asked))))
        sys.exit(0)
    if given.short:
        result = asyncio.run(main(100_000, 2, 200_000, [100_000]))
    else:
        sizes = [100_000, 1_000_000, 5_000_000]
        result = asyncio.run(main(given.count, given.rounds, given.before, sizes))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:12}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
