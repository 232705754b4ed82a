"""The small plan a case runs on: instants, levels, checker, obligation; all from the rules."""

from datetime import date, datetime
from typing import Annotated, Generic, NamedTuple, TypeVar

from domain.case.commands import Role
from domain.citation import Citation
from domain.clock import BEIJING
from domain.decision import Obligation, ReviewLevel, RuleSetRef
from domain.enforcement.consequences import EnforcementTerms
from domain.model import Recorded
from domain.sampling import Sampling

FOREVER = datetime(2999, 1, 1, tzinfo=BEIJING)
"""Closes a window that no rule closes; no timer waits for it and no list shows it."""


class Window(Recorded):
    """A span of time, ``opens`` inside, ``closes`` the first instant no longer inside.

    The rules name inclusive days; ``2025-03-21`` as last day closes at 2025-03-22T00:00:00+08:00.
    """

    opens: datetime
    closes: datetime
    cite: Citation

    def holds(self, now: datetime) -> bool:
        """Whether ``now`` is inside."""
        return self.opens <= now < self.closes


class WindowRule(NamedTuple):
    """What is known of a window by its name: its Chinese label, and whose acts it is for."""

    label: str
    acts: Role


Span = TypeVar("Span")


class Windows(Recorded, Generic[Span]):
    """Every window there is, as whatever the spans of time are given in.

    ``fill`` takes first submissions; ``supplement`` (补报) late first submissions; ``correct`` what
    was returned; ``review`` reviewers' acts; ``quality``, where stated, the quality check.
    """

    fill: Annotated[Span | None, WindowRule("填报", Role.FILER)] = None
    supplement: Annotated[Span | None, WindowRule("补报", Role.FILER)] = None
    correct: Annotated[Span | None, WindowRule("修改", Role.FILER)] = None
    review: Annotated[Span | None, WindowRule("审核", Role.REVIEWER)] = None
    quality: Annotated[Span | None, WindowRule("质量审查", Role.CHECKER)] = None

    def stated(self) -> dict[str, Span]:
        """Those that there are here, by name."""
        spans = ((name, getattr(self, name)) for name in WINDOWS)
        return {name: span for name, span in spans if span is not None}


WINDOWS: dict[str, WindowRule] = {
    name: rule
    for name, field in Windows.model_fields.items()
    for rule in field.metadata
    if isinstance(rule, WindowRule)
}
"""The windows by name: what rule files, plans, the API and the pages show of them reads this."""


class Reminder(Recorded):
    """A dated reminder to whoever has not done by then what the case waits for.

    ``anchor`` is what its day is counted from, as the rules say it: ``fill.closing``; empty where
    nothing but the day counts. Of ``extension.end`` the day is known once there is an extension:
    ``days`` from its last, and ``at`` is `FOREVER`.
    """

    id: str
    label: str
    at: datetime
    cite: Citation
    audience: Role = Role.FILER
    anchor: str = ""
    days: int = 0


class NumberTerms(Recorded):
    """What a quarterly batch of report numbers runs on beside its windows.

    Dates of issue from ``first_day`` to ``last_day`` belong to it, both inside. A number is
    visible from 00:00 of the day ``days_until_visible`` days after the upload; 0: at once.
    ``longest`` is the greatest length of a number in characters.
    """

    quarter: str
    first_day: date
    last_day: date
    days_until_visible: int
    visible_cite: Citation
    longest: int


class CasePlan(Windows[Window]):
    """What one case runs on, fixed at its start with the rule set's sha256.

    ``lapse_unapproved``: a filing not approved when ``review`` closes lapses; otherwise it waits
    for an extension. ``checker`` is None when the rules know no quality check; ``checks`` are its
    levels where it has several, the first of them the checker's, and ``sample`` says how it draws
    where it does not check all. ``levels`` are the review levels where they are known from the
    start; a filing gets its own on submission.
    """

    year: int
    jurisdiction: str
    ruleset: RuleSetRef
    obligation: Obligation
    parts: tuple[str, ...] = ()
    fill: Window
    correct: Window
    review: Window
    lapse_unapproved: bool = True
    completion_cite: Citation
    checker: str | None = None
    checker_cite: Citation | None = None
    checks: tuple[ReviewLevel, ...] = ()
    sample: Sampling | None = None
    levels: tuple[ReviewLevel, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    numbers: NumberTerms | None = None
    enforcement: EnforcementTerms | None = None


NEEDED_WINDOWS = tuple(name for name in WINDOWS if CasePlan.model_fields[name].is_required())
"""The windows that no case can do without."""
