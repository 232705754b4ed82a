"""Records what a release leaves behind: a database and an engine with a case in every open state.

As a program, at a release: ``python -m tests.deploy.record_release NAME``. A later version opens
it, see `tests/deploy/test_earlier_releases.py`. What is recorded stays as it is, for ever.

All data is generated. The windows of its rules stay open until the year 2093 at least, so that the
cases can be acted on whenever a test runs.
"""

import asyncio
import lzma
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from activities import report_batch
from activities.certificate_import import CertificateImportActivities
from deploy.embedded.postgres import EmbeddedPostgres, postgres_bin
from deploy.embedded.temporal import EmbeddedTemporal
from engine.client import connect_engine
from engine.search_attributes import REGISTERED
from rules.file.library import SHIPPED
from store.database import connect
from store.migrate import upgrade
from tests.certificates import ISSUER, Office, content
from tests.import_files import row, table
from tests.system import CHECKER, CLERK, FILER, REVIEWER, System, institution, running
from tests.workflows.test_certificate_import import send
from tests.workflows.test_complaint import complain, task
from tests.workflows.test_report_batch import ask, upload

FOLDER = Path(__file__).parent / "releases"
YEARS = 72
"""By so much the dates of the shipped rules are moved, leap years onto leap years."""

OPENED = {
    "2023/fujian": r'from: "20\d\d-01-01"',
    "2020/national": r'(?<=  fill:\n      )from: "[^"]+"',
}
"""Rule files by what of them opens at once."""

DECIDED = {
    "approved_on": "2021-01-01",
    "document": "（生成）批准文件",
    "approver": "（生成）批准人",
    "valid_from": "2021-01-01",
    "valid_to": "2026-12-31",
}
"""A certificate that is due for renewal."""

RENEWED = ("201301060901", "201301060902")

CHAIN = ("amr-350102", "amr-350100", "amr-350000")


