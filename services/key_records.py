"""Signing keys on record: when each was made and given up, and the public half that it had then.

Keys are made in folders, on machines that may reach no database. Whoever makes one where the
record can be reached puts it there; a worker puts there what it finds in the folders it signs with.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import SYSTEM, Actor
from domain.signing_keys import KeyPurpose
from services.certificates.keys import SigningKeys
from services.clock import Clock
from services.repeated import repeated
from store import journal

KEYS = "register/keys"
"""The chain that tells of every key."""

_FIRST, _EVERY = 5.0, 900.0


class KeyRecords:
    """Puts on record which keys there are in the folders that a system signs with."""

    def __init__(
        self, engine: AsyncEngine, folders: Mapping[KeyPurpose, Path], clock: Clock
    ) -> None:
        self._engine = engine
        self._folders = folders
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks from time to time."""
        return repeated(self.note, first=_FIRST, every=_EVERY, failed="keys_not_noted")

    async def note(self, actor: Actor = SYSTEM) -> None:
        """Puts there what is not yet on record; a key that is stays as it was first told of."""
        for purpose, folder in self._folders.items():
            published = SigningKeys(folder).published()
            async with self._engine.begin() as connection:
                for key in published.keys:
                    said = {"purpose": purpose.value, "key": key.id, "public_key": key.public_key}
                    for event, day in (("key_made", key.first), ("key_retired", key.retired)):
                        if day is None:
                            continue
                        await journal.append_operator_step(
                            connection,
                            KEYS,
                            event,
                            actor,
                            self._clock(),
                            {**said, "day": day.isoformat()},
                            f"{event}:{purpose.value}:{key.id}",
                        )
