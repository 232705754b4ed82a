"""What earlier releases left behind is opened by today's code, and everybody goes on.

A release's database and engine were recorded by `tests.deploy.record_release`, with a case in every
open state. Here migrations run over the one and today's worker over the other; then each open case
takes the act that comes next.
"""

import asyncio
import lzma
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.worker import UnsandboxedWorkflowRunner

from deploy.embedded.postgres import EmbeddedPostgres, postgres_bin
from deploy.embedded.temporal import EmbeddedTemporal
from domain.case.workflow_messages import SEQUENCE
from engine.client import connect_engine
from engine.search_attributes import REGISTERED
from services.reconciler import Reconciler
from store.database import connect
from store.migrate import upgrade
from tests.certificates import ISSUER, Office
from tests.databases import as_owner, database, libpq
from tests.deploy.record_release import CHAIN, FOLDER, RENEWED
from tests.system import CHECKER, CLERK, FILER, OPERATOR, REVIEWER, System, running
from tests.system import institution as an_institution
from tests.workflows.test_report_batch import batch_is, read, upload

pytestmark = pytest.mark.anyio

RELEASES = sorted(file.name.partition(".")[0] for file in FOLDER.glob("*.sql.xz"))


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def restored(postgres: EmbeddedPostgres, release: str) -> Iterator[str]:
    """A release's database, brought to today's structure."""
    dump = lzma.decompress((FOLDER / f"{release}.sql.xz").read_bytes())
    with database(postgres, "earlier", "template0") as url:
        owner = libpq(as_owner(url))
        program = [str(postgres_bin() / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", owner]
        subprocess.run(program, input=dump, check=True, capture_output=True)
        upgrade(as_owner(url))
        yield url


@pytest.fixture
def resumed(short_folder: Path, release: str) -> Iterator[EmbeddedTemporal]:
    """A release's engine."""
    data = short_folder / f"e-{release}"
    (data / "temporal").mkdir(parents=True)
    kept = lzma.decompress((FOLDER / f"{release}.db.xz").read_bytes())
    (data / "temporal" / "temporal.db").write_bytes(kept)
    with EmbeddedTemporal(data, search_attributes=REGISTERED) as server:
        yield server
    shutil.rmtree(data)


@pytest.fixture
async def system(
    restored: str, resumed: EmbeddedTemporal, moved_rules: Path
) -> AsyncIterator[System]:
    client = await connect_engine(resumed.address, resumed.namespace)
    engine = connect(restored)
    environment = cast(Any, SimpleNamespace(client=client))
    runner = UnsandboxedWorkflowRunner()
    async with running(environment, engine, moved_rules, runner=runner) as found:
        yield found
    await engine.dispose()


async def open_cases(engine: AsyncEngine) -> dict[str, int]:
    """Cases that have not ended, with their last steps."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT case_id, sequence FROM cases WHERE status NOT IN ('cancelled', 'lapsed')"
                 " AND (status <> 'completed' OR kind = 'certificate') ORDER BY case_id")
        )  # fmt: skip
        return {row[0]: row[1] for row in found}


async def test_every_open_case_of_an_earlier_release_goes_on(system: System, release: str) -> None:
    before = await open_cases(system.engine)
    assert len(before) > 15
    looking = Reconciler(system.client, system.engine, system.parts.pinned, system.now)
    behind = [one async for one in looking.sweep(closely=True)]
    assert {one.state for one in behind} == UNREADABLE.get(release, set()), behind
    for acts in (filings, batches, complaints, certificates, campaigns):
        await acts(system)
    for case_id, recorded in before.items():
        known = await system.client.get_workflow_handle(case_id).query(SEQUENCE)
        assert known >= recorded, case_id
    assert [one async for one in looking.sweep(closely=True)] == []


UNREADABLE = {"c8903ba": {"unreadable"}}
"""Releases with a renewal that later code cannot replay: it is carried on from its record."""


async def filings(system: System) -> None:
    """The act that comes next, in each open state; what has ended is opened again."""
    reasons = {"reason": "（生成）请核实", "fields": []}
    cause = {"until": "2090-01-01T00:00:00+08:00", "reason": "（生成）数据有误"}
    claimer = system.token(REVIEWER, "r-amr-350102", CHAIN[0])
    city = system.token(REVIEWER, "r-city", CHAIN[1])
    checker = system.token(CHECKER, "checker-2", "samr")
    operator = system.token(OPERATOR, "operator-1", "350000")
    acts: list[tuple[str, str, str, Any, str]] = [
        ("2023/unclaimed", "claim", claimer, {}, "in_review"),
        ("2023/claimed", "return", claimer, reasons, "returned"),
        ("2023/second", "claim", city, {}, "in_review"),
        ("2023/check", "claim", checker, {}, "quality_check"),
        ("2023/check", "quality", checker, {"outcome": "pass"}, "completed"),
        ("2023/done", "reopen", operator, cause, "returned"),
        ("2020/draft", "withdraw", system.token(FILER, "clerk-draft", "draft"), {}, "withdrawn"),
    ]
    for filing, name, token, body, status in acts:
        done = await system.act(filing, name, token, body)
        assert (done.status, done.body.get("status")) == (200, status), (filing, name, done.body)
    for name in ("draft", "returned", "withdrawn"):
        done = await system.submit(f"2023/{name}", system.token(FILER, f"clerk-{name}", name))
        assert (done.status, done.body["status"]) == (200, "in_review"), (name, done.body)


async def batches(system: System) -> None:
    """The file that waited is read; who had reported nothing reports."""
    await batch_is(system, "2024Q4/waiting", numbers=2)
    clerk = system.token(FILER, "clerk-silent", "silent")
    file = "报告编号,出具日期\nGD-9,2024-12-05\n"
    taken = await upload(system, "2024Q4/silent", clerk, file)
    assert taken.status == 202, taken.body
    done = await read(system, "2024Q4/silent", clerk, taken.body["id"])
    assert (done["stage"], done["accepted"]) == ("accepted", 1)


async def complaints(system: System) -> None:
    """The complaint is resolved by who had claimed it."""
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    [waiting] = (await system.send("GET", "/api/tasks", samr)).body["items"]
    path = f"/api/complaints/{waiting['id'].partition('/')[2]}"
    body = {"outcome": "substantiated", "reply": "（生成）已责令更正。", "reason": "（生成）附卷"}
    done = await system.send("POST", f"{path}/resolve", samr, body)
    assert (done.status, done.body["status"]) == (200, "completed"), done.body


async def certificates(system: System) -> None:
    """Applications go on, certificates change, and what was renewed is marked so."""
    office = Office(system)
    items = (await system.send("GET", "/api/certificates?size=200", office.filer)).body["items"]
    acted = dict.fromkeys(("draft", "in_review", "quality_check", "renewed", "first"), 0)
    for item in items:
        path = f"/api/{item['id'].replace('certificate/', 'certificates/')}"
        shown = (await system.send("GET", path, office.filer)).body
        held = shown["certificate"]
        if shown["status"] == "draft":
            done, kind = await office.apply(path), "draft"
        elif shown["status"] == "in_review":
            done, kind = await office.act(path, "claim", office.reviewer), "in_review"
        elif shown["status"] == "quality_check":
            assert (await office.act(path, "claim", office.checker)).status == 200
            done = await office.act(path, "quality", office.checker, {"outcome": "pass"})
            kind = "quality_check"
        elif held and held["status"] == "valid" and held["number"] not in RENEWED:
            draft = (await system.send("GET", f"{path}/draft", office.filer)).body
            body = {"content": {**draft["content"], "address": "福州市测试路7号（生成）"}}
            saved = await system.send(
                "PUT", f"{path}/draft", office.filer, body, if_match=f'"{draft["revision"]}"'
            )
            assert saved.status == 200, saved.body
            done = await office.apply(path, purpose="change", change="name-address")
            kind = "renewed" if shown.get("renews") else "first"
        else:
            continue
        assert done.status == 200, (kind, done.body)
        acted[kind] += 1
    assert all(acted.values()), (acted, items)
    for item in items:
        path = f"/api/{item['id'].replace('certificate/', 'certificates/')}"
        if item["number"] in RENEWED:
            async with asyncio.timeout(20):
                while (await office.held(path))["status"] != "superseded":
                    await asyncio.sleep(0.1)
    clerk = system.token(CLERK, "issuing-clerk", ISSUER)
    for _ in range(400):
        found = (await system.send("GET", "/api/certificates/imports", clerk)).body["items"]
        if found[0]["stage"] == "done":
            return
        await system.pause(0.1)
    raise AssertionError(found)


async def campaigns(system: System) -> None:
    """Another pass over the register starts a filing for who came later."""
    await system.add(an_institution("newcomer"))
    operator = system.token(OPERATOR, "operator-1", "000000")
    asked = await system.send("POST", "/api/campaigns/2023/350000/rescan", operator)
    assert asked.status == 202, asked.body
    await system.until("2023/newcomer", "draft")
