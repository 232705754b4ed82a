"""A record with something of everything in it, made once, and found in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.verify import Keys
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.temporal import EmbeddedTemporal
from domain.case import kind
from engine.client import connect_engine
from services.archive import Archiving
from services.certificates.keys import add_key
from services.checkpoints import Sealing
from store.database import connect
from tests import command
from tests.audit import other_rows
from tests.databases import as_administrator, database
from tests.deploy import record_release
from tests.deploy.record_release import open_rules
from tests.enforcing import case_on_record
from tests.system import CHECKER, FILER, KEY, OPERATOR, REVIEWER, System, running
from tests.workflows.test_report_batch import read, upload

ROSTER = """机构编号,机构名称,监管区域代码,独立法人
roster-1,名录机构一（生成）,350102,是
roster-2,名录机构二（生成）,350103,是
"""


@dataclass
class World:
    """A database whose record is in order, its keys, and where its checkpoints were copied to.

    ``url`` is the application's way in, ``superuser`` that of somebody whom nothing stops.
    """

    url: str
    superuser: str
    certificate_keys: Path
    audit_keys: Path
    checkpoints: Path

    @property
    def keys(self) -> Keys:
        return Keys(self.certificate_keys, self.audit_keys, self.checkpoints)


def now() -> datetime:
    return datetime.now(UTC)


async def populate(world: World, temporal: EmbeddedTemporal, rules: Path) -> None:
    """Plays something of everything, seals it, goes on, and seals it again."""
    client = await connect_engine(temporal.address, temporal.namespace)
    engine = connect(world.url)
    environment = cast(Any, SimpleNamespace(client=client))
    sealing = Sealing(engine, world.audit_keys, world.checkpoints, now)
    async with running(environment, engine, rules) as system:
        world.certificate_keys = system.keys
        await record_release.filings(system)
        await sealing.seal()
        await record_release.batches(system)
        await record_release.complaints(system)
        await record_release.certificates(system)
        await numbers(system)
        await resolved(system)
        await operators(system)
        await refused(system)
        await case_on_record(system, "draft", "filing/2020/draft")
        await other_rows.write(engine)
        await other_rows.enforcement(engine, "enforcement/filing/2020/draft/1")
        await asyncio.sleep(2)
        await Archiving(system.client, engine, now).archive_news()
        await sealing.seal()
        # what comes after the last checkpoint
        clerk = system.token(FILER, "clerk-draft", "draft")
        assert (await system.submit("2023/draft", clerk)).status == 200
        await asyncio.sleep(1)
    await engine.dispose()


async def numbers(system: System) -> None:
    """Numbers on record, one of them withdrawn, one corrected."""
    clerk = system.token(FILER, "clerk-silent", "silent")
    file = "报告编号,出具日期\nS-1,2024-12-05\nS-2,2024-12-06\nS-3,2024-12-07\n"
    taken = await upload(system, "2024Q4/silent", clerk, file)
    assert (await read(system, "2024Q4/silent", clerk, taken.body["id"]))["stage"] == "accepted"
    path = "/api/report-batches/2024Q4/silent"
    body: dict[str, Any] = {"numbers": ["S-1"], "reason": "（生成）重复"}
    done = await system.send("POST", f"{path}/withdraw-numbers", clerk, body)
    assert done.status == 200, done.body
    wanted = {"number": "S-2", "to_number": "S-22", "to_issued_on": "2024-12-08"}
    body = {"corrections": [wanted], "reason": "（生成）笔误"}
    done = await system.send("POST", f"{path}/correct-numbers", clerk, body)
    assert done.status == 200, done.body


async def resolved(system: System) -> None:
    """The complaint is resolved and its sender told."""
    samr = system.token(REVIEWER, "reviewer-1", "samr")
    tasks = (await system.send("GET", "/api/tasks", samr)).body["items"]
    (id_,) = [one["id"] for one in tasks if one["kind"] == "complaint"]
    body = {"outcome": "unsubstantiated", "reply": "（生成）已核实。", "reason": "（生成）附卷"}
    path = f"/api/complaints/{id_.partition('/')[2]}/resolve"
    done = await system.send("POST", path, samr, body)
    assert done.status == 200, done.body


async def operators(system: System) -> None:
    """A roster, more time by a job, a client of a province."""
    nation = system.token(OPERATOR, "operator-1", "000000")
    answer = await system.http.post(
        "/api/institutions/imports",
        content=ROSTER.encode(),
        headers={
            "authorization": f"Bearer {nation}",
            "content-type": "text/csv",
            "idempotency-key": "roster-world",
        },
    )
    assert answer.status_code in (200, 201), answer.text
    body = {"authority": "amr-350000", "name": "（生成）审批系统", "sandbox": False}
    made = await system.send("POST", "/api/clients", nation, body)
    assert made.status in (200, 201), made.body


async def refused(system: System) -> None:
    """Acts that are refused, and stand on record."""
    other = system.token(REVIEWER, "r-other", "amr-350000")
    for _ in range(3):
        answer = await system.act("2023/second", "approve", other)
        assert answer.status in (403, 409), answer.body
    filer = system.token(FILER, "clerk-done", "done")
    assert (await system.act("2023/done", "withdraw", filer)).status == 409
    checker = system.token(CHECKER, "checker-1", "samr")
    assert (await system.act("2023/returned", "claim", checker)).status == 404


@pytest.fixture(scope="session")
def world(
    postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, short_folder: Path
) -> Iterator[World]:
    """The record as it is in order; whoever changes it takes it back."""
    keys = short_folder / "audit-keys"
    add_key(keys, "first", now().date() - timedelta(days=1))
    with database(postgres, "audited") as url:
        made = World(url, as_administrator(url), keys, keys, short_folder / "checkpoints")
        asyncio.run(populate(made, temporal, open_rules(short_folder / "rules-audited")))
        yield made


@pytest.fixture
async def audited(world: World) -> AsyncIterator[AsyncEngine]:
    """Connections of a superuser to it."""
    engine = connect(world.superuser)
    yield engine
    await engine.dispose()


@pytest.fixture
def where(world: World, temporal: EmbeddedTemporal) -> dict[str, str]:
    return command.environment(
        DATABASE_URL=world.url,
        TEMPORAL_ADDRESS=temporal.address,
        TEMPORAL_NAMESPACE=temporal.namespace,
        ZHIBAO_TOKEN_KEY=KEY,
        ZHIBAO_CERTIFICATE_KEYS=str(world.certificate_keys),
        ZHIBAO_AUDIT_KEYS=str(world.audit_keys),
        ZHIBAO_CHECKPOINTS=str(world.checkpoints),
    )


@pytest.fixture
def timers_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audited record was made with timers spread, as in production."""
    monkeypatch.setattr(kind, "SPREAD", timedelta(minutes=20))
