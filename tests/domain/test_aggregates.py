"""Published figures: nobody's own figure is shown, and none follows from what is shown."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from domain.aggregates import INSTITUTIONS, Table, withheld
from domain.summaries import TOTAL
from tests.domain.test_summaries import determined

KINDS, FIELDS = ("企业", "事业单位", "其他"), ("食品", "建材", "水质", "综合")
FEWEST, DOMINANT = 3, 80
SAME = [((1, "revenue"), (0, "income")), ((1, INSTITUTIONS), (0, INSTITUTIONS))]

Numbers = Mapping[str, Mapping[str, Decimal]]


def summed(institutions: list[tuple[str, str, dict[str, int]]]) -> list[Table]:
    """Tables by kind and by field of institutions, each with area, kind and revenue by field."""
    by_kind, by_field = Table(KINDS, ["income"]), Table(FIELDS, ["revenue"])
    for area, kind, fields in institutions:
        by_kind.add(area, {kind: {"income": Decimal(sum(fields.values()))}})
        by_field.add(area, {field: {"revenue": Decimal(value)} for field, value in fields.items()})
    return [by_kind, by_field]


def institutions_of(random: Random) -> list[tuple[str, str, dict[str, int]]]:
    return [
        (
            f"area-{random.randrange(4)}",
            random.choice(KINDS),
            {
                field: random.choice((0, 1, 50, 60, 5000))
                for field in random.sample(FIELDS, random.randrange(1, 3))
            },
        )
        for _ in range(random.randrange(4, 40))
    ]


@pytest.mark.parametrize("seed", range(40))
def test_no_withheld_figure_follows_from_those_shown_in_either_table(seed: int) -> None:
    tables = summed(institutions_of(Random(seed)))
    hidden = withheld(tables, FEWEST, DOMINANT, SAME)
    figures = (("income", 0), ("revenue", 1))
    # everybody sees where nobody is: what is there is zero, shown or not
    empty = {
        (n, area, group)
        for _, n in figures
        for area in (*tables[n].areas, TOTAL)
        for group in (*tables[n].groups, TOTAL)
        if (area, group) not in hidden[n][INSTITUTIONS]
        and not tables[n].sum(INSTITUTIONS, area, group)
    }
    unknown = sorted({(n, *place) for figure, n in figures for place in hidden[n][figure]} - empty)
    lines: list[dict[tuple[int, str, str], int]] = []
    for _, n in figures:
        areas, groups = (*tables[n].areas, TOTAL), (*tables[n].groups, TOTAL)
        for area in areas:
            lines.append({(n, area, group): -1 if group == TOTAL else 1 for group in groups})
        for group in groups:
            lines.append({(n, area, group): -1 if area == TOTAL else 1 for area in areas})
    lines += [{(0, area, TOTAL): 1, (1, area, TOTAL): -1} for area in (*tables[0].areas, TOTAL)]
    equations = [[Fraction(line.get(place, 0)) for place in unknown] for line in lines]
    known = determined(unknown, equations)
    for figure, n in figures:
        for _, area, group in {place for place in known if place[0] == n}:
            assert not tables[n]._cells[figure][area, group].tells(FEWEST, DOMINANT), (
                figure, area, group,
            )  # fmt: skip
    for figure, n in figures:
        for (area, group), cell in tables[n]._cells[figure].items():
            here = tables[n].sum(INSTITUTIONS, area, group)
            assert not (here and cell.tells(FEWEST, DOMINANT)) or (
                (area, group) in hidden[n][figure]
            )


def test_enough_institutions_of_like_size_are_shown_and_one_fewer_are_not() -> None:
    many = [("a", "企业", {"食品": 10}), ("b", "企业", {"食品": 10})] * 3
    (by_kind, by_field) = withheld(summed(many), FEWEST, DOMINANT, SAME)
    assert not any((*by_kind.values(), *by_field.values()))
    (by_kind, _) = withheld(summed(many[:-1]), FEWEST, DOMINANT, SAME)
    assert ("b", "企业") in by_kind["income"]
    assert ("b", "企业") in by_kind[INSTITUTIONS]
    # it could be taken from the total, but for the other area's
    assert ("a", "企业") in by_kind["income"]


def test_one_that_has_nearly_all_of_a_figure_is_not_shown_among_many() -> None:
    rest = [("a", "企业", {"食品": 5}) for _ in range(4)]
    for largest, told in ((80, False), (81, True)):
        (by_kind, _) = withheld(
            summed([*rest, ("a", "企业", {"食品": largest})]), FEWEST, DOMINANT, SAME
        )
        assert (("a", "企业") in by_kind["income"]) is told
        assert ("a", "企业") not in by_kind[INSTITUTIONS]


def test_that_all_of_a_few_or_many_have_nothing_is_not_told() -> None:
    tables = summed([("a", "企业", {"食品": 0}) for _ in range(9)])
    assert ("a", "企业") in withheld(tables, FEWEST, DOMINANT, SAME)[0]["income"]
