"""Reads a roster of institutions from CSV or XLSX, and writes one as CSV.

One row per certificate; the institution's columns repeat in each of its rows and must agree. An
institution without certificates has one row with empty certificate columns. Every problem names
its row as Excel shows it; an institution with any bad row is left out, everything else is kept.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from stdnum.cn import uscc as uscc_code

from domain.facts import CertificateFacts, Facts, InstitutionFacts
from domain.model import Value
from files.table import (
    BLANKS,
    FULL_WIDTH,
    MAX_LISTED,
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

MAX_BYTES = 64 * 1024 * 1024
MAX_CELL = 2_000


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
    log = Problems(most=MAX_LISTED)
    try:
        content = content_of(path_or_bytes, MAX_BYTES)
        rows = rows_of(content, filename, lambda name: _column_named(name) is not None)
        header_row, columns = _header(rows)
        parsed = _data_rows(rows, columns, log, known_regions)
    except Unusable as bad:
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


# --- the header ---------------------------------------------------------------------------------


_BY_NAME = {
    name_key(name): column
    for column in COLUMNS
    for name in (column.label, column.id, *column.aliases)
}


def _column_named(name: str) -> Column | None:
    return _BY_NAME.get(name_key(name))


def _header(rows: Iterator[tuple[int, list[Cell]]]) -> tuple[int, list[Column]]:
    """The first row that is not blank, as columns. Raises `Unusable` if it is not in order."""
    labels = [column.label for column in COLUMNS]
    number, columns = header_of(rows, _column_named, labels)
    any_certificate = any(column.certificate for column in columns)
    missing = [
        column.label
        for column in COLUMNS
        if column.required and column not in columns and (any_certificate or not column.certificate)
    ]
    if missing:
        what = f"表头缺少：{'、'.join(missing)}"
        raise Unusable("missing_column", what, header_mend(labels), number)
    return number, columns


# --- the rows -----------------------------------------------------------------------------------


def _data_rows(
    rows: Iterator[tuple[int, list[Cell]]],
    columns: list[Column],
    log: Problems,
    known_regions: Callable[[str], bool] | None,
) -> list[_Row]:
    parsed: list[_Row] = []
    for number, cells in rows:
        if is_blank_row(cells):
            continue
        if len(parsed) == MAX_ROWS:
            raise Unusable(
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
    log: Problems,
    known_regions: Callable[[str], bool] | None,
) -> _Row:
    if not is_blank_row(cells[len(columns) :]):
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
        except Unusable as bad:
            log.error(number, column.label, bad.code, bad.message, bad.mend)
    _refuse_half_certificate(row, columns, log)
    _refuse_level_of_another_issuer(row, log)
    return row


def _refuse_half_certificate(row: _Row, columns: list[Column], log: Problems) -> None:
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


def _refuse_level_of_another_issuer(row: _Row, log: Problems) -> None:
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
    log: Problems,
    known_regions: Callable[[str], bool] | None,
) -> Any:
    """The cell's value, None if blank; its notices go to ``log``. Raises `Unusable`."""
    if cell is None or (isinstance(cell, str) and not cell.strip(BLANKS)):
        if column.required and not column.certificate:
            raise Unusable("required", f"“{column.label}”不能为空", "请补填")
        return () if column.kind == "list" else None
    if isinstance(cell, str):
        refuse_bad_text(cell, MAX_CELL)
    match column.kind:
        case "code":
            return _code(number, column, cell, log, known_regions)
        case "name":
            return _name(number, column, text_of(cell), log)
        case "flag":
            return _flag(column, text_of(cell))
        case "list":
            return _list(number, column, text_of(cell), log)
        case "level":
            return _level(text_of(cell))
        case "count":
            return _count(text_of(cell))
        case "date":
            return _date(number, column, cell, log)


