"""``zhibao up`` as people run it: from nothing, once, stopped, killed, and started again."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.embedded.processes import EmbeddedServerFailed, FolderLock, start_child
from deploy.up import Restarts, settings_beside
from settings import as_environment
from tests import command, curl
from tests.command import ZHIBAO


def start(data: Path, *options: str) -> tuple[subprocess.Popen[bytes], Path]:
    """``zhibao up`` on a data folder, and what it prints."""
    log = data.with_name(f"{data.name}-{time.monotonic_ns()}.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*ZHIBAO, "up", "--data", data, *options],
            stdout=out,
            stderr=out,
            cwd=data.parent,
            env=command.environment(COLUMNS="200"),
        )
    return process, log


def wait_for(process: subprocess.Popen[bytes], log: Path, text: str) -> str:
    deadline = time.monotonic() + 120
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text()


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(60)


def left_behind(data: Path) -> list[str]:
    """The command lines of processes that still mention the folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            here = os.readlink(folder / "cwd")
        except OSError:
            continue
        if str(data) in words or here.startswith(str(data)):
            found.append(words)
    return found


def gone(data: Path) -> bool:
    for _ in range(150):
        if not left_behind(data):
            return True
        time.sleep(0.1)
    return False


def environment(data: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((data / "runtime.json").read_text())["environment"]
    return found


@pytest.fixture
def data(short_folder: Path, request: pytest.FixtureRequest) -> Path:
    return short_folder / f"up-{abs(hash(request.node.name)) % 10000}"


def answer(data: Path, *words: str) -> Any:
    """What a command on a system's data folder prints."""
    done = subprocess.run(
        [*ZHIBAO, *words, "--json", "--data", str(data)],
        capture_output=True,
        check=True,
        env=command.environment(),
    )
    return json.loads(done.stdout)


def statuses(data: Path) -> Any:
    return answer(data, "campaign", "status", "2024")["statuses"]


def signing_keys(data: Path) -> Any:
    """The keys that sign certificates; the folder is the one its processes were told of."""
    listed = answer(data, "certificates", "keys", "list")
    assert listed["folder"] == environment(data)["ZHIBAO_CERTIFICATE_KEYS"]
    assert listed["folder"].startswith(str(data))
    # worker and API find it from wherever they run
    assert Path(listed["folder"]).is_absolute()
    return listed["keys"]


def test_a_demonstration_starts_is_stopped_and_goes_on_where_it_was(data: Path) -> None:
    process, log = start(data, "--demo", "--institutions", "60")
    printed = wait_for(process, log, "按 Ctrl-C 停止")
    api = re.search(r"接口\s+(http://\S+)/api\n", printed)
    assert api
    assert httpx.get(f"{api[1]}/readyz").json()["ok"] is True
    assert httpx.get(f"{api[1]}/docs").status_code == 200
    # tokens stand in a file that is nobody else's, and nowhere on the screen
    tokens = data / "demo-tokens.json"
    roles = ["filer", "reviewer", "checker", "clerk", "operator", "auditor"]
    assert list(json.loads(tokens.read_text())) == roles
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert "eyJ" not in printed
    commands = re.findall(r"^  (\.venv/bin/zhibao .*|curl .*?)(?:    #.*)?$", printed, re.M)
    assert len(commands) == 3
    for shown in commands:
        line = shown.replace(".venv/bin/zhibao", command.IN_A_SHELL)
        line = line.replace("curl ", f"{curl.command()} ")
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=data.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (shown, done.stderr)
        assert done.stdout
    number = re.search(r"/lookup\?number=(\S+)", printed)
    assert number
    looked_up = httpx.get(f"{api[1]}/public/report-numbers", params={"number": number[1]}).json()
    assert looked_up["answer"] == "found"
    before = statuses(data)
    keys = signing_keys(data)
    assert [(one["private"], one["signs"]) for one in keys] == [(True, True)]

    second, said = start(data)
    assert second.wait(60) == 1
    assert "使用" in said.read_text()
    assert str(data) in said.read_text()

    assert stop(process, signal.SIGINT) == 0
    assert gone(data), left_behind(data)

    process, log = start(data, "--demo", "--institutions", "60")
    wait_for(process, log, "按 Ctrl-C 停止")
    assert sum(statuses(data).values()) == sum(before.values())
    assert statuses(data)["completed"] == before["completed"]
    assert signing_keys(data) == keys

    process.kill()
    process.wait()
    assert gone(data), left_behind(data)
    process, log = start(data, "--demo", "--institutions", "60")
    wait_for(process, log, "按 Ctrl-C 停止")
    assert sum(statuses(data).values()) == sum(before.values())
    assert stop(process, signal.SIGINT) == 0


def test_what_an_operator_sets_holds_on_one_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits, proxies, names: of the environment's, and handed on to the parts that are started."""
    given = {
        "ZHIBAO_LOOKUPS_PER_CLIENT": "7/minute",
        "ZHIBAO_REQUESTS_PER_PERSON": "8/minute",
        "ZHIBAO_TRUSTED_PROXIES": "10.0.0.1, 192.0.2.0/24",
        "ZHIBAO_HOSTS": "zhibao.example.gov.cn",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    own = {
        "DATABASE_URL": "postgresql+psycopg://x@127.0.0.1/x",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "ZHIBAO_TOKEN_KEY": "k" * 32,
    }
    settings = settings_beside(own)
    assert settings.lookups_per_client == "7/minute"
    assert given.items() <= as_environment(settings).items()
    monkeypatch.setenv("ZHIBAO_TRUSTED_PROXIES", "nonsense")
    with pytest.raises(EmbeddedServerFailed, match="ZHIBAO_TRUSTED_PROXIES"):
        settings_beside(own)


def test_a_port_that_is_taken_is_said_in_a_sentence(data: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process, log = start(data, "--port", str(port))
        assert process.wait(60) == 1
    assert str(port) in log.read_text()
    assert "Traceback" not in log.read_text()
    assert gone(data), left_behind(data)


def ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def until(fulfilled: Callable[[], bool], within: float) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    while not fulfilled():
        assert time.monotonic() - began < within
        time.sleep(0.1)
    return time.monotonic() - began


def processes(data: Path, *words: str) -> list[int]:
    """The processes below a data folder whose command line has all these words, oldest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            here = os.readlink(folder / "cwd")
        except OSError:
            continue
        if (str(data) in line or here.startswith(str(data))) and all(one in line for one in words):
            found.append(int(folder.name))
    return sorted(found)


def test_servers_that_die_are_started_again_and_named(data: Path) -> None:
    process, log = start(data)
    printed = wait_for(process, log, "按 Ctrl-C 停止")
    address = environment(data)["ZHIBAO_PORT"]
    api = f"http://127.0.0.1:{address}"
    assert api in printed
    for title, words in {"Temporal": ("start-dev",), "PostgreSQL": ("postgres", "-D")}.items():
        died = processes(data, *words)[0]
        began = time.monotonic()
        os.kill(died, signal.SIGKILL)
        wait_for(process, log, f"{title} 意外退出，正在重新启动。被信号 SIGKILL 终止")
        wait_for(process, log, f"{title} 已重新启动")
        until(lambda: ready(api), 20)
        assert time.monotonic() - began < 20
        assert died not in processes(data, *words)
    # who carries out acts does not outlive the engine
    [worker] = processes(data, "cli.main", "worker")
    process.kill()
    process.wait()
    assert until(lambda: worker not in processes(data), 2) < 2
    assert gone(data), left_behind(data)


def test_what_dies_again_and_again_ends_the_system_with_a_reason() -> None:
    said: list[str] = []
    restarts = Restarts(said.append)
    for _ in range(5):
        restarts.note("Temporal", "退出码 1；没有留下日志")
    with pytest.raises(EmbeddedServerFailed, match="Temporal 反复退出，最后一次：退出码 1"):
        restarts.note("Temporal", "退出码 1；没有留下日志")
    restarts.note("PostgreSQL", "退出码 1；没有留下日志")
    assert len(said) == 6


def test_a_log_is_moved_aside_while_its_process_goes_on_writing(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    log = tmp_path / "part.log"
    script = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.005; done; exit 3"
    child = start_child(
        ["/bin/sh", "-c", script], log=log, env={}, death_signal=signal.SIGKILL, lock=lock
    )
    largest = 0
    while child.running:
        child.keep_log_short(1000)
        largest = max(largest, log.stat().st_size)
        time.sleep(0.05)
    assert largest < 3000
    aside = tmp_path / "part.log.1"
    assert aside.stat().st_size < 3000
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    why = child.why_it_ended()
    assert why.startswith("退出码 3；日志的最后几行：")
    assert why.endswith("line 399")
    lock.release()


def test_why_something_ended_is_never_empty(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    child = start_child(
        ["/bin/sh", "-c", "kill -9 $$"],
        log=tmp_path / "part.log",
        env={},
        death_signal=signal.SIGKILL,
        lock=lock,
    )
    child.process.wait(10)
    assert child.why_it_ended() == "被信号 SIGKILL 终止；没有留下日志"
    lock.release()
