"""What may be published: no small number, and none that follows from those that are shown."""

from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest

from domain.summaries import OUTCOMES, TOTAL, Cells, suppressed, table

Cell = tuple[str, str]


def follows(cells: Cells, withheld: set[Cell]) -> set[Cell]:
    """The withheld cells that have one value only, by all sums that the table shows."""
    unknown = sorted(withheld)
    lines = [[(row, column) for column in cells[row]] for row in cells]
    lines += [[(row, column) for row in cells] for column in cells[TOTAL]]
    # each line: all but its total, minus its total, is nothing
    equations = [
        [Fraction((-1 if cell == line[-1] else 1) if cell in line else 0) for cell in unknown]
        for line in lines
    ]
    return determined(unknown, equations)


def determined(unknown: list[Any], equations: list[list[Fraction]]) -> set[Any]:
    """The unknowns that have one value only, each equation their coefficients."""
    equations, reduced = list(equations), list[list[Fraction]]()
    for pivot in range(len(unknown)):
        with_it = next((e for e in equations if e[pivot]), None)
        if with_it is None:
            continue
        equations.remove(with_it)
        with_it = [value / with_it[pivot] for value in with_it]
        for many in (equations, reduced):
            many[:] = [[a - e[pivot] * b for a, b in zip(e, with_it, strict=True)] for e in many]
        reduced.append(with_it)
    alone = [e for e in reduced if sum(map(bool, e)) == 1]
    return {unknown[next(n for n, value in enumerate(e) if value)] for e in alone}


def test_the_judge_of_these_tests_finds_a_lone_withheld_cell() -> None:
    cells = table({"a": [{"completed": 5, "lapsed": 2, "unfinished": 7}]})
    assert follows(cells, {("a", "lapsed")}) == {("a", "lapsed")}


@pytest.mark.parametrize("seed", range(60))
def test_no_withheld_number_follows_from_those_shown(seed: int) -> None:
    random = Random(seed)
    rows = {
        f"area-{n}": [{one: random.choice((0, 1, 2, 3, 7, 40)) for one in OUTCOMES}]
        for n in range(random.randrange(2, 7))
    }
    cells = table(rows)
    withheld = suppressed(cells, 3)
    for row, column in product(cells, (*OUTCOMES, TOTAL)):
        assert not 0 < cells[row][column] < 3 or (row, column) in withheld
    small = {(r, c) for r, c in withheld if 0 < cells[r][c] < 3}
    assert not small & follows(cells, withheld)


def test_what_needs_no_hiding_is_shown() -> None:
    cells = table({n: [{"completed": 30, "lapsed": 3, "unfinished": 0}] for n in ("a", "b", "c")})
    assert suppressed(cells, 3) == set()
    # just below the least number that is shown
    cells = table(
        {
            "a": [{"completed": 30, "lapsed": 2, "unfinished": 0}],
            "b": [{"completed": 30, "lapsed": 3, "unfinished": 0}],
        }
    )
    assert suppressed(cells, 3) == {
        ("a", "lapsed"), ("a", "completed"), ("b", "lapsed"), ("b", "completed"),
    }  # fmt: skip
