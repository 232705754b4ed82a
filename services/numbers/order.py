"""Puts the good rows of an upload into the order of the index, however many there are.

They come in the order of the upload, each with the hash of its number, wait in a temporary file,
divided by their hashes' first bits, and are given out stretch by stretch of the index.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from files.numbers import Run

Integers = npt.NDArray[np.int64]
Lines = npt.NDArray[np.bytes_]

_BITS = 8
_HELD = 8 * 1024 * 1024
"""Bytes of lines in memory before they go to the file."""

_STRETCH = 25_000
"""Rows to give out at a time, at least: the pages of the index they go to fit into memory."""

_MOST = 1_000_000
"""Rows whose hashes begin alike that may be in memory; more of them are no accident."""

_DAY = 10
_TAIL = 1 + _DAY
"""What follows a number in its line: a tab and its day."""

_EPOCH = date(2000, 1, 1)


class Stretch:
    """Rows that follow on each other in the index.

    ``lines`` have number, tab and ISO date, in UTF-8; ``hashes`` ascend; ``rows`` tell where they
    stand in the upload.
    """

    def __init__(self, hashes: Integers, rows: Integers, lines: list[bytes]) -> None:
        self.hashes = hashes
        self.rows = rows
        self.lines = lines

    def number(self, place: int) -> str:
        """The number of a row."""
        return self.lines[place][:-_TAIL].decode()

    def hashes_as_array(self) -> str:
        """The hashes as PostgreSQL reads an array."""
        return f"{{{','.join(map(str, self.hashes.tolist()))}}}"

    def lines_ending_with(self, tail: bytes) -> bytes:
        """All lines, each with a tail."""
        return tail.join([*self.lines, b""])

    def repeated(self) -> dict[int, int]:
        """The places of rows whose number an earlier row of the upload has, with that row."""
        same = np.flatnonzero(self.hashes[1:] == self.hashes[:-1])
        firsts: dict[bytes, int] = {}
        found = {}
        for place in sorted({*same.tolist(), *(same + 1).tolist()}, key=self.rows.__getitem__):
            row = int(self.rows[place])
            first = firsts.setdefault(self.lines[place][:-_TAIL], row)
            if first != row:
                found[place] = first
        return found

    def without(self, places: Iterable[int]) -> "Stretch":
        """The other rows."""
        kept = np.ones(len(self.lines), bool)
        kept[list(places)] = False
        lines = [line for line, keep in zip(self.lines, kept.tolist(), strict=True) if keep]
        return Stretch(self.hashes[kept], self.rows[kept], lines)

    def weight(self) -> int:
        """What the rows add to a digest."""
        return _weight(self.hashes, b"\n".join([*self.lines, b""]))


class _Part(NamedTuple):
    """Where rows lie in the file: all hashes, all rows, all lines, each line ``width`` bytes.

    They are in the order of their hashes' first bits; ``bounds`` tells where each value of these
    begins.
    """

    start: int
    length: int
    width: int
    bounds: list[int]


class Ordering:
    """All good rows of one upload: `add` in its order, then `stretches`, once, in the index's.

    ``count`` rows came in and were kept, and ``weight`` is what they add to a digest. ``shift``
    bits of a hash are left behind those that divide the rows.
    """

    def __init__(self, shift: int = 64 - _BITS) -> None:
        self._shift = shift
        # whoever is cancelled closes the file while a thread may still be at work on it
        self._using_file = Lock()
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._using_file:
            self._file.close()

    def clear(self) -> None:
        """Forgets all rows."""
        self.count = self.weight = 0
        self._size = self._held = 0
        self._parts: list[_Part] = []
        self._hashes: list[Integers] = []
        self._rows: list[Integers] = []
        self._lines: list[Lines] = []

    def add(self, runs: Sequence[Run], text: str, hashes: bytes) -> list[tuple[int, int]]:
        """Takes rows and their lines; ``hashes`` has 8 bytes for each, the highest first.

        Returns rows that are not kept, with an earlier one that has the same number: however often
        a file repeats a number, few of its rows wait. `Stretch.repeated` tells of the others.
        """
        found = np.frombuffer(hashes, ">i8").astype(np.int64)
        encoded = text.encode()
        self.weight += _weight(found, encoded)
        self.count += len(found)
        rows = np.concatenate([np.arange(run.first, run.first + run.count) for run in runs])
        self._hold(found, rows, _lines(encoded, len(found)))
        if self._held < _HELD:
            return []
        dropped = self._drop_repeated()
        self._put_down()
        return dropped

    def stretches(self) -> Iterator[Stretch]:
        """All rows in the order of the index."""
        self._put_down()
        hashes: list[Integers] = []
        rows: list[Integers] = []
        lines: list[Lines] = []
        for bucket in range(2**_BITS):
            waiting = sum(part.bounds[bucket + 1] - part.bounds[bucket] for part in self._parts)
            if waiting > _MOST and self._shift:
                if hashes:
                    yield _sorted(hashes, rows, lines)
                    hashes, rows, lines = [], [], []
                yield from self._divided(bucket)
                continue
            for part in self._parts:
                some_hashes, some_rows, some_lines = self._of(part, bucket)
                if len(some_hashes):
                    hashes.append(some_hashes)
                    rows.append(some_rows)
                    lines.append(some_lines)
            if sum(map(len, hashes)) >= _STRETCH:
                yield _sorted(hashes, rows, lines)
                hashes, rows, lines = [], [], []
        if hashes:
            yield _sorted(hashes, rows, lines)

    def _divided(self, bucket: int) -> Iterator[Stretch]:
        """Rows whose hashes begin with the same bits, by the bits that follow."""
        with Ordering(self._shift - _BITS) as finer:
            for part in self._parts:
                finer._hold(*self._of(part, bucket))
                if finer._held >= _HELD:
                    finer._put_down()
            yield from finer.stretches()

    def _hold(self, hashes: Integers, rows: Integers, lines: Lines) -> None:
        self._hashes.append(hashes)
        self._rows.append(rows)
        self._lines.append(lines)
        self._held += lines.nbytes

    def _drop_repeated(self) -> list[tuple[int, int]]:
        in_order = np.sort(np.concatenate(self._hashes))
        if not (in_order[1:] == in_order[:-1]).any():
            return []
        held = _sorted(self._hashes, self._rows, self._lines)
        repeated = held.repeated()
        if not repeated:
            return []
        kept = held.without(repeated)
        self.count -= len(repeated)
        self.weight -= held.weight() - kept.weight()
        self._hashes, self._rows, self._lines = [kept.hashes], [kept.rows], [np.array(kept.lines)]
        return [(int(held.rows[place]), first) for place, first in repeated.items()]

    def _put_down(self) -> None:
        if not self._lines:
            return
        hashes, rows = np.concatenate(self._hashes), np.concatenate(self._rows)
        lines = np.concatenate(self._lines)
        # the sign goes first: the highest bit is turned
        bits = (hashes ^ np.int64(-(2**63))).view(np.uint64) >> np.uint64(self._shift)
        buckets = (bits & np.uint64(2**_BITS - 1)).astype(np.uint8)
        # a stable sort of single bytes takes one pass
        order = np.argsort(buckets, kind="stable")
        bounds = np.searchsorted(buckets[order], np.arange(2**_BITS))
        part = _Part(self._size, len(hashes), lines.itemsize, [*bounds.tolist(), len(hashes)])
        self._parts.append(part)
        for block in (hashes[order], rows[order], np.take(lines, order)):
            self._write(block.tobytes())
        self._hashes, self._rows, self._lines, self._held = [], [], [], 0

    def _of(self, part: _Part, bucket: int) -> tuple[Integers, Integers, Lines]:
        """The rows of a part whose hashes begin with the same bits."""
        start, length, width, bounds = part
        first, count = bounds[bucket], bounds[bucket + 1] - bounds[bucket]
        hashes = self._read(start + first * 8, count * 8)
        rows = self._read(start + (length + first) * 8, count * 8)
        lines = self._read(start + length * 16 + first * width, count * width)
        return (
            np.frombuffer(hashes, np.int64),
            np.frombuffer(rows, np.int64),
            np.frombuffer(lines, f"S{width}"),
        )

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            with self._using_file:
                written = os.pwrite(self._file.fileno(), left, self._size)
            self._size += written
            left = left[written:]

    def _read(self, place: int, size: int) -> bytes:
        with self._using_file:
            found = os.pread(self._file.fileno(), size, place)
        if len(found) < size:
            raise OSError("the temporary file of an upload is shorter than what was written to it")
        return found


def _lines(text: bytes, count: int) -> Lines:
    """The lines of a text, each ended in it; a shorter one is filled up with zeros."""
    width = len(text) // count
    if len(text) == count * width:
        # of one length, nearly always: nothing has to be taken apart
        table = np.frombuffer(text, np.uint8).reshape(count, width)
        if (table[:, -1] == ord("\n")).all() and text.count(b"\n") == count:
            return np.ascontiguousarray(table[:, :-1]).view(f"S{width - 1}")[:, 0]
    return np.array(text[:-1].split(b"\n"))


def _sorted(
    hashes: Sequence[Integers], rows: Sequence[Integers], lines: Sequence[Lines]
) -> Stretch:
    all_hashes = np.concatenate(hashes)
    order = np.argsort(all_hashes, kind="stable")
    ordered = np.take(np.concatenate(lines), order).tolist()
    return Stretch(all_hashes[order], np.concatenate(rows)[order], ordered)


def _weight(hashes: Integers, lines: bytes) -> int:
    """The sum of ``hash * (2 * days since 2000 + 1)``, modulo 2^64; each line is ended."""
    marks = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(marks == ord("\n"))
    day = marks[ends[:, None] + np.arange(-_DAY, 0)].astype(np.int64) - ord("0")
    year = day[:, :4] @ [1000, 100, 10, 1]
    months = (year - 1970) * 12 + day[:, 5:7] @ [10, 1] - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = first + day[:, 8:] @ [10, 1] - 1 - (_EPOCH - date(1970, 1, 1)).days
    return int((hashes * (2 * days + 1)).sum()) % 2**64
