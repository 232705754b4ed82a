"""What people are shown of their own record: what they did, have seen, were given and lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.events import Step
from domain.case.timeline import Telling
from domain.kinds import kind_of
from domain.operator_events import OPERATOR_EVENTS
from domain.own_record import OwnPart, person_chain
from store import own_record
from store.own_record import Narrowed as Narrowed


class OwnStep(NamedTuple):
    """One step: its label, about what, when, and by whom where that was somebody else.

    ``record`` is what it is part of, ``sequence`` its number there.
    """

    label: str
    what: str
    at: datetime
    by: str
    record: str
    sequence: int


class OwnRecord:
    """Reads one's own record."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(
        self,
        person: str,
        part: OwnPart,
        narrowed: Narrowed,
        after: tuple[datetime, str, int] | None,
        size: int,
    ) -> Sequence[OwnStep]:
        """Up to ``size`` steps of one part of a person's own record, the latest first."""
        async with self._engine.connect() as connection:
            steps = await own_record.of_person(connection, person, part, narrowed, after, size)
        return [_told(step, person) for step in steps]


def _told(step: Step, person: str) -> OwnStep:
    kind = kind_of(step.case_id)
    events: Mapping[str, Telling] = OPERATOR_EVENTS if kind is None else kind.events
    telling = events[step.event]
    own = step.case_id == person_chain(person) or step.case_id.startswith("reads/")
    told = telling.told(step.body)
    what = told if own else f"{step.case_id}　{told}".strip("　")
    by = "" if step.actor.subject == person else step.actor.subject
    return OwnStep(telling.label, what, step.at, by, step.case_id, step.sequence)
