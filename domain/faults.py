"""What is wrong with a cell of a table: a stable code with a detail, and Chinese words for both.

Every format says it in the same words, so that a report of millions of rows can be streamed from
the codes and details that are stored.
"""

from collections.abc import Callable
from typing import NamedTuple

_SHOWN = 40


class Fault(NamedTuple):
    """What is wrong with a value: a stable code, and what the words need besides it."""

    code: str
    detail: str = ""


def shown(text: str) -> str:
    """A piece of somebody's text, short and printable, for a detail."""
    clean = "".join(char if char.isprintable() else "·" for char in text[: _SHOWN + 1].strip())
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"


AS_TEXT = "请把该列单元格格式设为“文本”，再录入完整的编号"
SAVE_ANEW = "请用 Excel 或 WPS 打开并另存为 .xlsx 或“CSV UTF-8（.csv）”后重新上传"
DATE_FORMS = "请写成 2024-07-01、2024/7/1、20240701 或 2024年7月1日"

Words = dict[str, tuple[str | Callable[[str], str], str]]

WORDS: Words = {
    # of the file
    "broken_workbook": ("XLSX 文件已损坏或不完整，无法读取", SAVE_ANEW),
    "zip_bomb": ("XLSX 解压后过大或部件过多", "请拆成几个文件，或改用 CSV 上传"),
    "too_costly": (
        "文件内部过大或过于复杂，读取所需的内存或时间超出限度",
        "请删去空白行列、图形和格式，只留数据，另存为“.xlsx”或“CSV UTF-8（.csv）”后上传",
    ),
    "several_sheets": (
        lambda detail: f"工作簿里有多个含数据的工作表（{detail}），无法判断要读哪一个",
        "请只保留要上传的工作表，另存后上传",
    ),
    "hidden_sheet": (
        lambda detail: f"只有隐藏的工作表里有数据（{detail}），看得见的工作表是空的",
        "请把数据放在看得见的工作表里，另存后上传",
    ),
    "hidden_row": (
        "本行有内容，却被筛选或隐藏了，填表人看不见",
        "请清除筛选、取消隐藏并核对；不要的行请整行删除",
    ),
    "hidden_column": (
        lambda detail: f"{detail} 列被隐藏了，填表人看不见其中的内容",
        "请取消隐藏并核对；不要的列请整列删除",
    ),
    "merged_cells": (
        lambda detail: f"{detail} 是合并的单元格，看不出内容属于其中哪几格",
        "请取消合并，在每一格里都填上内容",
    ),
    # of a cell
    "bad_characters": (
        lambda detail: f"本格含有看不见或不能识别的字符（{detail}）",
        "请删去该格内容后重新录入",
    ),
    "not_composed": (
        lambda detail: f"本格的“{detail}”不是通用写法（Unicode NFC），看起来一样，查找时却不同",
        "请用输入法重新录入该字",
    ),
    "bad_encoding": ("本格有无法识别的字节", SAVE_ANEW),
    "lost_digits": (
        lambda detail: f"本格以数值存储（{detail}），部分数字可能已经丢失",
        AS_TEXT,
    ),
    "shown_otherwise": (
        lambda detail: f"本格的数字格式使显示的内容与存储的（{detail}）不同",
        "请把单元格格式设为“文本”，再照看到的样子录入",
    ),
    "wrong_type": (
        lambda detail: f"本格是{detail}，应为文字",
        "请把单元格格式设为“文本”后重新录入",
    ),
    "cell_error": (lambda detail: f"本格是公式错误（{detail}）", "请改正公式或直接填写内容"),
    "not_a_value": (
        lambda detail: f"“{detail}”是程序在没有内容时写的",
        "请录入真实的内容，没有的请留空",
    ),
    "no_value": (
        "本格的公式没有算出结果",
        "请用 Excel 或 WPS 打开，计算后保存；或直接填写内容",
    ),
    "bad_date": (lambda detail: f"“{detail}”不是日期，或没有这一天", DATE_FORMS),
    "date_with_zone": (
        lambda detail: f"“{detail}”带有时区，换算成北京时间可能是另一天",
        "请只写北京时间的日期，如 2024-07-01",
    ),
    "date_not_shown": (
        lambda detail: f"本格的格式没有同时显示年、月、日，存储的却是 {detail}",
        "请把单元格格式设为显示年月日的日期，并核对",
    ),
}


def words(code: str, detail: str, known: Words = WORDS) -> tuple[str, str]:
    """What is wrong and how to mend it, both in Chinese."""
    what, mend = known[code]
    return (what if isinstance(what, str) else what(detail)), mend
