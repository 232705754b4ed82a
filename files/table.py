"""Tables that people fill in, CSV or XLSX, read as a person saw them by what is declared of them.

A format is a `Format`: its columns, what each means, generated examples. From it come the reading
of a file with every problem by row and column, the template, and the table of its documentation.
Whatever the content, what cannot be used is a finding with a code, what is wrong and how to mend
it, in Chinese; nothing else is raised. Nothing is guessed: a number that has lost digits in the
spreadsheet is refused, not completed.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from domain.days import day_written
from domain.faults import Fault, shown
from domain.text import (
    code_point,
    is_excel_error,
    is_no_value,
    is_plain,
    lost_digits,
    trimmed,
    uncomposed,
    unmarked,
    unseen,
)
from files import findings
from files.apart import Apart, is_small
from files.findings import Problems, Unusable, unusable
from files.workbook import Cell, Shown, Workbook, column_letters

MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_ROWS = 200_000
_MOST_LINES = 1_048_576
"""As many as a sheet has: blank ones cost as well."""
_LONGEST_HEADER = 20_000
_MOST_MEANT = 5_000
"""So many texts of a column are remembered: codes, days and names of authorities, not ids."""
CLEAR = "清除"
"""What stands in a cell whose value is to be taken off the record; an empty cell leaves it."""
DELIMITERS = ",;\t"
BOM = b"\xef\xbb\xbf"

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_BREAKS = dict.fromkeys(map(ord, "\t\r\n"))
_EXACT = 10**15  # Excel keeps 15 digits; of anything longer the last ones are lost
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")
_SOMETHING = re.compile(r"\S")
_FORMULA = re.compile(r"[=@]|[+-].*[|!]", re.DOTALL)


def half_width(text: str) -> str:
    """A text with full-width letters, digits and signs as the usual ones."""
    return text if text.isascii() else trimmed(text.translate(_FULL_WIDTH))


# --- the file -------------------------------------------------------------------------------------


def content_of(path_or_bytes: Path | str | bytes) -> bytes:
    """The bytes of a file that is not too large. Raises Unusable."""
    if not isinstance(path_or_bytes, bytes):
        try:
            path = Path(path_or_bytes)
            if path.stat().st_size > MAX_BYTES:
                raise _too_large()
            path_or_bytes = path.read_bytes()
        except (OSError, ValueError):
            raise Unusable(
                "unreadable", "文件不存在或无法读取", "请核对文件位置和读取权限"
            ) from None
    if len(path_or_bytes) > MAX_BYTES:
        raise _too_large()
    if not path_or_bytes.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise Unusable("empty", "文件是空的", "请按模板填写后再上传")
    return path_or_bytes


def _too_large() -> Unusable:
    limit = MAX_BYTES // 1024 // 1024
    return Unusable("too_large", f"文件超过 {limit} MiB", "请拆成几个文件分别上传")


def _decoded(content: bytes) -> str:
    """The text: by its BOM, else strict UTF-8, else strict GB18030."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif content.startswith(BOM):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "gb18030"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unusable(
        "unknown_encoding",
        "文件的文字编码既不是 UTF-8 也不是 GB18030",
        "请用 Excel 或 WPS 另存为“CSV UTF-8（逗号分隔）”后上传",
    )


def _first_line(text: str) -> str:
    """The first line with something in it. Raises Unusable: no table's header is that long."""
    found = _SOMETHING.search(text)
    start = found.start() if found else len(text)
    line = text[start : start + _LONGEST_HEADER + 1].partition("\n")[0].rstrip("\r")
    if len(line) > _LONGEST_HEADER:
        what = f"第一行超过 {_LONGEST_HEADER:,} 字，不是表头"
        raise Unusable("too_long", what, "请照模板填写表头，每家一行")
    return line


def _delimiter_of(first_line: str, known: Callable[[str], bool]) -> str:
    """The delimiter that parts the most known names."""
    names = {mark: [cell.strip('"') for cell in first_line.split(mark)] for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: sum(map(known, names[mark])))


