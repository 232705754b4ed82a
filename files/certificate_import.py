"""Reads certificates that an issuing office imports from CSV or XLSX, and writes the template.

One row per certificate. What a certificate has several of comes in one cell, parted by ``；`` or
line breaks, or in further rows with the same key (序号): each such row adds one capability and
whatever its list cells hold; its other cells are left empty or repeat the first row's. Every
problem names its row as Excel shows it and its column; whatever is decided here needs the file,
the rules and the day, and no database.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from domain.certificates.certificate import CertificateContent
from domain.certificates.imports import MAX_CERTIFICATES, ImportedCertificate
from domain.certificates.issuing import Decided
from domain.certificates.number import NumberProblem, decode
from domain.certificates.statement import EARLIEST
from domain.ids import NATION, jurisdiction_of, region_prefix
from domain.messages import explain
from domain.model import Value
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
from rules.certificates.content import content_problems, decided_refusal, number_refusal

MAX_BYTES = 64 * 1024 * 1024
_MAX_CELL = 32_767
"""As many characters as a cell of Excel can hold."""


class Column(NamedTuple):
    """A column: its id, its Chinese name, other names it may carry, how its cells are read.

    ``adds``: in the further rows of a certificate it says something of their own.
    """

    id: str
    label: str
    aliases: tuple[str, ...]
    kind: Literal["line", "code", "date", "list", "flag", "level", "table", "year"]
    required: bool = False
    adds: bool = False


COLUMNS = (
    Column("key", "序号", ("key", "no", "编号"), "line"),
    Column("institution", "机构编号", ("institution", "institution_id"), "code", True),
    Column("holder", "机构名称", ("holder", "name", "名称", "证书名称"), "line", True),
    Column("uscc", "统一社会信用代码", ("uscc", "信用代码", "社会信用代码"), "code"),
    Column(
        "parent_uscc",
        "上级单位统一社会信用代码",
        ("parent_uscc", "上级信用代码", "所属单位统一社会信用代码"),
        "code",
    ),
    Column("region", "监管区域代码", ("region", "区域代码"), "code"),
    Column("legal_person", "是否法人", ("legal_person", "独立法人"), "flag"),
    Column("address", "地址", ("address",), "line", True),
    Column("sites", "场所", ("sites", "检验检测场所"), "list", adds=True),
    Column("issuer", "发证机关", ("issuer", "发证部门"), "line"),
    Column("level", "级别", ("level", "证书级别"), "level"),
    Column("field", "专业领域", ("field", "领域"), "table", True),
    Column("industry", "行业", ("industry",), "table", True),
    Column("number", "证书编号", ("number", "certificate_number"), "code"),
    Column("approved_on", "审批日期", ("approved_on", "批准日期"), "date"),
    Column("document", "审批文书号", ("document", "文书号"), "line"),
    Column("approver", "批准人", ("approver",), "line"),
    Column("valid_from", "有效期起", ("valid_from",), "date"),
    Column("valid_to", "有效期止", ("valid_to", "有效期至"), "date"),
    Column("renews", "延续的原证书编号", ("renews", "原证书编号"), "code"),
    Column("category", "类别", ("category",), "line", adds=True),
    Column("item", "产品或参数", ("item", "产品", "参数", "项目"), "line", adds=True),
    Column("standard", "标准", ("standard", "标准编号"), "line", adds=True),
    Column("year", "标准年份", ("year", "standard_year", "年份"), "year", adds=True),
    Column("limits", "限制", ("limits", "限制范围", "限制说明"), "line", adds=True),
    Column("signatories", "授权签字人", ("signatories",), "list", adds=True),
    Column("equipment", "仪器设备", ("equipment", "设备"), "list", adds=True),
)
"""The columns in the order of the template."""

LABELS = {column.id: column.label for column in COLUMNS}
_BY_NAME = {
    name_key(name): column
    for column in COLUMNS
    for name in (column.label, column.id, *column.aliases)
}
_REQUIRED = ("institution", "holder", "address", "field", "industry", "category", "item")
_CAPABILITY = ("category", "item", "standard", "year", "limits")
_LISTS = ("sites", "signatories", "equipment")
_DECISION = ("approved_on", "document", "approver")
_KEPT = ("number", "valid_from", "valid_to")
_LONGEST = dict.fromkeys(("holder", "category", "item", "standard", "document", "approver"), 200)
_CODES: dict[str, tuple[re.Pattern[str], str]] = {
    "institution": (
        re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}"),
        "字母、数字、点、横线，至多 64 位",
    ),
    "uscc": (re.compile(r"[0-9A-Z]{18}"), "18 位数字和大写字母"),
    "parent_uscc": (re.compile(r"[0-9A-Z]{18}"), "18 位数字和大写字母"),
    "region": (re.compile(r"[0-9]{6}"), "六位数字，如 350102"),
    "number": (re.compile(r"[\x21-\x7e]{1,64}"), "至多 64 位半角字符，中间不含空白"),
    "renews": (re.compile(r"[^\s]{1,64}"), "至多 64 位，中间不含空白"),
}
_AS_IT_IS = frozenset({"number", "renews"})
"""Numbers on paper are never corrected: they are kept as they are or refused."""
_YES = frozenset({"是", "true", "1", "y", "yes"})
_NO = frozenset({"否", "false", "0", "n", "no"})
_LEVELS = {"省级": "provincial", "国家级": "national"} | {
    name: name for name in ("provincial", "national")
}
_PARTS = re.compile(r"[；;\n]")
_BRACKETED = re.compile(r"(.*?[^\s])\s*[（(]([^（()）]*)[)）]")
_DATED_STANDARD = re.compile(r"(.*[0-9A-Za-z])\s*[-—–－]\s*((?:19|20)[0-9]{2})")


class ImportReading(Value):
    """The good certificates in the order of the file, all problems, and what was counted.

    ``total`` counts certificates, ``lines`` the rows they take, ``bad`` maps the first row of each
    bad certificate to its institution and holder as far as they could be read.
    """

    certificates: tuple[ImportedCertificate, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    lines: int = 0
    total: int = 0
    bad: dict[int, tuple[str, str]] = Field(default_factory=dict)


@dataclass
class _Row:
    """A parsed row; a column whose cell is bad is missing from ``values``."""

    number: int
    values: dict[str, Any]
    blank: frozenset[str] = frozenset()


@dataclass
class _Group:
    """The rows of one certificate, and where each of its capabilities and list items stands."""

    rows: list[_Row]
    places: dict[str, list[int]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return self.rows[0].number


def read_import(
    file: bytes,
    filename: str,
    *,
    rules: CertificateRules,
    authority: str,
    today: date,
    known_regions: Callable[[str], bool],
) -> ImportReading:
    """Reads and checks a file of ``authority``, as far as file and rules tell.

    Never raises for any content: what is wrong with the file as a whole is a problem in row 0 or
    in its header's, and there are no certificates.
    """
    log = Problems()
    try:
        content = content_of(file, MAX_BYTES)
        rows = rows_of(content, filename, lambda name: name_key(name) in _BY_NAME, widest=52)
        labels = [column.label for column in COLUMNS]
        header, columns = header_of(rows, lambda name: _BY_NAME.get(name_key(name)), labels)
        present = {column.id for column in columns}
        missing = [LABELS[id_] for id_ in _REQUIRED if id_ not in present]
        if missing:
            what = f"表头缺少：{'、'.join(missing)}"
            raise Unusable("missing_column", what, header_mend(labels), header)
        parsed = _parsed(rows, columns, _Reader(rules, authority, known_regions, log))
        groups = _grouped(parsed)
        if len(groups) > MAX_CERTIFICATES:
            what = f"文件里有 {len(groups):,} 张证书，一个文件至多 {MAX_CERTIFICATES:,} 张"
            raise Unusable("too_many_rows", what, "请拆成几个文件分别上传")
    except Unusable as bad:
        problem = RowProblem(
            row=bad.row, column="", code=bad.code, message=bad.message, mend=bad.mend
        )
        return ImportReading(problems=(problem,))
    if not parsed:
        log.error(header, "", "empty", "只有表头，没有证书", "请在表头下逐行填写证书")
    _refuse_orphans(groups, log)
    maker = _Maker(rules, authority, today, log)
    made = [(group, maker.made(group)) for group in groups]
    _refuse_duplicates([one for _, one in made if one is not None], log)
    good, bad_ones = [], {}
    for group, one in made:
        if one is None or any(row.number in log.bad_rows for row in group.rows):
            values = group.rows[0].values
            known = (values.get("institution") or "", values.get("holder") or "")
            bad_ones[group.first] = (known[0][:64], known[1][:200])
        else:
            good.append(one)
    return ImportReading(
        certificates=tuple(good),
        problems=log.listed(),
        lines=len(parsed),
        total=len(groups),
        bad=bad_ones,
    )


# --- rows -----------------------------------------------------------------------------------------


def _parsed(
    rows: Iterator[tuple[int, list[Cell]]], columns: list[Column], reader: "_Reader"
) -> list[_Row]:
    parsed: list[_Row] = []
    for number, cells in rows:
        if is_blank_row(cells):
            continue
        if len(parsed) == MAX_ROWS:
            what = f"数据超过 {MAX_ROWS:,} 行"
            raise Unusable("too_many_rows", what, "请拆成几个文件分别上传")
        parsed.append(reader.row(number, cells, columns))
    return parsed


def _grouped(rows: list[_Row]) -> list[_Group]:
    """The rows by certificate: a key holds together, a row without one stands alone."""
    groups: list[_Group] = []
    by_key: dict[str, _Group] = {}
    for row in rows:
        key = row.values.get("key")
        if key is None:
            groups.append(_Group([row]))
        elif key in by_key:
            by_key[key].rows.append(row)
        else:
            by_key[key] = _Group([row])
            groups.append(by_key[key])
    return groups


def _refuse_orphans(groups: list[_Group], log: Problems) -> None:
    """Refuses rows that only add to a list and name no certificate, and what stands above them.

    Most likely they belong to it, and a certificate must not be issued without them.
    """
    above: _Group | None = None
    for group in sorted(groups, key=lambda one: one.first):
        row = group.rows[0]
        own = {c.id for c in COLUMNS if not c.adds and c.id != "key" and c.id in row.values}
        if not own <= row.blank:
            above = group
            continue
        log.error(
            row.number,
            LABELS["key"],
            "row_without_certificate",
            "本行只有能力、人员或设备，看不出是哪张证书的",
            "请填上与那张证书相同的序号",
        )
        if above is not None:
            what = f"第 {row.number} 行像是本证书的续行，却没有相同的序号"
            mend = f"请先改正第 {row.number} 行的序号"
            log.error(above.rows[0].number, LABELS["key"], "row_in_doubt", what, mend)


@dataclass
class _Reader:
    """Reads cells; what is wrong with one goes to the log."""

    rules: CertificateRules
    authority: str
    known_regions: Callable[[str], bool]
    log: Problems

    def __post_init__(self) -> None:
        tables = self.rules.tables
        self._tables = {"field": tables.fields, "industry": tables.industries}
        self._names = {
            id_: {name: code for code, name in table.items()} for id_, table in self._tables.items()
        }

    def row(self, number: int, cells: list[Cell], columns: list[Column]) -> _Row:
        """One row of the file."""
        if not is_blank_row(cells[len(columns) :]):
            self.log.error(
                number,
                "",
                "extra_cells",
                f"本行有 {len(cells)} 列，表头只有 {len(columns)} 列",
                "请删去多出的内容；内容里有分隔符的，用英文双引号括起",
            )
        values: dict[str, Any] = {}
        for place, column in enumerate(columns):
            cell = cells[place] if place < len(cells) else None
            try:
                values[column.id] = self._cell(number, column, cell)
            except Unusable as bad:
                self.log.error(number, column.label, bad.code, bad.message, bad.mend)
        blank = frozenset(id_ for id_, value in values.items() if value in (None, ()))
        return _Row(number, values, blank)

    def _cell(self, number: int, column: Column, cell: Cell) -> Any:
        """The cell's value, None (or no items) if it is blank. Raises Unusable."""
        if cell is None or (isinstance(cell, str) and not cell.strip(BLANKS)):
            return () if column.kind == "list" else None
        if isinstance(cell, str):
            refuse_bad_text(cell, _MAX_CELL)
        match column.kind:
            case "date":
                return self._day(number, column, cell)
            case "code":
                return self._code(number, column, cell)
            case "list":
                return self._list(column, text_of(cell))
            case "table":
                return self._of_table(column, text_of(cell))
            case "flag":
                return _flag(column, text_of(cell))
            case "level":
                return _level(text_of(cell))
            case "year":
                return _year(text_of(cell))
            case "line":
                return self._line(column, text_of(cell))

    def _line(self, column: Column, text: str) -> str:
        line = " ".join(text.split())
        _refuse_formula(line)
        longest = _LONGEST.get(column.id, 300)
        if len(line) > longest:
            raise Unusable("too_long", f"本格有 {len(line)} 字，最多 {longest} 字", "请删减")
        if column.id == "issuer":
            known = (self.authority, self.rules.authority_name(self.authority))
            if line not in known:
                what = f"发证机关“{shown(line)}”不是您所在的{known[1]}（{known[0]}）"
                mend = "请由该机关的发证经办人导入，或改正、留空本格"
                raise Unusable("other_authority", what, mend)
        return line

    def _code(self, number: int, column: Column, cell: Cell) -> str:
        if isinstance(cell, bool):
            raise Unusable("wrong_type", "本格是真假值，应为编号", "请把该列设为“文本”后重新录入")
        text = text_of(cell)
        if column.id not in _AS_IT_IS:
            meant = text.translate(FULL_WIDTH).strip(BLANKS)
            meant = meant.upper() if column.id in ("uscc", "parent_uscc") else meant
            if meant != text:
                what = f"已把“{shown(text)}”读作“{shown(meant)}”（全角改半角，小写改大写）"
                self.log.notice(number, column.label, "normalised", what, "如不对，请改正原文件")
            text = meant
        pattern, shape = _CODES[column.id]
        if pattern.fullmatch(text) is None:
            what = f"“{shown(text)}”不合格式：应为{shape}"
            raise Unusable("bad_code", what, "请照格式改正")
        if not isinstance(cell, str) and column.id in _AS_IT_IS and len(text) < 12:
            raise Unusable(
                "lost_digits",
                f"证书编号以数值存储，只有 {len(text)} 位，可能丢了前面的 0",
                "请把该列单元格格式设为“文本”，再重新录入完整的编号",
            )
        if column.id == "region" and not self.known_regions(text):
            what = f"没有代码为 {text} 的监管区域"
            raise Unusable("unknown_region", what, "请核对六位区域代码")
        if column.id == "region":
            own = jurisdiction_of(self.authority)
            if own != NATION and not text.startswith(region_prefix(own)):
                what = f"监管区域 {text} 不在您的辖区"
                raise Unusable("outside_jurisdiction", what, "请核对区域代码")
        return text

    def _list(self, column: Column, text: str) -> tuple[Any, ...]:
        items = [" ".join(one.split()) for one in _PARTS.split(text)]
        items = [one for one in items if one]
        for one in items:
            _refuse_formula(one)
            if len(one) > 300:
                raise Unusable("too_long", f"其中一项有 {len(one)} 字，最多 300 字", "请删减")
        if column.id == "sites":
            return tuple(dict.fromkeys(items))
        if column.id == "signatories":
            for one in items:
                if re.search(r"[、,，]", re.sub(r"[（(].*?[)）]", "", one)):
                    what = f"“{shown(one)}”像是几个人写在一起"
                    mend = "请用“；”或换行分开，如 张某（建筑工程）；李某（建材）"
                    raise Unusable("bad_separator", what, mend)
        pairs = [
            (found[1], found[2].strip()) if (found := _BRACKETED.fullmatch(one)) else (one, "")
            for one in items
        ]
        for name, _ in pairs:
            if len(name) > 200:
                raise Unusable("too_long", f"其中一项有 {len(name)} 字，最多 200 字", "请删减")
        return tuple(dict.fromkeys(pairs))

    def _of_table(self, column: Column, text: str) -> str:
        """A two-digit code, written as such or by its name."""
        word = text.translate(FULL_WIDTH).strip(BLANKS)
        table = self._tables[column.id]
        if word in self._names[column.id]:
            return self._names[column.id][word]
        if re.fullmatch(r"[0-9]{1,2}", word) and word.zfill(2) in table:
            return word.zfill(2)
        known = "、".join(f"{code} {name}" for code, name in sorted(table.items()))
        what = f"没有{column.label}“{shown(word)}”"
        raise Unusable(f"unknown_{column.id}", what, f"请填代码或名称：{known}")

    def _day(self, number: int, column: Column, cell: Cell) -> date:
        day, serial = day_of(cell)
        if serial is not None:
            what = f"日期以序列号存储，{serial} 读作 {day.isoformat()}"
            mend = "请核对；最好把该列设为日期格式"
            self.log.notice_once(number, column.label, "serial_date", what, mend)
        return day


