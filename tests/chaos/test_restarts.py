"""Two workers and two APIs, restarted one after the other while people work: nobody notices."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.processes import choose_port
from deploy.embedded.temporal import EmbeddedTemporal
from engine.search_attributes import REGISTERED
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from services.certificates.keys import SigningKeys
from settings import Settings, as_environment
from store.migrate import upgrade
from tests.chaos.figures import keep
from tests.chaos.machine import YEAR, open_rules
from tests.chaos.people import ROWS, People, send_slowly
from tests.command import ZHIBAO, environment
from tests.system import KEY, REVIEWER

pytestmark = pytest.mark.anyio


class Servers:
    """Two workers and two APIs on one database and one engine, each a process of its own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self.ports = (choose_port(), choose_port())
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Starts ``worker-0``, ``api-1`` and the like."""
        part, number = name.split("-")
        port = {"port": self.ports[int(number)]} if part == "api" else {}
        with (self._folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*ZHIBAO, part],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment(**as_environment(self._settings.model_copy(update=port))),
            )

    async def restart(self, name: str) -> float:
        """Stops one as an operator does, and starts it again; how many seconds it took to end."""
        began = asyncio.get_running_loop().time()
        process = self.running[name]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
        ended = asyncio.get_running_loop().time() - began
        self.start(name)
        return ended

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


class Balancer:
    """What stands before two APIs: sends people to one that says it is ready."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.ready = dict.fromkeys(self.urls, False)
        self.said: dict[str, list[tuple[int, Any]]] = {url: [] for url in self.urls}
        self._random = Random(1)

    def __call__(self) -> str:
        return self._random.choice([url for url in self.urls if self.ready[url]] or self.urls)

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Asks each again and again whether it is ready."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._look(url)) for url in self.urls]
            yield
            for task in tasks:
                task.cancel()

    async def _look(self, url: str) -> None:
        # a connection of its own each time, as balancers have it
        while True:
            try:
                async with httpx.AsyncClient(timeout=3) as http:
                    answer = await http.get(f"{url}/readyz")
            except httpx.TransportError:
                self.ready[url] = False
            else:
                self.ready[url] = answer.is_success
                said = (answer.status_code, answer.json()["parts"])
                if said not in self.said[url][-1:]:
                    self.said[url].append(said)
            await asyncio.sleep(0.3)

    async def all_ready(self) -> None:
        async with asyncio.timeout(120):
            while not all(self.ready.values()):
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Servers, Balancer]]:
    """The servers, all ready."""
    rules = open_rules(folder)
    place = folder / "two"
    keys = place / "keys"
    keys.mkdir(parents=True)
    assert not SigningKeys(keys).published().keys
    with (
        EmbeddedPostgres(place) as postgres,
        EmbeddedTemporal(place, search_attributes=REGISTERED) as temporal,
    ):
        upgrade(postgres.owner_url)
        settings = Settings(
            database_url=SecretStr(postgres.url),
            temporal_address=temporal.address,
            temporal_namespace=temporal.namespace,
            token_key=SecretStr(KEY),
            rules=rules,
            certificate_keys=keys,
        )
        servers = Servers(place, settings)
        try:
            for name in ("worker-0", "worker-1", "api-0", "api-1"):
                servers.start(name)
            balancer = Balancer(servers.ports)
            async with balancer.looking():
                await balancer.all_ready()
                yield servers, balancer
        finally:
            servers.stop()


class Seen:
    """People who work all the time, and every answer that is none."""

    def __init__(self, people: People, http: httpx.AsyncClient, balancer: Balancer) -> None:
        self.people = people
        self._http = http
        self._balancer = balancer
        self.answers = 0
        self.broken: list[str] = []

    async def turns(self, institution: str, authority: str) -> None:
        """One reviewer who claims and releases, and looks."""
        who = (REVIEWER, f"reviewer-{institution}", authority)
        path = f"/api/filings/{YEAR}/{institution}"
        for turn in range(10_000):
            await self._ask("POST", f"{path}/{('claim', 'release')[turn % 2]}", who, f"t-{turn}")
            await self._ask("GET", path, who, "")
            await asyncio.sleep(0.05)

    async def _ask(self, method: str, path: str, who: Any, key: str) -> None:
        headers = {"Authorization": f"Bearer {self.people.token(who)}", "Idempotency-Key": key}
        body: Any = {} if method == "POST" else None
        url = self._balancer()
        try:
            answer = await self._http.request(method, f"{url}{path}", headers=headers, json=body)
        except httpx.TransportError as failure:
            self.broken.append(f"{method} {path} at {url}: {failure!r}")
            return
        self.answers += 1
        if answer.status_code != 200:
            self.broken.append(f"{method} {path}: {answer.text}")


async def test_everything_restarted_one_by_one_and_slow_files_are_no_outage(
    short_folder: Path,
) -> None:
    async with (
        served(short_folder) as (servers, balancer),
        httpx.AsyncClient(timeout=30) as http,
    ):
        people = People(balancer, http, Random(1))
        roster = await people.prepare(8)
        content = FormLibrary(open_rules(short_folder) / "forms").get("statistics-2024")
        reviewers = {}
        for holder in roster[:4]:
            receipt = await people.submit(holder.id, blank_example(content))
            reviewers[holder.id] = receipt["authority"]
        quick, slow = (holder.id for holder in roster[4:6])
        for id_ in (quick, slow):
            await people.file(id_, blank_example(content))
            await people.begin_report(id_)
        seen = Seen(people, http, balancer)
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(seen.turns(*one)) for one in reviewers.items()]
            sending = [
                group.create_task(send_slowly(balancer.urls[0], *people.file_to_send(id_), seconds))
                for id_, seconds in ((quick, 3.0), (slow, 60.0))
            ]
            await asyncio.sleep(0.5)
            took = {}
            for name in ("api-0", "worker-0", "api-1", "worker-1"):
                took[name] = await servers.restart(name)
                if name.startswith("api"):
                    await balancer.all_ready()
            for task in working:
                task.cancel()
        assert not seen.broken, seen.broken[:5]
        assert seen.answers > 100
        # who has a few seconds to go comes to the end, who has a minute to go is told to come again
        (status, _), (broken_off, said) = (task.result() for task in sending)
        assert status == 202
        assert broken_off in (0, 503)
        assert not broken_off or '"unavailable"' in said
        assert took["api-0"] < 12
        assert (503, {"accepting": False}) in balancer.said[balancer.urls[0]]
        assert (await send_slowly(balancer(), *people.file_to_send(slow), 0))[0] == 202
        for id_ in (quick, slow):
            shown = await people.until_decided(id_)
            assert (shown["stage"], shown["accepted"]) == ("accepted", ROWS)
        keep(
            "restarts",
            {
                "answers": seen.answers,
                "not_answered": len(seen.broken),
                "api_ended_after": round(took["api-0"], 1),
            },
        )