def csv_rows(content: bytes, delimiter: str) -> Iterator[tuple[int, Sequence[Shown]]]:
    """The rows of a CSV file that are not blank, with their numbers. Raises Unusable."""
    reader = csv.reader(
        io.StringIO(_decoded(content), newline=""), delimiter=delimiter, strict=True
    )
    number = 0
    while True:
        number += 1
        if number > _MOST_LINES:
            what = f"文件超过 {_MOST_LINES:,} 行"
            raise Unusable("too_many_rows", what, "请删去空行，或拆成几个文件分别上传")
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                limit = csv.field_size_limit()
                what = f"第 {number} 行有一格超过 {limit:,} 字，或引号不配对"
                raise Unusable("too_long", what, "请删减该格，或检查引号", number) from None
            raise Unusable(
                "bad_csv",
                f"第 {number} 行无法拆成各列，多半是引号不配对",
                "请检查该行的英文双引号，或改用 .xlsx 上传",
                number,
            ) from None
        if any(row):
            yield number, row


def opened(content: bytes) -> Workbook | Apart:
    """A workbook with something in it, a large one read by a process of its own.

    Raises Unusable, at once or while its rows come.
    """
    if not is_small("xlsx", content):
        return Apart("xlsx", content, MAX_UNPACKED_BYTES)
    book = Workbook(io.BytesIO(content), MAX_UNPACKED_BYTES)
    if book.is_empty:
        book.close()
        raise empty_workbook()
    return book


def empty_workbook() -> Unusable:
    """A workbook without anything in it."""
    return Unusable("empty", "工作簿里没有数据", "请按模板填写后再上传")


def name_key(name: str) -> str:
    """What two ways to write a column's name have in common."""
    return half_width(name).strip("*").replace(" ", "").casefold()


def refuse_unseen_places(book: Workbook | Apart, header: int, columns: Iterable[int]) -> None:
    """Raises Unusable where cells of these columns were hidden or merged under the header."""
    used = set(columns)
    for first, last in book.hidden_columns:
        if hidden := sorted(column for column in used if first <= column <= last):
            raise unusable("hidden_column", "、".join(map(column_letters, hidden)), header)
    for cells in book.merged:
        inside = used.intersection(range(cells.first_column, cells.last_column + 1))
        if inside and cells.last_row > header and cells.name.count(":"):
            raise unusable("merged_cells", cells.name, cells.first_row)


# --- cells ----------------------------------------------------------------------------------------


def is_blank(cell: Shown) -> bool:
    """Whether nothing stands in a cell."""
    return not cell or (
        isinstance(cell, str) and (cell[0] in "'`=" or not is_plain(cell[0])) and not unmarked(cell)
    )


def seen(text: str) -> str:
    """A text as a person saw it, without marks at its ends. Raises Unusable: parts are not seen."""
    if text.isascii() and text.isprintable() and text[:1].isalnum() and text[-1:] != " ":
        return _with_value(text)  # nearly all there is
    text = unmarked(text)
    if is_excel_error(text):
        raise unusable("cell_error", shown(text))
    if (
        character := unseen(text.replace("\n", "").replace("\r", "").replace("\t", ""))
    ) is not None:
        if character == "\ufffd":
            raise unusable("bad_encoding")
        raise unusable("bad_characters", code_point(character))
    if (part := uncomposed(text)) is not None:
        raise unusable("not_composed", shown(part))
    return _with_value(text)


def _with_value(text: str) -> str:
    if is_no_value(text):
        raise unusable("not_a_value", text)
    return text


def text_of(cell: Shown, *, identifier: bool = False, amount: bool = False) -> str:
    """The cell as the text it shows; an ``amount`` without the marks that its format adds.

    Raises Unusable where that is not certain, for a date, and where an ``identifier`` may have
    lost digits.
    """
    if isinstance(cell, str):
        text = seen(cell)
        if identifier and lost_digits(half_width(text)):
            raise unusable("lost_digits", shown(text))
        return text
    if cell is None:
        return ""
    match cell.kind:
        case "e":
            raise unusable("cell_error", shown(cell.text))
        case "f":
            raise unusable("no_value")
        case "b":
            if identifier:
                raise unusable("wrong_type", "真假值")
            return "TRUE" if cell.text == "1" else "FALSE"
        case "n":
            return _number_shown(cell, identifier, amount)
        case "d":
            raise unusable("wrong_type", "日期或时间")
    raise unusable("shown_otherwise", shown(cell.text))


