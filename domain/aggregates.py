"""Figures of many filings added up by area and group, and what of them may be published. Pure.

A figure is withheld where few have one, where one has most of it, and where it could be worked out
from the others: of sums, of totals, and of another table that adds up to the same.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.summaries import TOTAL, protected

INSTITUTIONS = "institutions"
"""The figure that counts who filed: one for each."""

Place = tuple[str, str]
"""An area, or the total of all; and a group, or the total of all."""

_NOTHING = Decimal(0)


class Cell:
    """What is added up of one figure in one place, and what tells whether it may be shown."""

    __slots__ = ("biggest", "count", "magnitude", "sum")

    def __init__(self) -> None:
        self.sum = self.magnitude = self.biggest = _NOTHING
        self.count = 0

    def add(self, value: Decimal) -> None:
        """Adds one institution's figure; zero is nobody's."""
        if not value:
            return
        self.sum += value
        self.magnitude += abs(value)
        self.biggest = max(self.biggest, abs(value))
        self.count += 1

    def tells(self, fewest: int, dominant: int) -> bool:
        """Whether it tells of so few, or so much of one, that it gives somebody away."""
        return self.count < fewest or self.biggest * 100 > self.magnitude * dominant


class Table:
    """Figures by area and group, gathered institution by institution.

    ``groups`` are all groups in their order, ``figures`` all figures; `INSTITUTIONS` is one more.
    """

    def __init__(self, groups: Sequence[str], figures: Sequence[str]) -> None:
        self.groups = tuple(groups)
        self.figures = (INSTITUTIONS, *figures)
        self._areas: set[str] = set()
        self._cells: dict[str, defaultdict[Place, Cell]] = {
            figure: defaultdict(Cell) for figure in self.figures
        }

    def add(self, area: str, values: Mapping[str, Mapping[str, Decimal]]) -> None:
        """Adds one institution: its figures by group."""
        self._areas.add(area)
        total: defaultdict[str, Decimal] = defaultdict(Decimal)
        for group, figures in values.items():
            if group not in self.groups:
                continue
            self._count(area, group, {**figures, INSTITUTIONS: Decimal(1)})
            for name, value in figures.items():
                total[name] += value
        self._count(area, TOTAL, {**total, INSTITUTIONS: Decimal(1)})

    def _count(self, area: str, group: str, figures: Mapping[str, Decimal]) -> None:
        for name, value in figures.items():
            if name in self._cells:
                self._cells[name][area, group].add(value)
                self._cells[name][TOTAL, group].add(value)

    @property
    def areas(self) -> tuple[str, ...]:
        """All areas in their order, without the total."""
        return tuple(sorted(self._areas))

    def sum(self, figure: str, area: str, group: str) -> Decimal:
        """What a figure comes to in one place, shown or not."""
        return self._cells[figure][area, group].sum

    def withheld(
        self,
        figure: str,
        fewest: int,
        dominant: int,
        counts: frozenset[Place],
        beside: frozenset[str],
    ) -> frozenset[Place]:
        """Where a figure is withheld.

        ``counts`` is where the number of institutions is; ``beside`` the areas whose total another
        table withholds.
        """
        cells = self._cells[figure]
        who = self._cells[INSTITUTIONS]
        places = [(area, group) for area in (*self.areas, TOTAL) for group in (*self.groups, TOTAL)]
        # nobody is there, and everybody sees it: that hides nothing
        nobody = {place for place in places if not who[place].count and place not in counts}
        small = {
            place
            for place in places
            if place not in nobody
            and (place in counts or cells[place].tells(fewest, dominant))
            and who[place].count
        }
        small |= {(area, TOTAL) for area in beside} - nobody
        small |= counts
        numbers: dict[str, dict[str, int]] = {}
        for area, group in places:
            numbers.setdefault(area, {})[group] = who[area, group].count
        return frozenset(protected(numbers, small, nobody))


def withheld(
    tables: Sequence[Table],
    fewest: int,
    dominant: int,
    same_totals: Sequence[tuple[tuple[int, str], tuple[int, str]]] = (),
) -> list[dict[str, frozenset[Place]]]:
    """Where each table's figures are withheld, by figure.

    ``same_totals`` names pairs of figures, each as a table's place in ``tables`` and the figure's
    name, that come to the same in every area's total.
    """
    counted = [
        table.withheld(INSTITUTIONS, fewest, dominant, frozenset(), frozenset()) for table in tables
    ]
    found = [
        {
            figure: table.withheld(figure, fewest, dominant, counts, frozenset())
            if figure != INSTITUTIONS
            else counts
            for figure in table.figures
        }
        for table, counts in zip(tables, counted, strict=True)
    ]
    while True:
        changed = False
        for one, other in (*same_totals, *((b, a) for a, b in same_totals)):
            hidden = _totals(found[one[0]][one[1]])
            if hidden <= _totals(found[other[0]][other[1]]):
                continue
            table, figure = tables[other[0]], other[1]
            standing = found[other[0]][figure]
            counts = counted[other[0]] if figure != INSTITUTIONS else frozenset[Place]()
            more = table.withheld(figure, fewest, dominant, counts, hidden | _totals(standing))
            found[other[0]][figure] = more | standing
            changed = True
        if not changed:
            return found


def _totals(places: frozenset[Place]) -> frozenset[str]:
    return frozenset(area for area, group in places if group == TOTAL)
