"""Which steps of cases are told to people by a notice."""

from domain.case.amending import AMENDED
from domain.case.reminders import REMINDED, REMINDER_SERVED
from domain.enforcement.state import EnforcementEvent
from domain.filing.attesting import SIGNER_ASKED, SIGNER_DEMANDED, SIGNER_EXCUSED
from domain.filing.questions import QUESTION_ANSWERED, QUESTION_ASKED, QUESTION_REOPENED
from domain.filing.returning import RETURN_ASKED, RETURN_DECLINED
from domain.filing.waiving import WAIVER_ASKED, WAIVER_DECLINED, WAIVER_GRANTED

PAPERS: frozenset[str] = frozenset(
    {
        EnforcementEvent.NOTICED,
        EnforcementEvent.DECIDED,
        EnforcementEvent.SERVED,
        EnforcementEvent.ANSWERED,
        EnforcementEvent.HANDED_OVER,
        EnforcementEvent.ENDED,
    }
)
"""Events of enforcement that make a document; most of them serve one."""

TOLD: frozenset[str] = frozenset(
    {
        REMINDED,
        REMINDER_SERVED,
        QUESTION_ASKED,
        QUESTION_ANSWERED,
        QUESTION_REOPENED,
        RETURN_ASKED,
        RETURN_DECLINED,
        AMENDED,
        WAIVER_ASKED,
        WAIVER_GRANTED,
        WAIVER_DECLINED,
        SIGNER_ASKED,
        SIGNER_EXCUSED,
        SIGNER_DEMANDED,
    }
)
"""Events of cases that lead to a notice in words."""

MARKED = TOLD | PAPERS
"""What the journal's writer marks in the outbox, so that it is told of."""
