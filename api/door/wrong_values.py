"""What is wrong with a value, in Chinese: limits are said, options listed, a blank is called so."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import ErrorDetails

from domain.contacts import MAIL, PHONE
from domain.messages import local_time

NOT_JSON = "不是有效的 JSON（UTF-8，各名称只出现一次，数字有限，嵌套不过深）"

_TIME = "应为带时区的时间，如 2025-03-22T00:00:00+08:00"
_DAY = "应为日期，如 2025-03-21"
_PLAIN = {
    "json_invalid": NOT_JSON,
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项，请删去",
    "string_type": "应为文本",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_parsing_size": "过大",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "union_tag_not_found": "缺少这一项",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": "时间须带时区，如 +08:00",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
}
_LIMITS = {
    "string_too_long": ("max_length", "至多 {} 个字符"),
    "too_long": ("max_length", "至多 {} 项"),
    "too_short": ("min_length", "至少 {} 项"),
    "greater_than": ("gt", "须大于（晚于）{}"),
    "greater_than_equal": ("ge", "至少 {}"),
    "less_than": ("lt", "须小于（早于）{}"),
    "less_than_equal": ("le", "至多 {}"),
}
_OPTIONS = {"literal_error": "expected", "enum": "expected", "union_tag_invalid": "expected_tags"}
FORMATS = {
    r"^(samr|cnas|caiq|group-[a-z0-9-]{1,40}|amr-[0-9]{6})$": (
        "应是部门编号，如 samr、amr-350000、group-railway"
    ),
    r"^amr-[0-9]{6}$": "应是省级部门的编号，如 amr-350000",
    r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$": (
        "应是机构编号：字母或数字开头，只用字母、数字和 . _ -，至多 64 个字符"
    ),
    r"^[0-9A-Za-z][0-9A-Za-z._@-]{0,63}$": (
        "应是人员的账号：字母或数字开头，只用字母、数字和 . _ @ -，至多 64 个字符"
    ),
    r"^([0-9a-f]{32})?$": "应是上传名单的编号：32 位小写十六进制数字",
    r"^[0-9A-Za-z._-]{0,64}$": "应是机构编号、部门编号或辖区代码，至多 64 个字符",
    r"^[0-9]{6}$": "应是六位辖区代码，如 350000，全国为 000000",
    r"^2[0-9]{3}Q[1-4]$": "应是季度，如 2024Q3",
    r"^[0-9]{2}$": "应是两位数字的代码，如 01",
    r"^([0-9]{4})?$": "应是四位数字的年份，如 2019，没有的留空",
    r"^20[0-9]{2}-(0[1-9]|1[0-2])$": "应是月份，如 2025-03",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": _DAY,
    r"^([0-9A-Z]{18})?$": "应是 18 位统一社会信用代码，字母大写，没有的留空",
    r"^[\x21-\x7e]*$": "只能用 ASCII 的字母、数字和符号，没有空格",
    r"^[\x21-\x7e]{1,64}$": "应是 1 至 64 个 ASCII 的字母、数字和符号，没有空格",
    r"^[\x21-\x7e]{1,255}$": "应是 1 至 255 个 ASCII 的字母、数字和符号，没有空格",
    r"^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$": (
        "字母或数字开头，只用字母、数字和 . _ -，至多 100 个字符"
    ),
    r"^[a-z][a-z0-9-]{0,63}$": "小写字母开头，只用小写字母、数字和 -，至多 64 个字符",
    r"^[^\x00-\x1f\x7f]*$": "应为一行文字，没有换行等控制字符",
    r"^[^/\\\x00-\x1f\x7f]+$": "应是文件名，不含 / 和 \\",
    r"^(campaign/2[0-9]{3}(Q[1-4])?/[0-9]{6})?$": (
        "应是统计工作的编号，如 campaign/2024/350000，不限的留空"
    ),
    r"^(filing/2[0-9]{3}|report-numbers/2[0-9]{3}Q[1-4])/[0-9A-Za-z][0-9A-Za-z._-]{0,63}$": (
        "应是填报或报告编号批次的编号，如 filing/2020/机构编号"
    ),
    r"^[0-9a-f]{64}$": "应是 SHA-256：64 位小写十六进制数字",
    r"^campaign/[0-9]{4}/[0-9]{6}$": "应是统计工作的编号，如 campaign/2024/350000",
    r"^(2[0-9]{3}/[0-9]{6})?$": "应是年度和辖区，如 2024/350000",
    r"^[0-9]{0,6}$": "应是区域代码或其开头几位，如 3502",
    r"^[\x21-\x7e]+$": "应是机构编号或办件编号，如 filing/2024/机构编号，没有空格",
    MAIL: "应是一个电子邮箱，如 name@example.org，没有的留空",
    PHONE: "应是电话号码：数字、+、-、括号和空格，分机写作“转12”，没有的留空",
    r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s]$": "应是姓名，写在一行内，首尾没有空白",
}
"""What texts of a given pattern look like; other patterns only keep out what nobody can see."""

_BLANK_OR_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CHINESE = re.compile("[一-鿿]")


def said(error: ErrorDetails) -> str:
    """One of pydantic's errors as people read it. What was sent is never repeated."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return words.format(_limit(context[name]))
    if kind in _OPTIONS:
        return f"应是 {_listed(context[_OPTIONS[kind]])} 之一"
    if kind == "string_too_short":
        return "不能为空" if context["min_length"] == 1 else f"至少 {context['min_length']} 个字符"
    if kind == "string_pattern_mismatch":
        return _mismatch(error["input"], context)
    # a type of our own says itself what is wrong
    own = error["msg"].removeprefix("Value error, ")
    return own if _CHINESE.search(own) else "不是有效的值"


def _mismatch(given: Any, context: Mapping[str, Any]) -> str:
    if not str(given).strip():
        return "不能为空，也不能只有空白"
    if _BLANK_OR_CONTROL.search(str(given)):
        return "含有看不见的控制字符，请删去"
    return FORMATS.get(context["pattern"], "格式不对")


def _limit(limit: Any) -> str:
    # an instant comes as text
    text = str(limit)
    return local_time(datetime.fromisoformat(text)) if "T" in text else text


def _listed(expected: str) -> str:
    """``'a', 'b' or 'c'`` as a Chinese list."""
    return "、".join(re.findall(r"'([^']*)'", expected))
