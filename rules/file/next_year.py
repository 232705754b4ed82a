"""The file of a further year, begun from an earlier one: every date is to be confirmed. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

UNCONFIRMED = "待确认"
"""What an assumption begins with that nobody has confirmed yet; such a file is not published."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d$")
_DATED = re.compile(r"(20\d\d)(-\d\d-\d\d|Q[1-4])")


def next_year(text: str, old: int, new: int) -> str:
    """The text of a rule file for ``new`` out of that for ``old``.

    Its days lie as many years later, each an assumption that is to be confirmed. What it says
    beside dates is carried over with its citations.
    """
    rules: dict[str, Any] = yaml.safe_load(text)
    examples = rules.pop("examples", [])
    why = f"{UNCONFIRMED}：{new}年度的通知尚未核对，日期暂由{old}年度顺延"
    written = _moved(rules, new - old, why)
    written |= {
        "id": str(written["id"]).replace(str(old), str(new)),
        "title": str(written["title"]).replace(str(old), str(new)),
        "year": new,
        "revision": 1,
    }
    if written.get("extends"):
        written["extends"] = str(written["extends"]).replace(f"{old}/", f"{new}/")
    written["examples"] = _later(examples, new - old)
    dumped = yaml.safe_dump(written, allow_unicode=True, sort_keys=False, width=100)
    head = f"# 由 {old} 年度的规则起草。写有“{UNCONFIRMED}”的日期核对通知之前不能发布。\n\n"
    return head + dumped


def _moved(value: Any, years: int, why: str) -> Any:
    if isinstance(value, Mapping):
        moved = {key: _moved(below, years, why) for key, below in value.items()}
        if any(isinstance(one, str) and _DAY.match(one) for one in value.values()):
            moved["cite"] = {"assume": why}
        return moved
    if isinstance(value, list):
        return [_moved(below, years, why) for below in value]
    return _shifted(value, years) if isinstance(value, str) and _DAY.match(value) else value


def _later(value: Any, years: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _later(below, years) for key, below in value.items()}
    if isinstance(value, list):
        return [_later(below, years) for below in value]
    return _shifted(value, years) if isinstance(value, str) else value


def _shifted(text: str, years: int) -> str:
    moved = _DATED.sub(lambda m: f"{int(m[1]) + years}{m[2]}", text)
    # no such day in most years
    return re.sub(r"(\d{4})-02-29", _last_of_february, moved)


def _last_of_february(found: "re.Match[str]") -> str:
    year = int(found[1])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return found[0] if leap else f"{year}-02-28"
