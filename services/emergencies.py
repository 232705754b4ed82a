"""Break-glass: what somebody did to the database as its superuser, as they tell it themselves.

Nothing of it can be seen from inside; so it is put on record before and after, by whoever acted,
with whoever watched. What differs from that shows in `zhibao audit verify`.
"""

import hashlib
import secrets

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from domain.confirmations import person_of
from domain.refusals import Code, Refusal, Refused, unseen
from services.clock import Clock
from store import content, journal

BEGUN, ENDED = "glass_broken", "glass_mended"


class EmergencyService:
    """Puts an emergency's begin and end on record, each emergency in a chain of its own."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def begin(self, actor: Actor, watched_by: str, reason: str, statements: bytes) -> str:
        """Before anything is done: why, who watches, what is going to be run. The emergency's id.

        Raises Refused where nobody else watches.
        """
        if person_of(watched_by) == person_of(actor.subject):
            own = {"person": person_of(actor.subject)}
            raise Refused(Refusal(code=Code.OWN_PROPOSAL, params=own))
        id_ = secrets.token_hex(8)
        await self._record(id_, BEGUN, actor, watched_by, reason, statements)
        return id_

    async def end(self, id_: str, actor: Actor, outcome: str, statements: bytes) -> None:
        """After it is done: what came of it, what was run in the end. Raises Refused: unknown id.

        Told again, the first telling stands.
        """
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, _chain(id_))
        if not steps:
            raise Refused(unseen())
        await self._record(id_, ENDED, actor, steps[0].body["watched_by"], outcome, statements)

    async def _record(
        self,
        id_: str,
        event: str,
        actor: Actor,
        watched_by: str,
        told: str,
        statements: bytes,
    ) -> None:
        body = {
            "watched_by": watched_by,
            "statements_sha256": hashlib.sha256(statements).hexdigest(),
        }
        async with self._engine.begin() as connection:
            note = await content.save_note(connection, {"reason": told})
            await journal.append_operator_step(
                connection,
                _chain(id_),
                event,
                actor,
                self._clock(),
                body,
                event,
                note_sha256=note,
            )


def _chain(id_: str) -> str:
    return f"emergency/{id_}"