def _code(
    number: int,
    column: Column,
    cell: Cell,
    log: Problems,
    known_regions: Callable[[str], bool] | None,
) -> str:
    if isinstance(cell, bool):
        raise Unusable("wrong_type", "本格是真假值，应为编号", "请把单元格格式设为“文本”后重新录入")
    text = text_of(cell).translate(FULL_WIDTH).strip(BLANKS)
    if column.id in _UPPER:
        text = text.upper()
    if isinstance(cell, str) and text != cell:
        log.notice(
            number,
            column.label,
            "normalised",
            f"已把“{shown(cell)}”读作“{shown(text)}”（去掉首尾空白，全角改半角，小写改大写）",
            "如不对，请改正原文件",
        )
    pattern, shape = _CODES[column.id]
    if pattern.fullmatch(text) is None:
        raise Unusable("bad_code", f"“{shown(text)}”不合格式：应为{shape}", "请照格式改正")
    if not isinstance(cell, str):
        _watch_leading_zeros(number, column, text, log)
    if column.id == "uscc" and not uscc_code.is_valid(text):
        raise Unusable(
            "bad_uscc",
            f"“{text}”不是合格的统一社会信用代码（校验位或格式不符）",
            "请对照营业执照或法人证书改正",
        )
    if column.id == "region" and known_regions is not None and not known_regions(text):
        raise Unusable("unknown_region", f"没有代码为 {text} 的监管区域", "请核对六位区域代码")
    if column.id == "review_group" and not text.startswith("group-"):
        return f"group-{text}"
    return text


def _watch_leading_zeros(number: int, column: Column, text: str, log: Problems) -> None:
    """A number cell cannot keep leading zeros: sure for certificates, possible for ids."""
    if column.id == "number" and len(text) < 12:
        raise Unusable(
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


def _name(number: int, column: Column, text: str, log: Problems) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 200:
        raise Unusable("too_long", f"名称有 {len(name)} 字，最多 200 字", "请改为证书上的名称")
    _refuse_formula(name)
    if name == _TEMPLATE_NAME:
        what = "这是模板里的示例行，并非真实机构"
        log.notice(number, column.label, "example_row", what, "请从名册中删去")
    return name


def _refuse_formula(text: str) -> None:
    # Such a cell would run as a formula when the roster is opened in a spreadsheet again.
    if text[0] in "=+-@":
        raise Unusable("bad_characters", "本格不能以 =、+、-、@ 开头", "请改为证书上的名称")


def _flag(column: Column, text: str) -> bool:
    word = text.translate(FULL_WIDTH).casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise Unusable("bad_flag", f"“{column.label}”应填“是”或“否”，现为“{shown(text)}”", "请改正")


def _list(number: int, column: Column, text: str, log: Problems) -> tuple[str, ...]:
    _refuse_formula(text)
    items = [item.strip(BLANKS) for item in re.split("[、;；]", text)]
    distinct = tuple(dict.fromkeys(item for item in items if item))
    if len(distinct) < len(items):
        what = "各项之间有重复或空项，已略去"
        log.notice(number, column.label, "normalised", what, "如不对，请改正原文件")
    return distinct


def _level(text: str) -> str:
    level = _LEVELS.get(text.casefold())
    if level is None:
        raise Unusable("bad_level", f"证书级别“{shown(text)}”不认识", "请填“省级”或“国家级”")
    return level


def _count(text: str) -> int:
    digits = text.translate(FULL_WIDTH)
    if re.fullmatch(r"[0-9]{1,9}", digits) is None:
        raise Unusable("bad_count", f"参数数量应为不带符号的整数，现为“{shown(text)}”", "请改正")
    return int(digits)


def _date(number: int, column: Column, cell: Cell, log: Problems) -> date:
    day, serial = day_of(cell)
    if serial is not None:
        what = f"日期以序列号存储，{serial} 读作 {day.isoformat()}"
        mend = "请核对；最好把该列设为日期格式"
        log.notice_once(number, column.label, "serial_date", what, mend)
    return day


# --- the institutions ---------------------------------------------------------------------------


def _institutions(rows: list[_Row], log: Problems) -> tuple[RosterInstitution, ...]:
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


def _any_bad(group: list[_Row], log: Problems) -> bool:
    return any(row.number in log.bad_rows for row in group)


def _refuse_conflicts(group: list[_Row], log: Problems) -> None:
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


def _refuse_duplicate_certificates(rows: list[_Row], log: Problems) -> None:
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


def _refuse_partners_of_unreadable(rows: list[_Row], log: Problems) -> None:
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


def _institution(group: list[_Row], log: Problems) -> RosterInstitution | None:
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