def _number_shown(cell: Cell, identifier: bool, amount: bool) -> str:
    form = cell.format
    if form.kind in ("day", "moment"):
        raise unusable("wrong_type", "日期或时间")
    digits = _whole(cell.text)
    if digits is None:
        value = _value(cell.text)
        short = value is not None and len(repr(value)) <= 11 and "e" not in repr(value)
        if identifier or not short:
            raise unusable("lost_digits", shown(cell.text))
        digits = repr(value)
    number = float(digits)
    if (number < 0 and form.signs != "all") or (number == 0 and form.signs == "above"):
        raise unusable("shown_otherwise", shown(digits))
    if form.kind == "decorated" and amount:
        return digits
    if form.kind != "plain" or (form.zeros and not digits.isdigit()):
        raise unusable("shown_otherwise", shown(digits))
    if (form.before or form.after) and digits.startswith("-"):
        raise unusable("shown_otherwise", shown(digits))
    return seen(f"{form.before}{digits.zfill(form.zeros)}{form.after}")


def _value(text: str) -> float | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if abs(value) < _EXACT else None


def _whole(text: str) -> str | None:
    """A number as all its digits, None where it is no whole number or may have lost some."""
    if len(text) <= 15 and text.isdigit() and text.isascii():
        return str(int(text))
    value = _value(text)
    return str(int(value)) if value is not None and value % 1 == 0 else None


def day_of(cell: Shown, *, time_of_day: bool = False) -> tuple[date, str]:
    """A cell's day, and the serial number it is shown as if it is. Raises Unusable.

    A ``time_of_day`` is let go where it is allowed; with a time zone it is always refused, since
    the day in Beijing may be another one.
    """
    if isinstance(cell, Cell) and cell.kind == "n":
        day = cell.day()
        if cell.format.kind == "moment":
            raise unusable("date_not_shown", str(day))
        if cell.format.kind == "day":
            if day is None:
                raise unusable("bad_date", shown(cell.text))
            return _with_time(day, float(cell.text) % 1 != 0, time_of_day), ""
        if not cell.format.is_bare:  # JC-45611 and 45,611.00 are no day to whoever sees them
            raise unusable("shown_otherwise", shown(cell.text))
        if day is not None and not re.fullmatch("[12][0-9]{7}", cell.text):
            # no serial is as large as 20240701, which people type as a number
            return _with_time(day, float(cell.text) % 1 != 0, time_of_day), cell.text
    if isinstance(cell, Cell) and cell.kind == "d":
        if cell.format.kind == "moment":
            raise unusable("date_not_shown", shown(cell.text))
        text = cell.text
    else:
        text = text_of(cell)
    written = day_written(text)
    if isinstance(written, Fault):
        raise unusable(*written)
    return _with_time(*written, time_of_day), ""


def _with_time(day: date, has_time: bool, allowed: bool) -> date:
    if has_time and not allowed:
        raise Unusable("bad_date", f"{day} 后面还有时刻", "请只填日期", detail=str(day))
    return day


# --- what columns mean ----------------------------------------------------------------------------


@dataclass
class Place:
    """Where a cell stands, what may be known about it, and where its notices go."""

    row: int
    column: "Column"
    log: Problems
    known: Any
    _meant: dict[str, Any] = field(default_factory=dict)

    def value(self, cell: Shown) -> Any:
        """What a cell of the column means, worked out once for texts that come again and again.

        A text with a notice is told of in each of its rows. Raises Unusable.
        """
        if not isinstance(cell, str):
            return self.column.meaning(cell, self)
        if cell in self._meant:
            return self._meant[cell]
        told = self.log.counts["notice"]
        value = self.column.meaning(cell, self)
        if len(self._meant) < _MOST_MEANT and self.log.counts["notice"] == told:
            self._meant[cell] = value
        return value

    def notice(self, code: str, message: str, mend: str) -> None:
        """Something to be looked at in this cell."""
        self.log.notice(self.row, self.column.label, code, message, mend)

    def notice_once(self, code: str, message: str, mend: str) -> None:
        """The same, told at its first place only."""
        self.log.notice_once(self.row, self.column.label, code, message, mend)


Meaning = Callable[[Shown, Place], Any]
"""Makes a value of a cell that is not blank. Raises Unusable."""


