"""What opening a campaign would do, before anybody opens it. Reads only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.plan import FOREVER, Window
from domain.decision import RuleSetRef
from domain.ids import campaign_id
from domain.jurisdictions import Tree
from domain.model import Value
from domain.numbers.quarters import Period
from rules.compiled import CompiledRules
from services.campaigns.considering import consider, filing_closes, windows_of
from services.starts import id_of
from store import cases, institutions, legal_persons

_PAGE = 2_000


class WindowState(StrEnum):
    """Where an instant lies beside a window."""

    AHEAD = "ahead"
    OPEN = "open"
    CLOSED = "closed"


class WindowForecast(Value):
    """A window of the rules as it stands at the moment asked about.

    ``closes`` is the first instant after it, None where no rule closes it.
    """

    opens: datetime
    closes: datetime | None
    state: WindowState


class Counts(Value):
    """How many institutions must and may file, are outside the statistics or have no rules.
    For ``uncomputable`` ones a condition of the rules comes to no result.

    ``elsewhere`` have their filing in another campaign of the same period already. ``would_lapse``
    must file and could not any more: their filling window has closed.
    """

    must: int = 0
    may: int = 0
    outside: int = 0
    without_rules: int = 0
    uncomputable: int = 0
    elsewhere: int = 0
    would_lapse: int = 0


class PlaceForecast(Counts):
    """The counts of one jurisdiction, and the rule sets that govern within it, by their ids."""

    name: str
    rule_sets: tuple[str, ...]


class Forecast(Counts):
    """What opening a campaign at ``as_of`` would do; ``by_jurisdiction`` one level below it.

    ``opened`` says that there is such a campaign already. ``windows`` are those of its own rules.
    """

    period: str
    jurisdiction: str
    as_of: datetime
    opened: bool
    institutions: int
    windows: dict[str, WindowForecast]
    rule_sets: dict[str, RuleSetRef]
    by_jurisdiction: dict[str, PlaceForecast]


async def forecast(
    connection: AsyncConnection,
    rule_sets: Mapping[str, CompiledRules],
    names: Mapping[str, str],
    period: Period,
    jurisdiction: str,
    now: datetime,
    *,
    opened: bool,
) -> Forecast:
    """Goes through the register as a launch would, and writes nothing.

    ``rule_sets`` are those that the campaign would pin, by jurisdiction; ``names`` those of areas.
    """
    tree = rule_sets[jurisdiction].document.tree
    by_place: dict[str, Counter[str]] = {}
    governing: dict[str, set[str]] = {}
    closings = {
        place: filing_closes(windows_of(rules, period)).closes for place, rules in rule_sets.items()
    }
    after, total = "", 0
    while page := await institutions.page(connection, after, _PAGE, jurisdiction):
        after, total = page[-1].facts.id, total + len(page)
        must: list[tuple[str, str, bool]] = []
        ids = [one.facts.id for one in page]
        with_others = await legal_persons.filing_with_others(connection, period, ids)
        for institution in page:
            facts = institution.facts_for(None)
            outcome, place, _ = consider(
                rule_sets, jurisdiction, facts, period, facts.institution.id in with_others
            )
            below = area_below(tree, jurisdiction, facts.institution.region)
            counted = by_place.setdefault(below, Counter())
            if place:
                governing.setdefault(below, set()).add(rule_sets[place].ref.id)
            if outcome != "must":
                counted[outcome] += 1
                continue
            closed = now >= closings[place]
            must.append((id_of(period, facts.institution.id), below, closed))
        case_ids = [case_id for case_id, _, _ in must]
        present = await cases.standing_campaigns_of(connection, case_ids)
        own = campaign_id(period, jurisdiction)
        for case_id, below, closed in must:
            counted = by_place[below]
            if present.get(case_id, own) != own:
                counted["elsewhere"] += 1
                continue
            counted["must"] += 1
            counted["would_lapse"] += closed and case_id not in present
    return Forecast(
        **_counts(by_place.values()),
        period=str(period),
        jurisdiction=jurisdiction,
        as_of=now,
        opened=opened,
        institutions=total,
        windows=_windows(rule_sets[jurisdiction], period, now),
        rule_sets={place: rules.ref for place, rules in sorted(rule_sets.items())},
        by_jurisdiction={
            place: PlaceForecast(
                **counted,
                name=names.get(place, place),
                rule_sets=tuple(sorted(governing.get(place, ()))),
            )
            for place, counted in sorted(by_place.items())
        },
    )


def area_below(tree: Tree, jurisdiction: str, region: str) -> str:
    """The area directly below a jurisdiction that a region is or lies in; itself for its own."""
    below = region
    for area in tree.upwards(region):
        if area == jurisdiction:
            return below
        below = area
    # a region that is not below the jurisdiction in the tree of its rules
    return jurisdiction


def _counts(places: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counted in places:
        total.update(counted)
    return dict(total)


def _windows(rules: CompiledRules, period: Period, now: datetime) -> dict[str, WindowForecast]:
    return {name: _window(window, now) for name, window in windows_of(rules, period).items()}


def _window(window: Window, now: datetime) -> WindowForecast:
    state = WindowState.OPEN if window.holds(now) else WindowState.CLOSED
    if now < window.opens:
        state = WindowState.AHEAD
    closes = window.closes if window.closes < FOREVER else None
    return WindowForecast(opens=window.opens, closes=closes, state=state)
