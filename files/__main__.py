"""Reads a stranger's table for another process (`files.apart`): within limits.

Standard input is the file; what is told on standard output is pickled, stretch by stretch.
"""

import io
import pickle
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import IO

from files.findings import Unusable
from files.table import csv_rows, empty_workbook
from files.workbook import Shown, Workbook

_STRETCH = 500


def main(memory: str, seconds: str, kind: str, most: str, delimiter: str) -> None:
    """What the other process does: reads standard input, and tells its rows as they come."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(2 * int(seconds))
    given: IO[bytes] = sys.stdin.buffer
    book: Workbook | None = None
    try:
        if kind == "xlsx":
            file = given if given.seekable() else io.BytesIO(given.read())
            book = Workbook(file, int(most))
            if book.is_empty:
                raise empty_workbook()
            rows: Iterator[tuple[int, Sequence[Shown]]] = book.rows()
        else:
            rows = csv_rows(given.read(), delimiter)
        stretch: list[tuple[int, Sequence[Shown]]] = []
        for row in rows:
            stretch.append(row)
            if len(stretch) == _STRETCH:
                _tell("rows", stretch)
                stretch = []
        _tell("rows", stretch)
        _tell("end", *((book.hidden_columns, book.merged) if book else ([], [])))
    except Unusable as bad:
        _tell("fault", (bad.code, bad.message, bad.mend, bad.row, bad.detail))
    finally:
        if book is not None:
            book.close()


def _tell(*said: object) -> None:
    told = pickle.dumps(list(said), protocol=5)
    sys.stdout.buffer.write(len(told).to_bytes(8) + told)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
