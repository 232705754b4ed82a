"""What the embedded servers have in common: one folder, one lock, one child process."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.embedded.processes import Child, EmbeddedServerFailed, FolderLock

_ATTEMPTS = 3


class EmbeddedServer(ABC):
    """A server on a folder of its own, used as a context manager or by `start` and `stop`."""

    title: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals]
    _stop_timeout: ClassVar[float]
    _port_taken: ClassVar[str]
    """What the server says when it finds its port taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "server.log"
        self._lock = FolderLock(self.folder)
        self._child: Child | None = None

    def start(self) -> Self:
        """Start the server and return when it is ready for use.

        Works with or without a running event loop (which it blocks meanwhile). Raises
        `DataFolderInUse` when another process uses the folder, `EmbeddedServerFailed` with the
        server's last words when it cannot start.
        """
        if self._child is not None:
            raise RuntimeError("already started")
        self._lock.acquire()
        self._bring_up()
        return self

    def restart(self) -> None:
        """Starts a server again that has ended by itself, where it was found before.

        Waits for what is left of it to go. Raises as `start` does.
        """
        self._stay()
        self._child = None
        # whatever the old server started holds the lock until it has gone
        self._lock.release()
        self._lock.acquire()
        self._bring_up()

    def _bring_up(self) -> None:
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                self._child = self._launch()
                self._lock.record(self._child.pid)
                try:
                    self._wait_until_ready(self._child)
                    break
                except EmbeddedServerFailed as error:
                    self._child.stop(self._stop_signal, 5)
                    # Somebody may take the port between our choice and the server's.
                    if attempt == _ATTEMPTS or self._port_taken not in str(error):
                        raise
        except OSError as error:
            self.stop()
            raise EmbeddedServerFailed(f"{self.title} 无法使用 {self.folder}：{error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server in an orderly way; harmless when it does not run."""
        if self._child is not None:
            self._child.stop(self._stop_signal, self._stop_timeout)
            self._child = None
        self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server runs; false also after it ended by itself."""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        """The server's process id. Needs a started server."""
        return self._started().pid

    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError("not started")
        return self._child

    def _failure(self, child: Child) -> EmbeddedServerFailed:
        return EmbeddedServerFailed(
            f"{self.title} 未能启动（日志：{self.log}）：\n{child.log_tail()}"
        )

    def why_it_ended(self) -> str:
        """How the server ended and its last words; never empty."""
        return self._started().why_it_ended()

    def keep_log_short(self) -> None:
        """Moves a log that has grown too long aside."""
        self._started().keep_log_short()

    @abstractmethod
    def _stay(self) -> None:
        """Fix the ports in use, so that a restarted server is found where it was."""

    @abstractmethod
    def _launch(self) -> Child:
        """Create what is missing, choose ports, start the process."""

    @abstractmethod
    def _wait_until_ready(self, child: Child) -> None:
        """Return when the server can be used, raise `EmbeddedServerFailed` when it will not be."""
