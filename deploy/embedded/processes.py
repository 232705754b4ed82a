"""Child processes that never outlive the process that started them, and the lock on their folder.

Servers started here die with their parent, `kill -9` included, sit in a session of their own (a
Ctrl-C in the terminal reaches only the parent, which then stops them in order) and write to a log
file. They inherit the lock on their data folder, so the folder counts as in use until the last
process of an old server has gone.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"

_PR_SET_PDEATHSIG = 1
_LOG_KEPT = 10 * 1024 * 1024
_TAIL = 16 * 1024

# Loaded here, because importing or allocating much between fork and exec is asking for trouble.
_libc = ctypes.CDLL(None, use_errno=True)

# Linux tells a child of its parent's death; elsewhere a watchdog has to. Tests switch it off.
kernel_reports_parent_death = sys.platform == "linux"


class EmbeddedServerFailed(RuntimeError):
    """An embedded server could not be started; the message says why, in words for the operator."""


class DataFolderInUse(EmbeddedServerFailed):
    """Another process, `pid`, is using the data folder `folder`."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        super().__init__(
            f"数据目录 {folder} 正被进程 {pid or '（未知）'} 使用，请先停止它，或换一个数据目录。"
            f" The data folder {folder} is in use by process {pid or '(unknown)'}:"
            " stop that process or choose another folder."
        )


class FolderLock:
    """An exclusive lock on a folder, held by this process and the children that inherit it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd = -1

    @property
    def fd(self) -> int:
        """The descriptor to hand to children, so that they hold the lock as well."""
        return self._fd

    def acquire(self, patience: float = 10) -> None:
        """Lock the folder, creating it when missing.

        A holder whose starter or whose servers are dead is on its way out (a killed server's
        own children hold the lock until they notice): it gets `patience` seconds.

        Raises `DataFolderInUse`, or `EmbeddedServerFailed` when the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedServerFailed(
                f"无法使用数据目录 {self.folder}：{error.strerror}。"
            ) from error
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                starter, *servers = self._pids() or [0]
                serving = not servers or any(map(is_running, servers))
                if (is_running(starter) and serving) or time.monotonic() > deadline:
                    holder = next((pid for pid in (starter, *servers) if is_running(pid)), None)
                    self.release()
                    raise DataFolderInUse(self.folder, holder) from None
            time.sleep(0.05)
        self.record()

    def record(self, *servers: int) -> None:
        """Note in the lock file who holds it: this process, then its servers."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, " ".join(map(str, (os.getpid(), *servers))).encode(), 0)

    def release(self) -> None:
        """Let go; the lock itself lasts until the children that inherited it have gone too."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _pids(self) -> list[int]:
        return [int(word) for word in os.pread(self._fd, 100, 0).split() if word.isdigit()]


def is_running(pid: int) -> bool:
    """Whether there is such a process and it is no zombie."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return True  # no /proc on this system
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@dataclass
class Child:
    """A running child process."""

    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    watchdog: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def wait(self, timeout: float) -> int:
        """Wait for it to end by itself and return its exit code; `TimeoutExpired` otherwise."""
        code = self.process.wait(timeout)
        self._dismiss_watchdog()
        return code

    def stop(self, signum: signal.Signals, timeout: float) -> None:
        """Ask it to stop with `signum`, kill it after `timeout` seconds; harmless when ended."""
        if self.running:
            self.process.send_signal(signum)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._dismiss_watchdog()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it wrote."""
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self.log_start, end - _TAIL))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def why_it_ended(self) -> str:
        """How it ended and its last words; never empty. Needs an ended process."""
        code = self.process.poll()
        if code is None:
            return "仍在运行"
        how = f"退出码 {code}" if code >= 0 else f"被信号 {_signal_name(-code)} 终止"
        words = self.log_tail().strip()
        return f"{how}；日志的最后几行：\n{words}" if words else f"{how}；没有留下日志"

    def keep_log_short(self, most: int = _LOG_KEPT) -> None:
        """Moves a log that has grown too long aside while the process goes on writing to it.

        The log is copied and emptied, since the process keeps its file open; what is written
        between the two is lost.
        """
        if self.log.stat().st_size <= most:
            return
        shutil.copyfile(self.log, aside := _aside(self.log))
        aside.chmod(0o600)
        os.truncate(self.log, 0)
        self.log_start = 0

    def _dismiss_watchdog(self) -> None:
        if self.watchdog is not None:
            self.watchdog.kill()
            self.watchdog.communicate()
            self.watchdog = None


