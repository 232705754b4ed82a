"""How else a number that was not found may be written."""

import pytest

from domain.numbers.report_numbers import spellings


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("fz-2025-0001", "FZ-2025-0001"),
        ("FZ–2025–0001", "FZ-2025-0001"),
        ("FZ 2025 0001", "FZ-2025-0001"),
        ("FZ-2025-0001", "FZ20250001"),
        # hyphens that were left out, some or all
        ("fz20250001", "FZ-2025-0001"),
        ("FZ2025-0001", "FZ-2025-0001"),
        ("jc2024000123", "JC2024-000123"),
        ("demo12024q400001", "DEMO-1-2024Q4-00001"),
        ("检字20240001", "检字2024-0001"),
    ],
)
def test_a_number_is_found_by_its_letters_and_digits(typed: str, written: str) -> None:
    assert written in spellings(typed)


@pytest.mark.parametrize("typed", ["---", "1", "FZ-2025-0001", "a1" * 32, "20" * 32, "00" * 32])
def test_spellings_are_few_others_and_say_the_same(typed: str) -> None:
    others = spellings(typed)
    assert typed not in others
    assert len(others) == len(set(others)) <= 70
    assert {one.replace("-", "").upper() for one in others} <= {typed.replace("-", "").upper()}
