"""The number of a certificate (资质认定证书编号): twelve digits written and read. Pure.

Year 2, issuing authority 2, field 2, industry 2, serial 4. There is no check digit, so a number
that decodes need not exist, and nothing in it tells whether a certificate is valid. The codes of
authorities are not those of GB/T 2260: 11 is Zhejiang here. Their tables are rules, not code.
"""

import re
import unicodedata
from enum import StrEnum

from domain.certificates.certificate import TwoDigits
from domain.ids import AuthorityShape
from domain.model import Value

CENTURY = 2000
_DIGITS = re.compile(r"[0-9]{12}")
_SHOWN = 40


class NumberTables(Value):
    """What the codes mean: issuing authorities by id, fields and industries by name."""

    authorities: dict[TwoDigits, AuthorityShape]
    fields: dict[TwoDigits, str]
    industries: dict[TwoDigits, str]


class DecodedNumber(Value):
    """A number read. ``serial`` counts from 1; ``authority`` is the id behind the code."""

    year: int
    authority_code: TwoDigits
    authority: AuthorityShape
    field: TwoDigits
    field_name: str
    industry: TwoDigits
    industry_name: str
    serial: int


class NumberFault(StrEnum):
    """Why a text is no number of a certificate."""

    FULL_WIDTH = "full_width"
    SPACES = "spaces"
    NOT_DIGITS = "not_digits"
    WRONG_LENGTH = "wrong_length"
    UNKNOWN_AUTHORITY = "unknown_authority"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_INDUSTRY = "unknown_industry"
    SERIAL_ZERO = "serial_zero"


class NumberProblem(Value):
    """What is wrong with a number: a stable code and a Chinese sentence that helps."""

    code: NumberFault
    message: str


def encode(year: int, authority: str, field: str, industry: str, serial: int) -> str:
    """The number of these parts; all but ``year`` (2015) and ``serial`` (1 to 9999) are codes.

    Raises ValueError for what twelve digits cannot say.
    """
    if not CENTURY <= year < CENTURY + 100:
        raise ValueError(f"年份 {year} 不在 {CENTURY} 至 {CENTURY + 99} 之内，两位数字写不出")
    if not 1 <= serial <= 9999:
        raise ValueError(f"流水号 {serial} 不在 1 至 9999 之内，四位数字写不出")
    for code in (authority, field, industry):
        if not re.fullmatch(r"[0-9]{2}", code):
            raise ValueError(f"代码 {code!r} 不是两位数字")
    return f"{year - CENTURY:02}{authority}{field}{industry}{serial:04}"


def decode(text: str, tables: NumberTables) -> DecodedNumber | NumberProblem:
    """What a number says, or the first thing that is wrong with it."""
    if not _DIGITS.fullmatch(text):
        return _malformed(text)
    authority, field, industry = text[2:4], text[4:6], text[6:8]
    if authority not in tables.authorities:
        return _unknown(NumberFault.UNKNOWN_AUTHORITY, "第 3、4 位", "发证机关代码", authority)
    if field not in tables.fields:
        return _unknown(NumberFault.UNKNOWN_FIELD, "第 5、6 位", "专业领域代码", field)
    if industry not in tables.industries:
        return _unknown(NumberFault.UNKNOWN_INDUSTRY, "第 7、8 位", "行业代码", industry)
    serial = int(text[8:])
    if serial == 0:
        message = "最后四位流水号是 0000；流水号从 0001 起，请核对最后四位"
        return NumberProblem(code=NumberFault.SERIAL_ZERO, message=message)
    return DecodedNumber(
        year=CENTURY + int(text[:2]),
        authority_code=authority,
        authority=tables.authorities[authority],
        field=field,
        field_name=tables.fields[field],
        industry=industry,
        industry_name=tables.industries[industry],
        serial=serial,
    )


def _malformed(text: str) -> NumberProblem:
    """Why a text is not twelve ASCII digits; what is only written wrongly is shown as meant."""
    squeezed = "".join(text.split())
    meant = unicodedata.normalize("NFKC", squeezed) if len(squeezed) <= _SHOWN else ""
    if _DIGITS.fullmatch(meant):
        if squeezed == meant:
            code, why = NumberFault.SPACES, "里有空格或换行"
        else:
            code, why = NumberFault.FULL_WIDTH, "里有全角数字"
        message = f"编号{_shown(text)}{why}；编号是 12 位半角数字，请写成 {meant}"
        return NumberProblem(code=code, message=message)
    if re.fullmatch(r"[0-9]*", text):
        message = f"编号{_shown(text)}有 {len(text)} 位；编号是 12 位数字，请核对有无漏写或多写"
        return NumberProblem(code=NumberFault.WRONG_LENGTH, message=message)
    wrong = next(one for one in text if one not in "0123456789")
    message = (
        f"编号{_shown(text)}的第 {text.index(wrong) + 1} 个字符{_shown(wrong)}不是半角数字；"
        "编号是 12 位半角数字"
    )
    return NumberProblem(code=NumberFault.NOT_DIGITS, message=message)


def _unknown(code: NumberFault, place: str, what: str, value: str) -> NumberProblem:
    message = f"{place}的{what} {value} 不在代码表里；请核对编号"
    return NumberProblem(code=code, message=message)


def _shown(text: str) -> str:
    """A text as a sentence can carry it: short, without control characters."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return "“" + "".join(one if one.isprintable() else "�" for one in cut) + "”"
