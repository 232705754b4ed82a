"""The embedded PostgreSQL, on real servers."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.embedded import postgres, processes
from deploy.embedded.postgres import EmbeddedPostgres, postgres_bin
from deploy.embedded.processes import DataFolderInUse, EmbeddedServerFailed, FolderLock
from tests.folders import new_folder

ROOT = Path(__file__).parents[2]
NOBODY = 65534
IS_ROOT = os.geteuid() == 0

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")

PARENT = """
import sys, time
from pathlib import Path
from deploy.embedded import postgres, processes
processes.kernel_reports_parent_death = sys.argv[2] == "kernel"
server = postgres.EmbeddedPostgres(Path(sys.argv[1])).start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder with a short path, in a place that any user may enter."""
    base = new_folder()
    base.chmod(0o755)
    yield base / "data"
    shutil.rmtree(base)


def connect(server: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.owner_url.replace("+psycopg", ""), autocommit=True)


def ask(server: EmbeddedPostgres, sql: str) -> object:
    with connect(server) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def write(server: EmbeddedPostgres, value: int) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def written(server: EmbeddedPostgres) -> object:
    return ask(server, "SELECT array_agg(value ORDER BY value) FROM kept")


def parent_process(data: Path, how: str = "kernel") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data), how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def processes_on(data: Path) -> list[int]:
    """Whatever runs with its working directory in the data folder: servers and their children."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(data):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_a_restart_keeps_the_data_and_the_address(data: Path) -> None:
    server = EmbeddedPostgres(data)
    with server:
        url = server.url
        write(server, 1)
        assert server.running
    assert not server.running
    with server:
        assert server.url == url
        assert written(server) == [1]


