"""Which steps of cases are told to people by a notice."""

from domain.case.reminders import REMINDED, REMINDER_SERVED
from domain.enforcement.state import EnforcementEvent

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

TOLD: frozenset[str] = frozenset({REMINDED, REMINDER_SERVED}) | PAPERS
"""Events of cases that lead to a notice; the journal's writer marks them in the outbox."""
