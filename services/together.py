"""What all processes together have had of a limit, counted in the database by shares of it."""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.clock import Clock
from services.keys import Keyring, Purpose, derived
from services.requests import AWAY
from store import tries

log = structlog.get_logger()

SHARES = 50
"""A process tells of each so manyth part of a limit that somebody has used up: those who ask as
people do are never told of, and n processes let through at most n of these parts more."""

_MOST_AT_ONCE = 4


class Together:
    """Adds up what processes have counted by themselves, while they go on answering.

    Nothing waits for it. Without the database each process goes by its own count.
    """

    def __init__(self, engine: AsyncEngine, keyring: Keyring, clock: Clock) -> None:
        self._engine = engine
        self._keyring = keyring
        self._clock = clock
        self._full: dict[str, float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def until(self, what: str, now: float) -> float:
        """Until when something has been used up by all; 0 where that is not known of it."""
        ends = self._full.get(what, 0.0) if self._full else 0.0
        if 0.0 < ends <= now:
            del self._full[what]
            return 0.0
        return ends

    def tell(self, what: str, share: int, limit: int, ends: float) -> None:
        """Tells that a share of a limit was used up here, in a window that ends then."""
        if len(self._telling) >= _MOST_AT_ONCE:
            # the database is slow: it is not made slower
            return
        task = asyncio.create_task(self._told(what, share, limit, ends))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def settled(self) -> None:
        """Waits for what is being told."""
        await asyncio.gather(*self._telling)

    async def _told(self, what: str, share: int, limit: int, ends: float) -> None:
        now = self._clock()
        key = derived(self._keyring, Purpose.LINKS, now, f"together|{what}")
        try:
            async with self._engine.begin() as connection:
                number, over = await tries.count(
                    connection, key, now, datetime.fromtimestamp(ends, UTC), share
                )
        except AWAY as failure:
            log.warning("counted_alone", error=type(failure).__name__)
            return
        if number >= limit:
            instant = now.timestamp()
            # what is over is forgotten here as well, and so there are never many
            self._full = {one: until for one, until in self._full.items() if until > instant}
            self._full[what] = over.timestamp()
