"""The public lookup over HTTP, beside an endpoint that does nothing: ``python -m bench.lookup``.

One application server as shipped (uvicorn, uvloop, httptools), a load from another process,
PostgreSQL with numbers of ten years and a share of the machine's memory. Rounds of both in turns;
the target is a ratio of at least 0.45 with nothing kept from one lookup to the next. What keeping
answers brings is told separately.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from pydantic import SecretStr

from bench.lookup_server import NOTHING
from bench.system import ROOT, cpu_of
from deploy.embedded.postgres import EmbeddedPostgres
from settings import Settings, as_environment
from store.migrate import upgrade

TARGET = 0.45
YEARS = range(2016, 2026)
_INSTITUTIONS = 2000
_PATHS = 20_000
_KEPT_PATHS = 2_000
_LOOKUP = "/public/report-numbers?number={}"

# one institution's numbers are consecutive, as in life; those of all years have one shape
_FILL = """
    INSERT INTO report_numbers (number, issued_on, institution_no, upload_no)
    SELECT format('JC%%s-%%s-%%s', %(year)s, n %% %(institutions)s, n / %(institutions)s),
           make_date(%(year)s, 1, 1) + (n %% 365)::int, 1 + n %% %(institutions)s,
           1 + n %% %(institutions)s
    FROM generate_series(0, %(count)s - 1) n
"""


def prepare(address: str) -> None:
    """Institutions, an accepted upload of each, and empty partitions."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO institutions (id, name, region, legal_person, under_samr, accredited,
                                      other_qualifications, national_centres)
            SELECT 'bench-' || n, '机构' || n || '（生成）', '350102', true, false, false,
                   '[]', '[]'
            FROM generate_series(1, %s) n
            """,
            [_INSTITUTIONS],
        )
        connection.execute(
            """
            INSERT INTO certificates (number, institution_id, level, issuer, scope, valid_to)
            SELECT id, id, 'provincial', 'amr-350000', 1, '2099-01-01' FROM institutions
            """
        )
        connection.execute(
            """
            INSERT INTO rule_sets (sha256, id, year, jurisdiction, revision, document)
            VALUES ('bench', 'bench', 2025, '000000', 1, '{}')
            """
        )
        connection.execute(
            """
            INSERT INTO cases (case_id, kind, year, jurisdiction, campaign, rule_set, plan, status,
                               level, authority, claimed_by, revision, sequence, head, opened_at,
                               updated_at)
            VALUES ('report-numbers/bench', 'report-numbers', 2025, '000000', '', 'bench', '{}',
                    'draft', 0, '', '', 0, 1, '', now(), now())
            """
        )
        connection.execute(
            """
            INSERT INTO uploads (id, case_id, institution_no, filename, media, accept, stage,
                                 visible_from, created_by, created_at)
            SELECT id, 'report-numbers/bench', no, '', 'csv', 'all', 'accepted', '2020-01-01', '',
                   now()
            FROM institutions ORDER BY no
            """
        )
        for year in YEARS:
            connection.execute(
                f"CREATE TABLE report_numbers_{year} PARTITION OF report_numbers "
                f"FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
            )


def fill(address: str, rows: int) -> None:
    """Numbers, the same count for each year; those that were there before go."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("TRUNCATE report_numbers")
        connection.execute("DROP INDEX ix_report_numbers_number")
        connection.execute("SET synchronous_commit = off")
        for year in YEARS:
            values = {"year": year, "institutions": _INSTITUTIONS, "count": rows // len(YEARS)}
            connection.execute(_FILL, values)
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(
            "CREATE INDEX ix_report_numbers_number "
            "ON report_numbers (hashtextextended(number, 0), institution_no)"
        )
        connection.execute("VACUUM ANALYZE report_numbers")
        connection.execute("VACUUM ANALYZE institutions, certificates, uploads")


def paths(rows: int, present: float, count: int = _PATHS) -> list[str]:
    """Lookups, the given share of which find something, over all years."""
    chance = random.Random(7)
    each = rows // len(YEARS)
    found = []
    for _ in range(count):
        n = chance.randrange(each)
        letters = "JC" if chance.random() < present else "XX"
        year = chance.choice(YEARS)
        found.append(_LOOKUP.format(f"{letters}{year}-{n % _INSTITUTIONS}-{n // _INSTITUTIONS}"))
    return found


@contextlib.contextmanager
def server(settings: Settings, *, keep: bool) -> Iterator[tuple[int, int]]:
    """The application in a process of its own; its port and process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.lookup_server", *(["--keep"] if keep else [])],
        cwd=ROOT,
        env={**os.environ, **as_environment(settings)},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        # a log that nobody reads would stop its writer
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


class Kind:
    """One kind of request, and what its rounds have shown."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = "\n".join(asked)
        self.rates: list[float] = []
        self.cpu_us: list[float] = []

    def run(self, port: int, pid: int, connections: int, seconds: float) -> None:
        """One round; every answer must be one."""
        before, began = cpu_of(pid), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "bench.http_load", str(port),
             "--connections", str(connections), "--seconds", str(seconds)],
            input=self.asked, capture_output=True, text=True, check=True, cwd=ROOT,
            timeout=seconds + 60,
        )  # fmt: skip
        found = json.loads(done.stdout)
        if found["statuses"].keys() != {"200"}:
            raise RuntimeError(f"not all were answered: {found['statuses']}")
        after = cpu_of(pid)
        self.rates.append(found["rate"])
        if before is not None and after is not None and time.perf_counter() > began:
            self.cpu_us.append((after - before) * 1e6 / found["statuses"]["200"])

    def summary(self) -> dict[str, float]:
        """The medians: answers a second, and microseconds of the server's processor for each."""
        return {
            "rate": round(statistics.median(self.rates)),
            "server_cpu_us": round(statistics.median(self.cpu_us), 1) if self.cpu_us else 0.0,
        }