def start_child(
    args: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    death_signal: signal.Signals,
    lock: FolderLock,
    user: int | None = None,
    group: int | None = None,
    stdin: bytes = b"",
) -> Child:
    """Start a program that receives `death_signal` when this process dies, however it dies.

    `user` and `group` are ids to switch to, for root only. Output is appended to `log`. The program
    inherits `lock` and runs in its folder; `stdin` is a short text for its standard input.

    Raises `EmbeddedServerFailed` when it cannot be started at all.
    """

    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            args,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=lock.folder,
            env=env,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            pass_fds=(lock.fd,),
            start_new_session=True,
            preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509 - takes no lock
        )

    output = _open_log(log)
    try:
        log_start = os.fstat(output).st_size
        # The kernel's "parent" is the thread that forked: a child started from a worker thread
        # would die with that thread, hence one thread that lives as long as the process.
        process = _starter(os.getpid()).submit(spawn).result()
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerFailed(f"无法启动 {args[0]}：{error}") from error
    finally:
        os.close(output)
    child = Child(process, log, log_start)
    if not kernel_reports_parent_death:
        child.watchdog = _watch(process.pid, death_signal)
    assert process.stdin is not None
    try:
        process.stdin.write(stdin)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already, its exit code tells the rest
    return child


def choose_port(preferred: int | None = None, *, avoid: int | None = None) -> int:
    """A TCP port on the loopback interface that is free now: `preferred` if possible."""
    while True:
        with socket.socket() as probe:
            # As servers do: connections of the last run that linger in TIME_WAIT do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, preferred or 0))
                probe.listen(1)
            except OSError as error:
                if preferred and error.errno in (errno.EADDRINUSE, errno.EACCES):
                    preferred = None
                    continue
                raise
            port = int(probe.getsockname()[1])
            if port != avoid:
                return port
            preferred = None


def required_port(port: int, *, avoid: int | None = None) -> int:
    """`port` if it is free; raises `EmbeddedServerFailed` if not."""
    if choose_port(port, avoid=avoid) != port:
        raise EmbeddedServerFailed(f"端口 {port} 已被占用，请换一个端口或停止占用它的程序。")
    return port


def _open_log(log: Path) -> int:
    # One old file is kept, which bounds the space without a daemon to rotate.
    if log.exists() and log.stat().st_size > _LOG_KEPT:
        log.replace(_aside(log))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _aside(log: Path) -> Path:
    return log.with_suffix(log.suffix + ".1")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


@functools.cache
def _starter(_pid: int) -> ThreadPoolExecutor:
    # Keyed by process id, because threads do not survive a fork.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-starter")


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def in_child() -> None:
        # A shell that starts us in the background hands down an ignored SIGINT.
        if death_signal != signal.SIGKILL:
            signal.signal(death_signal, signal.SIG_DFL)
        if kernel_reports_parent_death:
            if _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
            if os.getppid() != parent:  # it died before the kernel was asked to tell us
                os.kill(os.getpid(), signal.SIGKILL)

    return in_child


def _watch(pid: int, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
    # Only this process holds the other end of the watchdog's standard input: end of file means
    # that it has gone.
    script = 'read -r _; kill -s "$2" "$1"; n=0; while kill -0 "$1" && [ $n -lt 30 ]; do sleep 1; '
    script += 'n=$((n+1)); done; kill -s KILL "$1"'
    name = death_signal.name.removeprefix("SIG")
    return subprocess.Popen(  # noqa: S603 - a constant script, its arguments are numbers and names
        ["/bin/sh", "-c", script, "zhibao-watchdog", str(pid), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
