"""Everything a case's timeline is made of, read together."""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.timeline import Entry, entries
from store import content, journal, refusals


async def of_case(connection: AsyncConnection, case_id: str, *, with_notes: bool) -> list[Entry]:
    """The timeline of a case; empty for one that is not on record.

    Without ``with_notes``, only the reasons of operators are shown: a reviewer's may quote figures.
    """
    steps = await journal.steps(connection, case_id)
    shown = [step.note_sha256 for step in steps if with_notes or step.actor.role == "operator"]
    notes = await content.notes_by_sha256(connection, [sha256 for sha256 in shown if sha256])
    return entries(steps, await refusals.of_case(connection, case_id), notes)
