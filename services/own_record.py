"""What people are shown of their own record: what they did, have seen, were given and lost."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.events import Step
from domain.case.timeline import Telling
from domain.kinds import kind_of
from domain.operator_events import OPERATOR_EVENTS
from store import own_record

SHOWN = 50


class OwnStep(NamedTuple):
    """One step: its label, about what, when, and by whom where that was somebody else."""

    label: str
    what: str
    at: datetime
    by: str


class OwnRecord:
    """Reads one's own record."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, person: str) -> list[OwnStep]:
        """The latest `SHOWN` steps that are a person's own, or about their account."""
        async with self._engine.connect() as connection:
            steps = await own_record.of_person(connection, person, SHOWN)
        return [_told(step, person) for step in steps]


def _told(step: Step, person: str) -> OwnStep:
    kind = kind_of(step.case_id)
    events: Mapping[str, Telling] = OPERATOR_EVENTS if kind is None else kind.events
    telling = events[step.event]
    own = step.case_id.startswith((f"person/{person}", "reads/"))
    told = telling.told(step.body)
    what = told if own else f"{step.case_id}　{told}".strip("　")
    by = step.actor.subject
    return OwnStep(telling.label, what, step.at, "" if by == person else by)
