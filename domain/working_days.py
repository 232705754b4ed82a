"""Terms counted in days or in working days: which days count, and when a term is over. Pure.

The day of the event is not counted, the last day counts in full. Which days people work stands in
the State Council's yearly notices (`rules.file.calendars`); nothing here knows a holiday by itself.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from domain.clock import day_of, first_instant_after
from domain.model import Recorded

_SATURDAY = 5


class Term(Recorded):
    """So many days from an event.

    ``days`` counts whole months where that is the ``unit``: the term then ends on the same day of
    the month, or on the month's last where there is none. ``rolls``: a term whose last day is no
    working day ends with the next one.
    """

    days: int
    unit: Literal["days", "working_days", "months"]
    rolls: bool = False


class WorkingYear(Recorded):
    """One year as the State Council's notice has it: weekdays off, and weekend days worked."""

    year: int
    off: frozenset[date]
    worked: frozenset[date]


class CalendarMissing(LookupError):
    """A term reaches into a year whose notice is not on file; ``year`` says which."""

    def __init__(self, year: int) -> None:
        self.year = year
        super().__init__(
            f"期限要数到 {year} 年，而规则里没有 calendar/{year}.yaml；"
            "请按国务院办公厅当年的放假通知补上这个文件，不能推算"
        )


class Counted(NamedTuple):
    """A term counted out: the first instant after it, and the days that were counted, in order."""

    due: datetime
    days: tuple[date, ...]


class WorkingCalendar:
    """The years on file."""

    def __init__(self, years: Iterable[WorkingYear]) -> None:
        self.years = {one.year: one for one in years}

    def works(self, day: date) -> bool:
        """Whether people work on a day. Raises CalendarMissing."""
        year = self.years.get(day.year)
        if year is None:
            raise CalendarMissing(day.year)
        return day in year.worked or (day.weekday() < _SATURDAY and day not in year.off)

    def count(self, term: Term, event: datetime) -> Counted:
        """A term from an event on. Raises CalendarMissing where working days are not on file."""
        return self.count_from(term, day_of(event))

    def count_from(self, term: Term, day: date) -> Counted:
        """A term from the day after ``day`` on. Raises CalendarMissing as `count` does."""
        counted: list[date] = []
        if term.unit == "months":
            last = months_after(day, term.days)
            counted = [day + timedelta(n) for n in range(1, (last - day).days + 1)]
            day = last
        while term.unit != "months" and len(counted) < term.days:
            day += timedelta(days=1)
            if term.unit == "days" or self.works(day):
                counted.append(day)
        while term.rolls and not self.works(day):
            day += timedelta(days=1)
            counted.append(day)
        return Counted(first_instant_after(day), tuple(counted))


def months_after(day: date, months: int) -> date:
    """The same day so many months on, back if negative; the month's last where it has none such."""
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = following - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))
