"""What only a batch of report numbers knows, and what is found out for it."""

from datetime import datetime

from domain.case.reminders import Reminded
from domain.case.state import CaseState, Findings
from domain.case.status import Status
from domain.decision import GateDecision
from domain.model import Recorded


class PendingUpload(Recorded):
    """An upload that is being read, or whose numbers the public cannot see yet.

    ``late``: it was the first of its quarter, and was received after the due date.
    """

    upload: str
    visible_from: datetime
    late: bool = False


class BatchState(Reminded):
    """``uploads_waiting`` are being read, ``unpublished`` accepted and not visible yet.

    ``numbers`` are on record and not withdrawn; ``overdue`` says that the due date passed without
    any.
    """

    uploads_waiting: tuple[PendingUpload, ...] = ()
    unpublished: tuple[PendingUpload, ...] = ()
    numbers: int = 0
    overdue: bool = False


Batch = CaseState[BatchState]
"""The state of a batch."""


class BatchFindings(Findings):
    """``gate`` is what the rules say of an upload; ``visible_from`` was written with a correction
    that has been made."""

    gate: GateDecision | None = None
    visible_from: datetime | None = None


def awaits_numbers(state: Batch) -> bool:
    """Whether a batch still lacks any report of its quarter: neither numbers nor a declaration."""
    return (
        state.status is Status.DRAFT
        and not state.submitted_before
        and not state.own.numbers
        and not state.own.uploads_waiting
    )
