"""Reads an upload of report numbers from CSV or XLSX as a stream, and writes the template.

Whatever the size, little is held in memory: CSV comes in pieces, XLSX from a file through an
incremental parser. Good rows go out as lines of number, tab and ISO date, which need no quotes
since a number has no control characters; every bad row is a problem with its row as Excel shows
it. What makes a row good stands in `domain.numbers.row_checks`.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import IO, NamedTuple

from domain.days import day_of, day_written
from domain.faults import Fault
from domain.numbers.row_checks import ISSUED_ON, NUMBER, Terms, day_fault, number_fault
from domain.text import NO_VALUES, normalised, trimmed
from files.apart import Apart, is_small
from files.findings import Unusable
from files.table import (
    DELIMITERS,
    Column,
    Format,
    Line,
    day,
    is_blank,
    refuse_unseen_places,
    text_of,
)
from files.table import day_of as day_in
from files.workbook import Cell, Shown, Workbook

PART = 512 * 1024
"""Bytes to hand to `CsvReading.feed` at a time: what is held in memory follows from it."""

MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
_BATCH = 8_000
_MEMORY = 3 * 1024 * 1024 * 1024
"""Bytes of address space to read one in: its strings lie in a file that counts as such too."""
_SECONDS = 600
"""Of processor time, for as many rows as a sheet has."""
_LONGEST_RECORD = 64 * 1024
NUMBERS = Format(
    "报告编号",
    (
        Column("number", NUMBER, (
            "检验检测报告编号", "报告编号", "检验报告编号", "检测报告编号", "报告证书编号",
            "报告书编号", "报告号", "reportnumber", "reportno", "reportid", "编号", "number", "no",
        ), Line(64), True, "as printed on the report; full-width forms count as the usual ones"),
        Column("issued_on", ISSUED_ON, (
            "出具日期", "报告出具日期", "签发日期", "报告签发日期", "报告日期", "发布日期",
            "出具时间", "签发时间", "issuedate", "issuedon", "dateofissue", "dateissued", "issued",
            "reportdate", "日期", "date",
        ), day, True, "a day of the quarter; a time of day behind it is let go"),
        Column("remark", "备注（本列不读取）", (), Line(), note="further columns are not read"),
    ),
    examples=(),
)  # fmt: skip
_NAMES = {column.label: column.aliases for column in NUMBERS.columns if column.required}
"""Names the two columns may carry, the best first: of several the best counts."""


class RowProblem(NamedTuple):
    """What is wrong: the row as Excel shows it (0: the file), the column's name, code, detail."""

    row: int
    column: str
    code: str
    detail: str


@dataclass
class Run:
    """Good rows that follow on each other: the first one's row, how many, their lines."""

    first: int
    count: int
    parts: list[str]


@dataclass
class Batch:
    """A stretch of a file.

    ``good`` of its ``rows`` (blank ones not counted) stand in ``runs``; ``bad`` have problems.
    ``unusable`` is set when the file as a whole cannot be taken, whatever else is in it.
    """

    runs: list[Run] = field(default_factory=list)
    good: int = 0
    bad: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    unusable: bool = False

    def add(self, row: int, count: int, lines: str) -> None:
        """Adds good rows that follow on each other from ``row`` on, each line ended."""
        last = self.runs[-1] if self.runs else None
        if last is not None and last.first + last.count == row:
            last.count += count
            last.parts.append(lines)
        else:
            self.runs.append(Run(row, count, [lines]))
        self.good += count

    @property
    def text(self) -> str:
        """The lines of all good rows."""
        return "".join([part for run in self.runs for part in run.parts])

    @property
    def rows(self) -> int:
        """All data rows of the stretch."""
        return self.good + self.bad

    def refuse(self, row: int, column: str, code: str, detail: str = "") -> None:
        """Adds a problem."""
        self.problems.append(RowProblem(row, column, code, detail))

    def refuse_file(self, row: int, code: str, detail: str = "") -> None:
        """Adds a problem that keeps the whole file out."""
        self.refuse(row, "", code, detail)
        self.unusable = True

    def take(self, row: int, number: str | Fault, day: str | date | Fault, terms: Terms) -> None:
        """Checks one data row; what could not even be read comes as a fault."""
        if isinstance(number, str):
            number = normalised(number)
            number = number_fault(number, terms.longest) or number
        if isinstance(day, str):
            day = _day_of_text(day)
        if isinstance(day, date):
            day = day_fault(day, terms) or day
        if isinstance(number, str) and isinstance(day, date):
            self.add(row, 1, f"{number}\t{day}\n")
            return
        self.bad += 1
        if isinstance(number, Fault):
            self.refuse(row, NUMBER, *number)
        if isinstance(day, Fault):
            self.refuse(row, ISSUED_ON, *day)


