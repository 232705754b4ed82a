"""Reads a roster of institutions from CSV or XLSX, and writes one as CSV.

One row per certificate; the institution's columns repeat in each of its rows and must agree. An
institution without certificates has one row with empty certificate columns. Every problem names
its row as Excel shows it; an institution with any bad row is left out, everything else is kept.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

import python_calamine
from pydantic import ValidationError
from stdnum.cn import uscc as uscc_code

from domain.facts import CertificateFacts, Facts, InstitutionFacts
from domain.model import Value

MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_ROWS = 200_000
MAX_CELL = 2_000
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


class RosterInstitution(Value):
    """One institution of a roster: what the rules read, and what only people and registers read.

    The USCC (统一社会信用代码) is an attribute, not a key: several accounts may share one.
    """

    institution: InstitutionFacts
    name: str
    uscc: str | None = None
    previous_reviewer: str | None = None
    certificates: tuple[CertificateFacts, ...] = ()

    @property
    def id(self) -> str:
        """The account's own id."""
        return self.institution.id

    def facts(self) -> Facts:
        """What a reviewer's decision reads, with no choice made yet."""
        return Facts(
            institution=self.institution,
            certificates=self.certificates,
            previous_reviewer=self.previous_reviewer,
        )


class RosterReading(Value):
    """The good institutions in the order of the file, all problems by row, and the data rows."""

    institutions: tuple[RosterInstitution, ...]
    problems: tuple[RowProblem, ...]
    rows: int

    @property
    def errors(self) -> tuple[RowProblem, ...]:
        """The problems that kept something out."""
        return tuple(problem for problem in self.problems if problem.level == "error")


class Column(NamedTuple):
    """A column: its id, its Chinese name, other names it may carry, how its cells are read."""

    id: str
    label: str
    aliases: tuple[str, ...]
    kind: Literal["code", "name", "flag", "list", "level", "count", "date"]
    required: bool = False
    certificate: bool = False


COLUMNS = (
    Column("id", "机构编号", ("id", "institution", "institution_id", "编号"), "code", True),
    Column("name", "机构名称", ("name", "institution_name", "名称"), "name", True),
    Column("uscc", "统一社会信用代码", ("uscc", "信用代码", "社会信用代码"), "code"),
    Column("region", "监管区域代码", ("region", "jurisdiction", "区域代码"), "code", True),
    Column("legal_person", "是否法人", ("legal_person", "独立法人", "是否独立法人"), "flag"),
    Column("under_samr", "总局直属", ("under_samr", "是否总局直属"), "flag"),
    Column("accredited", "获得认可", ("accredited", "是否获得认可"), "flag"),
    Column("review_group", "行业评审组", ("review_group", "评审组"), "code"),
    Column("other_qualifications", "其他资质", ("other_qualifications",), "list"),
    Column("national_centres", "国家质检中心", ("national_centres",), "list"),
    Column("previous_reviewer", "上年度审核部门", ("previous_reviewer", "上年审核部门"), "code"),
    Column(
        "number", "证书编号", ("number", "certificate", "certificate_number"), "code", True, True
    ),
    Column("level", "证书级别", ("level", "certificate_level"), "level", True, True),
    Column("issuer", "发证机关", ("issuer", "发证部门"), "code", True, True),
    Column("scope", "参数数量", ("scope", "参数数", "能力参数数量"), "count", True, True),
    Column("valid_to", "有效期至", ("valid_to", "有效期", "有效期限"), "date", True, True),
)
"""The columns in the order of the template; a certificate's required only in certificate rows."""

_BY_ID = {column.id: column for column in COLUMNS}
_CERTIFICATE = tuple(column.id for column in COLUMNS if column.certificate)
_INSTITUTION = tuple(column.id for column in COLUMNS if not column.certificate)

