"""Which steps of cases are told to people by a notice."""

from domain.case.reminders import REMINDED, REMINDER_SERVED
from domain.filing.questions import QUESTION_ANSWERED, QUESTION_ASKED, QUESTION_REOPENED
from domain.filing.returning import RETURN_ASKED, RETURN_DECLINED

TOLD: frozenset[str] = frozenset(
    {
        REMINDED,
        REMINDER_SERVED,
        QUESTION_ASKED,
        QUESTION_ANSWERED,
        QUESTION_REOPENED,
        RETURN_ASKED,
        RETURN_DECLINED,
    }
)
"""Events of cases that lead to a notice; the journal's writer marks them in the outbox."""