class Column(NamedTuple):
    """A column: its id, its Chinese name, other names it may carry, what its cells mean.

    ``note`` says so in the documentation. ``adds`` is for rows that continue another one: there
    it says something of its own. ``clearable``: the word `CLEAR` takes its value off the record.
    """

    id: str
    label: str
    aliases: tuple[str, ...]
    meaning: Meaning
    required: bool = False
    note: str = ""
    group: str = ""
    adds: bool = False
    clearable: bool = False


@dataclass(frozen=True)
class Code:
    """An identifier of a fixed form: full width and blanks around it are mended unless ``exact``.

    ``check`` looks at what is right in its form. ``digits``: in a number cell, so many at least.
    """

    pattern: str
    shape: str
    exact: bool = False
    upper: bool = False
    digits: int = 0
    check: Callable[[str, Place], str] | None = None

    def __call__(self, cell: Shown, at: Place) -> str:
        text = text_of(cell, identifier=True)
        if not self.exact:
            text = half_width(text)
            text = text.upper() if self.upper else text
        if isinstance(cell, str) and text != cell:
            at.notice(
                "normalised",
                f"已把“{shown(cell)}”读作“{shown(text)}”"
                "（去掉首尾的空白和标记，全角改半角，小写改大写）",
                "如不对，请改正原文件",
            )
        if text.startswith("="):
            raise unusable("no_value")
        if re.fullmatch(self.pattern, text) is None:
            what = f"“{shown(text)}”不合格式：应为{self.shape}"
            raise Unusable("bad_code", what, "请照格式改正")
        if isinstance(cell, Cell) and cell.kind == "n" and not cell.format.zeros:
            if len(text) < self.digits:
                what = f"{at.column.label}以数值存储，只有 {len(text)} 位，可能丢了前面的 0"
                mend = "请把该列单元格格式设为“文本”，再重新录入完整的编号"
                raise Unusable("lost_digits", what, mend)
            if not self.digits and not self.exact and self.check is None:
                at.notice_once(
                    "number_as_text",
                    "编号以数值存储，已按所示数字读作文本",
                    "编号前面若有 0，请把该列设为“文本”后重新录入",
                )
        return self.check(text, at) if self.check else text


@dataclass(frozen=True)
class Line:
    """A line of text: blanks inside count once, no spreadsheet may take it for a formula."""

    longest: int = 300

    def __call__(self, cell: Shown, at: Place) -> str:
        return one_line(text_of(cell), self.longest)


def one_line(text: str, longest: int, what: str = "本格") -> str:
    """A text as one line of at most so many characters. Raises Unusable."""
    line = " ".join(text.split())
    if _FORMULA.match(line):
        raise Unusable("bad_characters", "本格像公式，不能以 =、@ 开头", "请改为要填的内容本身")
    if len(line) > longest:
        raise Unusable("too_long", f"{what}有 {len(line)} 字，最多 {longest} 字", "请删减")
    return line


def flag(cell: Shown, at: Place) -> bool:
    """是 or 否."""
    text = text_of(cell)
    word = half_width(text).casefold()
    if word in ("是", "true", "1", "y", "yes"):
        return True
    if word in ("否", "false", "0", "n", "no"):
        return False
    what = f"“{at.column.label}”应填“是”或“否”，现为“{shown(text)}”"
    raise Unusable("bad_flag", what, "请改填“是”或“否”")


def level(cell: Shown, at: Place) -> str:
    """省级 or 国家级."""
    text = text_of(cell)
    levels = {"省级": "provincial", "国家级": "national"}
    word = text.casefold()
    found = levels.get(word, word)
    if found not in levels.values():
        what = f"{at.column.label}“{shown(text)}”不认识"
        raise Unusable("bad_level", what, "请填“省级”或“国家级”")
    return found


def count(cell: Shown, at: Place) -> int:
    """A whole number."""
    digits = half_width(text_of(cell, amount=True))
    if re.fullmatch(r"[0-9]{1,9}", digits) is None:
        what = f"{at.column.label}应为不带符号的整数，现为“{shown(digits)}”"
        raise Unusable("bad_count", what, "请只写数字，不要千分位和单位，如 1200")
    return int(digits)


