"""``kill -9`` in the middle of many concurrent steps, on real processes over real HTTP.

Clients do what clients do: they send again, with the same key, until they are answered. What was
acknowledged must then stand exactly once in the journal, the read model and the engine's history.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from api.door.identity import Identity
from deploy.demo.roster import generate_roster
from domain.case.commands import Actor, Role
from domain.case.events import GENESIS, hash_of
from domain.case.kind import position
from domain.ids import NATION
from domain.kinds import KINDS
from engine.client import connect_engine
from files.roster import roster_csv
from rules.filing.forms import FormLibrary
from store import cases, journal
from store.database import connect
from tests.command import ZHIBAO, environment
from tests.conftest import LATER
from tests.system import CHECKER, FILER, KEY, OPERATOR, REVIEWER

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rules(short_folder: Path, moved_rules: Path) -> Path:
    """The 2024 national rules with a window that is open at this moment."""
    folder = short_folder / "rules-chaos"
    if not folder.exists():
        shutil.copytree(moved_rules, folder)
        file = folder / "2024" / "national.yaml"
        body = file.read_text().split("\nexamples:")[0]
        body = re.sub(r'from: "20\d\d-', 'from: "2025-', body)
        example = '{name: 甲, at: "2025-01-13T00:00:00+08:00", expect: {inside: [fill]}}'
        file.write_text(f"{body}\nexamples:\n  - {example}\n")
        for other in ("2020", "2023"):
            shutil.rmtree(folder / other)
    return folder


@contextlib.contextmanager
def up(data: Path, rules: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The whole system as ``zhibao up`` starts it."""
    data.mkdir()
    (data / "token.key").write_text(KEY)
    with (data / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [*ZHIBAO, "up", "--data", data],
            stdout=log,
            stderr=log,
            cwd=data,
            env=environment(ZHIBAO_RULES=str(rules)),
        )
    try:
        deadline = time.monotonic() + 90
        while "Ctrl-C" not in (data / "up.log").read_text():
            assert process.poll() is None, (data / "up.log").read_text()
            assert time.monotonic() < deadline, (data / "up.log").read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def child(parent: int, part: str) -> int:
    """The process id of a part of the system."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and words[-2] == part.encode():
                return int(folder.name)
    raise LookupError(part)


class People:
    """Everybody who acts, with patience: each asks again until answered."""

    def __init__(self, http: httpx.AsyncClient, environment: dict[str, str]) -> None:
        self._identity = Identity(environment["ZHIBAO_TOKEN_KEY"])
        self.http = http
        self.receipts: list[dict[str, Any]] = []
        self.retries = 0

    def token(self, role: str, subject: str, scope: str) -> str:
        """A token for one person in one capacity."""
        actor = Actor(subject=subject, role=Role(role), scope=scope)
        return self._identity.issue(actor, datetime.now(UTC), timedelta(days=1))

    async def ask(
        self, method: str, path: str, who: tuple[str, str, str], key: str, **asked: Any
    ) -> Any:
        """One request, sent again with the same key until it is answered for good."""
        headers = {
            "Authorization": f"Bearer {self.token(*who)}",
            "Idempotency-Key": key,
            **asked.pop("headers", {}),
        }
        deadline = time.monotonic() + 120
        while True:
            assert time.monotonic() < deadline, f"never answered: {method} {path}"
            try:
                answer = await self.http.request(method, path, headers=headers, **asked)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in (429, 500, 503):
                assert answer.is_success, f"{method} {path}: {answer.text}"
                return answer.json()
            self.retries += 1
            await asyncio.sleep(0.2)

    async def act(self, case: str, name: str, who: tuple[str, str, str], body: Any) -> Any:
        """One act on a filing; its receipt is kept."""
        path = f"/api/filings/{case}/{name}"
        receipt = await self.ask("POST", path, who, f"{case}-{name}", json=body)
        self.receipts.append(receipt)
        return receipt

    async def life(self, shown: dict[str, Any], content: dict[str, Any]) -> None:
        """Submitted, claimed, approved, passed: four acknowledged steps."""
        institution = shown["institution"]
        case = f"{shown['year']}/{institution}"
        clerk = (FILER, f"clerk-{institution}", institution)
        body = {"parts": dict.fromkeys(shown["parts"], content)}
        saved = await self.ask(
            "PUT",
            f"/api/filings/{case}/draft",
            clerk,
            f"{case}-draft",
            json=body,
            headers={"If-Match": '"0"'},
        )
        submission = {"revision": saved["revision"], "sha256": saved["sha256"]}
        receipt = await self.act(case, "submit", clerk, submission)
        reviewer = (REVIEWER, f"reviewer-{institution}", receipt["authority"])
        await self.act(case, "claim", reviewer, {})
        await self.act(case, "approve", reviewer, {})
        checker = (CHECKER, f"checker-{institution}", "samr")
        await self.act(case, "quality", checker, {"outcome": "pass"})


async def survive(data: Path, rules: Path, *, institutions: int, kills: list[str]) -> People:
    with up(data, rules) as process:
        environment = json.loads((data / "runtime.json").read_text())["environment"]
        url = f"http://127.0.0.1:{environment['ZHIBAO_PORT']}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            people = People(http, environment)
            await prepare(people, institutions)
            shown = await all_filings(people)
            lives = asyncio.gather(*(people.life(one, content_of(rules)) for one in shown))
            killing = asyncio.create_task(kill(process.pid, kills, people, 4 * len(shown)))
            await lives
            await killing
            await confirm(people, environment)
    return people


def content_of(rules: Path) -> dict[str, Any]:
    return FormLibrary(rules / "forms").get("statistics-2024").blank_example()


async def prepare(people: People, institutions: int) -> None:
    operator = (OPERATOR, "operator-1", NATION)
    roster = generate_roster(institutions * 2, 7, as_of=date(2025 + LATER, 1, 13))
    plain = [one for one in roster if len(one.certificates) == 1]
    await people.ask(
        "POST",
        "/api/institutions/imports",
        operator,
        "import",
        content=roster_csv(plain[:institutions]),
        headers={"Content-Type": "text/csv"},
    )
    await people.ask("POST", f"/api/campaigns/2024/{NATION}", operator, "open")
    while True:
        path = f"/api/campaigns/2024/{NATION}"
        answer = await people.http.get(
            path, headers={"Authorization": f"Bearer {people.token(*operator)}"}
        )
        found: dict[str, Any] = answer.json() if answer.is_success else {"started_at": None}
        if found["started_at"] and sum(found["statuses"].values()) == found["started"]:
            return
        await asyncio.sleep(0.2)


async def all_filings(people: People) -> list[dict[str, Any]]:
    operator = (OPERATOR, "operator-1", NATION)
    page = await people.ask("GET", "/api/filings?size=200", operator, "list")
    found: list[dict[str, Any]] = page["items"]
    return found


async def kill(parent: int, kills: list[str], people: People, expected: int) -> None:
    """Kills each part once so many steps have been acknowledged, evenly over all of them."""
    for number, part in enumerate(kills, 1):
        while len(people.receipts) < expected * number / (len(kills) + 1):
            await asyncio.sleep(0.01)
        while True:  # it may just be on its way up again
            with contextlib.suppress(LookupError, ProcessLookupError):
                os.kill(child(parent, part), signal.SIGKILL)
                break
            await asyncio.sleep(0.05)


async def confirm(people: People, environment: dict[str, str]) -> None:
    """Each acknowledged step stands exactly once, everywhere."""
    engine = connect(environment["DATABASE_URL"])
    client = await connect_engine(
        environment["TEMPORAL_ADDRESS"], environment["TEMPORAL_NAMESPACE"]
    )
    by_case: dict[str, list[dict[str, Any]]] = {}
    for receipt in people.receipts:
        by_case.setdefault(receipt["case_id"], []).append(receipt)
    async with engine.connect() as connection:
        for case_id, receipts in by_case.items():
            steps = await journal.steps(connection, case_id)
            previous = GENESIS
            for number, step in enumerate(steps, 1):
                assert (step.sequence, step.previous_hash) == (number, previous), case_id
                assert step.hash == hash_of(step), case_id
                previous = step.hash
            for receipt in receipts:
                acknowledged = [s for s in steps if s.command_id == receipt["command_id"]]
                assert acknowledged[-1].hash == receipt["hash"]
                assert acknowledged[-1].sequence == receipt["sequence"]
                assert len({s.event for s in acknowledged}) == len(acknowledged)
            case = await cases.by_id(connection, case_id)
            assert case is not None
            assert (case.sequence, case.head, case.status) == (len(steps), previous, "completed")
            kind = KINDS[case.kind]
            carried = await journal.carried(connection, kind, case_id)
            state = kind.state(carried.state)
            assert position(kind, state, case.plan).status == case.status
            await confirm_history(client, case_id, receipts)
    await engine.dispose()


async def confirm_history(client: Client, case_id: str, receipts: list[dict[str, Any]]) -> None:
    history = await client.get_workflow_handle(case_id).fetch_history()
    done = [
        event.workflow_execution_update_completed_event_attributes.meta.update_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
    ]
    for receipt in receipts:
        assert done.count(receipt["command_id"]) == 1, (case_id, receipt["status"])


async def test_each_acknowledged_step_stands_once_after_worker_and_api_are_killed(
    short_folder: Path, rules: Path
) -> None:
    people = await survive(
        short_folder / "c1", rules, institutions=50, kills=["worker", "api", "worker"]
    )
    assert len(people.receipts) == 200
    assert people.retries > 0


@pytest.mark.slow
async def test_ten_random_kills_lose_nothing(short_folder: Path, rules: Path) -> None:
    kills = [random.choice(["worker", "api"]) for _ in range(4)]
    for number in range(3):
        folder = short_folder / f"c-long-{number}"
        people = await survive(folder, rules, institutions=150, kills=kills)
        assert len(people.receipts) == 600
