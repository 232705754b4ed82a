"""An authority's list of valid certificates: what its columns are, from rows to certificates.

One row per certificate. Numbers are kept as they are or refused, never corrected. Fast enough for
the whole country in one file: rows stay plain, and nothing is made of them but their values.
"""

from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from domain.faults import shown
from domain.ids import NATION
from domain.jurisdictions import authority_of, issues
from domain.messages import explain
from files.findings import Problems, RowProblem, Unusable
from files.roster import ACCOUNT, NUMBER, USCC
from files.table import (
    Column,
    Format,
    Line,
    Place,
    Row,
    count,
    day,
    level,
    text_of,
    two_digits,
)
from files.workbook import Shown
from rules.certificates.certificates import CertificateRules
from rules.certificates.content import number_refusal

EXISTING_NUMBER = replace(
    NUMBER, pattern=r"[\x21-\x7e]{1,64}", shape="至多 64 位半角字符，中间不含空白"
)
"""The number of a certificate that a list or an issuing office tells of."""


class Known(NamedTuple):
    """What the columns of a list are read by; ``complete`` is the authority it is all of, or ""."""

    rules: CertificateRules
    complete: str
    issuers: dict[str, str]


def _issuer(cell: Shown, at: Place) -> str:
    text = text_of(cell)
    issuer = at.known.issuers.get(text)
    if issuer is None or not any(issues(issuer, level) for level in ("national", "provincial")):
        what = f"没有发证机关“{shown(text)}”"
        raise Unusable("unknown_issuer", what, "请填 amr-350000 这样的编号或机关全称")
    if at.known.complete and issuer != at.known.complete:
        what = f"清单声明为 {at.known.complete} 的全部证书，本行却是 {issuer} 的"
        raise Unusable("other_authority", what, "请把其他机关的证书另放一个文件")
    return str(issuer)


FIELD = two_digits(lambda known: known.rules.tables.fields)
INDUSTRY = two_digits(lambda known: known.rules.tables.industries)
REGISTER = Format(
    "证书",
    (
        Column("number", "证书编号", ("certificate_number", "编号"), EXISTING_NUMBER, True,
               "kept as it is"),
        Column("institution", "机构编号", ("institution_id", "id"), ACCOUNT,
               note="this or the next; needed where accounts share a code"),
        Column("uscc", "统一社会信用代码", ("信用代码", "社会信用代码"), USCC,
               note="18 characters of GB 32100"),
        Column("holder", "机构名称", ("name", "名称"), Line(200), note="as on the certificate"),
        Column("issuer", "发证机关", ("发证部门",), _issuer, True, "as `amr-350000`, or its name"),
        Column("level", "级别", ("证书级别",), level, True, "省级 or 国家级"),
        Column("scope", "能力参数数量", ("参数数量", "参数数"), count, True,
               "how many parameters it covers"),
        Column("field", "专业领域", ("领域",), FIELD, note="code or name"),
        Column("industry", "行业", (), INDUSTRY, note="code or name"),
        Column("issued_on", "发证日期", (), day),
        Column("valid_from", "有效期起", (), day, note="its first day"),
        Column("valid_to", "有效期止", ("有效期至", "有效期"), day, True, "its last day"),
    ),
    examples=({
        "number": "241301060001", "institution": "demo-000001",
        "holder": "演示检测机构（生成，请删除本行）", "issuer": "amr-350000", "level": "省级",
        "scope": "120", "field": "建筑工程", "industry": "住建", "issued_on": "2024-05-01",
        "valid_from": "2024-05-01", "valid_to": "2030-04-30",
    },),
    complete=lambda present: (
        [] if present & {"institution", "uscc"} else ["机构编号或统一社会信用代码"]
    ),
)  # fmt: skip
_LABELS = REGISTER.labels


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
    authorities = set(rules.tables.authorities.values()) | set(rules.document.names)
    issuers = {rules.authority_name(id_): id_ for id_ in authorities}
    issuers |= {id_: id_ for id_ in authorities}
    try:
        table = REGISTER.read(file, filename, Known(rules, complete, issuers))
    except Unusable as bad:
        return RegisterReading([], (bad.problem(),), 0, frozenset(), 0)
    log = table.log
    seen: dict[str, int] = {}
    for row in table.rows:
        _check(row, rules, log)
        _refuse_duplicate(row, seen, log)
    numbers = [row.values.get("number") for row in table.rows]
    return RegisterReading(
        certificates=[_listed(row) for row in table.rows if row.number not in log.bad_rows],
        problems=log.listed(),
        rows=len(table.rows),
        numbers=frozenset(number for number in numbers if number),
        unreadable=sum(not number for number in numbers),
    )


def _check(row: Row, rules: CertificateRules, log: Problems) -> None:
    values = row.values

    def error(column: str, code: str, what: str, mend: str = "请改正其一") -> None:
        log.error(row.number, _LABELS[column], code, what, mend)

    if not any(values.get(id_, "x") for id_ in ("institution", "uscc")):
        error("institution", "required", "机构编号和统一社会信用代码都是空的", "请至少填其中一栏")
    level, issuer, number = (values.get(id_) for id_ in ("level", "issuer", "number"))
    if level and issuer and not issues(issuer, level):
        national = authority_of(NATION)
        what = f"国家级证书由 {national} 颁发，省级证书由省级部门颁发，发证机关却是 {issuer}"
        error("level", "level_not_of_issuer", what)
    refusal = number_refusal(rules, number, issuer) if number and issuer else None
    if refusal is not None:
        words = explain(refusal)
        told, mend = words.detail.rstrip("。"), words.remedy.rstrip("。")
        error("number", refusal.code.value, told, mend)
    first, last = values.get("valid_from"), values.get("valid_to")
    if first and last and first > last:
        error("valid_from", "reversed_days", f"有效期的开始 {first} 晚于结束 {last}")


def _refuse_duplicate(row: Row, seen: dict[str, int], log: Problems) -> None:
    number = row.values.get("number")
    first = seen.setdefault(number, row.number) if number else row.number
    if first != row.number:
        for own, other in ((first, row.number), (row.number, first)):
            what = f"证书编号 {number} 与第 {other} 行相同"
            mend = "一张证书只写一行，请删去或改正其中一行"
            log.error(own, _LABELS["number"], "duplicate_number", what, mend)


def _listed(row: Row) -> ListedCertificate:
    known: dict[str, Any] = {
        name: row.values.get(name) for name in ListedCertificate._fields if name != "row"
    }
    for name in ("institution", "uscc", "holder", "field", "industry"):
        known[name] = known[name] or ""
    return ListedCertificate(row=row.number, **known)
