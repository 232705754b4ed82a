"""Reads an authority's list of valid certificates from CSV or XLSX, and writes the template.

One row per certificate. Numbers are kept as they are or refused, never corrected. Fast enough for
the whole country in one file: rows stay plain, and nothing is made of them but their values.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from stdnum.cn import uscc as uscc_code

from domain.messages import explain
from files.table import (
    BLANKS,
    FULL_WIDTH,
    MAX_ROWS,
    Cell,
    Problems,
    RowProblem,
    Unusable,
    content_of,
    day_of,
    header_mend,
    header_of,
    is_blank_row,
    name_key,
    refuse_bad_text,
    rows_of,
    shown,
    text_of,
)
from rules.certificates.certificates import CertificateRules
from rules.certificates.content import number_refusal

MAX_BYTES = 64 * 1024 * 1024
_MAX_CELL = 2_000


class Column(NamedTuple):
    """A column: its id, its Chinese name, other names it may carry, how its cells are read."""

    id: str
    label: str
    aliases: tuple[str, ...]
    kind: Literal["line", "code", "date", "level", "count", "table", "issuer"]
    required: bool = False


COLUMNS = (
    Column("number", "证书编号", ("number", "certificate_number", "编号"), "code", True),
    Column("institution", "机构编号", ("institution", "institution_id", "id"), "code"),
    Column("uscc", "统一社会信用代码", ("uscc", "信用代码", "社会信用代码"), "code"),
    Column("holder", "机构名称", ("holder", "name", "名称"), "line"),
    Column("issuer", "发证机关", ("issuer", "发证部门"), "issuer", True),
    Column("level", "级别", ("level", "证书级别"), "level", True),
    Column("scope", "能力参数数量", ("scope", "参数数量", "参数数"), "count", True),
    Column("field", "专业领域", ("field", "领域"), "table"),
    Column("industry", "行业", ("industry",), "table"),
    Column("issued_on", "发证日期", ("issued_on",), "date"),
    Column("valid_from", "有效期起", ("valid_from",), "date"),
    Column("valid_to", "有效期止", ("valid_to", "有效期至", "有效期"), "date", True),
)
"""The columns in the order of the template."""

LABELS = {column.id: column.label for column in COLUMNS}
_BY_NAME = {
    name_key(name): column
    for column in COLUMNS
    for name in (column.label, column.id, *column.aliases)
}
_LEVELS = {"省级": "provincial", "国家级": "national"} | {
    name: name for name in ("provincial", "national")
}
_CODES: dict[str, tuple[re.Pattern[str], str]] = {
    "institution": (
        re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}"),
        "字母、数字、点、横线，至多 64 位",
    ),
    "uscc": (re.compile(r"[0-9A-Z]{18}"), "18 位数字和大写字母"),
    "number": (re.compile(r"[\x21-\x7e]{1,64}"), "至多 64 位半角字符，中间不含空白"),
}
_PROVINCE = re.compile(r"amr-(?!00)[0-9]{2}0000")


class ListedCertificate(NamedTuple):
    """One certificate of a list. What the list does not say is empty or None."""

    row: int
    number: str
    institution: str
    uscc: str
    holder: str
    issuer: str
    level: str
    scope: int
    field: str
    industry: str
    issued_on: date | None
    valid_from: date | None
    valid_to: date


class RegisterReading(NamedTuple):
    """The good rows of a list, all problems, the data rows, and every number that stands in it.

    ``unreadable`` counts rows whose number cannot be read.
    """

    certificates: list[ListedCertificate]
    problems: tuple[RowProblem, ...]
    rows: int
    numbers: frozenset[str]
    unreadable: int


def read_register(
    file: bytes, filename: str, *, rules: CertificateRules, complete: str = ""
) -> RegisterReading:
    """Reads a list; with ``complete`` it is to hold certificates of that authority alone.

    Never raises for any content: what is wrong with the file as a whole is a problem in row 0 or
    in its header's.
    """
    log = Problems()
    try:
        content = content_of(file, MAX_BYTES)
        rows = rows_of(content, filename, lambda name: name_key(name) in _BY_NAME)
        labels = [column.label for column in COLUMNS]
        header, columns = header_of(rows, lambda name: _BY_NAME.get(name_key(name)), labels)
        present = {column.id for column in columns}
        missing = [c.label for c in COLUMNS if c.required and c.id not in present]
        if not present & {"institution", "uscc"}:
            missing.append("机构编号或统一社会信用代码")
        if missing:
            what = f"表头缺少：{'、'.join(missing)}"
            raise Unusable("missing_column", what, header_mend(labels), header)
        found = _rows(rows, columns, _Reader(rules, complete, log))
    except Unusable as bad:
        problem = RowProblem(
            row=bad.row, column="", code=bad.code, message=bad.message, mend=bad.mend
        )
        return RegisterReading([], (problem,), 0, frozenset(), 0)
    if not found:
        log.error(header, "", "empty", "只有表头，没有证书", "请在表头下逐行填写证书")
    _refuse_duplicates(found, log)
    good = [_listed(row, values) for row, values in found if row not in log.bad_rows]
    numbers = [values.get("number") for _, values in found]
    return RegisterReading(
        certificates=good,
        problems=log.listed(),
        rows=len(found),
        numbers=frozenset(number for number in numbers if number),
        unreadable=sum(not number for number in numbers),
    )


def _rows(
    rows: Iterator[tuple[int, list[Cell]]], columns: list[Column], reader: "_Reader"
) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    for number, cells in rows:
        if is_blank_row(cells):
            continue
        if len(found) == MAX_ROWS:
            what = f"数据超过 {MAX_ROWS:,} 行"
            raise Unusable("too_many_rows", what, "请按发证机关拆成几个文件分别上传")
        found.append((number, reader.row(number, cells, columns)))
    return found


def _listed(row: int, values: dict[str, Any]) -> ListedCertificate:
    known: dict[str, Any] = {
        name: values.get(name) for name in ListedCertificate._fields if name != "row"
    }
    for name in ("institution", "uscc", "holder", "field", "industry"):
        known[name] = known[name] or ""
    return ListedCertificate(row=row, **known)


def _refuse_duplicates(found: list[tuple[int, dict[str, Any]]], log: Problems) -> None:
    seen: dict[str, int] = {}
    for row, values in found:
        number = values.get("number")
        if not number:
            continue
        first = seen.setdefault(number, row)
        if first != row:
            for own, other in ((first, row), (row, first)):
                what = f"证书编号 {number} 与第 {other} 行相同"
                mend = "一张证书只写一行，请删去或改正其中一行"
                log.error(own, LABELS["number"], "duplicate_number", what, mend)


@dataclass
class _Reader:
    """Reads rows; what is wrong with a cell goes to the log."""

    rules: CertificateRules
    complete: str
    log: Problems

    def __post_init__(self) -> None:
        tables = self.rules.tables
        self._tables = {"field": tables.fields, "industry": tables.industries}
        self._names = {
            id_: {name: code for code, name in table.items()} for id_, table in self._tables.items()
        }
        known = set(tables.authorities.values()) | set(self.rules.document.names)
        self._issuers = {self.rules.authority_name(one): one for one in known}
        self._issuers |= {one: one for one in known}

    def row(self, number: int, cells: list[Cell], columns: Sequence[Column]) -> dict[str, Any]:
        """The values of a row; a column whose cell is bad is missing."""
        if len(cells) > len(columns) and not is_blank_row(cells[len(columns) :]):
            what = f"本行有 {len(cells)} 列，表头只有 {len(columns)} 列"
            mend = "请删去多出的内容；内容里有分隔符的，用英文双引号括起"
            self.log.error(number, "", "extra_cells", what, mend)
        values: dict[str, Any] = {}
        for place, column in enumerate(columns):
            cell = cells[place] if place < len(cells) else None
            try:
                values[column.id] = self._cell(number, column, cell)
            except Unusable as bad:
                self.log.error(number, column.label, bad.code, bad.message, bad.mend)
        self._check(number, values)
        return values

    def _check(self, number: int, values: dict[str, Any]) -> None:
        if not any(values.get(one, "x") for one in ("institution", "uscc")):
            what = "机构编号和统一社会信用代码都是空的"
            self.log.error(number, LABELS["institution"], "required", what, "请至少填其中一栏")
        level, issuer = values.get("level"), values.get("issuer")
        if level and issuer and (level == "national") != (issuer == "samr"):
            what = f"国家级证书由 samr 颁发，省级证书由省级部门颁发，发证机关却是 {issuer}"
            self.log.error(number, LABELS["level"], "level_not_of_issuer", what, "请改正其一")
        written = values.get("number")
        refusal = number_refusal(self.rules, written, issuer) if written and issuer else None
        if refusal is not None:
            words = explain(refusal)
            told, mend = words.detail.rstrip("。"), words.remedy.rstrip("。")
            self.log.error(number, LABELS["number"], refusal.code.value, told, mend)
        first, last = values.get("valid_from"), values.get("valid_to")
        if first and last and first > last:
            what = f"有效期的开始 {first} 晚于结束 {last}"
            self.log.error(number, LABELS["valid_from"], "reversed_days", what, "请改正其一")

    def _cell(self, number: int, column: Column, cell: Cell) -> Any:
        if cell is None or (isinstance(cell, str) and not cell.strip(BLANKS)):
            if column.required:
                raise Unusable("required", f"“{column.label}”不能为空", "请补填")
            return None
        if isinstance(cell, str):
            refuse_bad_text(cell, _MAX_CELL)
        match column.kind:
            case "date":
                day, serial = day_of(cell)
                if serial is not None:
                    what = f"日期以序列号存储，{serial} 读作 {day.isoformat()}"
                    mend = "请核对；最好把该列设为日期格式"
                    self.log.notice_once(number, column.label, "serial_date", what, mend)
                return day
            case "code":
                return _code(column, cell)
            case "line":
                return _line(text_of(cell))
            case "level":
                return _level(text_of(cell))
            case "count":
                return _count(column, text_of(cell))
            case "table":
                return self._of_table(column, text_of(cell))
            case "issuer":
                return self._issuer(text_of(cell))

    def _of_table(self, column: Column, text: str) -> str:
        word = text.translate(FULL_WIDTH).strip(BLANKS)
        if word in self._names[column.id]:
            return self._names[column.id][word]
        if re.fullmatch(r"[0-9]{1,2}", word) and word.zfill(2) in self._tables[column.id]:
            return word.zfill(2)
        what = f"没有{column.label}“{shown(word)}”"
        raise Unusable(f"unknown_{column.id}", what, "请填代码表中的代码或名称，或留空")

    def _issuer(self, text: str) -> str:
        issuer = self._issuers.get(text)
        if issuer is None or (issuer != "samr" and _PROVINCE.fullmatch(issuer) is None):
            what = f"没有发证机关“{shown(text)}”"
            raise Unusable("unknown_issuer", what, "请填 samr、amr-350000 这样的编号或机关全称")
        if self.complete and issuer != self.complete:
            what = f"清单声明为 {self.complete} 的全部证书，本行却是 {issuer} 的"
            raise Unusable("other_authority", what, "请把其他机关的证书另放一个文件")
        return issuer


def _code(column: Column, cell: Cell) -> str:
    if isinstance(cell, bool):
        raise Unusable("wrong_type", "本格是真假值，应为编号", "请把该列设为“文本”后重新录入")
    text = text_of(cell)
    if column.id != "number":
        text = text.translate(FULL_WIDTH).strip(BLANKS)
        text = text.upper() if column.id == "uscc" else text
    elif not isinstance(cell, str) and len(text) < 12:
        what = f"证书编号以数值存储，只有 {len(text)} 位，可能丢了前面的 0"
        raise Unusable("lost_digits", what, "请把该列设为“文本”，再重新录入完整的编号")
    pattern, shape = _CODES[column.id]
    if pattern.fullmatch(text) is None:
        raise Unusable("bad_code", f"“{shown(text)}”不合格式：应为{shape}", "请照格式改正")
    if column.id == "uscc" and not uscc_code.is_valid(text):
        what = f"“{text}”不是合格的统一社会信用代码（校验位或格式不符）"
        raise Unusable("bad_uscc", what, "请对照营业执照或法人证书改正")
    return text


def _line(text: str) -> str:
    line = " ".join(text.split())
    if line[:1] in ("=", "@"):
        raise Unusable("bad_characters", "本格不能以 =、@ 开头", "请改为要填的内容本身")
    if len(line) > 200:
        raise Unusable("too_long", f"本格有 {len(line)} 字，最多 200 字", "请删减")
    return line


def _level(text: str) -> str:
    level = _LEVELS.get(text.casefold())
    if level is None:
        raise Unusable("bad_level", f"级别“{shown(text)}”不认识", "请填“省级”或“国家级”")
    return level


def _count(column: Column, text: str) -> int:
    digits = text.translate(FULL_WIDTH)
    if re.fullmatch(r"[0-9]{1,9}", digits) is None:
        what = f"{column.label}应为不带符号的整数，现为“{shown(text)}”"
        raise Unusable("bad_count", what, "请改正")
    return int(digits)


_EXAMPLE = {
    "number": "241301060001",
    "institution": "demo-000001",
    "holder": "演示检测机构（生成，请删除本行）",
    "issuer": "amr-350000",
    "level": "省级",
    "scope": "120",
    "field": "建筑工程",
    "industry": "住建",
    "issued_on": "2024-05-01",
    "valid_from": "2024-05-01",
    "valid_to": "2030-04-30",
}


def register_template() -> bytes:
    """A list to fill in: CSV with BOM, the header, and one generated example row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.label for column in COLUMNS])
    writer.writerow([_EXAMPLE.get(column.id, "") for column in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()
