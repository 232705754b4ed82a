"""The whole system on one machine: servers, migrations, worker, API, in one terminal."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy.exc import OperationalError
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from deploy.demo.publishing import publish_at
from deploy.demo.rules import GENERATED
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.processes import (
    Child,
    EmbeddedServerFailed,
    FolderLock,
    choose_port,
    required_port,
    start_child,
)
from deploy.embedded.server import EmbeddedServer
from deploy.embedded.temporal import EmbeddedTemporal
from domain.case.workflow_messages import TASK_QUEUE
from domain.clock import day_of
from engine.search_attributes import REGISTERED
from services.certificates.keys import SigningKeys, add_key
from services.keys import make_missing
from services.private_files import write_private
from settings import (
    ENVIRONMENT,
    MIGRATION,
    RUNTIME,
    SettingMissing,
    Settings,
    as_environment,
    environment_of,
    from_environment,
)
from store.migrate import upgrade

ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN = 60.0
_RESTARTS_WITHIN = 60.0
_MOST_RESTARTS = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Running:
    """A system that is up: its settings, where people go, and its supervised children."""

    settings: Settings
    api_url: str
    ui_url: str
    children: "Children"
    servers: tuple[EmbeddedServer, ...]
    restarts: "Restarts"

    def watch(self) -> None:
        """Starts again what has ended. Raises EmbeddedServerFailed when that happens too often."""
        for server in self.servers:
            if not server.running:
                self.restarts.note(server.title, server.why_it_ended())
                server.restart()
                self.restarts.say(f"{server.title} 已重新启动")
            server.keep_log_short()
        self.children.watch()


class Restarts:
    """Tells of everything that ended by itself, and counts, so that it is not tried for ever."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._ended: dict[str, list[float]] = {}

    def note(self, part: str, why: str) -> None:
        """Says what ended and why. Raises EmbeddedServerFailed when that happens too often."""
        now = time.monotonic()
        recent = [at for at in self._ended.get(part, []) if now - at < _RESTARTS_WITHIN]
        self._ended[part] = [*recent, now]
        if len(recent) >= _MOST_RESTARTS:
            raise EmbeddedServerFailed(f"{part} 反复退出，最后一次：{why}")
        self.say(f"{part} 意外退出，正在重新启动。{why}")


_STOP = {"api": signal.SIGINT, "worker": signal.SIGTERM}
"""There is no other API to which people could go, and so none that must find out first."""


class Children:
    """The worker and the API, each started again when it ends by itself."""

    def __init__(self, settings: Settings, lock: FolderLock, restarts: Restarts) -> None:
        # a child runs this very code, whether or not it is installed
        code = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._environment = {**os.environ, **as_environment(settings), "PYTHONPATH": code}
        self._lock = lock
        self._restarts = restarts
        self._running: dict[str, Child] = {}

    def start(self, part: str) -> None:
        """Starts ``worker`` or ``api``."""
        self._running[part] = start_child(
            [sys.executable, "-P", "-m", "cli.main", part],
            log=self._lock.folder / f"{part}.log",
            env=self._environment,
            # with the engine, which ends at once as well: nothing is to be acted on without it
            death_signal=signal.SIGKILL,
            lock=self._lock,
        )
        self._lock.record(*(child.pid for child in self._running.values()))

    def watch(self) -> None:
        """Starts again what has ended. Raises EmbeddedServerFailed when that happens too often."""
        for part, child in list(self._running.items()):
            if child.running:
                child.keep_log_short()
                continue
            self._restarts.note(part, child.why_it_ended())
            self.start(part)

    def pid(self, part: str) -> int:
        """The process id of a part."""
        return self._running[part].pid

    def stop(self) -> None:
        """Stops the API first, so that no act is taken that nobody carries out."""
        for part in ("api", "worker"):
            if part in self._running:
                self._running.pop(part).stop(_STOP[part], 25)


