"""Certificates that an issuing office imports: what the columns are, from rows to certificates.

One row per certificate. What a certificate has several of comes in one cell, parted by ``；`` or
line breaks, or in further rows with the same key (序号): each such row adds one capability and
whatever its list cells hold; its other cells are left empty or repeat the first row's. Every
problem names its row as Excel shows it and its column; whatever is decided here needs the file,
the rules and the day, and no database.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from domain.certificates.certificate import CertificateContent
from domain.certificates.imports import MAX_CERTIFICATES, ImportedCertificate
from domain.certificates.issuing import Decided
from domain.certificates.number import NumberProblem, decode
from domain.certificates.statement import EARLIEST
from domain.faults import shown
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import authority_of, lies_in
from domain.messages import explain
from domain.model import Value
from domain.text import ENTERING, same_name
from files.certificate_register import EXISTING_NUMBER, FIELD, INDUSTRY
from files.findings import Problems, RowProblem, Unusable
from files.roster import ACCOUNT, NUMBER, USCC, no_region
from files.table import (
    Code,
    Column,
    Format,
    Line,
    Meaning,
    Place,
    Row,
    day,
    flag,
    half_width,
    level,
    one_line,
    text_of,
)
from files.workbook import Shown
from rules.certificates.certificates import CertificateRules
from rules.certificates.content import content_problems, decided_refusal, number_refusal

_MOST_IN_A_CELL = 32_767
"""As many characters as a cell of Excel can hold."""


class Known(NamedTuple):
    """What the columns are read by, and what their content is checked by.

    ``unprintable`` tells the characters of a text that no font can print.
    """

    rules: CertificateRules
    authority: str
    today: date
    known_regions: Callable[[str], bool]
    unprintable: Callable[[str], list[str]]


# --- what the columns mean ------------------------------------------------------------------------

_PARTS = re.compile(r"[；;\n]")
_BRACKETED = re.compile(r"(.*?[^\s])\s*[（(]([^（()）]*)[)）]")
_DATED_STANDARD = re.compile(r"(.*[0-9A-Za-z])\s*[-—–－]\s*((?:19|20)[0-9]{2})")


def _issuer(cell: Shown, at: Place) -> str:
    line = Line()(cell, at)
    known = (at.known.authority, at.known.rules.authority_name(at.known.authority))
    if line not in known:
        what = f"发证机关“{shown(line)}”不是您所在的{known[1]}（{known[0]}）"
        mend = "请由该机关的发证经办人导入，或改正、留空本格"
        raise Unusable("other_authority", what, mend)
    return line


def _region(text: str, at: Place) -> str:
    if not at.known.known_regions(text):
        raise no_region(text)
    own = jurisdiction_of(at.known.authority)
    if own != NATION and not lies_in(text, own):
        what = f"监管区域 {text} 不在您的辖区"
        raise Unusable("outside_jurisdiction", what, "请核对区域代码")
    return text


def _year(cell: Shown, at: Place) -> str:
    digits = half_width(text_of(cell)).removesuffix("年")
    if re.fullmatch(r"(?:19|20)[0-9]{2}", digits) is None:
        what = f"“{shown(digits)}”不是标准的四位年份"
        raise Unusable("bad_year", what, "请写四位年份，如 2019，没有的留空")
    return digits


def _items(cell: Shown) -> list[str]:
    items = [one_line(item, 300, "其中一项") for item in _PARTS.split(text_of(cell))]
    return [item for item in items if item]


def _sites(cell: Shown, at: Place) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_items(cell)))


def _pairs(*, people: bool) -> Meaning:
    """Names, each with what stands behind it in brackets."""

    def meaning(cell: Shown, at: Place) -> tuple[tuple[str, str], ...]:
        pairs = []
        for item in _items(cell):
            if people and re.search(r"[、,，]", re.sub(r"[（(].*?[)）]", "", item)):
                what = f"“{shown(item)}”像是几个人写在一起"
                mend = "请用“；”或换行分开，如 张某（建筑工程）；李某（建材）"
                raise Unusable("bad_separator", what, mend)
            found = _BRACKETED.fullmatch(item)
            name, more = (found[1], found[2].strip()) if found else (item, "")
            pairs.append((one_line(name, 200, "其中一项"), more))
        return tuple(dict.fromkeys(pairs))

    return meaning


_EXAMPLE = {
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
}
_FURTHER = {
    "key": "1", "category": "钢筋", "item": "拉伸性能", "standard": "GB/T 28900", "year": "2022",
    "limits": "只测直径 40 mm 以下",
}  # fmt: skip
_APPLICATION = {
    "key": "2", "institution": "demo-000002", "holder": "演示检测机构乙（生成，请删除本行）",
    "address": "演示市演示路3号", "level": "省级", "field": "12", "industry": "05",
    "category": "水质", "item": "化学需氧量", "standard": "HJ 828", "year": "2017",
}  # fmt: skip
_FIRST_ROW = ("institution", "holder", "address", "field", "industry")
"""What the first row of every certificate says; a row that continues one need not."""
_CAPABILITY = ("category", "item", "standard", "year", "limits")
_LISTS = ("sites", "signatories", "equipment")
_DECISION = ("approved_on", "document", "approver")
_KEPT = ("number", "valid_from", "valid_to")

IMPORT = Format(
    "证书",
    (
        Column("key", "序号", ("no", "编号"), Line(),
               note="the same in all rows of a certificate; empty for one of a single row"),
        Column("institution", "机构编号", ("institution_id",), ACCOUNT,
               note="needed; letters, digits, `.`, `_`, `-`"),
        Column("holder", "机构名称", ("name", "名称", "证书名称"), Line(200), note="needed"),
        Column("uscc", "统一社会信用代码", ("信用代码", "社会信用代码"), USCC,
               note="18 characters of GB 32100"),
        Column("parent_uscc", "上级单位统一社会信用代码",
               ("上级信用代码", "所属单位统一社会信用代码"), USCC,
               note="of the unit it belongs to"),
        Column("region", "监管区域代码", ("区域代码",),
               Code("[0-9]{6}", "六位数字，如 350102", check=_region),
               note="of an institution that is not on record"),
        Column("legal_person", "是否法人", ("独立法人",), flag, note="是 or 否; the same"),
        Column("address", "地址", (), Line(), note="needed"),
        Column("sites", "场所", ("检验检测场所",), _sites, adds=True,
               note="several parted by `；` or a line break"),
        Column("issuer", "发证机关", ("发证部门",), _issuer, note="may be left out"),
        Column("level", "级别", ("证书级别",), level, note="省级 or 国家级; else the issuer's"),
        Column("field", "专业领域", ("领域",), FIELD, note="needed; code or name"),
        Column("industry", "行业", (), INDUSTRY, note="needed; code or name"),
        Column("number", "证书编号", ("certificate_number",), EXISTING_NUMBER,
               note="of a certificate that has one; kept as it is"),
        Column("approved_on", "审批日期", ("批准日期",), day, note="with the next two, or none"),
        Column("document", "审批文书号", ("文书号",), Line(200)),
        Column("approver", "批准人", (), Line(200)),
        Column("valid_from", "有效期起", (), day, note="only with 证书编号"),
        Column("valid_to", "有效期止", ("有效期至",), day, note="only with 证书编号"),
        Column("renews", "延续的原证书编号", ("原证书编号",), NUMBER,
               note="the certificate it replaces"),
        Column("category", "类别", (), Line(200), adds=True, note="needed"),
        Column("item", "产品或参数", ("产品", "参数", "项目"), Line(200), adds=True,
               note="needed"),
        Column("standard", "标准", ("标准编号",), Line(200), adds=True,
               note="needed for each capability"),
        Column("year", "标准年份", ("standard_year", "年份"), _year, adds=True,
               note="four digits"),
        Column("limits", "限制", ("限制范围", "限制说明"), Line(), adds=True),
        Column("signatories", "授权签字人", (), _pairs(people=True), adds=True,
               note="张某（field）；李某（field）"),
        Column("equipment", "仪器设备", ("设备",), _pairs(people=False), adds=True,
               note="name（model）；name（model）"),
    ),
    examples=(_EXAMPLE, _FURTHER, _APPLICATION),
    complete=lambda present: [
        LABELS[id_] for id_ in (*_FIRST_ROW, "category", "item") if id_ not in present
    ],
    longest=_MOST_IN_A_CELL,
)  # fmt: skip
COLUMNS = IMPORT.columns
LABELS: dict[str, str] = IMPORT.labels


class ImportReading(Value):
    """The good certificates in the order of the file, all problems, and what was counted.

    ``total`` counts certificates, ``lines`` the rows they take, ``bad`` maps the first row of each
    bad certificate to its institution and holder as far as they could be read, ``first`` every
    row to the first one of its certificate.
    """

    certificates: tuple[ImportedCertificate, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    lines: int = 0
    total: int = 0
    bad: dict[int, tuple[str, str]] = Field(default_factory=dict)
    first: dict[int, int] = Field(default_factory=dict)


@dataclass
class _Group:
    """The rows of one certificate, and where each of its capabilities and list items stands."""

    rows: list[Row]
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
    unprintable: Callable[[str], list[str]] = lambda _: [],
) -> ImportReading:
    """Reads and checks a file of ``authority``, as far as file and rules tell.

    Never raises for any content: what is wrong with the file as a whole is a problem in row 0 or
    in its header's, and there are no certificates.
    """
    known = Known(rules, authority, today, known_regions, unprintable)
    try:
        table = IMPORT.read(file, filename, known)
        groups = _grouped(table.rows)
        if len(groups) > MAX_CERTIFICATES:
            what = f"文件里有 {len(groups):,} 张证书，一个文件至多 {MAX_CERTIFICATES:,} 张"
            raise Unusable("too_many_rows", what, "请拆成几个文件分别上传")
    except Unusable as bad:
        return ImportReading(problems=(bad.problem(),))
    log = table.log
    _refuse_orphans(groups, log)
    maker = _Maker(known, log)
    made = [(group, maker.made(group)) for group in groups]
    _refuse_duplicates([one for _, one in made if one is not None], log)
    good, bad_ones = [], {}
    for group, one in made:
        if one is None or any(row.number in log.bad_rows for row in group.rows):
            values = group.rows[0].values
            told = (values.get("institution") or "", values.get("holder") or "")
            bad_ones[group.first] = (told[0][:64], told[1][:200])
        else:
            good.append(one)
    return ImportReading(
        certificates=tuple(good),
        problems=log.listed(),
        lines=len(table.rows),
        total=len(groups),
        bad=bad_ones,
        first={row.number: group.first for group in groups for row in group.rows},
    )


# --- rows -----------------------------------------------------------------------------------------


def _grouped(rows: Sequence[Row]) -> list[_Group]:
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


# --- certificates ---------------------------------------------------------------------------------


@dataclass
class _Maker:
    """Makes a certificate of its rows; what is wrong with it goes to the log, place by place."""

    known: Known
    log: Problems

    @property
    def rules(self) -> CertificateRules:
        return self.known.rules

    @property
    def authority(self) -> str:
        return self.known.authority

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

    def _refuse_conflicts(self, first: Row, row: Row) -> None:
        for column in COLUMNS:
            id_ = column.id
            if column.adds or id_ in row.blank or id_ not in row.values or id_ not in first.values:
                continue
            own, other = row.values[id_], first.values[id_]
            if not (same_name(own, other) if id_ == "holder" and own and other else own == other):
                self.log.error(
                    row.number,
                    column.label,
                    "conflicting_rows",
                    f"与同一序号的第 {first.number} 行不一致",
                    "续行的这一格请留空，或与首行相同；另一张证书请用另一个序号",
                )

    def _refuse_missing(self, group: _Group, values: dict[str, Any]) -> None:
        for column in COLUMNS:
            if column.id in _FIRST_ROW and values.get(column.id) is None:
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
        refusal = decided_refusal(decided, self.known.today)
        if refusal is not None:
            wrong = "valid_to"
            if not EARLIEST <= decided.approved_on <= self.known.today:
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
        level = "national" if self.authority == authority_of(NATION) else "provincial"
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
            content = CertificateContent.model_validate(given, context=ENTERING)
        except ValidationError as failure:
            for error in failure.errors(include_input=False, include_url=False):
                place = [str(part) for part in error["loc"]]
                told = _IN_CHINESE.get(error["type"], "").format(**error.get("ctx", {}))
                message = told or error["msg"]
                self._at(group, place, error["type"], message)
            return None
        for problem in content_problems(self.rules, content, self.known.unprintable):
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
    "string_too_long": "内容超过 {max_length} 字；请删减",
    "string_too_short": "内容不能为空；请补填",
    "string_pattern_mismatch": "格式不对，或含有控制字符；请核对后重新录入",
    "too_long": "超过 {max_length} 项；请拆成几张证书，或删减",
}


def _refuse_duplicates(made: list[ImportedCertificate], log: Problems) -> None:
    """Refuses what comes twice: a number, a certificate to be renewed, a whole certificate."""
    for column in ("number", "renews"):
        seen: dict[str, ImportedCertificate] = {}
        for one in made:
            value = getattr(one, column)
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
