"""The whole system in one process for tests: real engine, real database, real HTTP application.

Only the clock of the API can be moved, to keep step with a time-skipping engine.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner

from api.door.app import create_app
from api.door.parts import Parts, build_parts
from api.server import LONGEST_ASKED
from deploy.demo.publishing import publish_generated
from domain.case.commands import Actor, Role
from domain.facts import CertificateFacts, InstitutionFacts
from engine.client import through
from engine.codec import shown
from rules.filing.forms.example import blank_example
from services.certificates.keys import add_key
from services.contents import register_of
from services.doors import door_of
from services.keys import Keyring
from settings import Settings
from store import institutions
from store.database import connect_public
from store.institutions import Institution
from worker import build_worker

KEY = "a-key-for-tests-only-a-key-for-tests-only"
KEYS = Keyring(None, KEY)
default_runner: Callable[[], WorkflowRunner] = UnsandboxedWorkflowRunner
"""What workflows run in: as in production. The tests of workflows have the sandbox instead."""
SHANGHAI_DAY = timedelta(days=1)

FILER, REVIEWER, CHECKER, OPERATOR, AUDITOR, CLERK, OFFICER, DECIDER, RESPONSIBLE = (
    Role.FILER,
    Role.REVIEWER,
    Role.CHECKER,
    Role.OPERATOR,
    Role.AUDITOR,
    Role.CLERK,
    Role.OFFICER,
    Role.DECIDER,
    Role.RESPONSIBLE,
)


@dataclass
class Answer:
    """An HTTP answer: status and JSON body."""

    status: int
    body: Any
    headers: httpx.Headers


@dataclass
class System:
    """A running system and shorthand for acting on it as its users do."""

    parts: Parts
    http: httpx.AsyncClient
    client: Client
    engine: AsyncEngine
    environment: WorkflowEnvironment
    keys: Path
    settings: Settings
    ahead: timedelta = timedelta()
    _keys: "count[int]" = field(default_factory=lambda: count(1))

    def now(self) -> datetime:
        """The API's clock."""
        return datetime.now(UTC) + self.ahead

    def token(self, role: Role, subject: str, scope: str = "") -> str:
        """A token for one person in one capacity."""
        actor = Actor(subject=subject, role=role, scope=scope)
        return self.parts.identity.issue(actor, datetime.now(UTC), timedelta(days=366))

    async def history(self, id_: str, run: str | None = None) -> WorkflowHistory:
        """What the engine keeps of a process, nothing in it hidden."""
        handle = self.client.get_workflow_handle(id_, run_id=run)
        return await shown(await handle.fetch_history(), self.client.data_converter.payload_codec)

    async def send(
        self, method: str, path: str, token: str = "", body: Any = None, **headers: str
    ) -> Answer:
        """One request. Header names are written with underscores; writes get a key of their own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        if method == "POST":
            named.setdefault("idempotency-key", f"test-{next(self._keys)}")
        answer = await self.http.request(method, path, json=body, headers=named)
        kind = answer.headers.get("content-type", "")
        return Answer(answer.status_code, answer.json() if "json" in kind else None, answer.headers)

    async def by_two(self, path: str, token: str, second: str, body: Any, key: str) -> Answer:
        """What an act is answered with that somebody else has to confirm, and has confirmed."""
        waits = await self.send("POST", path, token, body, idempotency_key=key)
        assert waits.body["code"] == "awaits_confirmation", waits.body
        confirmed = await self.send("POST", f"{waits.headers['location']}/confirm", second)
        assert confirmed.body.get("state") == "done", confirmed.body
        return await self.send("POST", path, token, body, idempotency_key=key)

    async def act(
        self, filing: str, name: str, token: str, body: Any = None, **headers: str
    ) -> Answer:
        """One act on a filing (``2024/<institution>``)."""
        return await self.send(
            "POST", f"/api/filings/{filing}/{name}", token, body or {}, **headers
        )

    async def example(self, filing: str, token: str) -> dict[str, Any]:
        """A generated, complete content of every part of a filing."""
        shown = (await self.send("GET", f"/api/filings/{filing}", token)).body
        rules = await self.parts.pinned.get(shown["rule_set"])
        async with self.engine.connect() as connection:
            known = await institutions.by_ids(connection, [shown["institution"]])
        register = register_of(known[shown["institution"]])
        year = rules.document.year
        return {one: blank_example(rules.form(one), register, year) for one in shown["parts"]}

    async def save(self, filing: str, token: str) -> Answer:
        """Saves a generated, complete revision of every part."""
        path = f"/api/filings/{filing}"
        parts = await self.example(filing, token)
        draft = (await self.send("GET", f"{path}/draft", token)).body
        return await self.send(
            "PUT", f"{path}/draft", token, {"parts": parts}, if_match=f'"{draft["revision"]}"'
        )

    async def submit(self, filing: str, token: str, choice: str | None = None) -> Answer:
        """Saves a revision if there is none, and submits the newest."""
        draft = (await self.send("GET", f"/api/filings/{filing}/draft", token)).body
        if not draft["revision"]:
            saved = await self.save(filing, token)
            assert saved.status == 200, saved.body
            draft = saved.body
        body = {"revision": draft["revision"], "sha256": draft["sha256"], "choice": choice}
        answer = await self.act(filing, "submit", token, body)
        if answer.status == 409 and answer.body["code"] == "not_attested":
            # where the rules ask for it the responsible person confirms what is submitted
            institution = filing.partition("/")[2]
            head = self.token(RESPONSIBLE, f"head-{institution}", institution)
            standing = {"revision": draft["revision"], "sha256": draft["sha256"]}
            confirmed = await self.act(filing, "attest", head, standing)
            assert confirmed.status == 200, confirmed.body
            answer = await self.act(filing, "submit", token, body)
        if answer.status == 422 and answer.body["code"] == "correction_reason":
            # what was completed before says why it is corrected
            why = {"correction": "figures-wrong", "reason": "（生成）数据有误"}
            answer = await self.act(filing, "submit", token, body | why)
        return answer

    async def add(self, *added: Institution) -> None:
        """Puts institutions on record."""
        async with self.engine.begin() as connection:
            await institutions.save(connection, added)

    async def open(self, period: int | str, jurisdiction: str, body: Any = None) -> None:
        """Opens a campaign and waits until everybody's filing is on record."""
        operator = self.token(OPERATOR, "operator-1", "000000")
        path = f"/api/campaigns/{period}/{jurisdiction}"
        opened = await self.send("POST", path, operator, body)
        assert opened.status == 202, opened.body
        for _ in range(600):
            found = (await self.send("GET", path, operator)).body
            if found.get("started_at") and sum(found["statuses"].values()) >= found["started"]:
                return
            await self.pause(0.05)
        raise AssertionError(found)

    async def pause(self, seconds: float) -> None:
        """Real time passes."""
        import asyncio

        await asyncio.sleep(seconds)

    async def skip_to(self, instant: datetime) -> None:
        """Moves the engine's clock, and the API's with it (time-skipping engines only)."""
        now = await self.environment.get_current_time()
        if instant > now:
            await self.environment.sleep(instant - now)
        self.ahead = await self.environment.get_current_time() - datetime.now(UTC)
        await self._settled()

    async def _settled(self) -> None:
        """Waits until whatever the new time brings about is on record.

        The time-skipping server can lose an update that meets a timer's task under way.
        """
        before = -1
        while True:
            async with self.engine.connect() as connection:
                found = await connection.execute(text("SELECT count(*) FROM journal"))
                now = int(found.scalar_one())
            if now == before:
                return
            before = now
            await self.pause(0.25)

    async def until(self, filing: str, status: str) -> dict[str, Any]:
        """Waits in real time until a filing is in a status."""
        auditor = self.token(AUDITOR, "auditor-1")
        shown: dict[str, Any] = {}
        for _ in range(400):
            shown = (await self.send("GET", f"/api/filings/{filing}", auditor)).body
            if shown.get("status") == status:
                return shown
            await self.pause(0.025)
        raise AssertionError(f"wanted {status}: {shown}")


