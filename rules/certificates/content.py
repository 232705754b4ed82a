"""What a certificate's content must be to be applied for, changed, extended, taken over. Pure.

The same checks stand behind the form, the batch import and the connected mode.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from domain import uscc
from domain.certificates.certificate import CertificateContent
from domain.certificates.issuing import Allotment, Decided, Purpose
from domain.certificates.number import NumberProblem, decode
from domain.certificates.statement import EARLIEST, LATEST
from domain.ids import NATION
from domain.jurisdictions import authority_of
from domain.model import Value
from domain.refusals import Code, Refusal
from domain.text import not_written
from rules.certificates.certificates import CertificateRules, NoAuthorityCode
from rules.file.certificate_schema import Content

CONTENT_LABELS: dict[str, str] = {
    "institution": "机构编号",
    "holder": "机构名称",
    "uscc": "统一社会信用代码",
    "parent_uscc": "上级单位统一社会信用代码",
    "address": "地址",
    "sites": "检验检测场所",
    "level": "级别",
    "issuer": "发证机关",
    "field": "专业领域",
    "industry": "行业",
    "capabilities": "检验检测能力",
    "signatories": "授权签字人",
    "equipment": "仪器设备",
}


class ContentProblem(Value):
    """What is wrong with one place (a JSON pointer into the content), and how to mend it."""

    pointer: str
    code: str
    message: str


def content_problems(
    rules: CertificateRules,
    content: CertificateContent,
    unprintable: Callable[[str], list[str]] = lambda _: [],
) -> list[ContentProblem]:
    """What still keeps a content, right in its shape, from being applied for.

    ``unprintable`` tells the characters of a text that no font at hand can print.
    """
    found: list[ContentProblem] = []

    def add(pointer: str, code: str, message: str) -> None:
        found.append(ContentProblem(pointer=pointer, code=code, message=message))

    texts = list(_texts(content.model_dump(mode="json"), ""))
    printed = [(pointer, text) for pointer, text in texts if not pointer.startswith("/equipment/")]
    lacking = dict(printed) if unprintable("".join(text for _, text in printed)) else {}
    for pointer, text in texts:
        # a draft on record may be older than what is asked of those handed in today
        if (why := not_written(text)) is not None:
            add(pointer, "bad_characters", why)
        elif pointer in lacking and (missing := unprintable(text)):
            told = "、".join(f"{one}（U+{ord(one):04X}）" for one in missing[:5])
            message = f"含有无法打印的字符：{told}；请核对文字，确为生僻字的请先安装含有该字的字体"
            add(pointer, "characters_missing", message)
    for name in ("uscc", "parent_uscc"):
        value = getattr(content, name)
        if value and not uscc.is_valid(value):
            add(f"/{name}", "bad_uscc", "统一社会信用代码不对（GB 32100，校验位不符）；请核对")
    if not content.address:
        add("/address", "missing", "缺少地址")
    if rules.field_name(content.field) is None:
        add("/field", "unknown_field", f"没有专业领域代码 {content.field}；请从代码表中选取")
    if rules.industry_name(content.industry) is None:
        add("/industry", "unknown_industry", f"没有行业代码 {content.industry}；请从代码表中选取")
    national = authority_of(NATION)
    if (content.level == "national") != (content.issuer == national):
        message = f"国家级证书由 {national} 颁发，省级证书由省级部门颁发；请改其一"
        add("/level", "wrong_level", message)
    try:
        rules.authority_code(content.issuer)
    except NoAuthorityCode as failure:
        add("/issuer", "no_authority_code", str(failure))
    if not content.capabilities:
        add("/capabilities", "missing", "检验检测能力至少一项")
    seen: set[tuple[str, ...]] = set()
    for index, one in enumerate(content.capabilities):
        key = (one.category, one.item, one.standard, one.year, one.limits)
        if key in seen:
            add(f"/capabilities/{index}", "duplicate", "与前面的一项完全相同；请删去")
        seen.add(key)
    return found


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every text inside a document, with its pointer."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict | list):
        places = value.items() if isinstance(value, dict) else enumerate(value)
        for place, part in places:
            yield from _texts(part, f"{pointer}/{place}")


def changed_fields(before: CertificateContent, after: CertificateContent) -> list[str]:
    """The names of what differs between two contents."""
    return [
        name
        for name in CertificateContent.model_fields
        if getattr(before, name) != getattr(after, name)
    ]


_EXTENDED: tuple[Content, ...] = ("capabilities", "equipment", "signatories", "sites")
"""What may grow with the scope; no line of it may go."""


def change_refusal(
    rules: CertificateRules,
    purpose: Purpose,
    change: str,
    before: CertificateContent,
    after: CertificateContent,
) -> Refusal | None:
    """Why a change of a certificate's content is none of the kind applied for; None if it is."""
    if purpose is Purpose.EXTENSION:
        label, cite, may = "扩项", None, _EXTENDED
        lost = [name for name in may if not _kept(getattr(before, name), getattr(after, name))]
    else:
        kind = next((one for one in rules.changes if one.id == change), None)
        if kind is None:
            known = "、".join(f"{one.id}（{one.label}）" for one in rules.changes)
            return Refusal(code=Code.UNKNOWN_CHANGE, params={"change": change, "known": known})
        label, cite, may, lost = kind.label, kind.cite, kind.may_change, []
    outside = [name for name in changed_fields(before, after) if name not in may] + lost
    if not outside:
        return None
    names = "、".join(CONTENT_LABELS[name] for name in dict.fromkeys(outside))
    params = {"change": label, "fields": names}
    return Refusal(code=Code.CHANGE_OUTSIDE, params=params, cite=cite)