def test_the_cluster_is_made_as_promised(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        for setting, value in {
            "server_encoding": "UTF8",
            "lc_collate": "C",
            "data_checksums": "on",
            "fsync": "on",
            "password_encryption": "scram-sha-256",
            "listen_addresses": "127.0.0.1",
            "timezone": "Asia/Shanghai",
            "shared_buffers": "256MB",
            "max_connections": "100",
        }.items():
            column = "datcollate" if setting == "lc_collate" else f"current_setting('{setting}')"
            assert (setting, ask(server, f"SELECT {column} FROM pg_database LIMIT 1")) == (
                setting,
                value,
            )
        assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = 'zhibao'") is False
        assert ask(server, "SELECT current_database()") == "zhibao"
        passwords = data / "postgres" / "passwords.json"
        assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700
        assert "password" not in (data / "postgres" / "server.log").read_text().lower()


def test_nobody_gets_in_without_the_password(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        assert server.socket_folder is not None
        for host in ("127.0.0.1", str(server.socket_folder)):
            for role in ("zhibao", "postgres"):
                with pytest.raises(psycopg.OperationalError, match="password authentication"):
                    psycopg.connect(
                        host=host, port=port, user=role, password="guess", dbname="postgres"
                    )


def test_settings_override_the_defaults(data: Path) -> None:
    with EmbeddedPostgres(data, settings={"fsync": "off", "shared_buffers": "32MB"}) as server:
        assert ask(server, "SHOW fsync") == "off"
        assert ask(server, "SHOW shared_buffers") == "32MB"


@needs_proc
@pytest.mark.parametrize("how", ["kernel", "watchdog"])
def test_killing_the_parent_leaves_no_server_and_loses_nothing(data: Path, how: str) -> None:
    if how == "kernel" and not processes.kernel_reports_parent_death:
        pytest.skip("only Linux tells children of their parent's death")
    parent = parent_process(data, how)
    try:
        pid = int(first_line(parent))
        assert pid in processes_on(data)
    finally:
        kill(parent)
    assert eventually(lambda: not processes_on(data))
    with EmbeddedPostgres(data) as server:
        write(server, 1)


def test_a_server_killed_outright_recovers_what_was_committed(data: Path) -> None:
    server = EmbeddedPostgres(data).start()
    write(server, 1)
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: not server.running)
    server.stop()
    assert (data / "postgres" / "pgdata" / "postmaster.pid").exists()
    with server:
        assert written(server) == [1]


@needs_proc
def test_a_stale_pid_file_naming_a_living_stranger_does_not_matter(data: Path) -> None:
    server = EmbeddedPostgres(data)
    with server:
        pid_file = data / "postgres" / "pgdata" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with server:
            assert ask(server, "SELECT 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_a_second_start_on_the_same_folder_is_refused(data: Path) -> None:
    parent = parent_process(data)
    try:
        server_pid = int(first_line(parent))
        with pytest.raises(DataFolderInUse) as refusal:
            EmbeddedPostgres(data).start()
        assert refusal.value.pid == parent.pid
        for part in (str(data / "postgres"), str(parent.pid), "使用", "in use"):
            assert part in str(refusal.value)
        assert processes.is_running(server_pid)
    finally:
        kill(parent)
    with EmbeddedPostgres(data) as server:
        assert ask(server, "SELECT 1") == 1


def test_two_servers_in_one_process_do_not_share_a_folder(data: Path) -> None:
    with EmbeddedPostgres(data), pytest.raises(DataFolderInUse, match=str(os.getpid())):
        EmbeddedPostgres(data).start()


@pytest.mark.parametrize("seconds", [0.5, 600])
def test_a_dying_server_is_waited_for_but_not_for_ever(data: Path, seconds: float) -> None:
    lock = FolderLock(data)
    lock.acquire()
    dying = subprocess.Popen(["sleep", str(seconds)], pass_fds=(lock.fd,))
    gone = subprocess.Popen(["true"])
    gone.wait()
    (data / "lock").write_text(f"{gone.pid} {dying.pid}")
    lock.release()
    try:
        if seconds < 1:
            lock.acquire(patience=10)
            assert dying.wait(5) == 0
        else:
            with pytest.raises(DataFolderInUse, match=str(dying.pid)):
                lock.acquire(patience=0.2)
    finally:
        lock.release()
        dying.kill()
        dying.wait()


@needs_proc
def test_an_interrupted_first_start_is_recovered(data: Path) -> None:
    work = data / "postgres" / "pgdata.new"
    parent = parent_process(data)
    try:
        assert eventually((work / "pgdata" / "base").exists)
    finally:
        kill(parent)
    assert not (data / "postgres" / "pgdata").exists()
    with EmbeddedPostgres(data) as server:
        write(server, 1)
        assert not work.exists()


def test_leftovers_of_an_interrupted_first_start_are_not_taken_for_a_cluster(data: Path) -> None:
    half = data / "postgres" / "pgdata.new" / "pgdata"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_failed_start_tells_the_servers_last_words_and_frees_the_folder(data: Path) -> None:
    with pytest.raises(EmbeddedServerFailed, match=r"(?s)未能启动.*server\.log.*work_mem"):
        EmbeddedPostgres(data, settings={"work_mem": "a lot"}).start()
    with EmbeddedPostgres(data) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_lost_password_file_is_named(data: Path) -> None:
    server = EmbeddedPostgres(data)
    with server:
        pass
    (data / "postgres" / "passwords.json").unlink()
    with pytest.raises(EmbeddedServerFailed, match=r"passwords\.json"):
        server.start()
    assert not server.running


def test_a_server_outlives_the_thread_that_started_it(data: Path) -> None:
    server = EmbeddedPostgres(data)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.3)
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_a_path_too_long_for_a_socket_still_serves_tcp(data: Path) -> None:
    with EmbeddedPostgres(data / ("深" * 40)) as server:
        assert server.socket_folder is None
        assert ask(server, "SELECT 1") == 1


def test_a_taken_port_is_avoided_unless_it_was_asked_for(data: Path) -> None:
    with EmbeddedPostgres(data) as first:
        port = int(first.url.rpartition(":")[2].partition("/")[0])
        other = data / "other" / "postgres"
        other.mkdir(parents=True)
        (other / "port").write_text(str(port))
        with EmbeddedPostgres(data / "other") as second:
            assert f":{port}/" not in second.url
        with pytest.raises(EmbeddedServerFailed, match=f"端口 {port} 已被占用"):
            EmbeddedPostgres(data / "other", port=port).start()


def test_a_platform_without_the_wheel_is_told_what_to_set(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EmbeddedServerFailed, match="DATABASE_URL"):
        EmbeddedPostgres(data).start()


@needs_root
def test_as_root_the_server_has_no_privilege_and_no_file_changes_hands(data: Path) -> None:
    if not postgres._works(["unshare", "--user", f"--map-user={NOBODY}", "true"]):
        pytest.skip("user namespaces are not allowed here")
    with EmbeddedPostgres(data) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert {path.stat().st_uid for path in data.rglob("*")} == {0}


@needs_root
def test_without_user_namespaces_root_hands_its_folder_to_nobody(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data)
    with server:
        write(server, 1)
    monkeypatch.setattr(postgres, "_works", lambda _args: False)
    with server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY
        write(server, 2)
    monkeypatch.undo()
    with server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY
        assert written(server) == [1, 2]
    assert data.stat().st_uid == 0


@needs_root
def test_without_user_namespaces_root_can_start_afresh_and_be_killed(data: Path) -> None:
    script = PARENT.replace("server =", "postgres._works = lambda args: False\nserver =")
    for _ in range(2):
        parent = subprocess.Popen(
            [sys.executable, "-c", script, str(data), "kernel"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert Path(f"/proc/{int(first_line(parent))}").stat().st_uid == NOBODY
        finally:
            kill(parent)
        assert eventually(lambda: not processes_on(data))


ORDINARY = """
import os, sys
from pathlib import Path
import encodings.idna, psycopg
from deploy.embedded.postgres import EmbeddedPostgres, postgres_bin
os.setgroups([]); os.setgid(65534); os.setuid(65534)
if not os.access(postgres_bin() / "postgres", os.X_OK):
    print("unreadable")
    sys.exit()
for run in (1, 2):
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        with psycopg.connect(server.owner_url.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
            connection.execute("INSERT INTO kept VALUES (%s)", (run,))
            print(connection.execute("SELECT count(*) FROM kept").fetchone()[0])
"""


@needs_root  # for an ordinary user every other test says the same
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
    assert done.stdout.split() == ["1", "2"], done.stderr
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}
    with EmbeddedPostgres(data) as server:  # root on that user's folder becomes that user
        assert written(server) == [1, 2]
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}


def test_the_dump_program_that_comes_along_is_of_the_server_s_version() -> None:
    for program in ("pg_dump", "pg_restore"):
        said = [
            subprocess.run(
                [postgres_bin() / one, "--version"], capture_output=True, text=True, check=True
            ).stdout.split()[-1]
            for one in (program, "postgres")
        ]
        assert said[0] == said[1]
