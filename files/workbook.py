"""Reads XLSX as a person saw it: the rows of the one sheet that is not hidden, as a stream.

An incremental parser reads the sheet straight out of the archive, shared strings are kept on disk.
Document types, and with them entities, are refused; so is what is far larger unpacked than any
table can be.
"""

import mmap
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from typing import IO, NamedTuple
from xml.parsers import expat

from domain.faults import shown
from domain.text import trimmed
from files.findings import unusable
from files.number_formats import GENERAL, NumberFormat, built_in, number_format

_MAX_ENTRIES = 1_000
_MAX_ROW = 1_048_576
_MAX_COLUMN = 256
"""Whatever stands further right counts as standing here: no table is that wide."""
_MAX_TEXT = 33_000
_MAX_MERGED = 10_000
_BYTES = 256 * 1024
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Cell(NamedTuple):
    """A cell that is not just a text: a number, a truth value, a date in ISO 8601, an error.

    ``kind`` is that of the file: n, b, d, e, and s for a text whose format shows it otherwise.
    ``text`` is the value as it is stored; ``computed`` tells a formula. ``first_day`` is the day
    that the workbook counts from.
    """

    kind: str
    text: str
    format: NumberFormat = GENERAL
    computed: bool = False
    first_day: date = date(1899, 12, 30)

    def day(self) -> date | None:
        """The day a number stands for, None if it stands for none."""
        try:
            serial = int(float(self.text))
            return self.first_day + timedelta(days=serial) if serial >= 1 else None
        except (ValueError, OverflowError):
            return None


Shown = str | Cell | None
"""What stands in a cell: a text as it is, something else, or nothing."""


class Range(NamedTuple):
    """Cells from one corner to the other, rows from 1 and columns from 0, as they are written."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int
    name: str


@contextmanager
def readable() -> Iterator[None]:
    """Turns whatever a broken archive or part raises into a problem of the file."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, RuntimeError,
        ValueError, LookupError,
    ):  # fmt: skip
        # RuntimeError covers encrypted entries and, as NotImplementedError, odd compressions
        raise unusable("broken_workbook") from None


