"""Days that a rule file counts out instead of writing them: an anchor and an offset.

Where a day may stand, ``{at: ANCHOR}`` or ``{after: ANCHOR, working_days: 5}`` may stand too, with
``days``, ``working_days`` or ``months``, and ``before`` in place of ``after``. An anchor is a day,
``this-year-12-31`` or ``next-year-01-13`` seen from the year the statistics are about, a quarter's
end (``2025Q3``, ``this-year-Q4``), or an end of a window (``fill.to``). The anchor's own day is not
counted, the day that comes out is the last that counts.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from domain.numbers.quarters import Quarter
from domain.working_days import CalendarMissing, Term, WorkingCalendar, months_after
from rules.file.calendars import read_calendar
from rules.file.findings import Finding, RulesInvalid, dotted
from rules.file.shapes import FIRST_YEAR, LAST_YEAR
from rules.file.strict_yaml import Node
from rules.file.strict_yaml import Path as NodePath

COUNTABLE = frozenset({"from", "to", "as_of", "due"})
"""The keys whose day may be counted out."""

_ANCHORS = ("at", "after", "before")
_OFFSETS = ("days", "working_days", "months")
_LONGEST = 1100
_DAY = re.compile(r"(?:(\d{4})|(this|next)-year)-(\d{2})-(\d{2})")
_QUARTER = re.compile(r"(?:(\d{4})|(this|next)-year-)Q([1-4])")
_WINDOW = re.compile(r"([a-z]+)\.(from|to)")
_FORMS = (
    "日期 2025-01-13、当年 this-year-12-31、次年 next-year-01-13、季度末 2025Q3 或 this-year-Q4、"
    "窗口的首尾 fill.from 或 fill.to"
)


def count_days(root: Path, node: Node) -> Node:
    """``node`` with its counted days counted out. Raises RulesInvalid with every finding.

    ``root`` is the rules folder, whose calendar says which days are worked.
    """
    places = [path for path, below in node.walk() if is_counted(path, below)]
    if not places:
        return node
    counter = _Counter(node, read_calendar(root))
    for path in places:
        try:
            counter.day(path)
        except _Wrong as wrong:
            counter.findings.append(wrong.finding)
    if counter.findings:
        raise RulesInvalid(counter.findings)
    return _replaced(node, counter.days, ())


def is_counted(path: NodePath, node: Node) -> bool:
    """Whether a day stands at ``path`` that has to be counted out."""
    if len(path) < 2 or path[-1] not in COUNTABLE or path[0] in ("examples", "sources"):
        return False
    return isinstance(node.value, dict) and any(key in node.value for key in _ANCHORS)


class _Wrong(Exception):
    def __init__(self, code: str, node: Node, path: NodePath, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, *node.place_of(path), dotted(path), message)


class _Counter:
    def __init__(self, node: Node, calendar: WorkingCalendar) -> None:
        self.node = node
        self.calendar = calendar
        self.days: dict[NodePath, date] = {}
        self.findings: list[Finding] = []
        self._under_way: set[NodePath] = set()

    def day(self, path: NodePath) -> date:
        if path in self.days:
            return self.days[path]
        if path in self._under_way:
            raise self.wrong(
                "invalid_value", path, "这个日期从自己算起，绕成了圈；请从一个写明的日子算起"
            )
        below = self.node.get(*path)
        if below is None:
            message = f"没有 {dotted(path)}，不能从它算起；请先写明"
            raise self.wrong("invalid_value", path, message)
        self._under_way.add(path)
        try:
            made = self._counted(path, below) if isinstance(below.value, dict) else None
        finally:
            self._under_way.discard(path)
        if made is None:
            return self._written(path, str(below.value))
        self.days[path] = made
        return made

    def _counted(self, path: NodePath, below: Node) -> date:
        assert isinstance(below.value, dict)
        given = below.value
        for key in given:
            if key not in (*_ANCHORS, *_OFFSETS, "rolls"):
                there = "、".join((*_ANCHORS, *_OFFSETS, "rolls"))
                message = f"不认识的键 {key}；这里可以写：{there}"
                raise self.wrong("unknown_key", (*path, key), message)
        anchors = [key for key in _ANCHORS if key in given]
        offsets = [key for key in _OFFSETS if key in given]
        if len(anchors) != 1:
            message = "at、after、before 只写一个：从哪一天算起"
            raise self.wrong("invalid_value", path, message)
        anchor = anchors[0]
        if anchor == "at" and len(given) > 1:
            raise self.wrong(
                "invalid_value", path, "at 就是那一天，旁边不写别的；要数日子的写 after 或 before"
            )
        if anchor != "at" and len(offsets) != 1:
            raise self.wrong(
                "invalid_value", path, "after、before 旁边写 days、working_days、months 中的一个"
            )
        start = self._anchor((*path, anchor), given[anchor])
        if anchor == "at":
            return start
        unit = offsets[0]
        number, rolls = given[unit].value, _flag(given)
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= _LONGEST:
            raise self.wrong("invalid_value", (*path, unit), f"{unit} 写 1 至 {_LONGEST} 的整数")
        if rolls is None or (rolls and (anchor == "before" or unit == "working_days")):
            message = "rolls 只写 true，且只用于 after 旁边的 days 或 months（遇休息日顺延）"
            raise self.wrong("invalid_value", (*path, "rolls"), message)
        try:
            made = self._offset(start, anchor, unit, number, rolls)
        except CalendarMissing as missing:
            raise self.wrong("calendar_missing", path, str(missing)) from None
        if not FIRST_YEAR <= made.year <= LAST_YEAR:
            raise self.wrong(
                "invalid_value", path, f"算出的 {made} 的年份不在 {FIRST_YEAR} 至 {LAST_YEAR} 之间"
            )
        return made

    def _offset(self, start: date, anchor: str, unit: str, number: int, rolls: bool) -> date:
        if anchor == "before":
            return self._back(start, unit, number)
        term = Term(days=number, unit=unit, rolls=rolls)
        return self.calendar.count_from(term, start).days[-1]

    def _back(self, day: date, unit: str, number: int) -> date:
        if unit == "months":
            return months_after(day, -number)
        while number:
            day -= timedelta(days=1)
            if unit == "days" or self.calendar.works(day):
                number -= 1
        return day

    def _anchor(self, path: NodePath, node: Node) -> date:
        text = node.value
        window = _WINDOW.fullmatch(text) if isinstance(text, str) else None
        if window is not None:
            return self.day(("filing", "windows", window[1], window[2]))
        return self._written(path, text if isinstance(text, str) else "")

    def _written(self, path: NodePath, text: str) -> date:
        made = _DAY.fullmatch(text)
        quarter = _QUARTER.fullmatch(text)
        try:
            if made is not None:
                return date(self._year(made[1], made[2]), int(made[3]), int(made[4]))
            if quarter is not None:
                return Quarter(self._year(quarter[1], quarter[2]), int(quarter[3])).last_day
        except ValueError:
            raise self.wrong("invalid_value", path, f"{text} 不是真实存在的日期；请更正") from None
        message = f"“{text[:40]}”不能作起算的日子；可以写：{_FORMS}"
        raise self.wrong("invalid_value", path, message)

    def _year(self, written: str | None, relative: str | None) -> int:
        own = self.node.get("year")
        year = own.value if own is not None else None
        if written is not None:
            year = int(written)
        elif isinstance(year, int):
            year += 1 if relative == "next" else 0
        if not isinstance(year, int) or not FIRST_YEAR <= year <= LAST_YEAR:
            raise ValueError(f"no year of rules: {year}")
        return year

    def wrong(self, code: str, path: NodePath, message: str) -> _Wrong:
        return _Wrong(code, self.node, path, message)


def _flag(given: Mapping[str, Node]) -> bool | None:
    """What ``rolls`` says; None where it is neither absent nor true."""
    if "rolls" not in given:
        return False
    return True if given["rolls"].value is True else None


def _replaced(node: Node, days: Mapping[NodePath, date], path: NodePath) -> Node:
    if path in days:
        return Node(days[path].isoformat(), node.place)
    if isinstance(node.value, dict):
        members = {key: _replaced(below, days, (*path, key)) for key, below in node.value.items()}
        return Node(members, node.place, node.keys)
    if isinstance(node.value, list):
        items = [_replaced(below, days, (*path, index)) for index, below in enumerate(node.value)]
        return Node(items, node.place, node.keys)
    return node