_TEMPLATE_NAME = "演示检测机构（生成，请删除本行）"
_YES = frozenset({"是", "true", "1", "y", "yes"})
_NO = frozenset({"否", "false", "0", "n", "no"})
_LEVELS = {"省级": "provincial", "国家级": "national"} | {
    name: name for name in ("provincial", "national")
}
_AUTHORITY = re.compile(r"samr|cnas|caiq|group-[a-z0-9-]{1,40}|amr-[0-9]{6}")
_PROVINCE = re.compile(r"amr-(?!00)[0-9]{2}0000")
_GROUP = re.compile(r"(?:group-)?[a-z0-9][a-z0-9-]{0,39}")
_CODES: dict[str, tuple[re.Pattern[str], str]] = {
    "id": (re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}"), "字母、数字、点、横线，至多 64 位"),
    "uscc": (re.compile(r"[0-9A-Z]{18}"), "18 位数字和大写字母"),
    "region": (re.compile(r"[0-9]{6}"), "六位数字，如 350102"),
    "review_group": (_GROUP, "评审组编号，如 group-railway"),
    "previous_reviewer": (_AUTHORITY, "部门编号，如 samr、amr-350000、group-railway"),
    "number": (re.compile(r"[^\s]{1,64}"), "至多 64 位、中间不含空白的编号"),
    "issuer": (_AUTHORITY, "部门编号，如 samr、amr-350000"),
}
_UPPER = frozenset({"uscc"})
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_BLANKS = " \t\r\n\u00a0\u3000\u200b\ufeff"
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


class _Bad(Exception):
    """A cell, row or file that cannot be used."""

    def __init__(self, code: str, message: str, mend: str, row: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.mend, self.row = code, message, mend, row


@dataclass
class _Log:
    """Collects problems, and remembers which rows are bad even when no more are listed."""

    problems: list[RowProblem] = field(default_factory=list)
    bad_rows: set[int] = field(default_factory=set)
    counts: dict[Level, int] = field(default_factory=lambda: {"error": 0, "notice": 0})
    told: set[str] = field(default_factory=set)

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
        if self.counts[level] <= MAX_LISTED:
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
                message=f"另有 {count - MAX_LISTED} 个问题未逐条列出",
                mend="请先改正已列出的问题，再次上传",
                level=level,
            )
            for level, count in self.counts.items()
            if count > MAX_LISTED
        ]
        return (*left_off, *sorted(self.problems, key=lambda problem: problem.row))


@dataclass
class _Row:
    """A parsed row; a column whose cell is bad is missing from ``values``."""

    number: int
    values: dict[str, Any]


def read_roster(
    path_or_bytes: Path | str | bytes,
    filename: str,
    *,
    known_regions: Callable[[str], bool] | None = None,
) -> RosterReading:
    """Read a roster; ``filename`` tells its type (.csv, .txt, .tsv or .xlsx).

    ``known_regions`` says whether a six-digit region exists. Never raises for any content: what
    is wrong with the file as a whole is a problem in row 0 or 1, and there are no institutions.
    """
    log = _Log()
    try:
        content = _content(path_or_bytes)
        rows = _rows_of(content, filename)
        header_row, columns = _header(rows)
        parsed = _data_rows(rows, columns, log, known_regions)
    except _Bad as bad:
        problem = RowProblem(
            row=bad.row, column="", code=bad.code, message=bad.message, mend=bad.mend
        )
        return RosterReading(institutions=(), problems=(problem,), rows=0)
    if not parsed:
        log.error(header_row, "", "empty", "只有表头，没有机构", "请在表头下逐行填写机构和证书")
    institutions = _institutions(parsed, log)
    return RosterReading(institutions=institutions, problems=log.listed(), rows=len(parsed))


