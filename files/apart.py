"""Large tables read by a process of its own, which has so much memory and time and no more.

Whatever a file is made of, the process that serves others only takes rows from the one that reads
it. A small file, which cannot cost much however it is made, is read where it is.
"""

import io
import os
import pickle
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import IO, Any

from domain.faults import words
from domain.refusals import Code, Refusal, Refused
from files.findings import Unusable
from files.number_formats import NumberFormat
from files.workbook import Cell, Range, Shown

SMALL = 256 * 1024
"""Bytes, unpacked, of a file that is read where it is."""

MEMORY = 1024 * 1024 * 1024
"""Bytes of address space that reading a file may take."""

SECONDS = 60
"""Seconds of processor time that reading a file may take; twice as long by the clock."""

_AT_ONCE = threading.BoundedSemaphore(2)
_QUEUE = 20.0
_ROOT = Path(__file__).resolve().parents[1]

_PLAIN = {(one.__module__, one.__qualname__): one for one in (Cell, Range, NumberFormat, date)}


class TooCostly(Unusable):
    """Reading the file took more memory or time than any table needs."""

    def __init__(self) -> None:
        super().__init__("too_costly", *words("too_costly", ""))


class Apart:
    """A table that another process reads: as a `Workbook` has them, rows and what is hidden.

    ``content`` may be a file, read from where it lies. ``alone``: whoever asks sees to how many
    files are read at once.
    """

    def __init__(
        self,
        kind: str,
        content: bytes | IO[bytes],
        most: int,
        delimiter: str = "",
        *,
        memory: int = 0,
        seconds: int = 0,
        alone: bool = False,
    ) -> None:
        self.hidden_columns: list[tuple[int, int]] = []
        self.merged: list[Range] = []
        limits = (memory or MEMORY, seconds or SECONDS)
        self._asked = [*map(str, limits), kind, str(most), delimiter]
        self._content = (
            content if isinstance(content, bytes) or _is_real(content) else content.read()
        )
        self._alone = alone

    def rows(self) -> Iterator[tuple[int, Sequence[Shown]]]:
        """The rows with content. Raises Unusable, and Refused where too many files are read."""
        if self._alone:
            yield from self._rows()
            return
        if not _AT_ONCE.acquire(timeout=_QUEUE):
            raise Refused(Refusal(code=Code.BUSY))
        try:
            yield from self._rows()
        finally:
            _AT_ONCE.release()

    def close(self) -> None:
        """Nothing is held."""

    def _rows(self) -> Iterator[tuple[int, Sequence[Shown]]]:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-m", "files", *self._asked],
            cwd=_ROOT,
            # it knows none of this process's secrets
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE if isinstance(self._content, bytes) else _at_start(self._content),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        giving = threading.Thread(target=_give, args=(process.stdin, self._content), daemon=True)
        giving.start()
        try:
            while True:
                try:
                    size = int.from_bytes(process.stdout.read(8))
                    said = _Plain(io.BytesIO(process.stdout.read(size))).load()
                except (EOFError, pickle.UnpicklingError):
                    # it was ended before it had said everything
                    raise TooCostly from None
                match said:
                    case ["rows", rows]:
                        yield from rows
                    case ["fault", fault]:
                        raise Unusable(*fault)
                    case ["end", hidden, merged]:
                        self.hidden_columns, self.merged = hidden, merged
                        return
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
            giving.join()


class _Plain(pickle.Unpickler):
    """Takes nothing but what rows consist of from a process that has read a stranger's file."""

    def find_class(self, module: str, name: str) -> Any:
        """One of few classes. Raises UnpicklingError for any other."""
        found = _PLAIN.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(name)
        return found


def is_small(kind: str, content: bytes | IO[bytes]) -> bool:
    """Whether reading a file costs little, whatever is in it."""
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    if file.seek(0, os.SEEK_END) > SMALL:
        return False
    if kind != "xlsx":
        return True
    try:
        with zipfile.ZipFile(file) as book:
            # nothing is unpacked beyond what an entry says of itself
            return sum(entry.file_size for entry in book.infolist()) <= 4 * SMALL
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, LookupError):
        return True  # no archive: whoever opens it says so


def _is_real(file: IO[bytes]) -> bool:
    """Whether the system knows a file, so that another process can have it."""
    file.seek(0)
    try:
        return file.fileno() >= 0
    except OSError:
        return False


def _at_start(file: IO[bytes]) -> IO[bytes]:
    file.flush()
    file.seek(0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return file


def _give(pipe: IO[bytes] | None, content: bytes | IO[bytes]) -> None:
    if pipe is not None and isinstance(content, bytes):
        with suppress(OSError), pipe:
            pipe.write(content)
