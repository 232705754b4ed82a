"""The roster of institutions: what its columns are, from rows to institutions and back.

One row per certificate; the institution's columns repeat in each of its rows and must agree. An
institution without certificates has one row with empty certificate columns. Every problem names
its row as Excel shows it; an institution with any bad row is left out, everything else is kept.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from domain import contacts, uscc
from domain.facts import CertificateFacts, Facts, InstitutionFacts
from domain.ids import NATION
from domain.jurisdictions import authority_of, issues, known
from domain.model import Value
from domain.text import name_key, same_name
from domain.uscc import holder_kind
from files.findings import Problems, RowProblem, Unusable
from files.table import (
    CLEAR,
    Code,
    Column,
    Format,
    Line,
    Place,
    Row,
    count,
    day,
    flag,
    half_width,
    level,
    one_line,
    text_of,
)
from files.workbook import Shown


class RosterInstitution(Value):
    """One institution of a roster: what the rules read, and what only people and registers read.

    The USCC (统一社会信用代码) is an attribute, not a key: several accounts may share one. Of the
    contact, None is what the roster does not say, "" what it clears.
    """

    institution: InstitutionFacts
    name: str
    uscc: str | None = None
    previous_reviewer: str | None = None
    certificates: tuple[CertificateFacts, ...] = ()
    contact_name: str | None = None
    contact_phone: str | None = None
    contact_mail: str | None = None

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
            holder_kind=holder_kind(self.uscc or ""),
        )


class RosterReading(Value):
    """The good institutions in the order of the file, all problems by row, and the data rows.

    ``places`` are the rows of each institution, ``said`` the columns that say something of it:
    what a column that is absent or an empty cell leaves as it is, is not among them.
    """

    institutions: tuple[RosterInstitution, ...]
    problems: tuple[RowProblem, ...]
    rows: int
    places: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    said: dict[str, frozenset[str]] = Field(default_factory=dict)

    @property
    def errors(self) -> tuple[RowProblem, ...]:
        """The problems that kept something out."""
        return tuple(problem for problem in self.problems if problem.level == "error")


# --- what the columns mean ------------------------------------------------------------------------

_EXAMPLE_NAME = "演示检测机构（生成，请删除本行）"
AUTHORITY = Code(
    r"[a-z]{2,20}|group-[a-z0-9-]{1,40}|amr-[0-9]{6}",
    "部门编号，如 amr-350000、group-railway",
)
ACCOUNT = Code(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}", "字母、数字、点、横线，至多 64 位")
NUMBER = Code(
    r"[^\s\uff01-\uff5e]{1,64}", "至多 64 位，中间不含空白和全角字母数字", exact=True, digits=12
)
"""A certificate's number on paper: never corrected, but for the marks that a spreadsheet puts
around it."""


def _right_uscc(text: str, _: Place) -> str:
    if not uscc.is_valid(text):
        raise Unusable(
            "bad_uscc",
            f"“{text}”不是合格的统一社会信用代码（GB 32100，校验位或格式不符）",
            "请对照营业执照或法人证书改正",
        )
    return text


USCC = Code(r"[0-9A-Z]{18}", "18 位数字和大写字母", upper=True, check=_right_uscc)


def _known_region(text: str, at: Place) -> str:
    if at.known is not None and not at.known(text):
        raise no_region(text)
    return text


def no_region(text: str) -> Unusable:
    """What is wrong with a code that is no area: which took its place, if one did."""
    instead = known().in_force(text).instead
    mend = f"该区域已撤销，请改为 {'、'.join(instead)}" if instead else "请核对六位区域代码"
    return Unusable("unknown_region", f"没有代码为 {text} 的监管区域", mend)


def _group(text: str, _: Place) -> str:
    return text if text.startswith("group-") else f"group-{text}"


def _name(cell: Shown, at: Place) -> str:
    name = Line(200)(cell, at)
    if name == _EXAMPLE_NAME:
        what = "这是模板里的示例行，并非真实机构"
        at.notice("example_row", what, "请从名册中删去")
    return name


def _phone(cell: Shown, _: Place) -> str:
    phone = half_width(text_of(cell))
    if re.fullmatch(contacts.PHONE, phone) is None:
        # what stands there is personal data: no report repeats it
        mend = "请只写数字、+、-、括号和空格，如 0591-87000000；分机写作 0591-87000000转12"
        raise Unusable("bad_phone", "本格不是电话号码", mend)
    return phone


def _mail(cell: Shown, _: Place) -> str:
    mail = half_width(text_of(cell))
    if len(mail) > 200 or re.fullmatch(contacts.MAIL, mail) is None:
        raise Unusable("bad_mail", "本格不是电子邮箱", "请写作 name@example.org 的样子，只写一个")
    return mail


def _list(cell: Shown, at: Place) -> tuple[str, ...]:
    items = [item.strip() for item in re.split("[、;；]", one_line(text_of(cell), 2_000))]
    distinct = tuple(dict.fromkeys(item for item in items if item))
    if len(distinct) < len(items):
        at.notice("normalised", "各项之间有重复或空项，已略去", "如不对，请改正原文件")
    return distinct


_LEAVES = "empty: as on record"
_OF_CERTIFICATE = "certificate"
ROSTER = Format(
    "机构",
    (
        Column("id", "机构编号", ("institution", "institution_id", "编号"), ACCOUNT, True,
               "letters, digits, `.`, `_`, `-`, at most 64"),
        Column("name", "机构名称", ("institution_name", "名称"), _name, True, "at most 200"),
        Column("uscc", "统一社会信用代码", ("信用代码", "社会信用代码"), USCC, clearable=True,
               note=f"18 characters of GB 32100; {_LEAVES}"),
        Column("region", "监管区域代码", ("jurisdiction", "区域代码"),
               Code("[0-9]{6}", "六位数字，如 350102", check=_known_region), True,
               "six digits, down to the county"),
        Column("legal_person", "是否法人", ("独立法人", "是否独立法人"), flag, clearable=True,
               note=f"是 or 否; a new institution is one; {_LEAVES}"),
        Column("under_samr", "总局直属", ("是否总局直属",), flag, clearable=True,
               note=f"是 or 否; {_LEAVES}"),
        Column("accredited", "获得认可", ("是否获得认可",), flag, clearable=True,
               note=f"是 or 否; {_LEAVES}"),
        Column("review_group", "行业评审组", ("评审组",), clearable=True,
               meaning=Code("(?:group-)?[a-z0-9][a-z0-9-]{0,39}", "评审组编号，如 group-railway",
                            check=_group),
               note=f"as `group-railway`; {_LEAVES}"),
        Column("other_qualifications", "其他资质", (), _list, clearable=True,
               note=f"parted by `、` or `；`; {_LEAVES}"),
        Column("national_centres", "国家质检中心", (), _list, clearable=True,
               note=f"names, parted by `、` or `；`; {_LEAVES}"),
        Column("previous_reviewer", "上年度审核部门", ("上年审核部门",), AUTHORITY,
               note=f"as `amr-350000`; {_LEAVES}", clearable=True),
        Column("number", "证书编号", ("certificate", "certificate_number"), required=True,
               meaning=NUMBER,
               note="one row a certificate; all of an institution's, or none: then as on record",
               group=_OF_CERTIFICATE, clearable=True),
        Column("level", "证书级别", ("certificate_level",), level, True, "省级 or 国家级",
               group=_OF_CERTIFICATE),
        Column("issuer", "发证机关", ("发证部门",), AUTHORITY, True, "as `amr-350000`",
               group=_OF_CERTIFICATE),
        Column("scope", "参数数量", ("参数数", "能力参数数量"), count, True,
               "how many parameters it covers", group=_OF_CERTIFICATE),
        Column("valid_to", "有效期至", ("有效期", "有效期限"), day, True, "its last day",
               group=_OF_CERTIFICATE),
        Column("valid_from", "有效期起", (), day, group=_OF_CERTIFICATE,
               note="its first day; unknown: it is assumed to have come"),
        Column("contact_name", "联系人", ("联系人姓名",), Line(50), clearable=True,
               note=f"at most 50; {_LEAVES}; 清除 takes the contact off the record"),
        Column("contact_phone", "联系电话", ("联系人电话", "电话"), _phone, clearable=True,
               note="digits, `+`, `-`, brackets; empty: as on record of the same person"),
        Column("contact_mail", "电子邮箱", ("邮箱", "联系人邮箱"), _mail, clearable=True,
               note="one address; empty: as on record of the same person"),
    ),
    examples=tuple(
        {
            "id": "demo-000001",
            "name": _EXAMPLE_NAME,
            "uscc": "91350102YY00000102",
            "region": "350102",
            "legal_person": "是",
            "under_samr": "否",
            "accredited": "是",
            "previous_reviewer": "amr-350000",
            **certificate,
        }
        for certificate in (
            {"number": "241312050001", "level": "省级", "issuer": "amr-350000", "scope": "120",
             "valid_to": "2030-05-31"},
            {"number": "241912050001", "level": "省级", "issuer": "amr-440000", "scope": "80",
             "valid_to": "2030-08-31"},
        )
    ),
)  # fmt: skip
_LABELS = ROSTER.labels
_CERTIFICATE = tuple(c.id for c in ROSTER.columns if c.group)
_OPTIONAL = ("valid_from",)
"""What a certificate of a roster may leave open."""
_CONTACT = ("contact_name", "contact_phone", "contact_mail")
_INSTITUTION = tuple(c.id for c in ROSTER.columns if not c.group)


def roster_csv(institutions: Iterable[RosterInstitution]) -> bytes:
    """A roster as CSV that Excel opens as it is."""
    rows = []
    for entry in institutions:
        facts = entry.institution
        own = {
            "id": facts.id,
            "name": entry.name,
            "uscc": entry.uscc or "",
            "region": facts.region,
            "legal_person": "是" if facts.legal_person else "否",
            "under_samr": "是" if facts.under_samr else "否",
            "accredited": "是" if facts.accredited else "否",
            "review_group": facts.review_group or "",
            "other_qualifications": "、".join(facts.other_qualifications),
            "national_centres": "、".join(facts.national_centres),
            "previous_reviewer": entry.previous_reviewer or "",
        }
        for certificate in entry.certificates or (None,):
            values = certificate.model_dump(mode="json", exclude_none=True) if certificate else {}
            if values:
                values["level"] = "省级" if values["level"] == "provincial" else "国家级"
            rows.append(own | {id_: str(values.get(id_, "")) for id_ in _CERTIFICATE})
    return ROSTER.csv(rows)


# --- from rows to institutions --------------------------------------------------------------------


def read_roster(
    path_or_bytes: Path | str | bytes,
    filename: str,
    *,
    known_regions: Callable[[str], bool] | None = None,
) -> RosterReading:
    """Read a roster; ``filename`` tells its type.

    ``known_regions`` says whether a six-digit region exists. Never raises for any content: what
    is wrong with the file as a whole is a problem in row 0 or 1, and there are no institutions.
    """
    try:
        table = ROSTER.read(path_or_bytes, filename, known_regions)
    except Unusable as bad:
        return RosterReading(institutions=(), problems=(bad.problem(),), rows=0)
    log = table.log
    for row in table.rows:
        _refuse_half_certificate(row, log)
        _refuse_level_of_another_issuer(row, log)
        _refuse_reversed_days(row, log)
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        if row.values.get("id") is not None:
            groups.setdefault(row.values["id"], []).append(row)
    for group in groups.values():
        _refuse_conflicts(group, log)
    _refuse_duplicate_certificates(table.rows, log)
    _refuse_partners_of_unreadable(table.rows, log)
    good = [
        (entry, group)
        for group in groups.values()
        if not any(row.number in log.bad_rows for row in group)
        and (entry := _institution(group, log)) is not None
    ]
    return RosterReading(
        institutions=tuple(entry for entry, _ in good),
        problems=log.listed(),
        rows=len(table.rows),
        places={entry.id: tuple(row.number for row in group) for entry, group in good},
        said={entry.id: _said(group[0]) for entry, group in good},
    )


def _said(row: Row) -> frozenset[str]:
    return frozenset(row.values.keys() - row.blank)


def _refuse_half_certificate(row: Row, log: Problems) -> None:
    """A row has all columns of a certificate or none of them."""
    present = [id_ for id_ in _CERTIFICATE if id_ in row.values]
    if row.cleared & {"number"}:
        for id_ in present:
            if row.values[id_] is not None:
                what = f"“{_LABELS['number']}”填的是“{CLEAR}”，“{_LABELS[id_]}”却不是空的"
                log.error(row.number, _LABELS[id_], "cleared_half", what, "请把证书的其他栏留空")
        return
    required = [id_ for id_ in present if id_ not in _OPTIONAL]
    blank = [id_ for id_ in required if row.values[id_] is None]
    if blank and any(row.values[id_] is not None for id_ in present):
        for id_ in blank:
            what = f"填了证书的其他栏，“{_LABELS[id_]}”却是空的"
            mend = "请补填；没有证书的，证书各栏都留空"
            log.error(row.number, _LABELS[id_], "required", what, mend)


def _refuse_level_of_another_issuer(row: Row, log: Problems) -> None:
    level, issuer = row.values.get("level"), row.values.get("issuer")
    if level is None or issuer is None or issues(issuer, level):
        return
    what = f"省级证书由省级市场监管部门（如 amr-350000）颁发，发证机关却写作 {issuer}"
    if level == "national":
        what = f"国家级证书由 {authority_of(NATION)} 颁发，发证机关却写作 {issuer}"
    mend = "请对照证书核对证书级别和发证机关"
    log.error(row.number, _LABELS["level"], "level_not_of_issuer", what, mend)


def _refuse_reversed_days(row: Row, log: Problems) -> None:
    first, last = row.values.get("valid_from"), row.values.get("valid_to")
    if first is not None and last is not None and first > last:
        what = f"有效期的开始 {first} 晚于结束 {last}"
        log.error(row.number, _LABELS["valid_from"], "reversed_days", what, "请对照证书核对有效期")


def _refuse_conflicts(group: list[Row], log: Problems) -> None:
    first = group[0]
    for row in group[1:]:
        for id_ in _INSTITUTION:
            if id_ not in first.values or id_ not in row.values:
                continue
            same = first.values[id_] == row.values[id_]
            if id_ == "name" and row.values[id_] and first.values[id_]:
                same = same_name(first.values[id_], row.values[id_])
            if not same or (id_ in first.cleared) != (id_ in row.cleared):
                log.error(
                    row.number,
                    _LABELS[id_],
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


def _without_certificate(row: Row) -> bool:
    present = [id_ for id_ in _CERTIFICATE if id_ in row.values]
    return all(row.values[id_] is None for id_ in present)


def _refuse_duplicate_certificates(rows: list[Row], log: Problems) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        number = row.values.get("number")
        if number is None:
            continue
        first = seen.setdefault(number, row.number)
        if first != row.number:
            for own, other in ((first, row.number), (row.number, first)):
                log.error(
                    own,
                    _LABELS["number"],
                    "duplicate_certificate",
                    f"证书编号与第 {other} 行相同（第 {first} 行与第 {row.number} 行）",
                    "一张证书只写一行、只属一个机构，请删去或改正其中一行",
                )


def _refuse_partners_of_unreadable(rows: list[Row], log: Problems) -> None:
    """A row whose id cannot be read may belong to the institution of the same name."""
    unreadable = {
        name_key(row.values["name"]): row.number
        for row in rows
        if "id" not in row.values and row.values.get("name")
    }
    for row in rows if unreadable else ():
        other = unreadable.get(name_key(row.values.get("name") or ""))
        if other is not None and "id" in row.values:
            log.error(
                row.number,
                "",
                "partner_unreadable",
                f"第 {other} 行机构名称与本行相同，但其机构编号无法读取",
                f"请先改正第 {other} 行的机构编号",
            )


def _institution(group: list[Row], log: Problems) -> RosterInstitution | None:
    values, said = group[0].values, _said(group[0])
    # A blank or missing column leaves the default of the facts.
    given: dict[str, Any] = {
        key: values[key] for key in InstitutionFacts.model_fields if values.get(key) is not None
    }
    try:
        return RosterInstitution(
            institution=InstitutionFacts(**given),
            name=values["name"],
            uscc=values.get("uscc"),
            previous_reviewer=values.get("previous_reviewer"),
            certificates=tuple(
                CertificateFacts(**{key: row.values.get(key) for key in _CERTIFICATE})
                for row in group
                if not _without_certificate(row)
            ),
            **{name: values[name] or "" for name in _CONTACT if name in said},
        )
    except ValidationError as error:
        # The cells were checked above; should the facts ever be stricter, the row is refused.
        text = f"机构信息不合要求：{error.errors()[0]['msg']}"
        log.error(group[0].number, "", "bad_facts", text, "请核对该机构各行")
        return None