class Workbook:
    """An opened workbook: its one sheet with content that is not hidden. Raises Unusable.

    ``hidden_columns`` (first and last, from 0) and ``merged`` are complete once all rows are read.
    """

    def __init__(self, file: IO[bytes], most_unpacked: int) -> None:
        self.hidden_columns: list[tuple[int, int]] = []
        self.merged: list[Range] = []
        self._names: set[str] = set()
        self._parts: dict[str, str] = {}
        self._formats: list[NumberFormat] = []
        self._first_day = date(1899, 12, 30)
        self._uncomputed = False
        self._strings = _Strings()
        try:
            with readable():
                self._open(file, most_unpacked)
        except BaseException:
            self.close()
            raise

    def _open(self, file: IO[bytes], most_unpacked: int) -> None:
        self._book = zipfile.ZipFile(file)
        entries = self._book.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if len(entries) > _MAX_ENTRIES or unpacked > most_unpacked:
            raise unusable("zip_bomb")
        self._names = set(self._book.namelist())
        sheets = [sheet for sheet in self._sheets() if sheet[2] in self._names]
        if not sheets:
            raise unusable("broken_workbook")
        self._read_styles()
        self._read_strings()
        filled = [sheet for sheet in sheets if self._is_filled(sheet[2])]
        seen = [sheet for sheet in filled if not sheet[1]]
        if len(seen) > 1:
            raise unusable("several_sheets", "、".join(shown(name) for name, _, _ in seen[:5]))
        if filled and not seen:
            raise unusable("hidden_sheet", "、".join(shown(name) for name, _, _ in filled[:5]))
        self.is_empty = not seen
        self._sheet = (seen or sheets)[0][2]

    def rows(self) -> Iterator[tuple[int, list[Shown]]]:
        """The sheet's rows that have content, with their numbers."""
        reader = _SheetReader(self._strings, self._formats, self._first_day, self._uncomputed)
        rows = self._rows_of(reader, self._sheet)
        while True:
            with readable():
                row = next(rows, None)
            if row is None:
                self.hidden_columns, self.merged = reader.hidden_columns, reader.merged
                return
            self.hidden_columns = reader.hidden_columns
            yield row

    def close(self) -> None:
        """Lets go of what is held on disk."""
        self._strings.close()

    # parts

    def _sheets(self) -> list[tuple[str, bool, str]]:
        """The sheets in the order of the workbook: name, whether it is hidden, entry."""
        wanted: list[tuple[str, bool, str]] = []
        targets: dict[str, str] = {}

        def relation(name: str, given: dict[str, str]) -> None:
            if name == "Relationship":
                target = given.get("Target", "")
                place = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                targets[given.get("Id", "")] = place
                self._parts[given.get("Type", "").rpartition("/")[2]] = place

        def element(name: str, given: dict[str, str]) -> None:
            if name == "workbookPr" and _true(given, "date1904"):
                self._first_day = date(1904, 1, 1)
            elif name == "calcPr" and _true(given, "fullCalcOnLoad"):
                self._uncomputed = True
            elif name == "sheet":
                id_ = next((v for k, v in given.items() if _local(k) == "id"), "")
                hidden = given.get("state", "visible") != "visible"
                wanted.append((_decoded(given.get("name", "")), hidden, id_))

        self._parse("xl/workbook.xml", element)
        self._parse("xl/_rels/workbook.xml.rels", relation)
        return [(name, hidden, targets[id_]) for name, hidden, id_ in wanted if id_ in targets]

    def _read_styles(self) -> None:
        name = self._parts.get("styles", "")
        if name not in self._names:
            return
        codes: dict[int, str] = {}
        inside: list[bool] = []

        def element(name: str, given: dict[str, str]) -> None:
            if name == "numFmt":
                codes[int(given.get("numFmtId", "0"))] = _decoded(given.get("formatCode", ""))
            elif name == "cellXfs":
                inside.append(True)
            elif name == "xf" and inside and len(self._formats) < 100_000:
                id_ = int(given.get("numFmtId", "0"))
                own = codes.get(id_)
                self._formats.append(built_in(id_) if own is None else number_format(own))
            elif name == "cellStyles":
                inside.clear()

        self._parse(name, element)

    def _read_strings(self) -> None:
        name = self._parts.get("sharedStrings", "xl/sharedStrings.xml")
        if name not in self._names:
            return
        text: list[str] = []
        keep = skip = False

        def begin(name: str, _: dict[str, str]) -> None:
            nonlocal keep, skip
            name = _local(name)
            if name == "si":
                text.clear()
            skip = skip or name == "rPh"
            keep = name == "t" and not skip

        def end(name: str) -> None:
            nonlocal keep, skip
            name = _local(name)
            keep = False
            if name == "rPh":
                skip = False
            elif name == "si":
                self._strings.add(_decoded("".join(text)[:_MAX_TEXT]))

        def data(more: str) -> None:
            if keep and len(text) < _MAX_TEXT:
                text.append(more[:_MAX_TEXT])

        with self._book.open(name) as part:
            parser = _parser(begin, end, data)
            while block := part.read(_BYTES):
                _parse(parser, block)
            parser.Parse(b"", True)

    def _is_filled(self, name: str) -> bool:
        reader = _SheetReader(self._strings, self._formats, self._first_day, False)
        return any(
            _shows(cell)
            for _, cells in self._rows_of(reader, name, hidden_too=True)
            for cell in cells
        )

    def _rows_of(
        self, reader: "_SheetReader", name: str, *, hidden_too: bool = False
    ) -> Iterator[tuple[int, list[Shown]]]:
        reader.hidden_too = hidden_too
        with self._book.open(name) as part:
            while block := part.read(_BYTES):
                _parse(reader.parser, block)
                yield from reader.taken()
            reader.parser.Parse(b"", True)
            yield from reader.taken()

    def _parse(self, name: str, element: Callable[[str, dict[str, str]], None]) -> None:
        with self._book.open(name) as part:
            parser = _parser(lambda n, given: element(_local(n), given))
            while block := part.read(_BYTES):
                _parse(parser, block)
            parser.Parse(b"", True)