def compare(
    settings: Settings, rows: int, *, keep: bool, rounds: int, seconds: float, connections: int
) -> dict[str, object]:
    """Rounds of all kinds in turns on one server, after a warm-up of each.

    Where answers are kept, fewer numbers are asked for, so that there is room for all of them.
    """
    count = _KEPT_PATHS if keep else _PATHS
    kinds = {
        "nothing": Kind([NOTHING]),
        "missing": Kind(paths(rows, 0.1, count)),
        "present": Kind(paths(rows, 0.9, count)),
    }
    with server(settings, keep=keep) as (port, pid):
        for kind in kinds.values():
            kind.run(port, pid, connections, min(seconds, 2))
            kind.rates.clear()
            kind.cpu_us.clear()
        for number in range(rounds):
            for kind in list(kinds.values())[:: 1 if number % 2 else -1]:
                kind.run(port, pid, connections, seconds)
    told: dict[str, object] = {name: kind.summary() for name, kind in kinds.items()}
    limit = statistics.median(kinds["nothing"].rates)
    told["ratio"] = {
        name: round(statistics.median(kinds[name].rates) / limit, 3)
        for name in ("missing", "present")
    }
    return told


def main(
    sizes: list[int], rounds: int, seconds: float, connections: int, memory: str
) -> dict[str, object]:
    """For each number of rows, the comparison with nothing kept; for the last one also with."""
    told: dict[str, object] = {"target": TARGET}
    ratios: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="zb") as folder,
        EmbeddedPostgres(Path(folder), settings={"shared_buffers": memory}) as db,
    ):
        upgrade(db.owner_url)
        address = db.owner_url.replace("+psycopg", "")
        prepare(address)
        settings = Settings(
            database_url=SecretStr(db.url),
            temporal_address="unused",
            token_key=SecretStr("for benchmarks only: nothing is signed with it"),
            lookups_per_client="1000000000/minute",
            lookups_per_prefix="1000000000/minute",
        )
        size = {"rounds": rounds, "seconds": seconds, "connections": connections}
        for rows in sizes:
            fill(address, rows)
            found = compare(settings, rows, keep=False, **size)  # type: ignore[arg-type]
            told[f"{rows} rows"] = found
            ratios += found["ratio"].values()  # type: ignore[attr-defined]
        told["kept"] = compare(settings, sizes[-1], keep=True, **size)  # type: ignore[arg-type]
    told["lowest ratio"], told["met"] = min(ratios), min(ratios) >= TARGET
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000, 50_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--memory", default="4GB", help="PostgreSQL's shared_buffers")
    parser.add_argument("--short", action="store_true", help="few rows: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    given = parser.parse_args()
    if given.short:
        given.rows, given.rounds, given.seconds, given.memory = [200_000], 2, 1, "256MB"
    result = main(given.rows, given.rounds, given.seconds, given.connections, given.memory)
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:14}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
