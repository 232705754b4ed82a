"""Duties beside the filing itself: who has to do what by when, and how one sees that it is done."""

from datetime import date
from enum import StrEnum

from domain.citation import Citation
from domain.model import Value
from domain.working_days import Term

DUTY_REPORTED = "duty_reported"


class DutyMeasure(StrEnum):
    """What tells whether a duty is done.

    ``CERTIFICATES`` tells how many are on record, and not whether that is all of them;
    ``ROSTER_IMPORTED`` that a survey is done, and not that it is not: it may be on paper.
    ``BY_HAND`` is what no figure of the system shows.
    """

    SUBMITTED = "submitted"
    APPROVED = "approved"
    COMPLETED = "completed"
    CHECKED = "checked"
    NO_NON_FILERS = "no_non_filers"
    ROSTER_IMPORTED = "roster_imported"
    FIGURES_SUBMITTED = "figures_submitted"
    CERTIFICATES = "certificates"
    BY_HAND = "by_hand"


SAID = frozenset({DutyMeasure.ROSTER_IMPORTED, DutyMeasure.CERTIFICATES, DutyMeasure.BY_HAND})
"""What no figure alone decides: whoever's duty it is says on record that it is done."""


CERTIFICATES = "certificates"
"""Stands in a period's place for duties of the rules of certificates, which are of no year."""


def duty_journal(period: str, authority: str) -> str:
    """The journal's name for what an authority says of its duties: ``duties/2023/amr-350102``.

    ``period`` is a year, or `CERTIFICATES`.
    """
    return f"duties/{period}/{authority}"


class DutyTerm(Value):
    """So long from an event, which people name."""

    event: str
    term: Term


class Duty(Value):
    """One duty. ``due`` is its last day, ``term`` what runs from an event; at most one of both.

    ``who`` are ``nation``, ``province``, ``city``, ``county``, ``institution``, authorities' ids.
    ``share`` of whom it is about must be reached, as a decimal text, "" where none is asked.
    """

    id: str
    label: str
    who: tuple[str, ...]
    due: date | None = None
    term: DutyTerm | None = None
    once: bool = False
    years: tuple[int, ...] = ()
    measure: DutyMeasure = DutyMeasure.BY_HAND
    share: str = ""
    cite: Citation
