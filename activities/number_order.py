"""Puts the good rows of an upload into the order of the index, however many there are.

They come in the order of the upload, each with the hash of its number, wait in a temporary file,
divided by their hashes' first bits, and are given out stretch by stretch of the index.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from activities.number_file import Run

Integers = npt.NDArray[np.int64]

_BITS = 8
_HELD = 8 * 1024 * 1024
"""Bytes of lines in memory before they go to the file."""

_STRETCH = 25_000
"""Rows to give out at a time, at least: the pages of the index they go to fit into memory."""

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
    """Where rows lie in the file: sorted by hash, as hashes, rows and lines, one after the other.

    Of each value of the hashes' first bits ``rows`` and ``text`` tell where its rows begin, and
    where its lines do.
    """

    start: int
    length: int
    rows: list[int]
    text: list[int]


class Ordering:
    """All good rows of one upload: `add` in its order, then `stretches`, once, in the index's.

    ``count`` rows came in, and ``weight`` is what they add to a digest.
    """

    def __init__(self) -> None:
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
        self._file.close()

    def clear(self) -> None:
        """Forgets all rows."""
        self.count = self.weight = 0
        self._size = self._held = 0
        self._parts: list[_Part] = []
        self._hashes: list[Integers] = []
        self._rows: list[Integers] = []
        self._lines: list[bytes] = []

    def add(self, runs: Sequence[Run], text: str, hashes: bytes) -> None:
        """Takes rows and their lines; ``hashes`` has 8 bytes for each, the highest first."""
        lines = text.encode()
        found = np.frombuffer(hashes, ">i8").astype(np.int64)
        self.weight += _weight(found, lines)
        self.count += len(found)
        self._hashes.append(found)
        self._rows += [np.arange(run.first, run.first + run.count) for run in runs]
        self._lines += lines[:-1].split(b"\n")
        self._held += len(lines)
        if self._held >= _HELD:
            self._put_down()

    def stretches(self) -> Iterator[Stretch]:
        """All rows in the order of the index."""
        self._put_down()
        hashes: list[Integers] = []
        rows: list[Integers] = []
        lines: list[bytes] = []
        for bucket in range(2**_BITS):
            for part in self._parts:
                first, after = part.rows[bucket], part.rows[bucket + 1]
                if first == after:
                    continue
                place = part.start + first * 8
                hashes.append(np.frombuffer(self._read(place, (after - first) * 8), np.int64))
                place += part.length * 8
                rows.append(np.frombuffer(self._read(place, (after - first) * 8), np.int64))
                place = part.start + part.length * 16 + part.text[bucket]
                size = part.text[bucket + 1] - part.text[bucket]
                lines += self._read(place, size)[:-1].split(b"\n")
            if len(lines) >= _STRETCH:
                yield _sorted(hashes, rows, lines)
                hashes, rows, lines = [], [], []
        if lines:
            yield _sorted(hashes, rows, lines)

    def _put_down(self) -> None:
        if not self._lines:
            return
        whole = _sorted(self._hashes, self._rows, self._lines)
        firsts = whole.hashes >> (64 - _BITS)
        half = 2 ** (_BITS - 1)
        bounds = np.searchsorted(firsts, np.arange(-half, half + 1)).tolist()
        texts = [b"\n".join([*whole.lines[a:b], b""]) for a, b in pairwise(bounds)]
        places = [0]
        for text in texts:
            places.append(places[-1] + len(text))
        self._parts.append(_Part(self._size, len(whole.lines), bounds, places))
        for block in (whole.hashes.tobytes(), whole.rows.tobytes(), b"".join(texts)):
            self._write(block)
        self._hashes, self._rows, self._lines, self._held = [], [], [], 0

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            written = os.pwrite(self._file.fileno(), left, self._size)
            self._size += written
            left = left[written:]

    def _read(self, place: int, size: int) -> bytes:
        found = os.pread(self._file.fileno(), size, place)
        if len(found) < size:
            raise OSError("the temporary file of an upload is shorter than what was written to it")
        return found


def _sorted(
    hashes: Sequence[Integers], rows: Sequence[Integers], lines: Sequence[bytes]
) -> Stretch:
    all_hashes, all_rows = np.concatenate(hashes), np.concatenate(rows)
    order = np.argsort(all_hashes, kind="stable")
    ordered = [lines[place] for place in order.tolist()]
    return Stretch(all_hashes[order], all_rows[order], ordered)


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
