"""Duties beside the filing itself: who has to do what by when, and how one sees that it is done."""

from datetime import date
from enum import StrEnum

from domain.citation import Citation
from domain.model import Value
from domain.working_days import Term


class DutyMeasure(StrEnum):
    """What tells whether a duty is done; ``by_hand`` is what no figure of the system shows."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    COMPLETED = "completed"
    NO_NON_FILERS = "no_non_filers"
    BY_HAND = "by_hand"


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