@contextlib.contextmanager
def running(
    data: Path, port: int | None, rules: Path, say: Say, *, demo: bool = False
) -> Iterator[Running]:
    """The whole system on a data folder, ready to use; everything is stopped afterwards.

    Raises DataFolderInUse, EmbeddedServerFailed.
    """
    data.mkdir(parents=True, exist_ok=True)
    data = data.resolve()
    with contextlib.ExitStack() as stack:
        lock = FolderLock(data / "app")
        lock.acquire()
        stack.callback(lock.release)
        say("启动 PostgreSQL …")
        postgres = stack.enter_context(EmbeddedPostgres(data))
        say("启动 Temporal …")
        pages = bool(os.environ.get(ENVIRONMENT["temporal_pages"]))
        temporal = stack.enter_context(
            EmbeddedTemporal(data, search_attributes=REGISTERED, pages=pages)
        )
        say("核对数据库结构 …")
        try:
            upgrade(postgres.owner_url)
        except OperationalError as failure:
            raise EmbeddedServerFailed(
                f"核对数据库结构时 PostgreSQL 断开了连接，请重新启动：{failure.orig}"
            ) from failure
        settings = settings_beside(
            {
                "DATABASE_URL": postgres.url,
                "TEMPORAL_ADDRESS": temporal.address,
                "TEMPORAL_NAMESPACE": temporal.namespace,
                "ZHIBAO_TEMPORAL_PAGES": "1" if pages else "",
                "ZHIBAO_TEMPORAL_SITE": temporal.ui_url,
                "ZHIBAO_TOKEN_KEY": given_secret(),
                "ZHIBAO_KEYS": "" if given_secret() else str(keys(data)),
                "ZHIBAO_RULES": str(rules),
                "ZHIBAO_HOST": Settings.model_fields["host"].default,
                "ZHIBAO_PORT": str(required_port(port) if port else choose_port(_last_port(data))),
                "ZHIBAO_CERTIFICATE_KEYS": str(certificate_keys(data)),
                "ZHIBAO_TEMPLATES": str(_folder_of("templates") or ""),
                "ZHIBAO_AUDIT_KEYS": str(audit_keys(data)),
                "ZHIBAO_RECEIPT_KEYS": str(receipt_keys(data)),
                "ZHIBAO_CHECKPOINTS": str(_folder_of("checkpoints") or data / "checkpoints"),
                "ZHIBAO_DEMO": "1" if demo else "",
            }
        )
        if (rules / GENERATED).exists():
            asyncio.run(publish_at(postgres.url, rules, datetime.now(UTC)))
        remember(data, settings, temporal.ui_url, postgres.owner_url)
        restarts = Restarts(say)
        children = Children(settings, lock, restarts)
        stack.callback(children.stop)
        say("启动 worker 和 API …")
        children.start("worker")
        children.start("api")
        url = f"http://{settings.host}:{settings.port}"
        asyncio.run(_wait_until_ready(settings, url, children))
        yield Running(settings, url, temporal.ui_url, children, (postgres, temporal), restarts)


def given_secret() -> str:
    """The one secret that the environment names in place of a folder of keys, "" for none."""
    return os.environ.get(ENVIRONMENT["token_key"], "") if not _folder_of("keys") else ""


def keys(data: Path) -> Path:
    """The folder of the keys for tokens, codes, links and webhooks.

    The environment's, or this data folder's, which gets a key for each purpose by itself.
    """
    if (named := _folder_of("keys")) is not None:
        return named
    make_missing(data / "keys", datetime.now(UTC))
    return data / "keys"


def settings_beside(own: Mapping[str, str]) -> Settings:
    """The settings of a system on one machine: what is its own, and else what the environment says.

    Limits, proxies, names, mail and whatever else an operator sets hold here as well. Raises
    EmbeddedServerFailed for a value that is wrong.
    """
    try:
        return from_environment({**os.environ, **own})
    except SettingMissing as wrong:
        raise EmbeddedServerFailed(str(wrong)) from None


def certificate_keys(data: Path) -> Path:
    """The folder of the keys that sign certificates: the environment's, or this data folder's.

    A data folder gets its first key by itself, so that what is issued is signed from the start.
    """
    return _folder_of("certificate_keys") or _with_a_key(data / "certificate-keys")


def audit_keys(data: Path) -> Path:
    """The folder of the keys that sign checkpoints: the environment's, or this data folder's.

    Keys of their own: whoever issues certificates does not vouch for the record.
    """
    return _folder_of("audit_keys") or _with_a_key(data / "audit-keys")


def receipt_keys(data: Path) -> Path:
    """The folder of the keys that sign receipts: the environment's, or this data folder's."""
    return _folder_of("receipt_keys") or _with_a_key(data / "receipt-keys")


def _with_a_key(folder: Path) -> Path:
    if not SigningKeys(folder).published().keys:
        today = day_of(datetime.now(UTC))
        add_key(folder, f"first-{today:%Y%m%d}", today)
    return folder


def _folder_of(setting: str) -> Path | None:
    """A folder that the environment names, as the children find it from where they run."""
    named = os.environ.get(ENVIRONMENT[setting])
    return Path(named).resolve() if named else None


def remember(data: Path, settings: Settings, ui_url: str, owner_url: str) -> None:
    """Leaves word of where the system runs, for commands given ``--data``."""
    # what serves is not told how the structure is changed
    environment = {**as_environment(settings), MIGRATION: owner_url}
    known = {"environment": environment, "temporal_ui": ui_url}
    write_private(data / RUNTIME, json.dumps(known))


def _last_port(data: Path) -> int:
    preferred: int = Settings.model_fields["port"].default
    return int(environment_of(data).get("ZHIBAO_PORT", preferred))


async def _wait_until_ready(settings: Settings, url: str, children: Children) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    async with httpx.AsyncClient() as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(f"{url}/readyz")).status_code == 200:
                    break
            await _pause(deadline, children)
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    while not await _polled(client):
        await _pause(deadline, children)


async def _pause(deadline: float, children: Children) -> None:
    children.watch()
    if time.monotonic() > deadline:
        raise EmbeddedServerFailed(
            "API 或 worker 没有在规定时间内就绪，请查看数据目录下 app/ 中的日志"
        )
    await asyncio.sleep(0.1)


async def _polled(client: Client) -> bool:
    """Whether a worker is asking for work."""
    found = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return bool(found.pollers)
