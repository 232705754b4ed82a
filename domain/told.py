"""Which steps of cases are told to people by a notice."""

from domain.case.reminders import REMINDED, REMINDER_SERVED

TOLD: frozenset[str] = frozenset({REMINDED, REMINDER_SERVED})
"""Events of cases that lead to a notice; the journal's writer marks them in the outbox."""
