"""The page on reliability says what the long runs kept, and nothing else."""

import re

from bench.reliability import FIGURES, PAGE, TABLES, rendered


def test_its_tables_are_those_that_the_figures_make() -> None:
    page = PAGE.read_text("utf-8")
    assert rendered(page) == page


def test_all_that_was_kept_is_shown() -> None:
    shown = re.findall(r"<!-- figures: (\w+) -->", PAGE.read_text("utf-8"))
    assert sorted(shown) == sorted(TABLES) == sorted(one.stem for one in FIGURES.glob("*.json"))
