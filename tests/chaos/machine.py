"""One machine on which ``zhibao up`` runs: its processes, each of which may be killed."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx

from deploy.demo.rules import write_rules
from deploy.embedded.processes import choose_port
from domain.clock import day_of
from rules.file.catalogue import SHIPPED
from rules.file.confirmations import CONFIRMATIONS
from tests.command import ZHIBAO, environment
from tests.system import KEY

YEAR = 2024
QUARTER = "2024Q4"
PARTS = ("worker", "api", "up", "temporal", "postmaster", "backend")
"""What is killed: a backend is the process of one connection to PostgreSQL."""


def open_rules(folder: Path) -> Path:
    """Generated national rules under which a year and a quarter are open today."""
    rules = folder / "rules-open-today"
    if not rules.exists():
        write_rules(rules, day_of(datetime.now(UTC)))
        for overlay in (rules / str(YEAR)).glob("*.yaml"):
            if overlay.stem not in ("national", "certificates"):
                overlay.unlink()
        # whoever is killed in the middle acts alone
        terms = (SHIPPED / CONFIRMATIONS).read_text("utf-8")
        terms = terms.replace("required: true", "required: false")
        (rules / CONFIRMATIONS).write_text(terms, "utf-8")
    return rules


class Machine:
    """``zhibao up`` on a data folder, started again whenever it ends, as systemd would do it."""

    def __init__(self, data: Path, rules: Path, **environment: str) -> None:
        self.data = data
        self.log = data / "up.log"
        self._environment = {
            "ZHIBAO_RULES": str(rules),
            "ZHIBAO_TOKEN_KEY": KEY,
            "COLUMNS": "200",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        # nobody else's, also while nobody listens: others on this machine may start systems too
        self._port = choose_port()
        self.starts = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Machine"]:
        """The machine, once everything is ready; stopped in order afterwards."""
        self.data.mkdir()
        self._start()
        keeping = asyncio.create_task(self._keep_up())
        try:
            await self.ready(120)
            yield self
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await asyncio.to_thread(self._stop)

    async def ready(self, within: float) -> None:
        """Waits until the system says that it is ready. Raises TimeoutError with its last words."""
        try:
            async with asyncio.timeout(within), httpx.AsyncClient(timeout=5) as http:
                while True:
                    with contextlib.suppress(httpx.HTTPError, OSError, ValueError):
                        if (await http.get(f"{self.url()}/readyz")).status_code == 200:
                            return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(self.log.read_text()[-3000:]) from None

    @property
    def settings(self) -> dict[str, str]:
        """The environment of its processes. Raises OSError before the first start is done."""
        found: dict[str, Any] = json.loads((self.data / "runtime.json").read_text())
        environment: dict[str, str] = found["environment"]
        return environment

    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.settings['ZHIBAO_PORT']}"

    def pids(self, part: str) -> list[int]:
        """The processes that are some part of the system, now."""
        if part == "up":
            process = self._process
            return [process.pid] if process is not None and process.poll() is None else []
        return [pid for pid, line in self._processes() if re.search(_LINES[part], line)]

    async def kill(self, part: str, random: Random) -> None:
        """Kills one process of a part at once; one that is just being started is waited for."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(IndexError, ProcessLookupError):
                    os.kill(random.choice(self.pids(part)), signal.SIGKILL)
                    return
                await asyncio.sleep(0.02)

    @contextlib.contextmanager
    def frozen(self, *parts: str) -> Any:
        """All processes of some parts stand still meanwhile; connections stay open."""
        pids = [pid for part in parts for pid in self.pids(part)]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    # --- private steps -----------------------------------------------------------------------

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ZHIBAO, "up", "--data", self.data, "--port", str(self._port)],
                stdout=log,
                stderr=log,
                cwd=self.data,
                env=environment(**self._environment),
            )
        self.starts += 1

    async def _keep_up(self) -> None:
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                self._start()
            await asyncio.sleep(0.1)

    def _stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + 30
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _processes(self) -> list[tuple[int, str]]:
        """Processes that run below the data folder, except ``up`` itself: id and command line."""
        running = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if os.readlink(folder / "cwd").startswith(f"{self.data}/"):
                    running.append((int(folder.name), line.strip()))
        return running


_LINES = {
    "worker": r"cli\.main worker$",
    "api": r"cli\.main api$",
    "temporal": r"server start-dev ",
    "postmaster": r"/postgres -D ",
    "backend": r"^postgres: zhibao zhibao ",
    "postgres": r"/postgres -D |^postgres: ",
}
