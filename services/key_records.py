"""Keys on record: when each was made and given up, and the public half that it had then.

Keys are made in folders, on machines that may reach no database. Whoever makes one where the
record can be reached puts it there; a worker puts there what it finds in the folders that it has.
Of what is secret nothing is told, not even a hash.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import SYSTEM, Actor
from domain.clock import in_utc
from domain.signing_keys import KeyPurpose
from services.certificates.keys import SigningKeys
from services.clock import Clock
from services.repeated import repeated
from store import journal
from store.keyring import Keyring, Purpose

KEYS = "register/keys"
"""The chain that tells of every key."""

_FIRST, _EVERY = 5.0, 900.0


class _Told(NamedTuple):
    event: str
    body: dict[str, str]
    command_id: str


class KeyRecords:
    """Puts on record which keys there are in the folders of a system.

    ``folders`` are those it signs with, ``rings`` the one of `store.keyring`, if it has one.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        folders: Mapping[KeyPurpose, Path],
        rings: Path | None,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._folders = folders
        self._rings = rings
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks from time to time."""
        return repeated(self.note, first=_FIRST, every=_EVERY, failed="keys_not_noted")

    async def note(self, actor: Actor = SYSTEM) -> None:
        """Puts there what is not yet on record; a key that is stays as it was first told of."""
        async with self._engine.begin() as connection:
            for told in (*self._signing(), *self._of_rings()):
                await journal.append_operator_step(
                    connection, KEYS, told.event, actor, self._clock(), told.body, told.command_id
                )

    def _signing(self) -> Iterator[_Told]:
        for purpose, folder in self._folders.items():
            for key in SigningKeys(folder).published().keys:
                said = {"purpose": purpose.value, "key": key.id, "public_key": key.public_key}
                for event, day in (("key_made", key.first), ("key_retired", key.retired)):
                    if day is not None:
                        body = {**said, "day": day.isoformat()}
                        yield _Told(event, body, f"{event}:{purpose.value}:{key.id}")

    def _of_rings(self) -> Iterator[_Told]:
        if self._rings is None:
            return
        ring = Keyring(self._rings)
        for purpose in Purpose:
            for key in ring.keys(purpose):
                said = {"purpose": purpose.value, "key": key.id, "public_key": key.public}
                body = {**said, "starts": in_utc(key.starts)}
                yield _Told("ring_key_made", body, f"ring_key_made:{purpose.value}:{key.id}")
                if key.ends is None:
                    continue
                # an end may be brought forward: each is told
                ends = in_utc(key.ends)
                yield _Told(
                    "ring_key_ended",
                    {**said, "ends": ends},
                    f"ring_key_ended:{purpose.value}:{key.id}:{ends}",
                )
