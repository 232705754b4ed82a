"""Reminders: those that time gives, and the 催报 that an authority serves on who has not filed."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from domain.case.checks import expect, needs_note, wrong_status
from domain.case.commands import Remind, Role, ServeReminder
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import EventRule, changes_nothing, rule
from domain.case.plan import CasePlan, Reminder
from domain.case.state import (
    CaseState,
    Findings,
    Timer,
    closing,
    status_due,
    submission_closing,
)
from domain.case.status import Status
from domain.clock import day_of, first_instant
from domain.messages import closing_time
from domain.model import Recorded
from domain.notices import CHANNEL_LABELS, Channel
from domain.refusals import Code, Refusal

EXTENSION_END = "extension.end"
REMINDED = "reminded"
REMINDER_SERVED = "reminder_served"


class Reminded(Recorded):
    """What a case knows of its reminders: the ids of those that have been given."""

    reminded: tuple[str, ...] = ()


def reminder_timers(own: Reminded, reminders: Iterable[Reminder]) -> list[Timer]:
    """The reminders that are yet to be given."""
    return [
        Timer(reminder.at, Remind, {"reminder": reminder.id})
        for reminder in reminders
        if reminder.id not in own.reminded
    ]


_STILL = timedelta(days=1)
"""A reminder whose day came so shortly before its status is given all the same."""

_WITH_FILER = (Status.DRAFT, Status.RETURNED, Status.WITHDRAWN)
OWING = (*_WITH_FILER, Status.LAPSED)
"""Where a case stands whose filer can be reminded on record."""


class Due(NamedTuple):
    """A reminder of one case: its id there, when it is due, and what the plan says of it."""

    id: str
    at: datetime
    reminder: Reminder


def coming(s: CaseState[Reminded], p: CasePlan) -> list[Due]:
    """The reminders that a case in its present status has yet to give; of people who file it.

    What was due long before its status began is of no use to anybody any more.
    """
    mine = {
        Role.FILER: s.status in _WITH_FILER and (p.obligation.outcome == "must" or s.reopened),
        Role.REVIEWER: s.status is Status.IN_REVIEW,
    }
    return [
        due
        for reminder in p.reminders
        if mine.get(reminder.audience, False)
        for due in _dated(s, p, reminder)
        if due.id not in s.own.reminded and (s.since is None or due.at >= s.since - _STILL)
    ]


def _dated(s: CaseState, p: CasePlan, reminder: Reminder) -> list[Due]:
    if reminder.anchor == EXTENSION_END:
        if s.extended_until is None:
            return []
        last = day_of(s.extended_until - timedelta(microseconds=1))
        # each extension has reminders of its own
        at = first_instant(last + timedelta(days=reminder.days))
        return [Due(f"{reminder.id}@{last}", at, reminder)]
    name, _, edge = reminder.anchor.partition(".")
    window = p.stated().get(name)
    if window is None:
        return []
    extended = edge == "closing" and closing(window, s) > window.closes
    return [] if extended else [Due(reminder.id, reminder.at, reminder)]


def timers_of_filing(s: CaseState[Reminded], p: CasePlan) -> list[Timer]:
    """The timers of the reminders that come before the present status runs out."""
    ends = status_due(s, p)
    return [
        Timer(due.at, Remind, {"reminder": due.id})
        for due in coming(s, p)
        if ends is None or due.at < ends
    ]


def remind(
    s: CaseState[Reminded], p: CasePlan, m: Remind, now: datetime, _: Findings
) -> Decision | Refusal:
    """A reminder's day has come, and what the case waits for is not done."""
    due = next((one for one in coming(s, p) if one.id == m.reminder and one.at <= now), None)
    if due is None:
        return wrong_status(s, m.label)
    closes = (
        submission_closing(s, p)[0] if due.reminder.audience is Role.FILER else closing(p.review, s)
    )
    body = {
        "reminder": due.id,
        "label": due.reminder.label,
        "due": closes.isoformat(),
        "audience": due.reminder.audience.value,
    }
    return [PendingEvent(REMINDED, m.actor, body, due.reminder.cite)]


def _reminded(s: CaseState[Reminded], event: Event) -> dict[str, Any]:
    return s.own_with(reminded=(*s.own.reminded, event.body["reminder"]))


def _tell(body: Mapping[str, Any]) -> str:
    return f"{body['label']}，{closing_time(datetime.fromisoformat(body['due']))} 截止"


REMINDER_EVENTS = {REMINDED: EventRule("提醒报送", _reminded, _tell)}


# --- 催报 -----------------------------------------------------------------------------------------


def serve_reminder(
    s: CaseState, p: CasePlan, m: ServeReminder, now: datetime, _: Findings
) -> Decision | Refusal:
    """Whoever has to file, and has not, is reminded on record; before or after its window."""
    refusal = needs_note(m) or expect(s, m, *OWING)
    if refusal is not None:
        return refusal
    if p.obligation.outcome != "must":
        return Refusal(code=Code.NOT_OWED, cite=p.obligation.cite)
    closes, cite = submission_closing(s, p)
    body = {"channels": list(m.channels), "document": m.document, "due": closes.isoformat()}
    return [PendingEvent(REMINDER_SERVED, m.actor, body, cite)]


def _tell_served(body: Mapping[str, Any]) -> str:
    due = closing_time(datetime.fromisoformat(body["due"]))
    channels = [Channel.MESSAGE, *map(Channel, body["channels"])]
    over = "、".join(CHANNEL_LABELS[one] for one in dict.fromkeys(channels))
    document = f"，{body['document']}" if body["document"] else ""
    return f"以{over}催报{document}，{due} 截止"


SERVE_REMINDER = rule(
    ServeReminder, serve_reminder, {Role.OPERATOR, Role.REVIEWER}, {Status.LAPSED}
)
SERVED_EVENTS = {REMINDER_SERVED: EventRule("催报", changes_nothing, _tell_served)}