@asynccontextmanager
async def running(
    environment: WorkflowEnvironment,
    engine: AsyncEngine,
    rules: Path,
    *,
    runner: WorkflowRunner | None = None,
    max_cached_workflows: int = 1000,
    working: bool = True,
) -> AsyncIterator[System]:
    """The system on an engine and a database; workflows run in `default_runner` or in ``runner``.

    Not ``working``: no worker is part of it.
    """
    keys = Path(tempfile.mkdtemp(prefix="zk"))
    add_key(keys, "test-1", date(2019, 1, 1))
    receipt_keys = Path(tempfile.mkdtemp(prefix="zr"))
    add_key(receipt_keys, "receipts-1", date(2019, 1, 1))
    settings = Settings(
        database_url=SecretStr("postgresql+psycopg://unused"),
        temporal_address="unused",
        token_key=SecretStr(KEY),
        token_days=366,
        rules=rules,
        requests_per_person="1000000/minute",
        requests_per_authority="1000000/minute",
        certificate_keys=keys,
        receipt_keys=receipt_keys,
        site="https://certificates.example",
    )
    client = through(environment.client, door_of(settings))
    await publish_generated(engine, rules, datetime(2019, 1, 1, tzinfo=UTC))
    holder: list[System] = []
    public = connect_public(engine.url, longest=LONGEST_ASKED, pool_size=4)
    parts = build_parts(settings, client, engine, lambda: holder[0].now(), public)
    worker = build_worker(
        client,
        engine,
        door_of(settings).commands,
        runner=runner or default_runner(),
        max_cached_workflows=max_cached_workflows,
        certificate_keys=keys,
        rules=rules,
    )
    transport = httpx.ASGITransport(app=create_app(parts), raise_app_exceptions=False)
    async with (
        disposed(public),
        worker if working else nullcontext(),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        system = System(parts, http, client, engine, environment, keys, settings)
        holder.append(system)
        async with parts.lookups.running(), parts.enquiries.running():
            yield system
            if folder := os.environ.get("RECORD_LIVES"):  # `tests.workflows.record_histories`
                await record_lives(system, Path(folder))


@asynccontextmanager
async def disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Connections that are closed afterwards."""
    try:
        yield engine
    finally:
        await engine.dispose()


async def record_lives(system: System, folder: Path) -> None:
    """Writes the histories of all runs of all processes that have something on record."""
    async with system.engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT case_id FROM journal"
                " UNION SELECT 'certificate-import/' || id FROM certificate_imports"
                " UNION SELECT case_id || '@' || opening FROM campaigns WHERE opening > 1"
            )
        )
        asked = await connection.execute(text("SELECT id FROM jobs"))
        ids = [*found.scalars(), *(f"job/{id_}" for id_ in asked.scalars())]
    for id_ in ids:
        try:
            history = await system.history(id_)
        except RPCError:
            # a register's steps, which no process carries
            continue
        latest = history.events[0].workflow_execution_started_event_attributes
        runs = system.client.list_workflows(f'WorkflowId = "{id_}"')
        try:
            ids_of_runs = [one.run_id async for one in runs]
        except RPCError:
            # the time-skipping server has no such list
            ids_of_runs = []
        earlier = [one for one in ids_of_runs if one != latest.original_execution_run_id]
        kept = [history]
        for run in earlier:
            kept.append(await system.history(id_, run))
        for one in kept:
            started = one.events[0].event_time.ToJsonString().replace(":", "")
            name = f"{id_.replace('/', '_')}@{started}.json"
            (folder / name).write_text(one.to_json())


def institution(
    id_: str,
    region: str = "350102",
    *,
    issuer: str = "amr-350000",
    certificates: tuple[CertificateFacts, ...] | None = None,
    **facts: Any,
) -> Institution:
    """An institution with one certificate of ``issuer`` that is in force for decades."""
    if certificates is None:
        certificates = (certificate(f"24{abs(hash(id_)) % 10**10:010d}", issuer),)
    return Institution(
        name=f"测试机构 {id_}（生成）",
        uscc="",
        previous_reviewer=None,
        facts=InstitutionFacts(id=id_, region=region, **facts),
        certificates=certificates,
    )


def certificate(number: str, issuer: str, scope: int = 100) -> CertificateFacts:
    """A certificate that is in force for decades."""
    return CertificateFacts(
        number=number,
        level="national" if issuer == "samr" else "provincial",
        issuer=issuer,
        scope=scope,
        valid_to=date(2099, 1, 1),
    )