def _refuse_formula(text: str) -> None:
    # Such a cell would run as a formula when the report is opened in a spreadsheet.
    if text[:1] in ("=", "@"):
        raise Unusable("bad_characters", "本格不能以 =、@ 开头", "请改为要填的内容本身")


def _flag(column: Column, text: str) -> bool:
    word = text.translate(FULL_WIDTH).casefold()
    if word in _YES or word in _NO:
        return word in _YES
    what = f"“{column.label}”应填“是”或“否”，现为“{shown(text)}”"
    raise Unusable("bad_flag", what, "请改正")


def _level(text: str) -> str:
    level = _LEVELS.get(text.casefold())
    if level is None:
        what = f"级别“{shown(text)}”不认识"
        raise Unusable("bad_level", what, "请填“省级”或“国家级”，或留空")
    return level


def _year(text: str) -> str:
    digits = text.translate(FULL_WIDTH).removesuffix("年")
    if re.fullmatch(r"(?:19|20)[0-9]{2}", digits) is None:
        raise Unusable("bad_year", f"“{shown(text)}”不是标准的四位年份", "请改正，没有的留空")
    return digits


# --- certificates ---------------------------------------------------------------------------------


@dataclass
class _Maker:
    """Makes a certificate of its rows; what is wrong with it goes to the log, place by place."""

    rules: CertificateRules
    authority: str
    today: date
    log: Problems

    def made(self, group: _Group) -> ImportedCertificate | None:
        """The certificate, None where it is bad."""
        for row in group.rows[1:]:
            self._refuse_conflicts(group.rows[0], row)
        if self._bad(group):
            return None
        values = group.rows[0].values
        self._refuse_missing(group, values)
        if self._bad(group):
            return None
        decided = self._decided(group, values)
        content = self._content(group, values)
        if content is None or self._bad(group):
            return None
        if self.rules.mode(self.authority) == "connected" and (decided is None or not decided[0]):
            self._error(
                group,
                "number",
                "connected_mode",
                f"本机关已采用系统联网自动赋码（{self.rules.mode_cite(self.authority)}），"
                "没有编号的证书不能批量导入",
                "新办的证书由审批系统经接口提交；批量导入只补录已有编号的证书",
            )
            return None
        return ImportedCertificate(
            row=group.first,
            rows=tuple(row.number for row in group.rows),
            content=content,
            decided=decided[1] if decided else None,
            approver=(values.get("approver") or "") if decided else "",
            renews=values.get("renews") or "",
            region=values.get("region") or "",
            legal_person=values.get("legal_person") is not False,
        )

    def _bad(self, group: _Group) -> bool:
        return any(row.number in self.log.bad_rows for row in group.rows)

    def _error(self, group: _Group, column: str, code: str, message: str, mend: str) -> None:
        self.log.error(group.first, LABELS.get(column, column), code, message, mend)

    def _refuse_conflicts(self, first: _Row, row: _Row) -> None:
        for column in COLUMNS:
            id_ = column.id
            if column.adds or id_ in row.blank or id_ not in row.values or id_ not in first.values:
                continue
            if row.values[id_] != first.values[id_]:
                self.log.error(
                    row.number,
                    column.label,
                    "conflicting_rows",
                    f"与同一序号的第 {first.number} 行不一致",
                    "续行的这一格请留空，或与首行相同；另一张证书请用另一个序号",
                )

    def _refuse_missing(self, group: _Group, values: dict[str, Any]) -> None:
        for column in COLUMNS:
            if column.required and values.get(column.id) is None:
                what = f"“{column.label}”不能为空"
                self._error(group, column.id, "required", what, "请补填")
        for row in group.rows:
            given = [id_ for id_ in _CAPABILITY if row.values.get(id_) is not None]
            lists = any(row.values.get(id_) for id_ in _LISTS)
            if not given and (lists or row is group.rows[0]) and len(group.rows) > 1:
                continue  # a further row may be there for its lists alone
            for id_ in ("category", "item", "standard"):
                if row.values.get(id_) is None:
                    what = f"“{LABELS[id_]}”不能为空"
                    mend = "每项能力都要有类别、产品或参数、标准"
                    self.log.error(row.number, LABELS[id_], "required", what, mend)

    def _decided(self, group: _Group, values: dict[str, Any]) -> tuple[str, Decided] | None:
        """The decision with the number it brings, None for an application or a bad one."""
        given = [id_ for id_ in _DECISION if values.get(id_) is not None]
        if len(given) < len(_DECISION):
            for id_ in _DECISION:
                if given and id_ not in given:
                    what = f"填了审批结果的其他栏，“{LABELS[id_]}”却是空的"
                    mend = "审批日期、审批文书号、批准人要么都填，要么都不填（作为申请提交）"
                    self._error(group, id_, "decision_half_filled", what, mend)
            for id_ in _KEPT:
                if not given and values.get(id_) is not None:
                    what = f"没有审批结果，却填了“{LABELS[id_]}”"
                    mend = "已有的证书请补填审批日期、审批文书号、批准人；新申请请把本格留空"
                    self._error(group, id_, "undecided_with_number", what, mend)
            return None
        number = values.get("number") or ""
        decided = Decided(
            approved_on=values["approved_on"],
            document=values["document"],
            number=number,
            valid_from=values.get("valid_from"),
            valid_to=values.get("valid_to"),
        )
        refusal = decided_refusal(decided, self.today)
        if refusal is not None:
            wrong = "valid_to"
            if not EARLIEST <= decided.approved_on <= self.today:
                wrong = "approved_on"
            elif (decided.valid_from if number else decided.valid_to) is None:
                # with a number the empty one is missing, without one none may be filled
                wrong = "valid_from"
            words = explain(refusal)
            told, mend = words.detail.rstrip("。"), words.remedy.rstrip("。")
            self._error(group, wrong, refusal.code.value, told, mend)
        if number:
            self._watch_number(group, number, values)
        return number, decided

    def _watch_number(self, group: _Group, number: str, values: dict[str, Any]) -> None:
        """A number is kept as it is; what it says otherwise than its row is pointed out.

        Another authority's number is refused.
        """
        refusal = number_refusal(self.rules, number, self.authority)
        if refusal is not None:
            words = explain(refusal)
            told, mend = words.detail.rstrip("。"), words.remedy.rstrip("。")
            self._error(group, "number", refusal.code.value, told, mend)
            return
        found = decode(number, self.rules.tables)
        if isinstance(found, NumberProblem):
            what = f"编号照原样保留；它不合编号规则：{found.message}"
        elif (found.field, found.industry) != (values["field"], values["industry"]):
            what = (
                "编号照原样保留；按编号规则它的专业领域、行业是"
                f"{found.field_name}、{found.industry_name}，与本行不同"
            )
        else:
            return
        label = LABELS["number"]
        self.log.notice(group.first, label, "unusual_number", what, "请核对编号")

    def _content(self, group: _Group, values: dict[str, Any]) -> CertificateContent | None:
        level = "national" if self.authority == "samr" else "provincial"
        lists = {id_: self._gathered(group, id_) for id_ in _LISTS}
        given = {
            "institution": values["institution"],
            "holder": values["holder"],
            "uscc": values.get("uscc") or "",
            "parent_uscc": values.get("parent_uscc") or "",
            "address": values["address"],
            "sites": lists["sites"],
            "level": values.get("level") or level,
            "issuer": self.authority,
            "field": values["field"],
            "industry": values["industry"],
            "capabilities": self._capabilities(group),
            "signatories": [{"name": name, "field": more} for name, more in lists["signatories"]],
            "equipment": [{"name": name, "model": more} for name, more in lists["equipment"]],
        }
        try:
            content = CertificateContent.model_validate(given)
        except ValidationError as failure:
            for error in failure.errors(include_input=False, include_url=False):
                place = [str(part) for part in error["loc"]]
                message = _IN_CHINESE.get(error["type"], "内容不合要求")
                self._at(group, place, error["type"], message)
            return None
        for problem in content_problems(self.rules, content):
            self._at(group, problem.pointer.split("/")[1:], problem.code, problem.message)
        return content

    def _gathered(self, group: _Group, id_: str) -> list[Any]:
        """The items of all rows, each once: a cell that was filled down says nothing new."""
        found: dict[Any, int] = {}
        for row in group.rows:
            for item in row.values.get(id_) or ():
                found.setdefault(item, row.number)
        group.places[id_] = list(found.values())
        return list(found)

    def _capabilities(self, group: _Group) -> list[dict[str, str]]:
        found, places = [], []
        for row in group.rows:
            values = {id_: row.values.get(id_) or "" for id_ in _CAPABILITY}
            if not any(values.values()):
                continue
            dated = _DATED_STANDARD.fullmatch(values["standard"])
            if dated and not values["year"]:
                values["standard"], values["year"] = dated[1], dated[2]
            found.append(values)
            places.append(row.number)
        group.places["capabilities"] = places
        return found

    def _at(self, group: _Group, place: Sequence[str], code: str, message: str) -> None:
        """Logs a problem of the content where its cell stands."""
        row, name = group.first, place[0] if place else ""
        rows = group.places.get(name, [])
        if len(place) > 1 and place[1].isdigit() and int(place[1]) < len(rows):
            row = rows[int(place[1])]
        if name == "capabilities":
            name = place[2] if len(place) > 2 else "item"
        what, _, mend = message.partition("；")
        self.log.error(row, LABELS.get(name, ""), code, what, mend or "请改正")


