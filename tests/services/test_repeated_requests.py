"""One key, one act and one receipt: sent twice at once to two APIs, and after a restart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from api.door.app import create_app
from api.door.parts import build_parts
from deploy.demo.rules import write_rules
from domain.clock import day_of
from services.clock import system_clock
from store.database import connect
from tests import connected, import_files
from tests.api import test_institutions as rosters
from tests.certificates import ISSUER
from tests.import_files import CSV
from tests.system import CLERK, OPERATOR, System, institution, running

pytestmark = pytest.mark.anyio

JSON = "application/json"


@dataclass
class Request:
    """A request, another one that its key is not good for, and what stands on record of it once.

    ``receipt`` is what an answer has to say again. There is no ``other`` where nobody signs in:
    strangers may choose the same key.
    """

    path: str
    media: str
    content: bytes
    other: tuple[str, bytes] | None
    token: str
    on_record: dict[str, int]
    receipt: Callable[[Any], Any] = lambda body: body


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The demonstration's rules, in which Fujian is connected."""
    folder = tmp_path / "rules"
    write_rules(folder, day_of(system_clock()))
    connected.connect_provinces(folder, ISSUER)
    return folder


@pytest.fixture
async def system(
    dev_engine: WorkflowEnvironment, engine: AsyncEngine, rules: Path
) -> AsyncIterator[System]:
    runner = UnsandboxedWorkflowRunner()
    async with running(dev_engine, engine, rules, runner=runner) as found:
        await found.add(institution("lab", certificates=()))
        yield found


@asynccontextmanager
async def another_api(system: System, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """An API that shares nothing with the others but the servers."""
    engine = connect(database_url)
    parts = build_parts(system.settings, system.client, engine, system.now)
    transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
    try:
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://other") as http,
            parts.lookups.running(),
            parts.enquiries.running(),
        ):
            yield http
    finally:
        await engine.dispose()


async def an_import(system: System) -> Request:
    path = "/api/certificates/imports?mode=good&filename=a.csv"
    # a connected office brings along the numbers of what it decided before
    *rows, third = (import_files.row(n, number=f"25130106900{n}") for n in (1, 2, 3))
    other = import_files.table(third)
    return Request(
        path,
        CSV,
        import_files.table(*rows),
        (path, other),
        system.token(CLERK, "issuing-clerk", ISSUER),
        {
            "certificate_imports": 1,
            "certificates": 2,
            "cases WHERE kind = 'certificate' AND status = 'completed'": 2,
            "journal WHERE event = 'import_begun'": 1,
            "journal WHERE event = 'certificates_imported'": 1,
        },
        lambda body: (body["id"], body["total"], body["errors"]),
    )


async def a_delivery(system: System) -> Request:
    client = await connected.register(system)
    body = connected.issue("lab")
    other = body | {"content": {**body["content"], "address": "别处"}}
    return Request(
        connected.DELIVERIES,
        JSON,
        json.dumps(body).encode(),
        (connected.DELIVERIES, json.dumps(other).encode()),
        client.token,
        {
            "certificate_deliveries": 1,
            "certificates": 1,
            "cases WHERE kind = 'certificate'": 1,
            "journal WHERE event = 'issued'": 1,
        },
    )


async def a_complaint(_: System) -> Request:
    body = {"number": "JC-1", "about": "报告内容与委托不符", "contact": "somebody@example.org"}
    return Request(
        "/public/complaints",
        JSON,
        json.dumps(body).encode(),
        None,
        "",
        {"complaints": 1, "cases": 1, "journal WHERE event = 'complaint_received'": 1},
    )


async def a_roster(system: System) -> Request:
    path = "/api/institutions/imports"
    row, other = (rosters.row(f"fj-{n}", f"24130106000{n}") for n in (1, 2))
    return Request(
        path,
        CSV,
        rosters.table(row),
        (path, rosters.table(other)),
        system.token(OPERATOR, "operator-1", "000000"),
        {"institutions": 2, "certificates": 1, "journal WHERE event = 'roster_imported'": 1},
        lambda body: {**body, "repeated": None},
    )


async def a_campaign(system: System) -> Request:
    return Request(
        "/api/campaigns/2024/000000",
        JSON,
        b"",
        ("/api/campaigns/2024/350000", b""),
        system.token(OPERATOR, "operator-1", "000000"),
        {
            "campaigns": 1,
            "journal WHERE event = 'campaign_opened'": 1,
            "journal WHERE event = 'filings_started'": 1,
        },
    )


REQUESTS = [an_import, a_delivery, a_complaint, a_roster, a_campaign]


@pytest.mark.parametrize("ask", REQUESTS, ids=lambda ask: ask.__name__)
async def test_a_key_is_one_act_on_two_apis_and_after_a_restart(
    system: System, database_url: str, ask: Callable[[System], Any]
) -> None:
    asked: Request = await ask(system)

    async def send(http: httpx.AsyncClient, path: str, content: bytes) -> httpx.Response:
        headers = {"idempotency-key": "the-one-key", "content-type": asked.media}
        if asked.token:
            headers["authorization"] = f"Bearer {asked.token}"
        return await http.post(path, content=content, headers=headers)

    async with another_api(system, database_url) as other:
        answers = await asyncio.gather(
            *(send(http, asked.path, asked.content) for http in (system.http, other) * 2)
        )
    assert {one.is_success for one in answers} == {True}, [one.text for one in answers]
    first, *more = (asked.receipt(one.json()) for one in answers)
    assert more == [first] * 3
    await stands(system, asked.on_record)
    async with another_api(system, database_url) as restarted:
        again = await send(restarted, asked.path, asked.content)
        assert again.is_success, again.text
        assert asked.receipt(again.json()) == first
        if asked.other is not None:
            refused = await send(restarted, *asked.other)
            assert (refused.status_code, refused.json()["code"]) == (422, "key_reused")
    await asyncio.sleep(0.5)
    await stands(system, asked.on_record)


async def test_a_roster_sent_again_with_its_key_does_not_undo_the_one_that_came_after(
    system: System,
) -> None:
    old, new = (
        rosters.table(rosters.row("fj-1", "241301060001", name=name)) for name in ("旧名", "新名")
    )
    first = await rosters.load(system, old, key="first")
    assert (await rosters.load(system, new, key="second")).body["repeated"] is False
    again = await rosters.load(system, old, key="first")
    assert (again.status, again.body) == (200, first.body | {"repeated": True})
    assert (await rosters.shown(system, "fj-1"))["name"] == "新名"
    # asked for anew it is imported anew
    assert (await rosters.load(system, old, key="third")).body["repeated"] is False
    assert (await rosters.shown(system, "fj-1"))["name"] == "旧名"


async def stands(system: System, wanted: dict[str, int]) -> None:
    """Waits until so much is on record, and no more."""
    seen: dict[str, int] = {}
    for _ in range(400):
        async with system.engine.connect() as connection:
            for what in wanted:
                counted = await connection.execute(text(f"SELECT count(*) FROM {what}"))
                seen[what] = counted.scalar_one()
        if seen == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(seen)
