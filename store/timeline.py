"""Everything a case's timeline is made of, read together."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.timeline import Entry, Telling, entries
from domain.kinds import kind_of
from domain.operator_events import OPERATOR_EVENTS
from store import confirmations, content, journal, refusals


async def of_case(connection: AsyncConnection, case_id: str, *, with_notes: bool) -> list[Entry]:
    """The timeline of a case; empty for one that is not on record.

    Without ``with_notes``, only the reasons of operators are shown: a reviewer's may quote figures.
    """
    steps = await journal.steps(connection, case_id)
    shown = [step.note_sha256 for step in steps if with_notes or step.actor.role == "operator"]
    notes = await content.notes_by_sha256(connection, [sha256 for sha256 in shown if sha256])
    kind = kind_of(case_id)
    events: Mapping[str, Telling] = OPERATOR_EVENTS if kind is None else kind.events
    commands = {} if kind is None else kind.commands
    actions = {name: rule.command.label for name, rule in commands.items()}
    refused = await refusals.of_case(connection, case_id)
    confirmed = await confirmations.confirmed(connection, {step.command_id for step in steps})
    return entries(events, actions, steps, refused, notes, confirmed)
