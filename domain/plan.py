"""The small plan a case runs on: instants, checker, obligation; all of it from the rules."""

from datetime import datetime

from domain.citation import Citation
from domain.decision import Obligation, RuleSetRef
from domain.model import Recorded


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


class FilingPlan(Recorded):
    """What one annual filing runs on, fixed at its start with the rule set's sha256.

    ``fill`` takes first submissions; ``supplement`` (补报) late first submissions; ``correct`` what
    was returned; ``review`` reviewers' acts; ``quality``, where stated, the quality check.
    ``lapse_unapproved``: a filing not approved when ``review`` closes lapses; otherwise it waits
    for an extension. ``checker`` is None when the rules know no quality check.
    """

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
