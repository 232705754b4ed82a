from pathlib import Path

import pytest

from rules.file.calendars import calendar_findings, read_calendar
from rules.file.library import SHIPPED

_FILE = "calendar/2021.yaml"


def test_the_shipped_years_are_in_order_and_without_a_gap() -> None:
    assert calendar_findings(SHIPPED) == []
    assert sorted(read_calendar(SHIPPED).years) == list(range(2020, 2027))


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("year: 2021", "year: 2022", "year_mismatch", "2021.yaml"),
        ('"2021-02-20"', '"2021-02-19"', "invalid_value", "不是周六或周日"),
        ('"2021-02-20"', '"2021-02-14"', "overlapping_windows", "既放假又上班"),
        ('"2021-02-20"', '"2021-02-07"', "invalid_value", "写了两次"),
        ('"2021-02-20"', '"2022-02-20"', "invalid_value", "不在 2021 年"),
        ('to: "2021-02-17"', 'to: "2021-02-10"', "reversed_window", "早于"),
        ('from: "2021-04-03"', 'from: "2021-02-16"', "overlapping_windows", "重叠"),
        ("clause: 二}", "clause: 二, quote: 放假}", "unknown_key", "quote"),
        ("{source: notice, clause: 二}", "{source: other, clause: 二}", "unknown_source", "other"),
        ("worked: []", "worked: no", "yaml_surprise", "no"),
    ],
)
def test_what_a_year_cannot_say(folder: Path, old: str, new: str, code: str, says: str) -> None:
    path = folder / _FILE
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    found = [one for one in calendar_findings(folder) if one.code == code]
    assert any(says in one.message for one in found)
    assert {one.file for one in found} == {_FILE}
