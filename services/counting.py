"""Counts of what the public asks: gathered in memory, added to the tables from time to time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Generic, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger()

FLUSH_EVERY = 5.0
"""Seconds between two additions to the counts."""

What = TypeVar("What", bound=Hashable)


class Counting(Generic[What]):
    """Counts things; ``add`` puts their numbers on top of what the database has."""

    def __init__(
        self,
        engine: AsyncEngine,
        add: Callable[[AsyncConnection, Mapping[What, int]], Awaitable[None]],
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._add = add
        self._counts: Counter[What] = Counter()

    def count(self, what: What) -> None:
        """Counts one."""
        self._counts[what] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Adds from time to time, and at the end."""
        flushing = asyncio.create_task(self._keep_flushing())
        try:
            yield
        finally:
            flushing.cancel()
            with suppress(asyncio.CancelledError):
                await flushing
            await self.flush()

    async def flush(self) -> None:
        """Adds what was counted since; what cannot be added now is kept."""
        counted, self._counts = self._counts, Counter()
        if not counted:
            return
        try:
            async with self._engine.connect() as connection:
                await self._add(connection, counted)
        except (SQLAlchemyError, OSError):
            self._counts.update(counted)
            log.exception("counts_not_added")
        except BaseException:
            self._counts.update(counted)
            raise

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self.flush()