_IN_CHINESE = {
    "string_too_long": "内容过长",
    "string_too_short": "内容不能为空",
    "string_pattern_mismatch": "格式不对，或含有控制字符",
    "too_long": "项数过多",
}


def _refuse_duplicates(made: list[ImportedCertificate], log: Problems) -> None:
    """Refuses what comes twice: a number, a certificate to be renewed, a whole certificate."""
    for of, column in ((_number_of, "number"), (_renewed_by, "renews")):
        seen: dict[str, ImportedCertificate] = {}
        for one in made:
            value = of(one)
            if not value:
                continue
            other = seen.setdefault(value, one)
            if other is one:
                continue
            for own, twin in ((other, one), (one, other)):
                if (own is other) and own.row in log.bad_rows:
                    continue
                what = f"{LABELS[column]} {value} 与第 {twin.row} 行相同"
                mend = "一个编号只属于一张证书，请删去或改正其中一行"
                log.error(own.row, LABELS[column], f"duplicate_{column}", what, mend)
    whole: dict[str, int] = {}
    for one in made:
        first = whole.setdefault(one.sha256(), one.row)
        if first != one.row and one.row not in log.bad_rows:
            what = f"本行与第 {first} 行完全相同"
            log.error(one.row, "", "duplicate_row", what, "请删去其中一行")


