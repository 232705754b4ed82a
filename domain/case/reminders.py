"""Reminders: those that time gives, and the 催报 that an authority serves on who has not filed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from domain.case.checks import expect, needs_note
from domain.case.commands import Remind, Role, ServeReminder
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import EventRule, changes_nothing, rule
from domain.case.plan import CasePlan, Reminder
from domain.case.state import CaseState, Findings, Timer, submission_closing
from domain.case.status import Status
from domain.messages import closing_time
from domain.model import Recorded
from domain.notices import CHANNEL_LABELS, Channel
from domain.refusals import Code, Refusal

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
    refusal = needs_note(m) or expect(
        s, m, Status.DRAFT, Status.RETURNED, Status.WITHDRAWN, Status.LAPSED
    )
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
