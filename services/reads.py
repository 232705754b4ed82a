"""Who has read what: audits, and contents that are not the reader's own, are steps on record.

Each reader has a chain of its own, so that readers do not wait for each other.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from services.clock import Clock
from store import journal


def chain_of(reader: Actor) -> str:
    """The chain of what somebody reads."""
    return f"reads/{reader.role.value}/{reader.subject}"


class Reads:
    """Puts on record what somebody has read."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def note(self, actor: Actor, event: str, what: str, command_id: str) -> None:
        """One reading: ``event`` is ``audited`` or ``content_read``, ``what`` says of what."""
        async with self._engine.begin() as connection:
            await journal.append_operator_step(
                connection,
                chain_of(actor),
                event,
                actor,
                self._clock(),
                {"what": what},
                command_id,
            )
