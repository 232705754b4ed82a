"""Windows: the last second is inside, the next is not; contradictions are found."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.case.plan import NEEDED_WINDOWS, WINDOWS, CasePlan
from domain.case.state import LISTED_AS
from domain.citation import Citation
from domain.clock import BEIJING
from rules.file.schema import Span, Stage, Windows
from rules.file.shapes import Cite
from rules.filing.windows import contradictions, window

CITE = Citation(document="文")
ASSUMED = Cite(assume="试")
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 30))


def span(first: date, last: date) -> Span:
    return Span.model_validate({"from": first, "to": last, "cite": ASSUMED})


@given(DAYS, st.integers(0, 400))
def test_both_ends_to_the_second(first: date, length: int) -> None:
    last = min(first + timedelta(days=length), date(2099, 12, 31))
    found = window(span(first, last), CITE)
    second = timedelta(seconds=1)
    assert found.opens == datetime(first.year, first.month, first.day, tzinfo=BEIJING)
    assert not found.holds(found.opens - second)
    assert found.holds(found.opens)
    assert found.holds(datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=BEIJING))
    assert found.holds(found.closes - timedelta(microseconds=1))
    assert not found.holds(found.closes)
    assert found.closes - found.opens == timedelta(days=(last - first).days + 1)


@given(DAYS, st.integers(0, 86_399), st.integers(-14, 14))
def test_the_zone_of_the_asker_does_not_matter(day: date, second: int, hours: int) -> None:
    found = window(span(day, day), CITE)
    moment = datetime(day.year, day.month, day.day, tzinfo=BEIJING) + timedelta(seconds=second)
    assert found.holds(moment.astimezone(timezone(timedelta(hours=hours))))


def test_29_february_is_inside_to_its_last_second() -> None:
    found = window(span(date(2024, 1, 1), date(2024, 2, 29)), CITE)
    assert found.closes.isoformat() == "2024-03-01T00:00:00+08:00"
    assert found.holds(datetime.fromisoformat("2024-02-29T15:59:59+00:00"))
    assert not found.holds(datetime.fromisoformat("2024-02-29T16:00:00+00:00"))


@given(DAYS, DAYS)
def test_reversed_windows_are_found(one: date, two: date) -> None:
    windows = Windows(fill=span(one, two))
    codes = [code for code, *_ in contradictions(windows, ())]
    assert codes == (["reversed_window"] if two < one else [])


@given(DAYS, st.integers(0, 60), st.integers(-60, 60))
def test_supplement_opens_the_day_after_fill(first: date, length: int, gap: int) -> None:
    last = first + timedelta(days=length)
    late = last + timedelta(days=1 + gap)
    windows = Windows(fill=span(first, last), supplement=span(late, late + timedelta(days=90)))
    codes = [code for code, *_ in contradictions(windows, ())]
    expected = [] if gap == 0 else ["gap_between_windows" if gap > 0 else "overlapping_windows"]
    assert codes == expected


def test_review_must_cover_the_last_filing_and_correction() -> None:
    days = [date(2024, 1, day) for day in (1, 10, 20)]
    windows = Windows(
        fill=span(days[0], days[1]), correct=span(days[0], days[2]), review=span(days[0], days[1])
    )
    assert [code for code, *_ in contradictions(windows, ())] == ["window_order"]


def test_stages_overlap_only_where_they_say_so() -> None:
    def stage(name: str, first: int, last: int, *overlaps: str) -> Stage:
        return Stage.model_validate(
            {
                "id": name,
                "label": name,
                "from": date(2024, 1, first),
                "to": date(2024, 1, last),
                "cite": ASSUMED,
                "overlaps": overlaps,
            }
        )

    apart = [stage("a", 1, 5), stage("b", 6, 9)]
    touching = [stage("a", 1, 5), stage("b", 5, 9)]
    declared = [stage("a", 1, 5), stage("b", 5, 9, "a")]
    unknown = [stage("a", 1, 5, "c")]
    found = [
        [code for code, *_ in contradictions(Windows(), stages)]
        for stages in (apart, touching, declared, unknown)
    ]
    assert found == [[], ["overlapping_stages"], [], ["unknown_stage"]]


@pytest.mark.parametrize(
    ("name", "first", "last", "path"),
    [
        ("quality", 5, 20, None),
        ("quality", 5, 19, "windows.quality.to"),
        ("quality", 4, 20, "windows.quality.from"),
        ("review", 1, 15, None),
        ("review", 1, 14, "windows.review.to"),
        ("correct", 1, 10, None),
        ("correct", 1, 9, "windows.correct.to"),
    ],
)
def test_no_window_ends_before_what_it_has_to_wait_for(
    name: str, first: int, last: int, path: str | None
) -> None:
    stated = {
        "quality": {"fill": (1, 10), "review": (5, 20), "correct": (1, 15)},
        "review": {"fill": (1, 10), "correct": (1, 15)},
        "correct": {"fill": (1, 10), "review": (1, 20)},
    }[name] | {name: (first, last)}
    windows = Windows.model_validate(
        {
            window_: span(date(2024, 1, opens), date(2024, 1, closes))
            for window_, (opens, closes) in stated.items()
        }
    )
    # an end of the review before the last correction is told of the correction
    told = {"windows.review.to": "windows.correct.to"}
    found = [(code, where) for code, where, *_ in contradictions(windows, ())]
    assert found == ([] if path is None else [("window_order", told.get(path, path))])


def test_the_windows_are_one_list() -> None:
    assert list(Windows.model_fields) == list(WINDOWS)
    assert list(WINDOWS) == list(CasePlan.model_fields)[: len(WINDOWS)]
    assert set(NEEDED_WINDOWS) < set(WINDOWS)
    assert all(window.label and window.acts in LISTED_AS for window in WINDOWS.values())