def roster_csv(institutions: Iterable[RosterInstitution]) -> bytes:
    """A roster as CSV that Excel opens as it is: UTF-8 with BOM, CRLF, Chinese header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.label for column in COLUMNS])
    for entry in institutions:
        facts = entry.institution
        shared = [
            facts.id,
            entry.name,
            entry.uscc or "",
            facts.region,
            *("是" if flag else "否" for flag in _flags(facts)),
            facts.review_group or "",
            "、".join(facts.other_qualifications),
            "、".join(facts.national_centres),
            entry.previous_reviewer or "",
        ]
        for cert in entry.certificates:
            level = "省级" if cert.level == "provincial" else "国家级"
            own = [cert.number, level, cert.issuer, str(cert.scope), cert.valid_to.isoformat()]
            writer.writerow([*shared, *own])
        if not entry.certificates:
            writer.writerow([*shared, *("" for _ in _CERTIFICATE)])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def roster_template() -> bytes:
    """An empty roster to fill in: CSV with BOM, the header, and two generated example rows."""
    example = RosterInstitution(
        institution=InstitutionFacts(id="demo-000001", region="350102", accredited=True),
        name=_TEMPLATE_NAME,
        uscc=_with_check_digit("91350102YY0000010"),
        previous_reviewer="amr-350000",
        certificates=(
            CertificateFacts(
                number="241312050001",
                level="provincial",
                issuer="amr-350000",
                scope=120,
                valid_to=date(2030, 5, 31),
            ),
            CertificateFacts(
                number="240012050001",
                level="national",
                issuer="samr",
                scope=80,
                valid_to=date(2030, 8, 31),
            ),
        ),
    )
    return roster_csv([example])


def _with_check_digit(first_17: str) -> str:
    return first_17 + str(uscc_code.calc_check_digit(first_17))


def _flags(facts: InstitutionFacts) -> tuple[bool, bool, bool]:
    return facts.legal_person, facts.under_samr, facts.accredited


# --- the file -----------------------------------------------------------------------------------


def _content(path_or_bytes: Path | str | bytes) -> bytes:
    if not isinstance(path_or_bytes, bytes):
        try:
            path = Path(path_or_bytes)
            if path.stat().st_size > MAX_BYTES:
                raise _too_large()
            path_or_bytes = path.read_bytes()
        except (OSError, ValueError):
            raise _Bad("unreadable", "文件不存在或无法读取", "请核对文件位置和读取权限") from None
    if len(path_or_bytes) > MAX_BYTES:
        raise _too_large()
    if not path_or_bytes.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise _Bad("empty", "文件是空的", "请按模板填写后再上传")
    return path_or_bytes


def _too_large() -> _Bad:
    limit = MAX_BYTES // 1024 // 1024
    return _Bad("too_large", f"文件超过 {limit} MiB", "请按地区拆成几个文件分别上传")


def _rows_of(content: bytes, filename: str) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of the file with their numbers, by the type the name and the content agree on."""
    suffix = Path(filename).suffix.lower()
    zipped = content[:2] == b"PK"
    if suffix == ".xlsx" and zipped:
        return _xlsx_rows(content)
    if suffix in (".csv", ".txt", ".tsv") and not zipped:
        return _csv_rows(content)
    mend = "请用 Excel 或 WPS 另存为“.xlsx”或“CSV UTF-8（.csv）”后上传"
    if suffix in (".xlsx", ".csv", ".txt", ".tsv"):
        what = f"文件内容与扩展名 {suffix} 不符（可能是改过扩展名、加密或旧版 .xls 文件）"
        raise _Bad("wrong_type", what, mend)
    raise _Bad("wrong_type", "只接受 .csv（.txt、.tsv）和 .xlsx 文件", mend)


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
    raise _Bad(
        "unknown_encoding",
        "文件的文字编码既不是 UTF-8 也不是 GB18030",
        "请用 Excel 或 WPS 另存为“CSV UTF-8（逗号分隔）”后上传",
    )


