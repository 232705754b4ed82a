"""Tables that people fill in, CSV or XLSX, read as rows of cells; and cells read exactly.

Whatever the content, what cannot be used is an `Unusable` with a code, what is wrong and how to
mend it, in Chinese; nothing else is raised. Nothing is guessed: a number that has lost digits in
the spreadsheet is refused, not completed.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import python_calamine

from domain.model import Value

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_ROWS = 200_000
"""No table may have cells below this row: the reader's dense table could not hold them."""
MAX_LISTED = 20_000
"""At most so many problems of each level are listed; more are counted in one last line."""

Level = Literal["error", "notice"]
Cell = str | int | float | bool | date | datetime | time | timedelta | None


class RowProblem(Value):
    """What is wrong in one cell, row or file, and how to mend it; both in Chinese.

    ``row`` counts from 1 as Excel shows it, header included; 0 is the file as a whole. ``column``
    is the column's Chinese name, empty for a whole row. A notice does not keep a row out.
    """

    row: int
    column: str
    code: str
    message: str
    mend: str
    level: Level = "error"


class Unusable(Exception):
    """A cell, row or file that cannot be used."""

    def __init__(self, code: str, message: str, mend: str, row: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.mend, self.row = code, message, mend, row


BLANKS = " \t\r\n\u00a0\u3000\u200b\ufeff"
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_EXCEL_ERROR = re.compile(r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NULL!|NUM!|SPILL!|CALC!)")
_DATE_TEXT = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|/([0-9]{1,2})/([0-9]{1,2})|\.([0-9]{1,2})\.([0-9]{1,2})"
    r"|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))(?:[ T]0?0:00(?::00)?)?"
)
_EXCEL_EPOCH = date(1899, 12, 30)
_SERIALS = range(36526, 73051)  # 2000-01-01 to 2099-12-31
_EXACT_FLOAT = 10**15  # Excel keeps 15 digits; of anything longer the last ones are lost
_DELIMITERS = ",;\t"


# --- the file -----------------------------------------------------------------------------------


def content_of(path_or_bytes: Path | str | bytes, largest: int) -> bytes:
    """The bytes of a file of at most ``largest`` bytes. Raises Unusable."""
    if not isinstance(path_or_bytes, bytes):
        try:
            path = Path(path_or_bytes)
            if path.stat().st_size > largest:
                raise _too_large(largest)
            path_or_bytes = path.read_bytes()
        except (OSError, ValueError):
            raise Unusable(
                "unreadable", "文件不存在或无法读取", "请核对文件位置和读取权限"
            ) from None
    if len(path_or_bytes) > largest:
        raise _too_large(largest)
    if not path_or_bytes.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise Unusable("empty", "文件是空的", "请按模板填写后再上传")
    return path_or_bytes


def _too_large(largest: int) -> Unusable:
    limit = largest // 1024 // 1024
    return Unusable("too_large", f"文件超过 {limit} MiB", "请拆成几个文件分别上传")


def rows_of(
    content: bytes, filename: str, known: Callable[[str], bool], *, widest: int = 26
) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of the file with their numbers, by the type the name and the content agree on.

    ``known`` tells names of columns, by which a CSV file's delimiter is found; ``widest`` is the
    most columns a sheet may reach, up to 52. Raises Unusable, also while the rows are read.
    """
    suffix = Path(filename).suffix.lower()
    zipped = content[:2] == b"PK"
    if suffix == ".xlsx" and zipped:
        return _xlsx_rows(content, widest)
    if suffix in (".csv", ".txt", ".tsv") and not zipped:
        return _csv_rows(content, known)
    mend = "请用 Excel 或 WPS 另存为“.xlsx”或“CSV UTF-8（.csv）”后上传"
    if suffix in (".xlsx", ".csv", ".txt", ".tsv"):
        what = f"文件内容与扩展名 {suffix} 不符（可能是改过扩展名、加密或旧版 .xls 文件）"
        raise Unusable("wrong_type", what, mend)
    raise Unusable("wrong_type", "只接受 .csv（.txt、.tsv）和 .xlsx 文件", mend)


def _decoded(content: bytes) -> str:
    """The text: by its BOM, else strict UTF-8, else strict GB18030."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif content.startswith(b"\xef\xbb\xbf"):
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


