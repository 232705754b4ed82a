"""The State Council's yearly arrangement of holidays and worked weekends, as data.

``calendar/<year>.yaml`` holds one year. A year that is not on file is unknown: nothing is guessed.
"""

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt

from domain.model import Value
from domain.working_days import WorkingCalendar, WorkingYear
from rules.file.findings import Finding, RulesInvalid, in_order
from rules.file.shapes import Day, Id, Text, unique
from rules.file.strict_yaml import load
from rules.file.validation import validate

CALENDAR = "calendar"
_SATURDAY = 5


class Notice(Value):
    """A notice of the State Council's general office, by its number and title."""

    document: Text
    title: Text


class CalendarCite(Value):
    """The clause of a notice; ``note`` says what a later notice changes of an earlier one."""

    source: Text
    clause: Text
    note: str = ""


class DaysOff(Value):
    """Days off in a row, first and last included, and the weekend days worked for them."""

    id: Id
    label: Text
    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    worked: tuple[Day, ...]
    cites: Annotated[tuple[CalendarCite, ...], Field(min_length=1)]

    def days(self) -> list[date]:
        """Each of the days off."""
        return [self.first + timedelta(n) for n in range((self.last - self.first).days + 1)]


class CalendarFile(Value):
    """One year's file."""

    year: Annotated[StrictInt, Field(ge=2000, le=2100)]
    sources: dict[str, Notice]
    days_off: Annotated[tuple[DaysOff, ...], Field(min_length=1), AfterValidator(unique)]

    def as_year(self) -> WorkingYear:
        """The year as terms are counted by."""
        return WorkingYear(
            year=self.year,
            off=frozenset(day for one in self.days_off for day in one.days()),
            worked=frozenset(day for one in self.days_off for day in one.worked),
        )


def read_year(path: Path, shown: str) -> CalendarFile:
    """One year's file, checked. Raises RulesInvalid with every finding."""
    node = load(path.read_bytes(), shown)
    file = validate(CalendarFile, node)
    found = []
    for (*steps, code), message in _wrong(file, path.stem):
        place = node.place_of(steps)
        found.append(Finding(str(code), shown, place.line, ".".join(map(str, steps)), message))
    if found:
        raise RulesInvalid(found)
    return file


def read_calendar(root: Path) -> WorkingCalendar:
    """All years of a rules folder. Raises RulesInvalid; the same files are read once."""
    files = sorted((root / CALENDAR).glob("*.yaml"))
    stamp = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _calendar_of(stamp)


def calendar_findings(root: Path) -> list[Finding]:
    """Everything that is wrong with the years of a rules folder."""
    found: list[Finding] = []
    for path in sorted((root / CALENDAR).glob("*.yaml")):
        try:
            read_year(path, f"{CALENDAR}/{path.name}")
        except RulesInvalid as invalid:
            found += invalid.findings
    return in_order(found)


@lru_cache(maxsize=8)
def _calendar_of(stamp: tuple[tuple[Path, int, int], ...]) -> WorkingCalendar:
    files = [path for path, _, _ in stamp]
    return WorkingCalendar(read_year(path, f"{CALENDAR}/{path.name}").as_year() for path in files)


def _wrong(file: CalendarFile, stem: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Places, each with the code of its finding as the last step, and what is wrong there."""
    if str(file.year) != stem:
        yield ("year", "year_mismatch"), f"year 是 {file.year}，文件名却是 {stem}.yaml"
    used = {cite.source for one in file.days_off for cite in one.cites}
    for name in sorted(used - file.sources.keys()):
        yield ("sources", "unknown_source"), f"来源 {name} 没有在 sources 里声明"
    for name in sorted(file.sources.keys() - used):
        yield ("sources", name, "unused_source"), f"来源 {name} 没有被任何出处用到；请引用它或删去"
    for index, one in enumerate(file.days_off):
        where = ("days_off", index)
        if one.last < one.first:
            yield (*where, "to", "reversed_window"), f"{one.label}的 to 早于 from"
        for day in (one.first, one.last, *one.worked):
            if day.year != file.year:
                yield (*where, "invalid_value"), f"{one.label}的 {day} 不在 {file.year} 年"
        for day in one.worked:
            if day.weekday() < _SATURDAY:
                yield (*where, "worked", "invalid_value"), f"{day} 不是周六或周日，本来就要上班"
    for before, after in itertools.pairwise(file.days_off):
        if after.first <= before.last:
            message = f"{before.label}和{after.label}的日子重叠或次序颠倒"
            yield ("days_off", "overlapping_windows"), message
    off = {day for one in file.days_off for day in one.days()}
    worked = [day for one in file.days_off for day in one.worked]
    for day in sorted(off & set(worked)):
        yield ("days_off", "overlapping_windows"), f"{day} 既放假又上班"
    for day in sorted({day for day in worked if worked.count(day) > 1}):
        yield ("days_off", "invalid_value"), f"{day} 的上班写了两次"