def _kept(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return set(before) <= set(after)


def decided_refusal(decided: Decided, today: date) -> Refusal | None:
    """Why a decision made elsewhere cannot be as it is told."""
    because = ""
    given = (decided.valid_from, decided.valid_to)
    told = [day for day in (decided.approved_on, *given) if day is not None]
    odd = next((day for day in told if not EARLIEST <= day <= LATEST), None)
    if odd is not None:
        because = f"日期 {odd} 不在 {EARLIEST} 至 {LATEST} 之间"
    elif decided.approved_on > today:
        because = f"审批日期 {decided.approved_on} 晚于今天"
    elif (decided.valid_from is None) != (decided.valid_to is None):
        because = "有效期的起止日期要么都填，要么都不填"
    elif given[0] is not None and given[1] is not None and given[0] > given[1]:
        because = f"有效期的开始 {given[0]} 晚于结束 {given[1]}"
    elif given[1] is not None and given[1] < decided.approved_on:
        because = f"有效期结束 {given[1]} 早于审批日期 {decided.approved_on}"
    elif decided.valid_to is not None and not decided.number:
        because = "新分配编号的证书，有效期由规则推算，不能自行填写"
    if not because:
        return None
    return Refusal(code=Code.DECISION_IMPOSSIBLE, params={"because": because})


def number_refusal(rules: CertificateRules, number: str, issuer: str) -> Refusal | None:
    """Why an existing number cannot be that of an issuer's certificate: it says another authority.

    A number that the rules cannot read says nothing, and is as it is.
    """
    told = decode(number, rules.tables)
    if isinstance(told, NumberProblem) or told.authority == issuer:
        return None
    what = f"本件由{rules.authority_name(issuer)}颁发，而编号 {number} 按编号规则"
    params = {"what": what, "authority": rules.authority_name(told.authority)}
    return Refusal(code=Code.OTHER_ISSUER, params=params, cite=rules.number_cite)


def renewal_refusal(
    rules: CertificateRules, number: str, valid_to: date, today: date
) -> Refusal | None:
    """Why a certificate cannot be renewed yet; None once the days to apply have begun."""
    if rules.renewal_stage(valid_to, today) != "early":
        return None
    params = {
        "number": number,
        "valid_to": valid_to.isoformat(),
        "opens": rules.renewal_opens(valid_to).isoformat(),
        "due": rules.renewal_due(valid_to).isoformat(),
    }
    return Refusal(code=Code.RENEWAL_EARLY, params=params, cite=rules.renewal_cite)


def days_of(
    rules: CertificateRules, decided: Decided | None, today: date
) -> tuple[date, date, date]:
    """The day of issue, the first and the last day of a certificate approved today or elsewhere."""
    issued_on = decided.approved_on if decided is not None else today
    if decided is not None and decided.valid_from and decided.valid_to:
        return issued_on, decided.valid_from, decided.valid_to
    return issued_on, *rules.validity(issued_on)


def allotment(
    rules: CertificateRules, number: str, code: str, days: tuple[date, date, date], today: date
) -> Allotment:
    """What a certificate is given, with the reminders that are yet to come."""
    issued_on, valid_from, valid_to = days
    return Allotment(
        number=number,
        code=code,
        issued_on=issued_on,
        valid_from=valid_from,
        valid_to=valid_to,
        reminders=tuple(one for one in rules.reminders(valid_to) if one.at.date() > today),
    )
