"""The embedded Temporal and the preparation of a namespace, on real servers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from signal import SIGKILL

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from deploy.embedded import temporal
from deploy.embedded.processes import DataFolderInUse, EmbeddedServerFailed, is_running
from deploy.embedded.temporal import EmbeddedTemporal
from deploy.temporal_namespace import NamespaceNotReady, prepare_namespace
from tests.folders import new_folder

ROOT = Path(__file__).parents[2]
NOBODY = 65534
QUEUE = "queue"
YEAR = SearchAttributeKey.for_int("CaseYear")
STATUS = SearchAttributeKey.for_keyword("CaseStatus")
ATTRIBUTES = {key.name: int(key.indexed_value_type) for key in (YEAR, STATUS)}

PARENT = """
import sys, time
from pathlib import Path
from deploy.embedded import processes, temporal
processes.kernel_reports_parent_death = sys.argv[2] == "kernel"
server = temporal.EmbeddedTemporal(Path(sys.argv[1])).start()
print(server.pid, server.address, flush=True)
time.sleep(600)
"""


@workflow.defn(name="Waiting")
class Waiting:
    """Waits for two seconds by the server's clock."""

    @workflow.run
    async def run(self) -> str:
        """Sleep, then answer."""
        await workflow.sleep(timedelta(seconds=2))
        return "rested"


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder in a place that any user may enter."""
    base = new_folder()
    base.chmod(0o755)
    yield base / "data"
    shutil.rmtree(base)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def parent_process(data: Path, how: str = "kernel") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data), how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def pid_and_address(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stdout is not None
    pid, address = process.stdout.readline().split()
    return int(pid), address


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def state_of(address: str, namespace: str) -> tuple[timedelta, dict[str, int]]:
    client = await Client.connect(address)
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=namespace)
    )
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace)
    )
    retention = described.config.workflow_execution_retention_ttl.ToTimedelta()
    return retention, dict(listed.custom_attributes)


async def start_waiting(address: str) -> None:
    """Start the workflow and let it reach its timer."""
    client = await Client.connect(address, namespace="zhibao")
    async with worker(client):
        handle = await client.start_workflow(Waiting.run, id="waiting", task_queue=QUEUE)
        while EventType.EVENT_TYPE_TIMER_STARTED not in await events(handle):
            await asyncio.sleep(0.02)


async def finish_waiting(address: str) -> tuple[str, list[EventType.ValueType]]:
    client = await Client.connect(address, namespace="zhibao")
    handle = client.get_workflow_handle_for(Waiting.run, "waiting")
    async with worker(client):
        return await handle.result(), await events(handle)


async def events(handle: WorkflowHandle[Waiting, str]) -> list[EventType.ValueType]:
    return [event.event_type async for event in handle.fetch_history_events()]


def worker(client: Client) -> Worker:
    return Worker(
        client, task_queue=QUEUE, workflows=[Waiting], workflow_runner=UnsandboxedWorkflowRunner()
    )


def test_a_restart_keeps_the_addresses_and_a_running_timer(data: Path) -> None:
    server = EmbeddedTemporal(data, pages=True)
    with server:
        address, ui_url = server.address, server.ui_url
        asyncio.run(start_waiting(address))
    assert not server.running
    with server:
        assert (server.address, server.ui_url) == (address, ui_url)
        result, history = asyncio.run(finish_waiting(address))
    assert result == "rested"
    assert history.count(EventType.EVENT_TYPE_TIMER_STARTED) == 1
    assert history.count(EventType.EVENT_TYPE_TIMER_FIRED) == 1


@pytest.mark.parametrize("how", ["kernel", "watchdog"])
def test_killing_the_parent_leaves_no_server_and_loses_no_timer(data: Path, how: str) -> None:
    if how == "kernel" and sys.platform != "linux":
        pytest.skip("only Linux tells children of their parent's death")
    parent = parent_process(data, how)
    try:
        pid, address = pid_and_address(parent)
        asyncio.run(start_waiting(address))
    finally:
        kill(parent)
    assert eventually(lambda: not is_running(pid))
    with EmbeddedTemporal(data) as server:
        assert server.address == address
        assert asyncio.run(finish_waiting(address))[0] == "rested"


def test_the_server_listens_on_the_loopback_only_and_shows_its_pages_if_asked(data: Path) -> None:
    with EmbeddedTemporal(data) as server:
        assert server.address.startswith("127.0.0.1:")
        assert server.ui_url == ""
        port = json.loads((data / "temporal" / "ports.json").read_text())["ui_port"]
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10)
    with EmbeddedTemporal(data, pages=True) as server:
        with urllib.request.urlopen(server.ui_url, timeout=10) as answer:
            assert answer.status == 200
        assert os.getsid(server.pid) != os.getsid(0)


def test_what_configures_the_command_line_client_does_not_reach_the_server(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "192.0.2.1:7233")
    monkeypatch.setenv("TEMPORAL_ENV_FILE", "/no/such/file/at/all")
    monkeypatch.setenv("HOME", "/proc/1/root")
    with EmbeddedTemporal(data) as server:
        assert asyncio.run(state_of(server.address, "zhibao"))[0] == timedelta(days=3650)


def test_retention_and_search_attributes_are_in_force_and_can_be_set_again(data: Path) -> None:
    expected = (timedelta(days=3650), ATTRIBUTES)

    async def use(address: str) -> None:
        client = await Client.connect(address, namespace="zhibao")
        attributes = TypedSearchAttributes([SearchAttributePair(YEAR, 2024)])
        await client.start_workflow(
            "Anything", id="one", task_queue=QUEUE, search_attributes=attributes
        )
        for _ in range(100):
            if [found.id async for found in client.list_workflows("CaseYear = 2024")] == ["one"]:
                return
            await asyncio.sleep(0.05)
        pytest.fail("the workflow is not found by its search attribute")

    for _ in range(2):
        with EmbeddedTemporal(data, search_attributes=ATTRIBUTES) as server:
            assert asyncio.run(state_of(server.address, "zhibao")) == expected
    with EmbeddedTemporal(data, search_attributes=ATTRIBUTES) as server:
        asyncio.run(use(server.address))


def test_the_list_of_processes_keeps_few_indexes_and_answers_all_the_same(data: Path) -> None:
    async def found(address: str) -> list[str]:
        client = await Client.connect(address, namespace="zhibao")
        await client.start_workflow(
            Waiting.run,
            id="waiting",
            task_queue=QUEUE,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(YEAR, 2024), SearchAttributePair(STATUS, "draft")]
            ),
        )
        asked = "CaseYear = 2024 AND CaseStatus = 'draft'"
        for _ in range(200):
            if ids := [one.id async for one in client.list_workflows(asked)]:
                return ids
            await asyncio.sleep(0.05)
        return []

    with EmbeddedTemporal(data, search_attributes=ATTRIBUTES) as server:
        with closing(sqlite3.connect(server.folder / "temporal.db")) as store:
            rows = store.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index'"
                " AND tbl_name = 'executions_visibility' AND sql IS NOT NULL"
            )
            assert {name for (name,) in rows} == {"default_idx", *temporal.KEPT_INDEXES}
        assert asyncio.run(found(server.address)) == ["waiting"]


def test_a_namespace_is_created_once_and_changed_only_where_it_differs(data: Path) -> None:
    async def prepare(address: str) -> None:
        year = timedelta(days=365)
        for _ in range(2):
            assert await prepare_namespace(address, "other", year, ATTRIBUTES) == year
            assert await state_of(address, "other") == (year, ATTRIBUTES)
        more = {**ATTRIBUTES, "Extra": 5}
        await prepare_namespace(address, "other", 2 * year, more)
        assert await state_of(address, "other") == (2 * year, more)
        await prepare_namespace(address, "other", 2 * year, {})
        assert await state_of(address, "other") == (2 * year, more)

    with EmbeddedTemporal(data) as server:
        asyncio.run(prepare(server.address))


def test_a_search_attribute_of_another_type_is_reported(data: Path) -> None:
    with EmbeddedTemporal(data, search_attributes={"CaseYear": 2}):
        pass
    with pytest.raises(NamespaceNotReady, match=r"CaseYear 的类型是 KEYWORD，应为 INT"):
        EmbeddedTemporal(data, search_attributes=ATTRIBUTES).start()


def test_what_the_server_refuses_is_reported_in_its_own_words(data: Path) -> None:
    too_many = {f"Key{number}": 2 for number in range(11)}
    server = EmbeddedTemporal(data, search_attributes=too_many)
    with pytest.raises(NamespaceNotReady, match="cannot have more than 10"):
        server.start()
    assert not server.running


def test_a_retention_beyond_the_servers_limit_is_told_not_hidden(data: Path) -> None:
    async def prepare(address: str) -> timedelta:
        return await prepare_namespace(address, "zhibao", timedelta(days=200_000), {})

    with EmbeddedTemporal(data) as server:
        assert asyncio.run(prepare(server.address)) == timedelta(days=36_500)


def test_a_second_start_on_the_same_folder_is_refused(data: Path) -> None:
    parent = parent_process(data)
    try:
        server_pid, _ = pid_and_address(parent)
        with pytest.raises(DataFolderInUse) as refusal:
            EmbeddedTemporal(data).start()
        assert refusal.value.pid == parent.pid
        assert str(data / "temporal") in str(refusal.value)
        assert is_running(server_pid)
    finally:
        kill(parent)
    with EmbeddedTemporal(data) as server:
        assert server.running


def test_it_may_be_started_inside_an_event_loop(data: Path) -> None:
    async def inside() -> bool:
        with EmbeddedTemporal(data) as server:
            return await Client.connect(server.address) is not None

    assert asyncio.run(inside())


def test_asked_for_ports_are_used_or_refused(data: Path) -> None:
    with EmbeddedTemporal(data) as first:
        port = int(first.address.rpartition(":")[2])
        for refused in (
            EmbeddedTemporal(data / "other", port=port),
            EmbeddedTemporal(data / "other", ui_port=port),
        ):
            with pytest.raises(EmbeddedServerFailed, match=f"端口 {port} 已被占用"):
                refused.start()
    with EmbeddedTemporal(data, ui_port=port) as moved:
        assert moved.ui_url == f"http://127.0.0.1:{port}"
        assert not moved.address.endswith(f":{port}")


def test_a_port_of_pages_that_nobody_shows_keeps_no_server_from_starting_again(
    data: Path,
) -> None:
    with EmbeddedTemporal(data, pages=True) as shown:
        port = int(shown.ui_url.rpartition(":")[2])
    with EmbeddedTemporal(data) as server, socket.socket() as somebody:
        somebody.bind(("127.0.0.1", port))
        somebody.listen()
        address = server.address
        os.kill(server.pid, SIGKILL)
        assert eventually(lambda: not server.running)
        server.restart()
        assert server.address == address


def test_a_failed_start_tells_the_servers_last_words(data: Path) -> None:
    folder = data / "temporal"
    folder.mkdir(parents=True)
    (folder / "temporal.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(EmbeddedServerFailed, match=r"(?s)未能启动.*not a database"):
        EmbeddedTemporal(data).start()


def test_a_platform_without_the_wheel_is_told_what_to_set(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(EmbeddedServerFailed, match="TEMPORAL_ADDRESS"):
        EmbeddedTemporal(data).start()


ORDINARY = """
import asyncio, os, sys
from pathlib import Path
import encodings.idna, temporalio.client, temporalio.worker
from deploy.embedded.temporal import EmbeddedTemporal, temporal_binary
binary = temporal_binary()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
if not os.access(binary, os.X_OK):
    print("unreadable")
    sys.exit()
for run in (1, 2):
    with EmbeddedTemporal(Path(sys.argv[1])) as server:
        print(os.stat(f"/proc/{server.pid}").st_uid)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test says the same")
def test_an_ordinary_user_needs_nothing_special(data: Path) -> None:
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    # It gives up root after its imports, since the interpreter itself may live in root's home.
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY, str(data)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.stdout == "unreadable\n":
        pytest.skip("the wheel is installed where other users may not read")
    assert done.stdout.split() == [str(NOBODY)] * 2, done.stderr
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}


def test_the_program_is_the_one_in_the_wheel() -> None:
    assert temporal.temporal_binary().name.startswith("temporal")
