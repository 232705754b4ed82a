"""Thousands of cases whose deadline is one instant: put on record a few at a time.

Each case keeps a timer of its own, spread far enough for the engine to bear all of them. Filings do
not wait for it: they are told that their time has come, no more at a time than leaves people's acts
near the head of every queue.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from time import monotonic

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.case.kind import next_timer, timed
from domain.case.workflow_messages import ACT, Act, Receipt
from domain.kinds import KINDS
from domain.refusals import Refused
from engine.client import ANSWER_WITHIN, WorkflowGone, translated
from services.clock import Clock
from services.repeated import repeated
from services.revival import start_from_record
from store import cases, journal, unfinished
from store.database import beside

log = structlog.get_logger()

EVERY = 3.0
"""Seconds between two looks."""

AT_ONCE = 16
"""So many cases at a time: whoever acts meanwhile waits behind no more than these."""

_PAGE = 200
_LATER = 60.0
_PASSED = timedelta(seconds=1)
"""By then it has passed on every clock."""


class Deadlines:
    """Tells cases that their time has come; of any number of processes one does so at a time."""

    def __init__(self, client: Client, engine: AsyncEngine, clock: Clock) -> None:
        self._client = client
        self._engine = engine
        self._clock = clock
        # when those are tried again that could not be told
        self._again: dict[str, float] = {}

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks from time to time."""
        return repeated(self.look, first=EVERY, every=EVERY, failed="deadlines_not_looked_at")

    async def look(self) -> None:
        """Tells every case that is due now, each once."""
        if not await self._due(None):
            self._again.clear()
            return
        async with beside(self._engine) as connection:
            if not await unfinished.alone(connection, "deadlines"):
                return
            after = None
            while page := await self._due(after):
                after = page[-1]
                gate = asyncio.Semaphore(AT_ONCE)
                await asyncio.gather(*(self._told(one.case_id, gate) for one in page))

    # --- private steps -----------------------------------------------------------------------

    async def _due(self, after: unfinished.Due | None) -> list[unfinished.Due]:
        async with self._engine.connect() as connection:
            return await unfinished.due(connection, self._clock() - _PASSED, after, _PAGE)

    async def _told(self, case_id: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            if self._again.get(case_id, 0) > monotonic():
                return
            self._again.pop(case_id, None)
            try:
                await self._tell(case_id)
                return
            except (Refused, WorkflowGone) as failure:
                # somebody was first, or its process is for the reconciler; its own timer is left
                log.info("deadline_left_to_its_timer", case_id=case_id, why=repr(failure))
            except Exception:
                # one case that cannot be read must not keep the others waiting
                log.exception("deadline_left_to_its_timer", case_id=case_id)
            self._again[case_id] = monotonic() + _LATER

    async def _tell(self, case_id: str) -> None:
        """Gives a case the command that its timer would give it."""
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, case_id)
            steps = await journal.steps(connection, case_id)
        assert case is not None
        now, kind = self._clock(), KINDS[case.kind]
        start = start_from_record(case, steps, now)
        timer = next_timer(kind, kind.state(start.carried.state), case.plan)
        command = timed(timer, case.sequence) if timer is not None and timer.at < now else None
        if command is None or not command.unhurried:
            return
        known = command.model_copy(update={"seen_sequence": case.sequence})
        async with translated():
            await self._client.get_workflow_handle(case_id).execute_update(
                ACT,
                Act.of(known),
                id=command.id,
                result_type=Receipt,
                rpc_timeout=ANSWER_WITHIN,
            )
