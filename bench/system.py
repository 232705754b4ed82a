"""What benchmarks run on: real embedded servers as shipped, and workers in their own processes."""

import contextlib
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from deploy.demo.rules import write_rules
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.temporal import EmbeddedTemporal
from domain.clock import day_of
from engine.search_attributes import REGISTERED
from services.doors import engine_of
from services.keys import hide_with
from settings import Settings, as_environment
from store.database import connect
from store.migrate import upgrade

ROOT = Path(__file__).resolve().parent.parent
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Bench:
    """Servers that are up, under rules whose windows are open today, and their processes.

    ``client`` signs and hides what it sends, ``bare`` is the SDK's own and does neither.
    """

    settings: Settings
    client: Client
    bare: Client
    engine: AsyncEngine
    processes: dict[str, int]

    @contextlib.contextmanager
    def worker(self, kind: str) -> Iterator[None]:
        """A worker process, ready to work (see `bench.worker`)."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", kind],
            cwd=ROOT,
            env={**os.environ, **as_environment(self.settings)},
            # ends with us, however we end
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"the {kind} worker did not start")
            self.processes[f"{kind} worker"] = process.pid
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def cpu(self) -> dict[str, float]:
        """CPU seconds used so far, by process; {} where the system does not tell."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        used = {name: cpu_of(pid) for name, pid in self.processes.items()}
        if None in used.values():
            return {}
        known = {name: seconds for name, seconds in used.items() if seconds is not None}
        return {"driver": own.ru_utime + own.ru_stime, **known}


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[Bench]:
    """PostgreSQL and Temporal as `zhibao up` starts them, on a folder that is removed again.

    Whoever is asked to end before its time ends all of it first.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zb")))
        postgres = stack.enter_context(EmbeddedPostgres(data))
        temporal = stack.enter_context(EmbeddedTemporal(data, search_attributes=REGISTERED))
        upgrade(postgres.owner_url)
        # drafts are laid down before their cases: writing drafts is no part of what is measured
        with psycopg.connect(postgres.owner_url.replace("+psycopg", "")) as owner:
            owner.execute("ALTER TABLE revisions DROP CONSTRAINT fk_revisions_case_id_cases")
        write_rules(data / "rules", day_of(datetime.now(UTC)))
        settings = Settings(
            database_url=SecretStr(postgres.url),
            temporal_address=temporal.address,
            temporal_namespace=temporal.namespace,
            token_key=SecretStr("for benchmarks only: nothing is signed with it"),
            rules=data / "rules",
        )
        # what is laid down is hidden as the system would hide it
        hide_with(settings.keyring)
        engine = connect(postgres.url, pool_size=2)
        processes = {"temporal": temporal.pid, "postgres": postgres.pid}
        try:
            yield Bench(
                settings,
                await engine_of(settings),
                await Client.connect(temporal.address, namespace=temporal.namespace),
                engine,
                processes,
            )
        finally:
            hide_with(None)
            await engine.dispose()


def cpu_of(pid: int) -> float | None:
    """CPU seconds of a process, its children of now and those it has waited for."""
    try:
        total = 0
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
        for one in (pid, *children):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11 : 15 if one == pid else 13])
    except OSError:
        return None
    return total / _TICK


@dataclass
class Round:
    """One measured stretch of work: units per second, and CPU milliseconds per unit."""

    rate: float
    cpu_ms: dict[str, float]


@contextlib.contextmanager
def measured(bench: Bench, units: int, rounds: list[Round]) -> Iterator[None]:
    """Measures what is done within; adds a round."""
    before, started = bench.cpu(), time.perf_counter()
    yield
    rate = units / (time.perf_counter() - started)
    after = bench.cpu()
    spent = {name: (after[name] - before[name]) * 1000 / units for name in before}
    rounds.append(Round(rate, {name: ms for name, ms in spent.items() if ms >= 0.05}))


def summary(rounds: list[Round]) -> dict[str, object]:
    """The medians of some rounds."""
    names = {name: None for one in rounds for name in one.cpu_ms}
    return {
        "rate": round(_median(rounds, lambda one: one.rate), 2),
        "cpu_ms": {
            name: round(_median(rounds, lambda one, n=name: one.cpu_ms.get(n, 0.0)), 2)
            for name in names
        },
    }


def cpu_ratio(bare: list[Round], full: list[Round]) -> float | None:
    """The processor time of a bare unit over that of a full one: the median of the pairs."""
    pairs = [
        (sum(one.cpu_ms.values()), sum(other.cpu_ms.values()))
        for one, other in zip(bare, full, strict=True)
    ]
    return (
        round(statistics.median(few / many for few, many in pairs), 3)
        if all(many for _, many in pairs)
        else None
    )


def _median(rounds: list[Round], value: Callable[..., float]) -> float:
    return statistics.median(value(one) for one in rounds)