def open_rules(folder: Path) -> Path:
    """The shipped rules, open from 2021 on; but the national ones of 2020 review from 2093 on."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file in folder.glob("20*/*.yaml"):
        if file.stem == "certificates":
            continue
        body = file.read_text().split("\nexamples:")[0]
        body = re.sub(r'"(20\d\d)(-\d\d-\d\d)', lambda m: f'"{int(m[1]) + YEARS}{m[2]}', body)
        inside = OPENED.get(f"{file.parent.name}/{file.stem}")
        if inside is not None:
            body = re.sub(inside, 'from: "2021-01-01"', body)
        # whoever wants to upload may
        body = re.sub(r"(?s)\n  gate:.*?(?=\n  visible:)", "\n  gate: []\n", body)
        expect = "outside" if inside is None else "inside"
        example = f'{{name: 甲, at: "2021-01-01T00:00:00+08:00", expect: {{{expect}: [fill]}}}}'
        file.write_text(f"{body}\nexamples:\n  - {example}\n")
    return folder


async def filings(system: System) -> None:
    """Filings of three levels in each open state, and one that waits for its review to begin."""
    names = ("draft", "unclaimed", "claimed", "second", "returned", "withdrawn", "check", "done")
    await system.add(*(institution(name) for name in names))
    await system.open(2023, "350000")
    reasons = {"reason": "（生成）请核实", "fields": []}
    for name in names[1:]:
        filing, clerk = f"2023/{name}", system.token(FILER, f"clerk-{name}", name)
        assert (await system.submit(filing, clerk)).status == 200
        first = system.token(REVIEWER, "r-amr-350102", CHAIN[0])
        if name != "unclaimed":
            assert (await system.act(filing, "claim", first)).status == 200
        if name == "returned":
            assert (await system.act(filing, "return", first, reasons)).status == 200
        if name == "withdrawn":
            assert (await system.act(filing, "release", first)).status == 200
            assert (await system.act(filing, "withdraw", clerk)).status == 200
        if name in ("second", "check", "done"):
            assert (await system.act(filing, "approve", first)).status == 200
        if name in ("check", "done"):
            for authority in CHAIN[1:]:
                reviewer = system.token(REVIEWER, f"r-{authority}", authority)
                assert (await system.act(filing, "claim", reviewer)).status == 200
                assert (await system.act(filing, "approve", reviewer)).status == 200
        if name == "done":
            checker = system.token(CHECKER, "checker-1", "samr")
            passed = await system.act(filing, "quality", checker, {"outcome": "pass"})
            assert passed.body["status"] == "completed", passed.body
    await system.open(2020, "000000")
    waits = await system.submit("2020/draft", system.token(FILER, "clerk-draft", "draft"))
    assert waits.body["status"] == "submitted", waits.body


async def batches(system: System) -> None:
    """Batches of a quarter: nothing reported yet; a file that waits to be read."""
    labs = ("silent", "waiting")
    await system.add(*(institution(one, "440106", issuer="amr-440000") for one in labs))
    await system.open("2024Q4", "000000")
    for one in labs:
        asked = await ask(system, f"2024Q4/{one}", system.token(FILER, f"clerk-{one}", one))
        assert asked.status == 202, asked.body
    file = "报告编号,出具日期\nGD-1,2024-12-05\nGD-2,2024-12-06\n"
    clerk = system.token(FILER, "clerk-waiting", "waiting")
    taken = await upload(system, "2024Q4/waiting", clerk, file)
    assert taken.status == 202, taken.body


async def complaints(system: System) -> None:
    """A complaint that its authority has claimed."""
    body = {"number": "JC-1", "about": "（生成）报告内容与委托不符", "contact": "c@example.org"}
    await complain(system, body, "complaint-1")
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    case_id = (await task(system, samr))["id"]
    path = f"/api/complaints/{case_id.partition('/')[2]}"
    assert (await system.send("POST", f"{path}/claim", samr, {})).status == 200


async def certificates(system: System) -> None:
    """Applications in each state, a certificate in force, one renewed, an import under way."""
    await system.add(institution("lab", certificates=()))
    office = Office(system)
    await office.begin({"content": content()})
    assert (await office.apply(await office.begin({"content": content()}))).status == 200
    await office.issue()
    for number, checked in zip(RENEWED, (False, True), strict=True):
        old = await office.begin({"content": content()}, office.clerk)
        decided = {**DECIDED, "number": number}
        assert (await office.apply(old, office.clerk, decided=decided)).status == 200
        code = (await office.held(old))["code"]
        path = await office.begin({"content": content(), "renews": code})
        assert (await office.apply(path)).status == 200
        for name in ("claim", "approve"):
            assert (await office.act(path, name, office.reviewer)).status == 200
        if checked:
            assert (await office.act(path, "claim", office.checker)).status == 200
            passed = await office.act(path, "quality", office.checker, {"outcome": "pass"})
            assert passed.body["status"] == "completed", passed.body
    await system.add(institution("lab-00001", certificates=()))
    clerk = system.token(CLERK, "issuing-clerk", ISSUER)
    await send(system, table(row(1)), "good", token=clerk)


async def never(*_: Any) -> Any:
    """What this version does not come to."""
    raise RuntimeError("left to whoever comes later")


async def populate(url: str, temporal: EmbeddedTemporal, rules: Path) -> None:
    """Plays everything on real servers, and lets the engine settle."""
    client = await connect_engine(temporal.address, temporal.namespace)
    engine = connect(url)
    environment = cast(Any, SimpleNamespace(client=client))
    async with running(environment, engine, rules) as system:
        for part in (filings, batches, complaints, certificates):
            await part(system)
        await asyncio.sleep(3)
    await engine.dispose()


def record(name: str) -> None:
    """Writes ``NAME.sql.xz`` and ``NAME.db.xz`` into `FOLDER`; neither may be there yet."""
    # where this machine keeps its files is nobody's business
    traceback.format_tb = lambda *_: []
    # files that are under way stay under way
    CertificateImportActivities._work = never  # type: ignore[assignment]
    report_batch.ingest = never  # type: ignore[assignment, attr-defined]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="zr") as made:
        data = Path(made)
        rules = open_rules(data / "rules")
        with (
            EmbeddedPostgres(data) as postgres,
            EmbeddedTemporal(data, search_attributes=REGISTERED) as temporal,
        ):
            upgrade(postgres.owner_url)
            asyncio.run(populate(postgres.url, temporal, rules))
            dump = subprocess.run(
                [
                    postgres_bin() / "pg_dump",
                    "--no-owner",
                    "--no-privileges",
                    "--restrict-key=zhibao",
                    postgres.owner_url.replace("+psycopg", ""),
                ],
                check=True,
                capture_output=True,
            ).stdout
        with sqlite3.connect(data / "temporal" / "temporal.db") as database:
            database.execute("VACUUM")
        database.close()
        written = (data / "temporal" / "temporal.db").read_bytes()
    for ending, kept in (("sql", dump), ("db", written)):
        with lzma.open(FOLDER / f"{name}.{ending}.xz", "xb", preset=9) as file:
            file.write(kept)


if __name__ == "__main__":
    record(sys.argv[1])