def _csv_rows(content: bytes) -> Iterator[tuple[int, list[Cell]]]:
    text = _decoded(content)
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=lambda mark: _known_names(first_line.split(mark)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise _Bad(
                "bad_csv",
                f"第 {number} 行无法拆成各列，多半是引号不配对",
                "请检查该行的英文双引号，或改用 .xlsx 上传",
                number,
            ) from None
        yield number, list(row)


def _known_names(cells: Sequence[str]) -> int:
    return sum(_column_named(cell.strip('"')) is not None for cell in cells)


# ``[^<>]`` keeps each search inside one tag: the time stays linear for any content.
_FAR_CELL = re.compile(
    rb"<(?:\w{1,20}:)?(?:c|row)\s(?:[^<>]*\s)?r\s*=\s*[\"']"
    rb"(?:[A-Z]{2,}[0-9]+|[A-Z]?0*(?:2[1-9][0-9]{4}|[3-9][0-9]{5}|[1-9][0-9]{6,}))[\"']",
    re.IGNORECASE,
)
_CELL_WITHOUT_PLACE = re.compile(rb"<(?:\w{1,20}:)?c(?=[\s>/])(?![^<>]*\sr\s*=)")
_ERROR_CELL = re.compile(rb"<(?:\w{1,20}:)?c\s(?:[^<>]*\s)?t\s*=\s*[\"']e[\"'][^<>]*>")
_UNCOMPUTED = re.compile(
    rb"<c\s(?![^<>]*t\s*=\s*[\"']str[\"'])[^<>]*>\s*"
    rb"(?:<f[^<>]*/>|<f(?:\s[^<>]*)?>[^<]*</f>)\s*(?:(?:<v\s*/>|<v></v>)\s*)?</c>"
)
_PLACE = re.compile(rb"\sr\s*=\s*[\"']([A-Z]+)([0-9]+)[\"']")


def _xlsx_rows(content: bytes) -> Iterator[tuple[int, list[Cell]]]:
    unusable = _unusable_cells(content)
    with _readable_workbook():
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [book.get_sheet_by_index(i) for i in range(len(book.sheet_names))]
        filled = [sheet for sheet in sheets if sheet.start is not None]
    if not filled:
        raise _Bad("empty", "工作簿里没有数据", "请按模板填写后再上传")
    if len(filled) > 1:
        raise _Bad(
            "several_sheets",
            "工作簿里有多个含数据的工作表，无法判断名册是哪一个",
            "请只保留名册所在的工作表，另存后上传",
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


def _broken_workbook() -> _Bad:
    return _Bad(
        "broken_workbook",
        "XLSX 文件已损坏或不完整，无法读取",
        "请用 Excel 或 WPS 打开并另存为 .xlsx 后上传",
    )


def _unusable_cells(content: bytes) -> dict[int, dict[int, str]]:
    """Cells that the reader would show as empty: row → column from 0 → what stands there instead.

    Also refuses what would blow up in memory: too much when unpacked, or cells placed so far out
    that the reader's dense table could not hold them.
    """
    unusable: dict[int, dict[int, str]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            entries = book.infolist()
            if len(entries) > 1_000 or sum(e.file_size for e in entries) > MAX_UNPACKED_BYTES:
                raise _Bad(
                    "zip_bomb",
                    f"XLSX 解压后超过 {MAX_UNPACKED_BYTES // 1024 // 1024} MiB 或部件过多",
                    "请只保留名册所在的工作表和所需的列，或改用 CSV 上传",
                )
            for entry in entries:
                # Reads no more than the size the entry declares, and checks its checksum.
                part = book.read(entry)
                if b"sheetData" not in part:
                    continue
                if _FAR_CELL.search(part) or _CELL_WITHOUT_PLACE.search(part):
                    raise _Bad(
                        "too_wide",
                        "工作表在名册之外的很远处还有单元格，或单元格没有坐标",
                        f"请删除 Z 列以右、第 {MAX_ROWS + 1} 行以下的内容，"
                        "用 Excel 或 WPS 另存后上传",
                    )
                for pattern, text in ((_ERROR_CELL, "#N/A"), (_UNCOMPUTED, "#CALC!")):
                    for found in pattern.finditer(part):
                        if place := _PLACE.search(found[0]):
                            column = ord(place[1].upper()) - ord("A")
                            unusable.setdefault(int(place[2]), {})[column] = text
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        # RuntimeError covers encrypted entries and, as NotImplementedError, odd compressions.
        raise _broken_workbook() from None
    return unusable


# --- the header ---------------------------------------------------------------------------------


def _name_key(name: str) -> str:
    return name.translate(_FULL_WIDTH).strip(_BLANKS + "*").replace(" ", "").casefold()


_BY_NAME = {
    _name_key(name): column
    for column in COLUMNS
    for name in (column.label, column.id, *column.aliases)
}


def _column_named(name: str) -> Column | None:
    return _BY_NAME.get(_name_key(name))


def _header(rows: Iterator[tuple[int, list[Cell]]]) -> tuple[int, list[Column]]:
    """The first row that is not blank, as columns. Raises `_Bad` if it is not in order."""
    number, cells = next(((n, row) for n, row in rows if not _is_blank_row(row)), (1, []))
    names = ["" if cell is None else str(cell).strip(_BLANKS) for cell in cells]
    while names and not names[-1]:
        names.pop()
    mend = f"请照模板填写表头；可用的列：{'、'.join(column.label for column in COLUMNS)}"
    columns: list[Column] = []
    for place, name in enumerate(names, start=1):
        column = _column_named(name)
        if column is None:
            what = f"表头第 {place} 列“{_show(name)}”不认识" if name else f"表头第 {place} 列是空的"
            raise _Bad("unknown_column", what, mend, number)
        if column in columns:
            raise _Bad("duplicate_column", f"表头中“{column.label}”出现了两次", mend, number)
        columns.append(column)
    any_certificate = any(column.certificate for column in columns)
    missing = [
        column.label
        for column in COLUMNS
        if column.required and column not in columns and (any_certificate or not column.certificate)
    ]
    if missing:
        raise _Bad("missing_column", f"表头缺少：{'、'.join(missing)}", mend, number)
    return number, columns


# --- the rows -----------------------------------------------------------------------------------


def _is_blank_row(row: Sequence[Cell]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip(_BLANKS)) for cell in row)


def _data_rows(
    rows: Iterator[tuple[int, list[Cell]]],
    columns: list[Column],
    log: _Log,
    known_regions: Callable[[str], bool] | None,
) -> list[_Row]:
    parsed: list[_Row] = []
    for number, cells in rows:
        if _is_blank_row(cells):
            continue
        if len(parsed) == MAX_ROWS:
            raise _Bad(
                "too_many_rows",
                f"数据超过 {MAX_ROWS:,} 行",
                "请按地区拆成几个文件分别上传",
            )
        parsed.append(_parse_row(number, cells, columns, log, known_regions))
    return parsed


def _parse_row(
    number: int,
    cells: list[Cell],
    columns: list[Column],
    log: _Log,
    known_regions: Callable[[str], bool] | None,
) -> _Row:
    if not _is_blank_row(cells[len(columns) :]):
        log.error(
            number,
            "",
            "extra_cells",
            f"本行有 {len(cells)} 列，表头只有 {len(columns)} 列",
            "请删去多出的内容；内容里有分隔符的，用英文双引号括起",
        )
    row = _Row(number, {})
    for place, column in enumerate(columns):
        cell = cells[place] if place < len(cells) else None
        try:
            row.values[column.id] = _parse_cell(number, column, cell, log, known_regions)
        except _Bad as bad:
            log.error(number, column.label, bad.code, bad.message, bad.mend)
    _refuse_half_certificate(row, columns, log)
    _refuse_level_of_another_issuer(row, log)
    return row


def _refuse_half_certificate(row: _Row, columns: list[Column], log: _Log) -> None:
    """A row has all columns of a certificate or none of them."""
    present = [column for column in columns if column.certificate]
    blank = [c for c in present if c.id in row.values and row.values[c.id] is None]
    if blank and len(blank) < len(present):
        for column in blank:
            log.error(
                row.number,
                column.label,
                "required",
                f"填了证书的其他栏，“{column.label}”却是空的",
                "请补填；没有证书的，证书各栏都留空",
            )


def _refuse_level_of_another_issuer(row: _Row, log: _Log) -> None:
    """A national certificate is issued by SAMR, a provincial one by a province's regulator."""
    level, issuer = row.values.get("level"), row.values.get("issuer")
    if level is None or issuer is None:
        return
    if level == "national" and issuer != "samr":
        what = f"国家级证书由市场监管总局（samr）颁发，发证机关却写作 {issuer}"
    elif level == "provincial" and _PROVINCE.fullmatch(issuer) is None:
        what = f"省级证书由省级市场监管部门（如 amr-350000）颁发，发证机关却写作 {issuer}"
    else:
        return
    mend = "请对照证书核对证书级别和发证机关"
    log.error(row.number, _BY_ID["level"].label, "level_not_of_issuer", what, mend)


def _parse_cell(
    number: int,
    column: Column,
    cell: Cell,
    log: _Log,
    known_regions: Callable[[str], bool] | None,
) -> Any:
    """The cell's value, None if blank; its notices go to ``log``. Raises `_Bad`."""
    if cell is None or (isinstance(cell, str) and not cell.strip(_BLANKS)):
        if column.required and not column.certificate:
            raise _Bad("required", f"“{column.label}”不能为空", "请补填")
        return () if column.kind == "list" else None
    if isinstance(cell, str):
        _refuse_bad_text(cell)
    match column.kind:
        case "code":
            return _code(number, column, cell, log, known_regions)
        case "name":
            return _name(number, column, _text(cell), log)
        case "flag":
            return _flag(column, _text(cell))
        case "list":
            return _list(number, column, _text(cell), log)
        case "level":
            return _level(_text(cell))
        case "count":
            return _count(_text(cell))
        case "date":
            return _date(number, column, cell, log)


def _refuse_bad_text(text: str) -> None:
    if len(text) > MAX_CELL:
        raise _Bad("too_long", f"本格有 {len(text)} 字，最多 {MAX_CELL} 字", "请删减")
    if _UNPRINTABLE.search(text):
        raise _Bad("bad_characters", "本格含有不可见的控制字符", "请删去后重新录入")
    if _EXCEL_ERROR.fullmatch(text.strip(_BLANKS)):
        raise _Bad("cell_error", "本格是公式错误，或公式没有算出结果", "请改正公式或直接填写数值")


def _text(cell: Cell) -> str:
    """The cell as exact text. Raises `_Bad` where a number has lost digits or text is no use."""
    if isinstance(cell, str):
        return cell.strip(_BLANKS)
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, int | float):
        if cell != cell or abs(cell) >= _EXACT_FLOAT:
            raise _Bad(
                "lost_digits",
                "本格以数值存储且超过 15 位，末尾的数字已经丢失",
                "请把该列单元格格式设为“文本”，再重新录入完整的编号",
            )
        return str(int(cell)) if cell == int(cell) else repr(cell)
    raise _Bad("wrong_type", "本格是日期或时间，应为文字", "请把单元格格式设为“文本”后重新录入")


def _code(
    number: int,
    column: Column,
    cell: Cell,
    log: _Log,
    known_regions: Callable[[str], bool] | None,
) -> str:
    if isinstance(cell, bool):
        raise _Bad("wrong_type", "本格是真假值，应为编号", "请把单元格格式设为“文本”后重新录入")
    text = _text(cell).translate(_FULL_WIDTH).strip(_BLANKS)
    if column.id in _UPPER:
        text = text.upper()
    if isinstance(cell, str) and text != cell:
        log.notice(
            number,
            column.label,
            "normalised",
            f"已把“{_show(cell)}”读作“{_show(text)}”（去掉首尾空白，全角改半角，小写改大写）",
            "如不对，请改正原文件",
        )
    pattern, shape = _CODES[column.id]
    if pattern.fullmatch(text) is None:
        raise _Bad("bad_code", f"“{_show(text)}”不合格式：应为{shape}", "请照格式改正")
    if not isinstance(cell, str):
        _watch_leading_zeros(number, column, text, log)
    if column.id == "uscc" and not uscc_code.is_valid(text):
        raise _Bad(
            "bad_uscc",
            f"“{text}”不是合格的统一社会信用代码（校验位或格式不符）",
            "请对照营业执照或法人证书改正",
        )
    if column.id == "region" and known_regions is not None and not known_regions(text):
        raise _Bad("unknown_region", f"没有代码为 {text} 的监管区域", "请核对六位区域代码")
    if column.id == "review_group" and not text.startswith("group-"):
        return f"group-{text}"
    return text


def _watch_leading_zeros(number: int, column: Column, text: str, log: _Log) -> None:
    """A number cell cannot keep leading zeros: sure for certificates, possible for ids."""
    if column.id == "number" and len(text) < 12:
        raise _Bad(
            "lost_digits",
            f"证书编号以数值存储，只有 {len(text)} 位，可能丢了前面的 0",
            "请把该列单元格格式设为“文本”，再重新录入完整的编号",
        )
    if column.id == "id":
        log.notice_once(
            number,
            column.label,
            "number_as_text",
            "编号以数值存储，已按所示数字读作文本",
            "编号前面若有 0，请把该列设为“文本”后重新录入",
        )


def _name(number: int, column: Column, text: str, log: _Log) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 200:
        raise _Bad("too_long", f"名称有 {len(name)} 字，最多 200 字", "请改为证书上的名称")
    _refuse_formula(name)
    if name == _TEMPLATE_NAME:
        what = "这是模板里的示例行，并非真实机构"
        log.notice(number, column.label, "example_row", what, "请从名册中删去")
    return name


def _refuse_formula(text: str) -> None:
    # Such a cell would run as a formula when the roster is opened in a spreadsheet again.
    if text[0] in "=+-@":
        raise _Bad("bad_characters", "本格不能以 =、+、-、@ 开头", "请改为证书上的名称")


def _flag(column: Column, text: str) -> bool:
    word = text.translate(_FULL_WIDTH).casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise _Bad("bad_flag", f"“{column.label}”应填“是”或“否”，现为“{_show(text)}”", "请改正")


def _list(number: int, column: Column, text: str, log: _Log) -> tuple[str, ...]:
    _refuse_formula(text)
    items = [item.strip(_BLANKS) for item in re.split("[、;；]", text)]
    distinct = tuple(dict.fromkeys(item for item in items if item))
    if len(distinct) < len(items):
        what = "各项之间有重复或空项，已略去"
        log.notice(number, column.label, "normalised", what, "如不对，请改正原文件")
    return distinct


def _level(text: str) -> str:
    level = _LEVELS.get(text.casefold())
    if level is None:
        raise _Bad("bad_level", f"证书级别“{_show(text)}”不认识", "请填“省级”或“国家级”")
    return level


def _count(text: str) -> int:
    digits = text.translate(_FULL_WIDTH)
    if re.fullmatch(r"[0-9]{1,9}", digits) is None:
        raise _Bad("bad_count", f"参数数量应为不带符号的整数，现为“{_show(text)}”", "请改正")
    return int(digits)


def _date(number: int, column: Column, cell: Cell, log: _Log) -> date:
    day = _day(number, column, cell, log)
    # The reader turns a broken serial number into 1899, and slips of the pen go anywhere.
    if not 2000 <= day.year <= 2099:
        raise _Bad("bad_date", f"{day.isoformat()} 不在 2000 年至 2099 年之间", "请核对年份")
    return day


def _day(number: int, column: Column, cell: Cell, log: _Log) -> date:
    if isinstance(cell, datetime):
        if cell.time() == time():
            return cell.date()
    elif isinstance(cell, date):
        return cell
    elif not isinstance(cell, bool | time | timedelta):
        text = _text(cell).translate(_FULL_WIDTH)
        if not isinstance(cell, str) and text.isdigit() and int(text) in _SERIALS:
            day = _EXCEL_EPOCH + timedelta(days=int(text))
            what = f"日期以序列号存储，{text} 读作 {day.isoformat()}"
            mend = "请核对；最好把该列设为日期格式"
            log.notice_once(number, column.label, "serial_date", what, mend)
            return day
        if found := _DATE_TEXT.fullmatch(text):
            year, month, day_of_month = (int(part) for part in found.groups() if part)
            try:
                return date(year, month, day_of_month)
            except ValueError:
                raise _Bad("bad_date", f"没有“{_show(text)}”这一天", "请改正日期") from None
    raise _Bad("bad_date", "日期看不懂", "请写作 2029-05-01 这样的形式，或设为日期格式")


def _show(text: str) -> str:
    """A short quotation of a cell."""
    return text if len(text) <= 40 else text[:40] + "…"


# --- the institutions ---------------------------------------------------------------------------


def _institutions(rows: list[_Row], log: _Log) -> tuple[RosterInstitution, ...]:
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        if row.values.get("id") is not None:
            groups.setdefault(row.values["id"], []).append(row)
    for group in groups.values():
        _refuse_conflicts(group, log)
    _refuse_duplicate_certificates(rows, log)
    _refuse_partners_of_unreadable(rows, log)
    good = (group for group in groups.values() if not _any_bad(group, log))
    return tuple(entry for group in good if (entry := _institution(group, log)) is not None)


def _any_bad(group: list[_Row], log: _Log) -> bool:
    return any(row.number in log.bad_rows for row in group)


def _refuse_conflicts(group: list[_Row], log: _Log) -> None:
    first = group[0]
    for row in group[1:]:
        for column_id in _INSTITUTION:
            if column_id not in first.values or column_id not in row.values:
                continue
            if first.values[column_id] != row.values[column_id]:
                log.error(
                    row.number,
                    _BY_ID[column_id].label,
                    "conflicting_rows",
                    f"同一机构的第 {first.number} 行与第 {row.number} 行不一致",
                    "请核对，使同一机构各行的机构栏完全相同",
                )
        if _without_certificate(row) or _without_certificate(first):
            log.error(
                row.number,
                "",
                "row_without_certificate",
                f"同一机构的第 {first.number} 行与第 {row.number} 行中有一行没有证书",
                "有证书的机构每行一张证书；没有证书的机构只写一行",
            )


def _without_certificate(row: _Row) -> bool:
    return all(row.values.get(column_id, "") is None for column_id in _CERTIFICATE) or not any(
        column_id in row.values for column_id in _CERTIFICATE
    )


def _refuse_duplicate_certificates(rows: list[_Row], log: _Log) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        number = row.values.get("number")
        if number is None:
            continue
        if number in seen:
            for own, other in ((seen[number], row.number), (row.number, seen[number])):
                log.error(
                    own,
                    _BY_ID["number"].label,
                    "duplicate_certificate",
                    f"证书编号与第 {other} 行相同（第 {seen[number]} 行与第 {row.number} 行）",
                    "一张证书只写一行、只属一个机构，请删去或改正其中一行",
                )
        else:
            seen[number] = row.number


def _refuse_partners_of_unreadable(rows: list[_Row], log: _Log) -> None:
    """A row whose id cannot be read may belong to the institution of the same name."""
    unreadable = {
        row.values["name"]: row.number
        for row in rows
        if "id" not in row.values and "name" in row.values
    }
    if not unreadable:
        return
    for row in rows:
        other = unreadable.get(row.values.get("name", ""))
        if other is not None and "id" in row.values:
            log.error(
                row.number,
                "",
                "partner_unreadable",
                f"第 {other} 行机构名称与本行相同，但其机构编号无法读取",
                f"请先改正第 {other} 行的机构编号",
            )


def _institution(group: list[_Row], log: _Log) -> RosterInstitution | None:
    values = group[0].values
    # A blank or missing column leaves the default of the facts.
    given = {
        key: values[key] for key in InstitutionFacts.model_fields if values.get(key) is not None
    }
    try:
        return RosterInstitution(
            institution=InstitutionFacts(**given),
            name=values["name"],
            uscc=values.get("uscc"),
            previous_reviewer=values.get("previous_reviewer"),
            certificates=tuple(
                CertificateFacts(**{key: row.values[key] for key in _CERTIFICATE})
                for row in group
                if not _without_certificate(row)
            ),
        )
    except ValidationError as error:
        # The cells were checked above; should the facts ever be stricter, the row is refused.
        text = f"机构信息不合要求：{error.errors()[0]['msg']}"
        log.error(group[0].number, "", "bad_facts", text, "请核对该机构各行")
        return None
