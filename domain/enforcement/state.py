"""What only enforcement knows of a case, and what happens to one."""

from datetime import datetime
from enum import StrEnum

from domain.case.plan import CasePlan
from domain.case.state import CaseState
from domain.enforcement.commands import (
    Ending,
    Stage,
)
from domain.enforcement.consequences import EnforcementTerms, MeasureTerms
from domain.model import Recorded


class EnforcementEvent(StrEnum):
    """What happens to cases of enforcement."""

    OPENED = "enforcement_opened"
    PROPOSED = "measure_proposed"
    NOTICED = "prior_notice_given"
    STATED = "statement_made"
    DECIDED = "measure_decided"
    DISMISSED = "measure_dismissed"
    SERVED = "decision_served"
    TOOK_EFFECT = "measure_took_effect"
    HANDED_OVER = "file_handed_over"
    OBJECTED = "objection_raised"
    ANSWERED = "objection_answered"
    ANSWER_LATE = "objection_answer_late"
    ENDED = "measure_ended"


class EnforcementState(Recorded):
    """What only this kind knows of a case; instants are first instants after their terms."""

    stage: Stage = Stage.OPENED
    measure: str = ""
    opened_at: datetime | None = None
    decision_due: datetime | None = None
    statement_due: datetime | None = None
    statements: int = 0
    service_due: datetime | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    objecting: bool = False
    objection_due: datetime | None = None
    answer_late: bool = False
    ended_by: Ending | None = None


State = CaseState[EnforcementState]


def terms_of(p: CasePlan) -> EnforcementTerms:
    """What a case of enforcement runs on."""
    assert p.enforcement is not None
    return p.enforcement


def chosen(s: State, p: CasePlan) -> MeasureTerms:
    """The measure that was proposed."""
    measure = terms_of(p).measure(s.own.measure)
    assert measure is not None
    return measure
