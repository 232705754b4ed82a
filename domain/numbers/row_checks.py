"""What makes a row of an upload good: how numbers and dates are read, what is wrong, in words.

A problem is a stable code with a detail; the Chinese words derive from both, so that a report of
millions of rows can be streamed from what is stored.
"""

from datetime import date
from typing import NamedTuple

from domain import faults
from domain.faults import AS_TEXT, SAVE_ANEW, Fault, Words
from domain.numbers.quarters import Quarter
from domain.text import code_point, is_excel_error, is_no_value, lost_digits, unseen

NUMBER, ISSUED_ON = "报告编号", "出具日期"
"""The two columns an upload needs, as the template and all messages call them."""


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
    if (character := unseen(number)) is not None:
        if character == "\ufffd":
            return Fault("bad_encoding")
        return Fault("bad_characters", code_point(character))
    if is_no_value(number):
        return Fault("not_a_value", number)
    if lost_digits(number):
        return Fault("lost_digits", number)
    if is_excel_error(number):
        return Fault("cell_error", number)
    if number.startswith("="):
        return Fault("no_value")
    return None


def day_fault(day: date, terms: Terms) -> Fault | None:
    """What is wrong with a date of issue, None if nothing."""
    if terms.first_day <= day <= terms.last_day:
        return None
    return Fault("outside_quarter", f"{day} {terms.first_day} {terms.last_day}")


_ACCEPTED_NAMES = "表头可写“报告编号”（或 report_number）和“出具日期”（或 issue_date）"

_WORDS: Words = {
    **faults.WORDS,
    # of the file
    "empty_file": ("文件是空的", "请按模板填写后再上传"),
    "wrong_type": ("文件内容与所选类型不符（可能改过扩展名、已加密或是旧版 .xls）", SAVE_ANEW),
    "unknown_encoding": ("文字编码既不是 UTF-8 也不是 GB18030", SAVE_ANEW),
    "missing_column": (
        lambda detail: f"表头缺少：{detail}",
        f"请在第一行写表头；{_ACCEPTED_NAMES}",
    ),
    "duplicate_column": (lambda detail: f"表头中“{detail}”出现了不止一次", "请只保留其中一列"),
    "no_rows": ("只有表头，没有报告编号", "请在表头下逐行填写报告编号和出具日期"),
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
    "number_is_date": (
        lambda detail: f"报告编号被存成了{detail or '日期或时间'}",
        AS_TEXT,
    ),
    "date_empty": ("出具日期是空的", "请补填出具日期"),
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
    return faults.words(code, detail, _WORDS)


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