def _csv_rows(content: bytes, known: Callable[[str], bool]) -> Iterator[tuple[int, list[Cell]]]:
    text = _decoded(content)
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=lambda mark: _known_names(first_line.split(mark), known))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
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
        yield number, list(row)


def _known_names(cells: Sequence[str], known: Callable[[str], bool]) -> int:
    return sum(known(cell.strip('"')) for cell in cells)


# ``[^<>]`` keeps each search inside one tag: the time stays linear for any content.
_FAR_CELL = (
    rb"<(?:\w{1,20}:)?(?:c|row)\s(?:[^<>]*\s)?r\s*=\s*[\"']"
    rb"(?:(?:%b)[0-9]+|[A-Z]{0,2}0*(?:2[1-9][0-9]{4}|[3-9][0-9]{5}|[1-9][0-9]{6,}))[\"']"
)
_FAR_CELLS = {
    26: re.compile(_FAR_CELL % rb"[A-Z]{2,}", re.IGNORECASE),
    52: re.compile(_FAR_CELL % rb"[B-Z][A-Z]|[A-Z]{3,}", re.IGNORECASE),
}
_CELL_WITHOUT_PLACE = re.compile(rb"<(?:\w{1,20}:)?c(?=[\s>/])(?![^<>]*\sr\s*=)")
_ERROR_CELL = re.compile(rb"<(?:\w{1,20}:)?c\s(?:[^<>]*\s)?t\s*=\s*[\"']e[\"'][^<>]*>")
_UNCOMPUTED = re.compile(
    rb"<c\s(?![^<>]*t\s*=\s*[\"']str[\"'])[^<>]*>\s*"
    rb"(?:<f[^<>]*/>|<f(?:\s[^<>]*)?>[^<]*</f>)\s*(?:(?:<v\s*/>|<v></v>)\s*)?</c>"
)
_PLACE = re.compile(rb"\sr\s*=\s*[\"']([A-Z]+)([0-9]+)[\"']")


def _xlsx_rows(content: bytes, widest: int) -> Iterator[tuple[int, list[Cell]]]:
    unusable = _unusable_cells(content, widest)
    with _readable_workbook():
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [book.get_sheet_by_index(i) for i in range(len(book.sheet_names))]
        filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise Unusable("empty", "工作簿里没有数据", "请按模板填写后再上传")
    if len(filled) > 1:
        raise Unusable(
            "several_sheets",
            "工作簿里有多个含数据的工作表，无法判断要读哪一个",
            "请只保留要导入的工作表，另存后上传",
        )
    rows = filled[0].iter_rows()
    for number in count(1):
        with _readable_workbook():
            row = next(rows, None)
        if row is None:
            return
        cells: list[Cell] = list(row)
        for column, text in unusable.get(number, {}).items():
            cells.extend("" for _ in range(column + 1 - len(cells)))
            cells[column] = text
        yield number, cells


@contextmanager
def _readable_workbook() -> Iterator[None]:
    """Turns whatever the reader raises into a problem of the file."""
    try:
        yield
    except Exception:
        raise _broken_workbook() from None
    except BaseException as error:
        # A panic of the Rust library is no Exception; anything else (Ctrl-C) goes on.
        if type(error).__name__ != "PanicException":
            raise
        raise _broken_workbook() from None


def _broken_workbook() -> Unusable:
    return Unusable(
        "broken_workbook",
        "XLSX 文件已损坏或不完整，无法读取",
        "请用 Excel 或 WPS 打开并另存为 .xlsx 后上传",
    )


