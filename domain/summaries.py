"""What a campaign came to, out of its journal alone, and what of it may be published. Pure.

A summary is sealed when a campaign is closed: counts, and every filing with the hash its record
ends with. Whoever has the journal comes to the same bytes again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from domain.case.events import EventName, Step, event_of
from domain.case.kind import fold
from domain.case.status import Status
from domain.filing.kind import FILING

COUNTED_NOT = (Status.CANCELLED, Status.ANNULLED, Status.AFTER_WINDOW)
"""Filings that are none: they count nowhere but among the statuses."""

COUNTS = (
    "must", "voluntary", "submitted", "late", "not_filed", "extended", "reopened", "sampled",
    "passed", "passed_with_remark", "failed", "completed", "lapsed", "unfinished",
)  # fmt: skip
"""What a summary counts, each a number of filings."""

_VERDICTS = (EventName.QUALITY_PASSED, EventName.QUALITY_FAILED, EventName.SENT_BACK)


def marks(steps: Sequence[Step]) -> tuple[Status, list[str]]:
    """Where a filing stands, and what it counts as; ``steps`` since it was opened last."""
    state = fold(FILING, map(event_of, steps))
    if state.status in COUNTED_NOT:
        return state.status, []
    events = {step.event for step in steps}
    owed = steps[0].body["obligation"] == "must"
    verdict = next((step for step in reversed(steps) if step.event in _VERDICTS), None)
    ended = state.status in (Status.COMPLETED, Status.LAPSED)
    told = {
        "must": owed,
        "voluntary": not owed,
        "submitted": state.submitted_before,
        "late": state.late,
        "not_filed": owed and not state.submitted_before,
        "extended": EventName.EXTENDED in events,
        "reopened": EventName.REOPENED in events,
        "sampled": EventName.SAMPLED in events,
        "passed": _is(verdict, EventName.QUALITY_PASSED, remark=False),
        "passed_with_remark": _is(verdict, EventName.QUALITY_PASSED, remark=True),
        "failed": _is(verdict, EventName.QUALITY_FAILED, remark=False),
        "completed": state.status is Status.COMPLETED,
        "lapsed": state.status is Status.LAPSED,
        "unfinished": not ended,
    }
    return state.status, [name for name in COUNTS if told[name]]


def _is(verdict: Step | None, name: EventName, *, remark: bool) -> bool:
    if verdict is None or verdict.event != name:
        return False
    return bool(verdict.body.get("remark")) is remark


def since_opened(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps of a filing since it was last put on record: again after its year was annulled."""
    first = max(n for n, step in enumerate(steps) if step.event == EventName.SCHEDULED)
    return steps[first:]


class Summing:
    """Gathers the filings of a campaign, one after the other, into its summary."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._by_region: dict[str, Counter[str]] = {}
        self._by_authority: dict[str, Counter[str]] = {}
        self._filings: list[dict[str, Any]] = []

    def add(self, steps: Sequence[Step]) -> None:
        """Counts a filing by all its steps, in order."""
        since = since_opened(steps)
        status, counted = marks(since)
        assigned = [step for step in since if step.event == EventName.ASSIGNED]
        authority = assigned[-1].body["levels"][0]["authority"] if assigned else ""
        region = since[0].body.get("region", "")
        self._statuses[status.value] += 1
        self._counts.update(counted)
        self._by_region.setdefault(region, Counter()).update(counted)
        self._by_authority.setdefault(authority, Counter()).update(counted)
        last = steps[-1]
        self._filings.append(
            {
                "id": last.case_id,
                "status": status.value,
                "sequence": last.sequence,
                "head": last.hash,
            }
        )

    def document(self, campaign: Sequence[Step], sealed_at: str) -> dict[str, Any]:
        """The summary; ``campaign`` are the campaign's own steps up to its closing."""
        opened = [step for step in campaign if step.event == "campaign_opened"][-1]
        return {
            "format": 1,
            "campaign": opened.case_id,
            "rule_sets": opened.body["rule_sets"],
            "opened_at": opened.at.isoformat(),
            "sealed_at": sealed_at,
            "sequence": campaign[-1].sequence,
            "head": campaign[-1].hash,
            "counts": _all(self._counts),
            "statuses": {name: self._statuses[name] for name in sorted(self._statuses)},
            "by_region": {key: _all(self._by_region[key]) for key in sorted(self._by_region)},
            "by_authority": {
                key: _all(self._by_authority[key]) for key in sorted(self._by_authority)
            },
            "filings": sorted(self._filings, key=lambda filing: str(filing["id"])),
        }


def _all(counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name in COUNTS}


# --- what may be published ------------------------------------------------------------------------

OUTCOMES = ("completed", "lapsed", "unfinished")
"""What filings are published as; each is one of them."""

TOTAL = "total"

Cells = dict[str, dict[str, int]]


def table(rows: Mapping[str, Iterable[Mapping[str, int]]]) -> Cells:
    """Outcomes by area, ``rows`` being the counts of what lies in each, with all totals."""
    cells = {
        name: {one: sum(counts[one] for counts in many) for one in OUTCOMES}
        for name, many in ((name, list(many)) for name, many in sorted(rows.items()))
    }
    cells[TOTAL] = {one: sum(row[one] for row in cells.values()) for one in OUTCOMES}
    for row in cells.values():
        row[TOTAL] = sum(row.values())
    return cells


def suppressed(cells: Cells, fewest: int) -> set[tuple[str, str]]:
    """Which cells are withheld: those of 1 to ``fewest`` - 1, and what would give them away.

    Rows and columns add up to their totals, so that a lone withheld cell could be worked out. Each
    gets the cheapest rectangle of withheld cells around it; then no cell follows from the others.
    """
    return protected(
        cells,
        {
            (row, column)
            for row, columns in cells.items()
            for column, number in columns.items()
            if 0 < number < fewest
        },
    )


def protected(
    cells: Cells, small: Set[tuple[str, str]], known: Set[tuple[str, str]] = frozenset()
) -> set[tuple[str, str]]:
    """The cells that are ``small``, and what is withheld with them so that none can be worked out.

    ``known`` cells hide nothing: everybody knows from elsewhere what stands there.
    """
    withheld = set(small)
    for row, column in sorted(withheld):
        if not _in_a_circle(withheld - known, row, column):
            withheld |= _around(cells, withheld, known, row, column)
    return withheld


def _around(
    cells: Cells,
    withheld: set[tuple[str, str]],
    known: Set[tuple[str, str]],
    row: str,
    column: str,
) -> set[tuple[str, str]]:
    corners = [
        corner
        for below in cells
        for beside in cells[row]
        if below != row and beside != column
        for corner in [{(row, beside), (below, column), (below, beside)}]
        if not corner & known
    ]
    # an empty cell hides little, and the grand total is wanted most
    most = cells[TOTAL][TOTAL] + 1

    def cost(corner: set[tuple[str, str]]) -> int:
        return sum(
            most * most if (r, c) == (TOTAL, TOTAL) else cells[r][c] or most
            for r, c in corner - withheld
        )

    return min(corners, key=lambda corner: (cost(corner), sorted(corner)), default=set())


def _in_a_circle(withheld: set[tuple[str, str]], row: str, column: str) -> bool:
    """Whether a withheld cell's row and column are joined by others: then it has no one value."""
    others = withheld - {(row, column)}
    rows, columns = {row}, set[str]()
    while True:
        more_columns = {c for r, c in others if r in rows} - columns
        more_rows = {r for r, c in others if c in columns | more_columns} - rows
        if not more_columns and not more_rows:
            return column in columns
        columns |= more_columns
        rows |= more_rows
