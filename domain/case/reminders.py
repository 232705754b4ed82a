"""Dated reminders, for the kinds of cases whose plan or content has some."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from domain.case.commands import Remind
from domain.case.events import Event
from domain.case.kind import EventRule
from domain.case.plan import Reminder
from domain.case.state import CaseState, Timer
from domain.messages import closing_time
from domain.model import Recorded

REMINDED = "reminded"


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
