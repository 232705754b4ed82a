from datetime import date, datetime

import pytest

from domain.clock import BEIJING
from domain.working_days import CalendarMissing, Term, WorkingCalendar
from rules.file.calendars import read_calendar
from rules.file.catalogue import SHIPPED


@pytest.fixture(scope="module")
def calendar() -> WorkingCalendar:
    return read_calendar(SHIPPED)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("event", "days", "last", "why"),
    [
        ("2021-03-01T09:00:00", 5, "2021-03-08", "a week without holidays; the day itself is out"),
        ("2021-03-01T00:00:00", 5, "2021-03-08", "the first second of a day is that day's"),
        ("2021-03-01T23:59:59", 5, "2021-03-08", "and so is its last"),
        ("2021-03-02T00:00:00", 5, "2021-03-09", "the next second is another day's"),
        ("2021-09-24T10:00:00", 5, "2021-09-30", "Sunday 26 September is worked"),
        ("2021-09-30T10:00:00", 1, "2021-10-08", "October's holiday is passed over"),
        ("2021-09-30T10:00:00", 2, "2021-10-09", "Saturday 9 October is worked"),
        ("2021-10-09T10:00:00", 1, "2021-10-11", "Sunday 10 October is not"),
        ("2020-01-23T10:00:00", 1, "2020-02-03", "the spring holiday of 2020 was made longer"),
        ("2020-12-31T10:00:00", 1, "2021-01-04", "a term may end in another year"),
    ],
)
def test_working_days_are_counted_by_the_notices(
    calendar: WorkingCalendar, event: str, days: int, last: str, why: str
) -> None:
    counted = calendar.count(Term(days=days, unit="working_days"), _at(event))
    assert (counted.days[-1].isoformat(), len(counted.days)) == (last, days), why
    following = date.fromordinal(date.fromisoformat(last).toordinal() + 1)
    assert counted.due == datetime.combine(following, datetime.min.time(), BEIJING)


def test_an_instant_in_another_zone_is_taken_by_its_day_in_beijing(
    calendar: WorkingCalendar,
) -> None:
    term = Term(days=1, unit="working_days")
    event = datetime.fromisoformat("2021-03-01T16:30:00+00:00")  # 2 March in Beijing
    assert calendar.count(term, event).days == (date(2021, 3, 3),)


def test_calendar_days_move_off_a_holiday_only_where_the_term_says_so(
    calendar: WorkingCalendar,
) -> None:
    event = _at("2021-07-03T10:00:00")  # the 90th day is 1 October
    plain = calendar.count(Term(days=90, unit="days"), event)
    moved = calendar.count(Term(days=90, unit="days", rolls=True), event)
    assert plain.days[-1] == date(2021, 10, 1)
    assert moved.days[-1] == date(2021, 10, 8)


def test_a_year_that_is_not_on_file_is_never_guessed(calendar: WorkingCalendar) -> None:
    late = _at("2026-12-30T10:00:00")
    assert calendar.count(Term(days=1, unit="working_days"), late).days == (date(2026, 12, 31),)
    with pytest.raises(CalendarMissing, match="2027"):
        calendar.count(Term(days=2, unit="working_days"), late)
    # days of any calendar can be counted without knowing who works on them
    assert calendar.count(Term(days=2, unit="days"), late).days[-1] == date(2027, 1, 1)