def day(cell: Shown, at: Place) -> date:
    """A day."""
    day, serial = day_of(cell)
    # a broken serial number goes anywhere, and so do slips of the pen
    if not 2000 <= day.year <= 2099:
        what = f"{day.isoformat()} 不在 2000 年至 2099 年之间"
        raise Unusable("bad_date", what, "请核对年份")
    if serial:
        what = f"日期以序列号存储，{serial} 读作 {day.isoformat()}"
        at.notice_once("serial_date", what, "请核对；最好把该列设为日期格式")
    return day


def two_digits(tables: Callable[[Any], Mapping[str, str]]) -> Meaning:
    """A two-digit code of a table (code → name), written as such or by its name."""

    def meaning(cell: Shown, at: Place) -> str:
        table = tables(at.known)
        word = half_width(text_of(cell))
        for code, name in table.items():
            if word in (code, name) or (re.fullmatch("[0-9]", word) and code == f"0{word}"):
                return code
        known = "、".join(f"{code} {name}" for code, name in sorted(table.items()))
        what = f"没有{at.column.label}“{shown(word)}”"
        raise Unusable(f"unknown_{at.column.id}", what, f"请填代码或名称：{known}")

    return meaning


# --- formats --------------------------------------------------------------------------------------


@dataclass
class Row:
    """A row that was read; a column whose cell is bad is missing from ``values``.

    ``blank`` are the columns whose cells are empty, ``cleared`` those whose cells say `CLEAR`:
    their value is None.
    """

    number: int
    values: dict[str, Any]
    blank: frozenset[str] = frozenset()
    cleared: frozenset[str] = frozenset()