def _number_of(one: ImportedCertificate) -> str:
    return one.number


def _renewed_by(one: ImportedCertificate) -> str:
    return one.renews


# --- the template ---------------------------------------------------------------------------------

_EXAMPLES = (
    {
        "key": "1",
        "institution": "demo-000001",
        "holder": "演示检测机构（生成，请删除本行）",
        "address": "演示市演示路1号",
        "region": "350102",
        "legal_person": "是",
        "sites": "演示市演示路1号；演示市演示路2号",
        "level": "省级",
        "field": "建筑工程",
        "industry": "住建",
        "approved_on": "2025-03-01",
        "document": "演示市监许〔2025〕1号",
        "approver": "演示批准人",
        "category": "混凝土",
        "item": "抗压强度",
        "standard": "GB/T 50081",
        "year": "2019",
        "signatories": "演示甲（建筑工程）；演示乙（建材）",
        "equipment": "万能试验机（WE-1000）；压力试验机（YE-2000）",
    },
    {
        "key": "1",
        "category": "钢筋",
        "item": "拉伸性能",
        "standard": "GB/T 28900",
        "year": "2022",
        "limits": "只测直径 40 mm 以下",
    },
    {
        "key": "2",
        "institution": "demo-000002",
        "holder": "演示检测机构乙（生成，请删除本行）",
        "address": "演示市演示路3号",
        "level": "省级",
        "field": "12",
        "industry": "05",
        "category": "水质",
        "item": "化学需氧量",
        "standard": "HJ 828",
        "year": "2017",
    },
)


def import_template() -> bytes:
    """A file to fill in: CSV with BOM, the header, generated examples of every kind of row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.label for column in COLUMNS])
    for example in _EXAMPLES:
        writer.writerow([example.get(column.id, "") for column in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()