def _unusable_cells(content: bytes, widest: int) -> dict[int, dict[int, str]]:
    """Cells that the reader would show as empty: row → column from 0 → what stands there instead.

    Also refuses what would blow up in memory: too much when unpacked, or cells placed so far out
    that the reader's dense table could not hold them.
    """
    unusable: dict[int, dict[int, str]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            entries = book.infolist()
            if len(entries) > 1_000 or sum(e.file_size for e in entries) > MAX_UNPACKED_BYTES:
                raise Unusable(
                    "zip_bomb",
                    f"XLSX 解压后超过 {MAX_UNPACKED_BYTES // 1024 // 1024} MiB 或部件过多",
                    "请只保留要导入的工作表和所需的列，或改用 CSV 上传",
                )
            for entry in entries:
                # Reads no more than the size the entry declares, and checks its checksum.
                part = book.read(entry)
                if b"sheetData" not in part:
                    continue
                if _FAR_CELLS[widest].search(part) or _CELL_WITHOUT_PLACE.search(part):
                    raise Unusable(
                        "too_wide",
                        "工作表在数据之外的很远处还有单元格，或单元格没有坐标",
                        f"请删除 {'Z' if widest == 26 else 'AZ'} 列以右、"
                        f"第 {MAX_ROWS + 1} 行以下的内容，"
                        "用 Excel 或 WPS 另存后上传",
                    )
                for pattern, text in ((_ERROR_CELL, "#N/A"), (_UNCOMPUTED, "#CALC!")):
                    for found in pattern.finditer(part):
                        if place := _PLACE.search(found[0]):
                            column = _column_of(place[1])
                            unusable.setdefault(int(place[2]), {})[column] = text
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        # RuntimeError covers encrypted entries and, as NotImplementedError, odd compressions.
        raise _broken_workbook() from None
    return unusable


# --- the header ---------------------------------------------------------------------------------


class Named(Protocol):
    """A column as far as the header goes."""

    @property
    def label(self) -> str:
        """Its Chinese name."""


Found = TypeVar("Found", bound=Named)


def name_key(name: str) -> str:
    """What two ways to write a column's name have in common."""
    return name.translate(FULL_WIDTH).strip(BLANKS + "*").replace(" ", "").casefold()


def header_of(
    rows: Iterator[tuple[int, list[Cell]]],
    named: Callable[[str], Found | None],
    labels: Sequence[str],
) -> tuple[int, list[Found]]:
    """The first row that is not blank, as columns. Raises Unusable if it is not in order."""
    number, cells = next(((n, row) for n, row in rows if not is_blank_row(row)), (1, []))
    names = ["" if cell is None else str(cell).strip(BLANKS) for cell in cells]
    while names and not names[-1]:
        names.pop()
    columns: list[Found] = []
    for place, name in enumerate(names, start=1):
        column = named(name)
        if column is None:
            what = f"表头第 {place} 列“{shown(name)}”不认识" if name else f"表头第 {place} 列是空的"
            raise Unusable("unknown_column", what, header_mend(labels), number)
        if column in columns:
            what = f"表头中“{column.label}”出现了两次"
            raise Unusable("duplicate_column", what, header_mend(labels), number)
        columns.append(column)
    return number, columns


def header_mend(labels: Sequence[str]) -> str:
    """How a header is put in order."""
    return f"请照模板填写表头；可用的列：{'、'.join(labels)}"


# --- cells --------------------------------------------------------------------------------------


def _column_of(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def is_blank_row(row: Sequence[Cell]) -> bool:
    """Whether nothing stands in a row."""
    return all(cell is None or (isinstance(cell, str) and not cell.strip(BLANKS)) for cell in row)


def refuse_bad_text(text: str, longest: int) -> None:
    """Raises Unusable for text that nobody can have meant to write."""
    if len(text) > longest:
        raise Unusable("too_long", f"本格有 {len(text)} 字，最多 {longest} 字", "请删减")
    if _UNPRINTABLE.search(text):
        raise Unusable("bad_characters", "本格含有不可见的控制字符", "请删去后重新录入")
    if _EXCEL_ERROR.fullmatch(text.strip(BLANKS)):
        raise Unusable(
            "cell_error", "本格是公式错误，或公式没有算出结果", "请改正公式或直接填写数值"
        )


def text_of(cell: Cell) -> str:
    """The cell as exact text. Raises `Unusable` where a number has lost digits, or for a date."""
    if isinstance(cell, str):
        return cell.strip(BLANKS)
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, int | float):
        if cell != cell or abs(cell) >= _EXACT_FLOAT:
            raise Unusable(
                "lost_digits",
                "本格以数值存储且超过 15 位，末尾的数字已经丢失",
                "请把该列单元格格式设为“文本”，再重新录入完整的编号",
            )
        return str(int(cell)) if cell == int(cell) else repr(cell)
    raise Unusable("wrong_type", "本格是日期或时间，应为文字", "请把单元格格式设为“文本”后重新录入")


def day_of(cell: Cell) -> tuple[date, int | None]:
    """A cell's day, and the serial number it was stored as if it was. Raises Unusable."""
    found, serial = _day(cell)
    # The reader turns a broken serial number into 1899, and slips of the pen go anywhere.
    if not 2000 <= found.year <= 2099:
        what = f"{found.isoformat()} 不在 2000 年至 2099 年之间"
        raise Unusable("bad_date", what, "请核对年份")
    return found, serial


def _day(cell: Cell) -> tuple[date, int | None]:
    if isinstance(cell, datetime):
        if cell.time() == time():
            return cell.date(), None
    elif isinstance(cell, date):
        return cell, None
    elif cell is not None and not isinstance(cell, bool | time | timedelta):
        text = text_of(cell).translate(FULL_WIDTH)
        if not isinstance(cell, str) and text.isdigit() and int(text) in _SERIALS:
            return _EXCEL_EPOCH + timedelta(days=int(text)), int(text)
        if found := _DATE_TEXT.fullmatch(text):
            year, month, day_of_month = (int(part) for part in found.groups() if part)
            try:
                return date(year, month, day_of_month), None
            except ValueError:
                raise Unusable("bad_date", f"没有“{shown(text)}”这一天", "请改正日期") from None
    raise Unusable("bad_date", "日期看不懂", "请写作 2029-05-01 这样的形式，或设为日期格式")


def shown(text: str) -> str:
    """A short quotation of a cell."""
    return text if len(text) <= 40 else text[:40] + "…"


# --- problems -----------------------------------------------------------------------------------


@dataclass
class Problems:
    """Collects problems, and remembers which rows are bad even when no more are listed."""

    problems: list[RowProblem] = field(default_factory=list)
    bad_rows: set[int] = field(default_factory=set)
    counts: dict[Level, int] = field(default_factory=lambda: {"error": 0, "notice": 0})
    told: set[str] = field(default_factory=set)
    most: int = MAX_LISTED

    def error(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        self.bad_rows.add(row)
        self._add(row, column, code, message, mend, "error")

    def notice(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        self._add(row, column, code, message, mend, "notice")

    def notice_once(self, row: int, column: str, code: str, message: str, mend: str) -> None:
        if (key := f"{column}/{code}") not in self.told:
            self.told.add(key)
            self.notice(row, column, code, f"{message}（同类情形只提示一次）", mend)

    def _add(
        self,
        row: int,
        column: str,
        code: str,
        message: str,
        mend: str,
        level: Level,
    ) -> None:
        self.counts[level] += 1
        if self.counts[level] <= self.most:
            self.problems.append(
                RowProblem(
                    row=row, column=column, code=code, message=message, mend=mend, level=level
                )
            )

    def listed(self) -> tuple[RowProblem, ...]:
        """The problems by row, with what was left off counted first."""
        left_off = [
            RowProblem(
                row=0,
                column="",
                code="too_many_problems",
                message=f"另有 {count - self.most} 个问题未逐条列出",
                mend="请先改正已列出的问题，再次上传",
                level=level,
            )
            for level, count in self.counts.items()
            if count > self.most
        ]
        return (*left_off, *sorted(self.problems, key=lambda problem: problem.row))
