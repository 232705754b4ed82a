"""The small plan a case runs on: instants, levels, checker, obligation; all from the rules."""

from datetime import date, datetime, timedelta, timezone

from domain.citation import Citation
from domain.decision import Obligation, ReviewLevel, RuleSetRef
from domain.model import Recorded

FOREVER = datetime(2999, 1, 1, tzinfo=timezone(timedelta(hours=8)))
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


class Reminder(Recorded):
    """A dated reminder (催报) to a filer who has not submitted by then."""

    id: str
    label: str
    at: datetime
    cite: Citation


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


class CasePlan(Recorded):
    """What one case runs on, fixed at its start with the rule set's sha256.

    ``fill`` takes first submissions; ``supplement`` (补报) late first submissions; ``correct`` what
    was returned; ``review`` reviewers' acts; ``quality``, where stated, the quality check.
    ``lapse_unapproved``: a filing not approved when ``review`` closes lapses; otherwise it waits
    for an extension. ``checker`` is None when the rules know no quality check. ``levels`` are the
    review levels where they are known from the start; a filing gets its own on submission.
    """

    kind: str = "filing"
    year: int
    jurisdiction: str
    ruleset: RuleSetRef
    obligation: Obligation
    parts: tuple[str, ...] = ()
    fill: Window
    supplement: Window | None = None
    correct: Window
    review: Window
    quality: Window | None = None
    lapse_unapproved: bool = True
    completion_cite: Citation
    checker: str | None = None
    checker_cite: Citation | None = None
    levels: tuple[ReviewLevel, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    numbers: NumberTerms | None = None
