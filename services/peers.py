"""What is usual among peers in a year, counted once a day from what stands submitted."""

import asyncio
from datetime import date, datetime, time
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.clock import BEIJING, day_of
from rules.filing.forms.context import PeerRange
from rules.filing.forms.model import Form
from rules.filing.forms.peers import names_compared, ranges
from services.clock import Clock
from store import peers
from store.sight import seen_by

log = structlog.get_logger()

Ranges = dict[tuple[str, str], PeerRange]

PATIENCE = 3.0
"""Seconds that a report waits for today's figures, before it goes on with those of before."""


class PeerService:
    """Gives the ranges of the day: of what was submitted before its first instant in Beijing."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[tuple[int, str, str], tuple[date, Ranges]] = {}
        self._counting: dict[tuple[int, str, str], asyncio.Task[Ranges]] = {}

    async def ranges(self, year: int, part: str, form: Form) -> Ranges:
        """The ranges of a part's form; empty as long as nobody has been compared."""
        if not names_compared(form):
            return {}
        key, today = (year, part, form.sha256), day_of(self._clock())
        day, known = self._known.get(key, (None, {}))
        if day == today:
            return known
        task = self._counting.get(key)
        if task is None:
            task = asyncio.create_task(self._count(key, form, today))
            self._counting[key] = task
            task.add_done_callback(lambda _: self._counting.pop(key, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE)
        except Exception as failure:
            # a range only points at figures: no filing waits for it
            log.warning("peers_not_counted", error=type(failure).__name__)
            return known

    async def _count(self, key: tuple[int, str, str], form: Form, today: date) -> Ranges:
        year, part, _ = key
        before = datetime.combine(today, time(), BEIJING)
        names = sorted(names_compared(form))
        # what is usual is counted over all; whoever asked for it first sees ranges alone
        with seen_by(None):
            contents = await self._submitted(year, part, names, before)
        found = await asyncio.to_thread(ranges, form, contents)
        self._known[key] = (today, found)
        return found

    async def _submitted(
        self, year: int, part: str, names: list[str], before: datetime
    ) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = []
        async with self._engine.connect() as connection:
            async for values in peers.submitted(connection, year, part, names, before):
                contents.append(values)
        return contents
