"""Ways to look at an inbox, kept for each person: the same on every device.

They are nobody's record but their owner's, so no step tells of them.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from services.clock import Clock
from store import saved_views
from store.saved_views import SavedView as SavedView

MOST = 10
"""So many are kept of one person; the oldest give way."""


class SavedViewService:
    """Keeps them."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock

    async def of(self, person: str) -> list[SavedView]:
        """A person's own, the latest first."""
        async with self._reads.connect() as connection:
            return await saved_views.of_person(connection, person)

    async def save(self, person: str, name: str, wanted: Mapping[str, str]) -> list[SavedView]:
        """Saves a filter under a name; one of the same name gives way, and so do the oldest."""
        async with self._engine.begin() as connection:
            await saved_views.save(connection, person, name, wanted, self._clock())
            kept = await saved_views.of_person(connection, person)
            if kept[MOST:]:
                await saved_views.forget(connection, person, [one.name for one in kept[MOST:]])
        return kept[:MOST]

    async def forget(self, person: str, name: str) -> list[SavedView]:
        """Forgets one; what nobody saved is forgotten already."""
        async with self._engine.begin() as connection:
            await saved_views.forget(connection, person, [name])
            return await saved_views.of_person(connection, person)