class _SheetReader:
    """Gathers a sheet's rows while the parser goes through it."""

    def __init__(
        self,
        strings: "_Strings",
        formats: list[NumberFormat],
        first_day: date,
        uncomputed: bool,
    ) -> None:
        self.hidden_columns: list[tuple[int, int]] = []
        self.merged: list[Range] = []
        self.hidden_too = False
        self._strings = strings
        self._formats = formats
        self._first_day = first_day
        self._uncomputed = uncomputed
        self._done: list[tuple[int, list[Shown]]] = []
        self._row, self._row_name = 0, "0"
        self._hidden = False
        self._cells: list[Shown] = []
        self._column = -1
        self._kind, self._style, self._formula = "n", 0, False
        self._text: list[str] = []
        self._keep = self._phonetic = False
        self.parser = _parser(self._begin, self._end, self._data)

    def taken(self) -> list[tuple[int, list[Shown]]]:
        """The rows complete since the last call."""
        done, self._done = self._done, []
        return done

    def _begin(self, name: str, given: dict[str, str]) -> None:
        if ":" in name:
            name = _local(name)
        if name == "c":
            place = given.get("r")
            if place is None:
                self._column += 1
            else:
                letters = place[: -len(self._row_name)]
                if not place.endswith(self._row_name) or not letters.isupper():
                    raise unusable("broken_workbook")
                self._column = _column(letters)
            self._kind = given.get("t", "n")
            self._style = int(given.get("s", "0"))
            self._formula = False
            self._text = []
        elif name == "v" or name == "t":
            self._keep = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            row = int(given.get("r", self._row + 1))
            if not self._row < row <= _MAX_ROW:
                raise unusable("broken_workbook")
            self._row, self._row_name, self._column, self._cells = row, str(row), -1, []
            self._hidden = _true(given, "hidden") or given.get("ht") == "0"
        elif name == "col":
            if _true(given, "hidden") or given.get("width") == "0":
                columns = int(given.get("min", "0")) - 1, int(given.get("max", "0")) - 1
                self.hidden_columns.append(columns)
        elif name == "mergeCell":
            self._merge(given.get("ref", ""))

    def _merge(self, name: str) -> None:
        first, _, last = name.partition(":")
        corners = [_PLACE.fullmatch(corner) for corner in (first, last or first)]
        if corners[0] and corners[1]:
            if len(self.merged) == _MAX_MERGED:
                raise unusable("merged_cells", shown(name))
            place = [(int(corner[2]), _column(corner[1])) for corner in corners if corner]
            self.merged.append(Range(*place[0], *place[1], name))

    def _end(self, name: str) -> None:
        if ":" in name:
            name = _local(name)
        if name == "v" or name == "t":
            self._keep = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c":
            if self._text or self._formula:
                self._take("".join(self._text))
        elif name == "row" and self._cells:
            if self._hidden and not self.hidden_too and any(map(_shows, self._cells)):
                raise unusable("hidden_row", row=self._row)
            self._done.append((self._row, self._cells))

    def _take(self, text: str) -> None:
        """A cell that holds something."""
        cells, kind = self._cells, self._kind
        column = min(self._column, _MAX_COLUMN)
        while len(cells) <= column:
            cells.append(None)
        if cells[column] is not None and column < _MAX_COLUMN:
            raise unusable("broken_workbook")  # two cells in one place: nobody knows which is shown
        style = self._style
        form = self._formats[style] if style < len(self._formats) else GENERAL
        if kind == "s":
            cells[column] = value = self._strings[int(text)] if text else ""
        elif kind in ("str", "inlineStr"):
            cells[column] = value = _decoded(text[:_MAX_TEXT])
        else:
            if self._formula and (not text or (self._uncomputed and text == "0")):
                kind, text = "f", ""  # programs write 0 where they leave the computing to Excel
            elif not text:
                return
            cells[column] = Cell(kind, text[:_MAX_TEXT], form, self._formula, self._first_day)
            return
        if not form.text_as_is and value:
            cells[column] = Cell("s", value, form)

    def _data(self, more: str) -> None:
        if self._keep and len(self._text) < _MAX_TEXT:
            self._text.append(more[:_MAX_TEXT])


class _Strings:
    """The shared strings, on disk; only where each begins is held in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever made this
        self._ends = array("Q", [0])
        self._map: mmap.mmap | None = None

    def add(self, text: str) -> None:
        """Keeps one more string."""
        if len(self._ends) > 2 * _MAX_ROW:
            raise unusable("zip_bomb")
        # half of a pair is kept as it is, and refused where it stands
        self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise unusable("broken_workbook")
        if not self._ends[-1]:
            return ""
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        held = self._map[self._ends[number] : self._ends[number + 1]]
        return held.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Lets go of the file."""
        if self._map is not None:
            self._map.close()
        self._file.close()


def _shows(cell: Shown) -> bool:
    """Whether anything stands in a cell that could be seen."""
    return bool(trimmed(cell)) if isinstance(cell, str) else cell is not None


def _decoded(text: str) -> str:
    """A text with its escapes ``_xHHHH_`` undone, as ST_Xstring of ECMA-376 says."""
    if "_x" not in text:
        return text
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    # two halves of a pair are one character
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _parser(
    begin: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    return parser


def _parse(parser: expat.XMLParserType, block: bytes) -> None:
    """Parses on; refuses a tag so long that the parser would have to hold it in memory."""
    held = parser.CurrentByteIndex
    parser.Parse(block)
    if held >= 0 and parser.CurrentByteIndex == held and len(block) == _BYTES:
        raise unusable("zip_bomb")


def _refuse_document_type(*_: object) -> None:
    raise unusable("broken_workbook")


def _true(given: dict[str, str], name: str) -> bool:
    return given.get(name, "") in ("1", "true")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


@lru_cache(maxsize=1024)
def _column(letters: str) -> int:
    if not 1 <= len(letters) <= 3 or not letters.isascii():
        raise unusable("broken_workbook")
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def column_letters(column: int) -> str:
    """How a column from 0 is called."""
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters
