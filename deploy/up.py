"""The whole system on one machine: servers, migrations, worker, API, in one terminal."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from pydantic import SecretStr
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

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
from domain.case.plan import FOREVER
from domain.case.workflow_messages import TASK_QUEUE
from engine.search_attributes import REGISTERED
from services.certificates.keys import SigningKeys, add_key
from settings import ENVIRONMENT, RUNTIME, Settings, as_environment, environment_of
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

    def watch(self) -> None:
        """Starts an ended child again. Raises EmbeddedServerFailed when a server has ended."""
        for server in self.servers:
            if not server.running:
                name = server.folder.name
                raise EmbeddedServerFailed(
                    f"{name} 意外停止（日志：{server.log}）。数据都在；再次运行同一命令即可继续。"
                )
        self.children.watch()


class Children:
    """The worker and the API, each started again when it ends by itself."""

    def __init__(self, settings: Settings, lock: FolderLock, say: Say) -> None:
        self._environment = {**os.environ, **as_environment(settings)}
        self._lock = lock
        self._say = say
        self._running: dict[str, Child] = {}
        self._ended: dict[str, list[float]] = {}

    def start(self, part: str) -> None:
        """Starts ``worker`` or ``api``."""
        self._running[part] = start_child(
            [sys.executable, ROOT / "cli.py", part],
            log=self._lock.folder / f"{part}.log",
            env=self._environment,
            death_signal=signal.SIGTERM,
            lock=self._lock,
        )
        self._lock.record(*(child.pid for child in self._running.values()))

    def watch(self) -> None:
        """Starts again what has ended. Raises EmbeddedServerFailed when that happens too often."""
        for part, child in list(self._running.items()):
            if child.running:
                continue
            recent = [
                t for t in self._ended.get(part, []) if time.monotonic() - t < _RESTARTS_WITHIN
            ]
            self._ended[part] = [*recent, time.monotonic()]
            if len(recent) >= _MOST_RESTARTS:
                raise EmbeddedServerFailed(f"{part} 反复退出：\n{child.log_tail()}")
            self._say(f"{part} 意外退出，正在重新启动（日志：{child.log}）")
            self.start(part)

    def pid(self, part: str) -> int:
        """The process id of a part."""
        return self._running[part].pid

    def stop(self) -> None:
        """Stops the API first, so that no act is taken that nobody carries out."""
        for part in ("api", "worker"):
            if part in self._running:
                self._running.pop(part).stop(signal.SIGTERM, 25)


@contextlib.contextmanager
def running(data: Path, port: int | None, rules: Path, say: Say) -> Iterator[Running]:
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
        temporal = stack.enter_context(EmbeddedTemporal(data, search_attributes=REGISTERED))
        say("核对数据库结构 …")
        upgrade(postgres.url)
        settings = Settings(
            database_url=SecretStr(postgres.url),
            temporal_address=temporal.address,
            temporal_namespace=temporal.namespace,
            token_key=SecretStr(token_key(data)),
            rules=rules,
            port=required_port(port) if port else choose_port(_last_port(data)),
            certificate_keys=certificate_keys(data),
            site=os.environ.get(ENVIRONMENT["site"], ""),
            templates=_folder_of("templates"),
        )
        remember(data, settings, temporal.ui_url)
        children = Children(settings, lock, say)
        stack.callback(children.stop)
        say("启动 worker 和 API …")
        children.start("worker")
        children.start("api")
        url = f"http://{settings.host}:{settings.port}"
        asyncio.run(_wait_until_ready(settings, url, children))
        yield Running(settings, url, temporal.ui_url, children, (postgres, temporal))


def token_key(data: Path) -> str:
    """The key that signs this folder's tokens, made on first use, readable by its owner only."""
    file = data / "token.key"
    if not file.exists():
        new = file.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_urlsafe(48))
        new.rename(file)
    return file.read_text()


def certificate_keys(data: Path) -> Path:
    """The folder of the keys that sign certificates: the environment's, or this data folder's.

    A data folder gets its first key by itself, so that what is issued is signed from the start.
    """
    named = _folder_of("certificate_keys")
    if named is not None:
        return named
    folder = data / "certificate-keys"
    if not SigningKeys(folder).published().keys:
        today = datetime.now(FOREVER.tzinfo).date()
        add_key(folder, f"first-{today:%Y%m%d}", today)
    return folder


def _folder_of(setting: str) -> Path | None:
    """A folder that the environment names, as the children find it from where they run."""
    named = os.environ.get(ENVIRONMENT[setting])
    return Path(named).resolve() if named else None


def remember(data: Path, settings: Settings, ui_url: str) -> None:
    """Leaves word of where the system runs, for commands given ``--data``."""
    file = data / RUNTIME
    known = {"environment": as_environment(settings), "temporal_ui": ui_url}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(known, out)


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
