"""Reads report numbers from an XLSX file as a stream: one row at a time, shared strings on disk.

An incremental parser reads the sheet straight out of the archive. Document types, and with them
entities, are refused; so is what is far larger unpacked than any sheet of two columns can be.
"""

import mmap
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import IO, NamedTuple
from xml.parsers import expat

from domain.numbers.row_checks import Fault, Terms, shown
from files.numbers import Batch, Columns, columns_of

MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
_MAX_ENTRIES = 1_000
_MAX_ROW = 1_048_576
_MAX_COLUMN = 256
_MAX_TEXT = 1_000
_BYTES = 256 * 1024
_BATCH = 8_000

_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_NOT_CODE = re.compile(r'"[^"]*"|\\.|\[(?!h|m|s)[^\]]*\]', re.IGNORECASE)
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_INTEGER = re.compile(r"-?[0-9]{1,15}(?:\.0*)?")


class Broken(Exception):
    """The workbook cannot be used; the argument is the code of the problem."""


class Cell(NamedTuple):
    """A cell: what it holds, as text, and of what kind that is."""

    kind: str
    text: str
    style: int = 0
    formula: bool = False


def read_workbook(file: IO[bytes], terms: Terms) -> Iterator[Batch]:
    """The rows of a workbook's only filled sheet, in batches. Never raises for any content."""
    try:
        file.seek(0)
        if file.read(2) != b"PK":
            raise Broken("wrong_type")
        with zipfile.ZipFile(file) as book:
            entries = book.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if len(entries) > _MAX_ENTRIES or unpacked > MAX_UNPACKED_BYTES:
                raise Broken("zip_bomb")
            with closing(_Strings()) as strings:
                yield from _rows(_Workbook(book, strings), terms)
    except Broken as broken:
        batch = Batch()
        batch.refuse_file(0, str(broken))
        yield batch
    except (
        zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, RuntimeError,
        ValueError, LookupError,
    ):  # fmt: skip
        # RuntimeError covers encrypted entries and, as NotImplementedError, odd compressions
        batch = Batch()
        batch.refuse_file(0, "broken_workbook")
        yield batch


def _rows(workbook: "_Workbook", terms: Terms) -> Iterator[Batch]:
    columns: Columns | None = None
    batch, total, row = Batch(), 0, 0
    for row, cells in workbook.rows():
        if not any(
            cell.text.strip() or cell.kind == "e" or cell.formula for cell in cells.values()
        ):
            continue
        if columns is None:
            names = [cells[n].text if n in cells else "" for n in range(max(cells) + 1)]
            found = columns_of(names)
            if isinstance(found, Fault):
                batch.refuse_file(row, *found)
                yield batch
                return
            columns = found
            continue
        blank = Cell("s", "")
        number = workbook.number(cells.get(columns.number, blank))
        day = workbook.day(cells.get(columns.issued_on, blank))
        if (number, day) == ("", "") and not any(
            n in cells for n in (columns.number, columns.issued_on) if cells.get(n, blank).text
        ):
            continue  # only columns that are not read are filled
        batch.take(row, number, day, terms)
        if batch.rows >= _BATCH:
            total += batch.rows
            yield batch
            batch = Batch()
    if columns is None:
        batch.refuse_file(0, "empty_file")
    elif not total + batch.rows:
        batch.refuse_file(row, "no_rows")
    yield batch