def _number(cell: Shown) -> str | Fault:
    """A report number as a cell shows it."""
    if isinstance(cell, str):
        return cell
    try:
        return text_of(cell, identifier=True)
    except Unusable as bad:
        code = "number_is_date" if bad.code == "wrong_type" else bad.code
        return Fault(code, bad.detail)


def _day(cell: Shown) -> str | date | Fault:
    """A date of issue as a cell shows it; a time of day behind it is let go."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    try:
        return day_in(cell, time_of_day=True)[0]
    except Unusable as bad:
        return bad.fault


def _day_of_text(text: str) -> date | Fault:
    if not trimmed(text):
        return Fault("date_empty")
    written = day_written(text)
    return written if isinstance(written, Fault) else written[0]


class Columns(NamedTuple):
    """Where the two columns stand, from 0, and how many the header has."""

    number: int
    issued_on: int
    width: int


def columns_of(header: Sequence[str]) -> Columns | Fault:
    """Where the header has the two columns, or what is wrong with it."""
    keys = [_name_key(name) for name in header]
    while keys and not keys[-1]:
        keys.pop()
    places, missing = [], []
    for column, names in _NAMES.items():
        name = next((name for name in names if name in keys), None)
        if name is None:
            missing.append(column)
        elif keys.count(name) > 1:
            return Fault("duplicate_column", column)
        else:
            places.append(keys.index(name))
    if missing:
        return Fault("missing_column", "、".join(missing))
    return Columns(places[0], places[1], len(keys))


def _name_key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name[:100]).casefold()
    return "".join(char for char in folded if char.isalnum())


def number_template(terms: Terms) -> bytes:
    """An upload to fill in: CSV with BOM, so that Excel opens it; two generated example rows."""
    return NUMBERS.csv(
        {
            "number": f"示例-{day.year}-{place:04d}",
            "issued_on": str(day),
            "remark": "生成的示例，请删除本行",
        }
        for place, day in ((1, terms.first_day), (2, terms.last_day))
    )


# --- XLSX ---------------------------------------------------------------------------------------


def read_workbook(file: IO[bytes], terms: Terms) -> Iterator[Batch]:
    """The rows of a workbook's only filled sheet, in batches. Never raises for any content."""
    batch = Batch()
    try:
        file.seek(0)
        if file.read(2) != b"PK":
            batch.refuse_file(0, "wrong_type")
        else:
            with closing(_book(file)) as book:
                yield from _rows(book, terms)
            return
    except Unusable as bad:
        code, detail = bad.fault
        batch.refuse_file(bad.row, "empty_file" if code == "empty" else code, detail)
    yield batch


def _book(file: IO[bytes]) -> Workbook | Apart:
    """Read where it is if it can cost little, else by a process that has limits."""
    if is_small("xlsx", file):
        return Workbook(file, MAX_UNPACKED_BYTES)
    return Apart("xlsx", file, MAX_UNPACKED_BYTES, memory=_MEMORY, seconds=_SECONDS, alone=True)


def _rows(book: Workbook | Apart, terms: Terms) -> Iterator[Batch]:
    columns: Columns | None = None
    batch, total, header, row = Batch(), 0, 0, 0
    for row, cells in book.rows():
        if columns is None:
            if all(map(is_blank, cells)):
                continue
            names = [name.text if isinstance(name, Cell) else name or "" for name in cells]
            placed = columns_of(names)
            if isinstance(placed, Fault):
                batch.refuse_file(row, *placed)
                yield batch
                return
            columns, header = placed, row
            continue
        width = len(cells)
        number = cells[columns.number] if columns.number < width else None
        issued_on = cells[columns.issued_on] if columns.issued_on < width else None
        if is_blank(number) and is_blank(issued_on):
            continue  # only columns that are not read are filled
        batch.take(row, _number(number), _day(issued_on), terms)
        if batch.rows >= _BATCH:
            total += batch.rows
            yield batch
            batch = Batch()
    if columns is None:
        batch.refuse_file(0, "empty_file")
    elif not total + batch.rows:
        batch.refuse_file(row, "no_rows")
    else:
        refuse_unseen_places(book, header, (columns.number, columns.issued_on))
    yield batch


# --- CSV ----------------------------------------------------------------------------------------


class NotUtf8(Exception):
    """The file is not UTF-8, and nothing in it has proven that it should be: try GB18030."""


class CsvReading:
    """Reads one CSV file, fed in parts of any size.

    The text is UTF-16 or UTF-8 by its BOM, else ``encoding``. Without a BOM and before a Chinese
    header was understood, bytes that are no UTF-8 raise `NotUtf8`; later they spoil their own row.
    Lines that are plain good rows, nearly all of a good file, are recognised many at a time by one
    pattern; the others are taken apart one by one.
    """

    def __init__(self, terms: Terms, encoding: str = "utf-8") -> None:
        self._terms = terms
        self._encoding = encoding
        self._decoder: io.IncrementalNewlineDecoder | None = None
        self._head = b""
        self._proven = encoding != "utf-8"
        self._text = ""
        self._row = 0
        self._columns: Columns | None = None
        self._delimiter = ","
        self._plain = re.compile("")
        self._plainest: re.Pattern[str] | None = None
        self._days: dict[str, str] = {}
        self._skipping = False
        self._rows = 0
        self._anything = False
        self._over = False

    def feed(self, part: bytes) -> Batch:
        """What the next part of the file brings."""
        return self._read(part, final=False)

    def finish(self) -> Batch:
        """What is left when there are no more parts."""
        batch = self._read(b"", final=True)
        if not self._over:
            if not self._anything:
                batch.refuse_file(0, "empty_file")
            elif self._columns is None:
                batch.refuse_file(1, "missing_column", f"{NUMBER}、{ISSUED_ON}")
            elif not self._rows:
                batch.refuse_file(self._row, "no_rows")
        return batch

    def _read(self, part: bytes, *, final: bool) -> Batch:
        batch = Batch()
        if self._over:
            return batch
        self._text += self._decoded(part, final=final)
        if self._text.startswith("PK\x03\x04") and not self._row:
            batch.refuse_file(0, "wrong_type")
        else:
            self._records(batch, final=final)
        self._rows += batch.rows
        self._over = batch.unusable
        return batch

    # the text

    def _decoded(self, part: bytes, *, final: bool) -> str:
        """The text of a part, every line ended by a line feed."""
        if self._decoder is None:
            self._head += part
            if len(self._head) < 4 and not final:
                return ""
            part, self._head = self._head, b""
            self._decoder = self._decoder_for(part)
        try:
            text = self._decoder.decode(part, final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode()
            if not _proves_utf8(self._text + before):
                raise NotUtf8 from None
            self._prove()
            text = self._decoder.decode(part, final)
        self._anything = self._anything or bool(text.strip())
        return text

    def _decoder_for(self, head: bytes) -> io.IncrementalNewlineDecoder:
        encoding, errors = self._encoding, "replace" if self._proven else "strict"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._proven, encoding, errors = True, "utf-16", "replace"
        elif head.startswith(codecs.BOM_UTF8):
            self._proven, encoding, errors = True, "utf-8-sig", "replace"
        return _lines_of(codecs.getincrementaldecoder(encoding)(errors))

    # the records

    def _records(self, batch: Batch, *, final: bool) -> None:
        text = self._text
        if final and text and not text.endswith("\n"):
            text += "\n"
        place, end = 0, text.rfind("\n") + 1
        while place < end and not batch.unusable:
            if self._skipping:
                place, self._skipping = text.index("\n", place) + 1, False
                continue
            if self._columns is not None:
                stop = self._plain_rows(batch, text, place, end)
                if stop > place:
                    place = stop
                    continue
            record = _record(text, place, end, self._delimiter)
            if record is None:
                if not final and len(text) - place < _LONGEST_RECORD:
                    break  # its closing quote may be in the next part
                record = Record(None, text.index("\n", place) + 1)
            self._row += 1
            if self._columns is None:
                self._header(batch, text, place, end)
            else:
                self._data_row(batch, record.cells)
            place = record.stop
        self._text = text[place:]
        if len(self._text) > _LONGEST_RECORD and "\n" not in self._text:
            if not self._skipping:
                self._row += 1
                self._refuse_row(batch, "line_too_long")
            self._text, self._skipping = "", True

    def _refuse_row(self, batch: Batch, code: str, detail: str = "") -> None:
        if self._columns is None:
            batch.refuse_file(self._row, code, detail)
        else:
            batch.refuse(self._row, "", code, detail)
            batch.bad += 1

    def _plain_rows(self, batch: Batch, text: str, start: int, end: int) -> int:
        """Takes as many plain rows as there are; returns where they end."""
        if self._plainest is not None:
            stop = _end(self._plainest, text, start, end)
            if stop > start:
                self._add(batch, text[start:stop].replace(",", "\t"))
                return stop
        stop = _end(self._plain, text, start, end)
        if stop > start:
            found = self._one_plain.findall(text, start, stop)
            if self._swapped:
                found = [(number, day) for day, number in found]
            days = self._days
            for day in {day for _, day in found} - days.keys():
                days[day] = str(day_of(day.strip('"')))
            lines = [f"{number}\t{days[day]}\n" for number, day in found]
            self._add(batch, "".join(lines).replace('"', ""))
        return stop

    def _add(self, batch: Batch, lines: str) -> None:
        count = lines.count("\n")
        batch.add(self._row + 1, count, lines)
        self._row += count

    def _data_row(self, batch: Batch, cells: list[str] | None) -> None:
        if cells is None:
            self._refuse_row(batch, "bad_csv")
            return
        if all(map(is_blank, cells)):
            return
        assert self._columns is not None
        number, issued_on, width = self._columns
        if len(cells) <= max(number, issued_on) or any(cell.strip() for cell in cells[width:]):
            self._refuse_row(batch, "wrong_columns", f"{len(cells)}/{width}")
            return
        batch.take(self._row, cells[number], cells[issued_on], self._terms)

    def _header(self, batch: Batch, text: str, start: int, end: int) -> None:
        records = {mark: _record(text, start, end, mark) for mark in DELIMITERS}
        names = {mark: (one and one.cells) or [] for mark, one in records.items()}
        record = text[start : text.index("\n", start)]
        if not trimmed(record.strip(f" {DELIMITERS}")):
            return  # as in a workbook, the header is the first row with content
        found = {mark: columns_of(cells) for mark, cells in names.items()}
        mark = next((m for m in DELIMITERS if isinstance(found[m], Columns)), None)
        if mark is None:
            if "\ufffd" in record:
                batch.refuse_file(self._row, "unknown_encoding")
                return
            faults = [one for one in found.values() if isinstance(one, Fault)]
            batch.refuse_file(self._row, *min(faults, key=lambda one: len(one.detail)))
            return
        columns = found[mark]
        assert isinstance(columns, Columns)
        self._delimiter, self._columns = mark, columns
        if not self._proven and not record.isascii():
            self._prove()
        self._compile(columns, mark)

    def _prove(self) -> None:
        """Bytes that are no UTF-8 spoil their own row from now on."""
        self._proven = True
        assert self._decoder is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        state, self._decoder = self._decoder.getstate(), _lines_of(decoder)
        self._decoder.setstate(state)

    def _compile(self, columns: Columns, mark: str) -> None:
        """The patterns of plain good rows; the plainest need neither be moved nor rewritten."""
        number = rf"{_NO_LOST_DIGITS}[{_PLAIN}]{{1,{self._terms.longest}}}+"
        day = days_pattern(self._terms.first_day, self._terms.last_day)
        cells = [f'[^{mark}"\\n]*+'] * columns.width
        cells[columns.number] = f'((?:{number}|"{number}"))'
        cells[columns.issued_on] = f'((?:{day}|"{day}"))'
        line = f"{re.escape(mark).join(cells)}\\n"
        self._one_plain = re.compile(line)
        self._plain = re.compile(f"(?:{line.replace('((?:', '(?:(?:')})*+")
        self._swapped = columns.issued_on < columns.number
        if columns == Columns(0, 1, 2) and mark == ",":
            iso = iso_days_pattern(self._terms.first_day, self._terms.last_day)
            self._plainest = re.compile(f"(?:{number},{iso}\n)*+")


_PLAIN = r"!#-+\--:<-~\u4e00-\u9fff"
"""ASCII without blanks, quotes and delimiters, and common ideographs: already normalised."""

_FIRSTS = re.escape("".join(sorted({word[0] for word in NO_VALUES})))
_RESTS = "|".join(sorted({re.escape(word[1:]) for word in NO_VALUES}))

# each branch begins with a set of characters, by which nearly every line is past it at once
_NO_LOST_DIGITS = rf"(?![=#'`+-]|[0-9]++[.EeXx*]|[{_FIRSTS}](?:{_RESTS})(?![{_PLAIN}]))"
"""Leaves to the slow way what may be a marker, an error, no value or a number without all its
digits."""


def days_pattern(first: date, last: date) -> str:
    """A pattern of all days from first to last, in the usual forms."""
    months = []
    for year, month, days in _months(first, last):
        strict = _strict(days)
        loose = "|".join([strict, *(day[1] for day in days if day[0] == "0")])
        separated = "|".join(f"{mark}0?{month}{mark}(?:{loose})(?![0-9])" for mark in "-/")
        if month > 9:
            separated = separated.replace("0?", "")
        months.append(f"{year}(?:{separated}|{month:02d}(?:{strict}))")
    return f"(?:{'|'.join(months)})"


def iso_days_pattern(first: date, last: date) -> str:
    """A pattern of all days from first to last as ISO 8601 has them."""
    months = [
        f"{year}-{month:02d}-(?:{_strict(days)})" for year, month, days in _months(first, last)
    ]
    return f"(?:{'|'.join(months)})"


def _months(first: date, last: date) -> Iterator[tuple[int, int, list[str]]]:
    """The months of a period: year, month, and their days in it in two digits."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for (year, month), group in groupby(days, key=lambda day: (day.year, day.month)):
        yield year, month, [f"{day.day:02d}" for day in group]


def _strict(days: Sequence[str]) -> str:
    """A pattern of days in two digits."""
    tens = ((ten, "".join(day[1] for day in some)) for ten, some in groupby(days, lambda d: d[0]))
    return "|".join(f"{ten}[{ones}]" for ten, ones in tens)


def _end(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Where a pattern that matches anything, if only nothing, stops."""
    found = pattern.match(text, start, end)
    assert found is not None
    return found.end()


class Record(NamedTuple):
    """The cells of a record, None if it cannot be taken apart, and where the next one begins."""

    cells: list[str] | None
    stop: int


def _proves_utf8(text: str) -> bool:
    """Whether a file that begins like this has a Chinese header that was understood."""
    head = text.lstrip()
    line, rest, _ = head.replace("\r", "\n").partition("\n")
    marks = [mark for mark in DELIMITERS if isinstance(columns_of(line.split(mark)), Columns)]
    return bool(rest and marks and not line.isascii())


def _lines_of(decoder: codecs.IncrementalDecoder) -> io.IncrementalNewlineDecoder:
    """Turns all line ends into line feeds, also where one is cut in two by the end of a part."""
    return io.IncrementalNewlineDecoder(decoder, translate=True)


def _record(text: str, start: int, end: int, mark: str) -> Record | None:
    """The record that starts here; None if it goes on behind ``end``, or further than allowed."""
    stop = text.index("\n", start) + 1
    if text.find('"', start, stop) < 0:
        return Record(text[start : stop - 1].split(mark), stop)
    lines = _Lines(text, start, min(end, start + _LONGEST_RECORD))
    try:
        return Record(next(csv.reader(lines, delimiter=mark, strict=True)), lines.place)
    except csv.Error as error:
        return None if "end of data" in str(error) else Record(None, stop)


class _Lines:
    """The lines of a stretch of text one by one, and how far they have been taken."""

    def __init__(self, text: str, place: int, end: int) -> None:
        self._text, self.place, self._end = text, place, end

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        start, self.place = self.place, self._text.find("\n", self.place, self._end) + 1
        if not self.place:
            raise StopIteration
        return self._text[start : self.place]
