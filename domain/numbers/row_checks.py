"""What makes a row of an upload good: how numbers and dates are read, what is wrong, in words.

A problem is a stable code with a detail; the Chinese words derive from both, so that a report of
millions of rows can be streamed from what is stored.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from domain.numbers.quarters import Quarter
from domain.numbers.report_numbers import EDGES, NEVER_SEEN
from domain.numbers.report_numbers import normalised as normalised

NUMBER, ISSUED_ON = "报告编号", "出具日期"
"""The two columns an upload needs, as the template and all messages call them."""

_LOST = re.compile(r"[0-9](?:\.[0-9]*)?E\+[0-9]+", re.IGNORECASE)
_DAY = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|/([0-9]{1,2})/([0-9]{1,2})|\.([0-9]{1,2})\.([0-9]{1,2})"
    r"|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))"
    r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
)
_SHOWN = 40


class Fault(NamedTuple):
    """What is wrong with a value: a stable code, and what the words need besides it."""

    code: str
    detail: str = ""


class Terms(NamedTuple):
    """What rows must keep to: dates of issue inclusive, greatest length in characters."""

    first_day: date
    last_day: date
    longest: int


def number_fault(number: str, longest: int) -> Fault | None:
    """What is wrong with a normalised number, None if nothing."""
    if not number:
        return Fault("number_empty")
    if len(number) > longest:
        return Fault("number_too_long", f"{len(number)}/{longest}")
    if "\ufffd" in number:
        return Fault("bad_encoding")
    if not number.isprintable():  # quick, and true for nearly all; blanks are looked at below
        for char in number:
            if unicodedata.category(char) in NEVER_SEEN:
                return Fault("bad_characters", f"U+{ord(char):04X}")
    if _LOST.fullmatch(number):
        return Fault("lost_digits", number)
    return None


@lru_cache(maxsize=1024)
def day_of(text: str) -> date | None:
    """The day a text names, None if it names none; a time of day behind it is left out.

    Read are 2024-07-01, 2024/7/1, 2024.7.1, 20240701 and 2024年7月1日, in full-width digits too.
    """
    found = _DAY.fullmatch(unicodedata.normalize("NFKC", text[:64]).strip(EDGES))
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def day_fault(day: date, terms: Terms) -> Fault | None:
    """What is wrong with a date of issue, None if nothing."""
    if terms.first_day <= day <= terms.last_day:
        return None
    return Fault("outside_quarter", f"{day} {terms.first_day} {terms.last_day}")


def shown(text: str) -> str:
    """A piece of somebody's text, short and printable, for a detail."""
    clean = "".join(char if char.isprintable() else "·" for char in text[: _SHOWN + 1].strip())
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"


_AS_TEXT = "请把该列单元格格式设为“文本”，再录入完整的编号"
_SAVE_ANEW = "请用 Excel 或 WPS 打开并另存为 .xlsx 或“CSV UTF-8（.csv）”后重新上传"
_ACCEPTED_NAMES = "表头可写“报告编号”（或 report_number）和“出具日期”（或 issue_date）"
_DATE_FORMS = "请写成 2024-07-01、2024/7/1、20240701 或 2024年7月1日"

_WORDS: dict[str, tuple[str | Callable[[str], str], str]] = {
    # of the file
    "empty_file": ("文件是空的", "请按模板填写后再上传"),
    "wrong_type": ("文件内容与所选类型不符（可能改过扩展名、已加密或是旧版 .xls）", _SAVE_ANEW),
    "unknown_encoding": ("文字编码既不是 UTF-8 也不是 GB18030", _SAVE_ANEW),
    "missing_column": (
        lambda detail: f"表头缺少：{detail}",
        f"请在第一行写表头；{_ACCEPTED_NAMES}",
    ),
    "duplicate_column": (lambda detail: f"表头中“{detail}”出现了不止一次", "请只保留其中一列"),
    "no_rows": ("只有表头，没有报告编号", "请在表头下逐行填写报告编号和出具日期"),
    "broken_workbook": ("XLSX 文件已损坏或不完整，无法读取", _SAVE_ANEW),
    "several_sheets": (
        "工作簿里有多个含数据的工作表，无法判断编号在哪一个",
        "请只保留编号所在的工作表，另存后上传",
    ),
    "zip_bomb": ("XLSX 解压后过大或部件过多", "请拆成几个文件，或改用 CSV 上传"),
    # of a row
    "bad_csv": ("本行无法拆成各列，多半是英文双引号不配对", "请检查该行的英文双引号"),
    "line_too_long": ("本行过长", "请核对该行是否缺少换行"),
    "wrong_columns": (
        lambda detail: "本行有 {} 列，表头有 {} 列".format(*_two(detail, "/")),
        "请补齐或删去多出的列；内容里有逗号的，用英文双引号括起",
    ),
    # of a cell
    "number_empty": ("报告编号是空的", "请补填报告编号；不用的行请整行删除"),
    "number_too_long": (
        lambda detail: "报告编号有 {} 个字符，最多 {} 个".format(*_two(detail, "/")),
        "请核对编号，删去多余的内容",
    ),
    "bad_characters": (
        lambda detail: f"报告编号含有不可见字符（{detail}）",
        "请删去该格内容后重新录入",
    ),
    "bad_encoding": ("本格有无法识别的字节", _SAVE_ANEW),
    "lost_digits": (
        lambda detail: f"报告编号以数值存储（{detail}），部分数字可能已经丢失",
        _AS_TEXT,
    ),
    "number_is_date": ("报告编号被存成了日期或时间", _AS_TEXT),
    "cell_error": (lambda detail: f"本格是公式错误（{detail}）", "请改正公式或直接填写内容"),
    "no_value": ("公式没有算出结果", "请用 Excel 或 WPS 打开，计算后保存；或直接填写内容"),
    "date_empty": ("出具日期是空的", "请补填出具日期"),
    "not_a_date": (lambda detail: f"出具日期“{detail}”不是日期", _DATE_FORMS),
    "outside_quarter": (
        lambda detail: "出具日期 {} 不在本季度（{} 至 {}）内".format(*_three(detail)),
        "请核对日期；属于其他季度的编号，请在该季度的报送中上传",
    ),
    "repeated_in_file": (
        lambda detail: f"报告编号与本文件第 {detail} 行重复",
        "请只保留其中一行",
    ),
    "on_record": (
        lambda detail: f"本机构已上传过此编号（{_with_quarter(detail)}）",
        "不必重复上传；原编号有误的，请办理更正或撤回",
    ),
    # of a withdrawal or correction
    "not_on_record": (
        lambda detail: f"本批没有有效的报告编号“{detail}”",
        "请核对编号；已撤回或更正过的编号不能再次办理",
    ),
    "repeated_in_change": (
        lambda detail: f"报告编号“{detail}”出现了不止一次",
        "请只保留其中一项",
    ),
}

CODES = tuple(_WORDS)
"""All codes a problem can have."""


def words(code: str, detail: str) -> tuple[str, str]:
    """What a problem says and how to mend it, both in Chinese."""
    what, mend = _WORDS[code]
    return (what if isinstance(what, str) else what(detail)), mend


def _two(detail: str, mark: str) -> tuple[str, str]:
    first, _, second = detail.partition(mark)
    return first, second


def _three(detail: str) -> tuple[str, str, str]:
    first, second, third, *_ = (*detail.split(" "), "", "")
    return first, second, third


def _with_quarter(detail: str) -> str:
    try:
        quarter = Quarter.of(date.fromisoformat(detail))
    except ValueError:
        return detail
    return f"{quarter.year} 年第 {quarter.number} 季度，出具日期 {detail}"