class _Workbook:
    """An opened workbook: its only filled sheet, styles, date system and shared strings."""

    def __init__(self, book: zipfile.ZipFile, strings: "_Strings") -> None:
        self._book = book
        self._names = set(book.namelist())
        self._formats: list[int | str] = []
        self._first_day = date(1899, 12, 30)
        self._strings = strings
        sheets = [name for name in self._sheets() if name in self._names]
        if not sheets:
            raise Broken("broken_workbook")
        self._read_styles()
        self._read_strings()
        filled = [name for name in sheets if self._is_filled(name)]
        if len(filled) > 1:
            raise Broken("several_sheets")
        self._sheet = (filled or sheets)[0]

    def rows(self) -> Iterator[tuple[int, dict[int, Cell]]]:
        """The sheet's rows with their numbers, cells by column from 0."""
        yield from self._rows_of(self._sheet)

    # cells

    def number(self, cell: Cell) -> str | Fault:
        """A report number as exact text, as far as Excel has kept it."""
        fault = _fault(cell)
        if fault is not None:
            return fault
        if cell.kind == "b":
            return "TRUE" if cell.text == "1" else "FALSE"
        if cell.kind not in ("n", "d") or not cell.text:
            return cell.text
        if cell.kind == "d" or self._is_date(cell.style):
            return Fault("number_is_date")
        if not _INTEGER.fullmatch(cell.text):
            whole = _whole(cell.text)
            if whole is None:
                return Fault("lost_digits", shown(cell.text))
            return whole
        digits = cell.text.partition(".")[0]
        form = self._format(cell.style)
        # a format of zeros only shows leading zeros that the value itself does not have
        return digits.zfill(len(form)) if isinstance(form, str) and not form.strip("0") else digits

    def day(self, cell: Cell) -> str | date | Fault:
        """A date of issue; numbers are days in the workbook's date system."""
        fault = _fault(cell)
        if fault is not None:
            return fault
        if cell.kind == "d":
            return cell.text[:10]
        if cell.kind != "n" or not cell.text:
            return cell.text
        if re.fullmatch(r"[12][0-9]{7}", cell.text):
            return cell.text  # 20240701 typed as a number; no serial is that large
        try:
            serial = int(float(cell.text))
            if serial < 1:
                raise ValueError
            return self._first_day + timedelta(days=serial)
        except (ValueError, OverflowError):
            return Fault("not_a_date", shown(cell.text))

    def _format(self, style: int) -> int | str:
        return self._formats[style] if 0 <= style < len(self._formats) else 0

    def _is_date(self, style: int) -> bool:
        form = self._format(style)
        if isinstance(form, int):
            return form in _DATE_FORMATS
        return any(char in "ymdhs" for char in _NOT_CODE.sub("", form).lower())

    # parts

    def _sheets(self) -> list[str]:
        """The sheets' entries, in the order of the workbook."""
        wanted: list[str] = []
        targets: dict[str, str] = {}

        def relation(name: str, given: dict[str, str]) -> None:
            if name == "Relationship":
                target = given.get("Target", "")
                place = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                targets[given.get("Id", "")] = place

        def element(name: str, given: dict[str, str]) -> None:
            if name == "workbookPr" and given.get("date1904", "") in ("1", "true"):
                self._first_day = date(1904, 1, 1)
            elif name == "sheet":
                wanted.append(next((v for k, v in given.items() if _local(k) == "id"), ""))

        self._parse("xl/workbook.xml", element)
        self._parse("xl/_rels/workbook.xml.rels", relation)
        return [targets[id_] for id_ in wanted if id_ in targets]

    def _read_styles(self) -> None:
        if "xl/styles.xml" not in self._names:
            return
        codes: dict[int, str] = {}
        inside: list[bool] = []

        def element(name: str, given: dict[str, str]) -> None:
            if name == "numFmt":
                codes[int(given.get("numFmtId", "0"))] = given.get("formatCode", "")[:200]
            elif name == "cellXfs":
                inside.append(True)
            elif name == "xf" and inside and len(self._formats) < 100_000:
                id_ = int(given.get("numFmtId", "0"))
                self._formats.append(codes.get(id_, id_))
            elif name == "cellStyles":
                inside.clear()

        self._parse("xl/styles.xml", element)

    def _read_strings(self) -> None:
        name = "xl/sharedStrings.xml"
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
                self._strings.add("".join(text)[:_MAX_TEXT])

        def data(more: str) -> None:
            if keep and len(text) < _MAX_TEXT:
                text.append(more[:_MAX_TEXT])

        with self._book.open(name) as part:
            parser = _parser(begin, end, data)
            while block := part.read(_BYTES):
                _parse(parser, block)
            parser.Parse(b"", True)

    def _is_filled(self, name: str) -> bool:
        rows = self._rows_of(name)
        return any(cell.text.strip() for _, cells in rows for cell in cells.values())

    def _rows_of(self, name: str) -> Iterator[tuple[int, dict[int, Cell]]]:
        reader = _SheetReader(self._strings)
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

    def __init__(self, strings: "_Strings") -> None:
        self._strings = strings
        self._done: list[tuple[int, dict[int, Cell]]] = []
        self._row = 0
        self._cells: dict[int, Cell] = {}
        self._column = -1
        self._kind, self._style, self._formula = "n", 0, False
        self._text: list[str] = []
        self._keep = self._phonetic = False
        self.parser = _parser(self._begin, self._end, self._data)

    def taken(self) -> list[tuple[int, dict[int, Cell]]]:
        """The rows complete since the last call."""
        done, self._done = self._done, []
        return done

    def _begin(self, name: str, given: dict[str, str]) -> None:
        if ":" in name:
            name = _local(name)
        if name == "c":
            place = _PLACE.fullmatch(given.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            self._kind = given.get("t", "n")
            self._style = int(given.get("s", "0"))
            self._formula = False
            self._text = []
        elif name in ("v", "t"):
            self._keep = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            row = int(given.get("r", self._row + 1))
            if not self._row < row <= _MAX_ROW:
                raise Broken("broken_workbook")
            self._row, self._column, self._cells = row, -1, {}

    def _end(self, name: str) -> None:
        if ":" in name:
            name = _local(name)
        if name in ("v", "t"):
            self._keep = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c":
            text = "".join(self._text)[:_MAX_TEXT]
            if self._column < _MAX_COLUMN and (text or self._formula):
                kind = self._kind
                if kind == "s":
                    kind, text = "str", self._strings[int(text)] if text else ""
                self._cells[self._column] = Cell(kind, text, self._style, self._formula)
        elif name == "row" and self._cells:
            self._done.append((self._row, self._cells))

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
            raise Broken("zip_bomb")
        self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "replace")))

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise Broken("broken_workbook")
        if not self._ends[-1]:
            return ""
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map[self._ends[number] : self._ends[number + 1]].decode()

    def close(self) -> None:
        """Lets go of the file."""
        if self._map is not None:
            self._map.close()
        self._file.close()


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
        raise Broken("zip_bomb")


def _refuse_document_type(*_: object) -> None:
    raise Broken("broken_workbook")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _fault(cell: Cell) -> Fault | None:
    if cell.kind == "e":
        return Fault("cell_error", shown(cell.text))
    if cell.formula and not cell.text:
        # a text formula may rightly come to nothing; then the cell is simply blank
        return None if cell.kind == "str" else Fault("no_value")
    return None


def _whole(text: str) -> str | None:
    """A number like 1.2E+3 as digits, None where it is no whole number or may have lost digits."""
    try:
        value = float(text)
    except ValueError:
        return None
    return str(int(value)) if value == value and abs(value) < 10**15 and value % 1 == 0 else None