@dataclass
class Table:
    """A file that was read: its rows, all findings, the row of its header, its columns' ids."""

    rows: list[Row] = field(default_factory=list)
    log: Problems = field(default_factory=Problems)
    header: int = 0
    present: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Format:
    """What a table of one kind consists of.

    ``thing`` is what a row is about. ``complete`` tells what else of the header is missing, by
    label. ``longest`` is how many characters a cell may have.
    """

    thing: str
    columns: tuple[Column, ...]
    examples: tuple[Mapping[str, str], ...]
    complete: Callable[[frozenset[str]], list[str]] = lambda _: []
    longest: int = 2_000

    @property
    def labels(self) -> dict[str, str]:
        """The Chinese names by id."""
        return {column.id: column.label for column in self.columns}

    def named(self) -> dict[str, Column]:
        """The columns by all the names they may carry."""
        return {
            name_key(name): column
            for column in self.columns
            for name in (column.label, column.id, *column.aliases)
        }

    def read(self, file: Path | str | bytes, filename: str, known: Any) -> Table:
        """Reads a file; ``filename`` tells its type (.csv, .txt, .tsv or .xlsx).

        ``known`` is handed to what the columns mean. Raises Unusable for a file that is of no use
        as a whole.
        """
        named = self.named()
        content = content_of(file)
        suffix = Path(filename).suffix.lower()
        zipped = content[:2] == b"PK"
        if suffix == ".xlsx" and zipped:
            with closing(opened(content)) as book:
                table = self._table(book.rows(), named, known)
                refuse_unseen_places(book, table.header, range(len(table.present)))
            return table
        if suffix in (".csv", ".txt", ".tsv") and not zipped:
            delimiter = _delimiter_of(
                _first_line(_decoded(content)), lambda n: name_key(n) in named
            )
            rows = (
                csv_rows(content, delimiter)
                if is_small("csv", content)
                else Apart("csv", content, MAX_UNPACKED_BYTES, delimiter).rows()
            )
            return self._table(rows, named, known)
        what = "只接受 .csv（.txt、.tsv）和 .xlsx 文件"
        if suffix in (".xlsx", ".csv", ".txt", ".tsv"):
            what = f"文件内容与扩展名 {suffix} 不符（可能是改过扩展名、加密或旧版 .xls 文件）"
        mend = "请用 Excel 或 WPS 另存为“.xlsx”或“CSV UTF-8（.csv）”后上传"
        raise Unusable("wrong_type", what, mend)

    def _table(
        self,
        rows: Iterator[tuple[int, Sequence[Shown]]],
        named: Mapping[str, Column],
        known: Any,
    ) -> Table:
        filled = (row for row in rows if not all(map(is_blank, row[1])))
        header, columns = self._header(filled, named)
        present = frozenset(column.id for column in columns)
        table = Table([], Problems(most=findings.MAX_LISTED), header, present)
        places = [Place(0, column, table.log, known) for column in columns]
        for number, cells in filled:
            if len(table.rows) == MAX_ROWS:
                what = f"数据超过 {MAX_ROWS:,} 行"
                raise Unusable("too_many_rows", what, "请按地区拆成几个文件分别上传")
            table.rows.append(self._row(number, cells, places, table.log))
        if not table.rows:
            what, mend = f"只有表头，没有{self.thing}", f"请在表头下逐行填写{self.thing}"
            table.log.error(header, "", "empty", what, mend)
        return table

    def _header(
        self, rows: Iterator[tuple[int, Sequence[Shown]]], named: Mapping[str, Column]
    ) -> tuple[int, list[Column]]:
        number, cells = next(rows, (1, []))
        names = [unmarked(cell) if isinstance(cell, str) else cell and cell.text for cell in cells]
        while names and not names[-1]:
            names.pop()
        mend = f"请照模板填写表头，表头上面不能有标题；可用的列：{'、'.join(self.labels.values())}"
        columns: list[Column] = []
        for place, name in enumerate(names, start=1):
            column = named.get(name_key(name)) if name else None
            if column is None:
                what = (
                    f"表头第 {place} 列“{shown(name)}”不认识"
                    if name
                    else f"表头第 {place} 列是空的"
                )
                raise Unusable("unknown_column", what, mend, number)
            if column in columns:
                what = f"表头中“{column.label}”出现了两次"
                raise Unusable("duplicate_column", what, mend, number)
            columns.append(column)
        present = frozenset(column.id for column in columns)
        groups = {column.group for column in columns}
        missing = [
            column.label
            for column in self.columns
            if column.required and column.id not in present and column.group in groups | {""}
        ] + self.complete(present)
        if missing:
            what = f"表头缺少：{'、'.join(missing)}"
            raise Unusable("missing_column", what, mend, number)
        return number, columns

    def _row(
        self, number: int, cells: Sequence[Shown], places: Sequence["Place"], log: Problems
    ) -> Row:
        if len(cells) > len(places) and not all(map(is_blank, cells[len(places) :])):
            what = f"本行有 {len(cells)} 列，表头只有 {len(places)} 列"
            mend = "请删去多出的内容；内容里有分隔符的，用英文双引号括起"
            log.error(number, "", "extra_cells", what, mend)
        values: dict[str, Any] = {}
        blank, cleared = [], []
        for at, cell in zip_longest(places, cells[: len(places)]):
            at.row, column = number, at.column
            try:
                if is_blank(cell):
                    if column.required and not column.group:
                        raise Unusable("required", f"“{column.label}”不能为空", "请补填")
                    values[column.id] = None
                    blank.append(column.id)
                elif column.clearable and isinstance(cell, str) and unmarked(cell) == CLEAR:
                    values[column.id] = None
                    cleared.append(column.id)
                else:
                    if isinstance(cell, str) and len(cell) > self.longest:
                        what = f"本格有 {len(cell)} 字，最多 {self.longest} 字"
                        raise Unusable("too_long", what, "请删减")
                    values[column.id] = at.value(cell)
            except Unusable as bad:
                log.error(number, column.label, bad.code, bad.message, bad.mend)
        return Row(number, values, frozenset(blank), frozenset(cleared))

    def csv(self, rows: Iterable[Mapping[str, str]]) -> bytes:
        """Rows as CSV that Excel opens as it is: UTF-8 with BOM, CRLF, Chinese header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self.labels.values())
        writer.writerows([row.get(id_, "") for id_ in self.labels] for row in rows)
        return BOM + text.getvalue().encode()

    def template(self) -> bytes:
        """A file to fill in: the header and generated examples of every kind of row."""
        return self.csv(self.examples)

    def documentation(self) -> str:
        """The table of the columns as it stands in the documentation."""
        lines = [
            f"| {column.label} | `{column.id}` | {'yes' if column.required else ''} "
            f"| {column.note} |"
            for column in self.columns
        ]
        return "\n".join(
            ["| column | id | needed | what stands there |", "|---|---|---|---|", *lines]
        )
