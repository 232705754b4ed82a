"""Keeps the histories of ended cases: the engine forgets them after its retention, an audit not."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from engine.codec import shown
from services.clock import Clock
from services.repeated import repeated
from store import archive, cases
from store.archive import Archived as Archived

log = structlog.get_logger()

EVERY = 60.0
"""Seconds between two looks for cases that have ended."""

_PAGE = 200
_SETTLED = timedelta(seconds=1)
"""A case that has ended just now may have a process that is about to end."""
_CLOSING = ("COMPLETED", "FAILED", "TERMINATED", "TIMED_OUT", "CANCELED", "CONTINUED_AS_NEW")


class Archiving:
    """Fetches histories from the engine and keeps them; any number of processes may do so."""

    def __init__(self, client: Client, engine: AsyncEngine, clock: Clock) -> None:
        self._client = client
        self._engine = engine
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Keeps from time to time what has ended since."""
        return repeated(self.archive_news, first=EVERY, every=EVERY, failed="not_archived")

    async def archive_news(self) -> int:
        """Keeps the histories of all cases that have ended since; returns of how many cases."""
        kept, after = 0, ""
        while True:
            async with self._engine.connect() as connection:
                before = self._clock() - _SETTLED
                page = await archive.waiting(connection, before, after, _PAGE)
            for case_id, _ in page:
                try:
                    kept += bool(await self.archive_case(case_id))
                except RPCError as failure:
                    log.warning("not_archived", case_id=case_id, status=failure.status.name)
                    return kept
            if len(page) < _PAGE:
                return kept
            after = page[-1][0]

    async def archive_case(self, case_id: str) -> list[Archived]:
        """Keeps the histories of one case that the engine still has; open runs as far as they are.

        Returns those that were not kept before.
        """
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, case_id)
        sequence = case.sequence if case is not None else 0
        new = []
        for history in await histories_of(self._client, case_id):
            run = kept_form(case_id, history, sequence)
            async with self._engine.begin() as connection:
                if await archive.keep(connection, run, self._clock()):
                    new.append(run)
        return new


def kept_form(case_id: str, history: WorkflowHistory, sequence: int) -> Archived:
    """A history as it is kept."""
    first, last = history.events[0], history.events[-1]
    name = EventType.Name(last.event_type)
    started = first.workflow_execution_started_event_attributes
    return Archived(
        case_id=case_id,
        run_id=started.original_execution_run_id,
        sequence=sequence,
        events=len(history.events),
        closed=name.endswith(_CLOSING),
        started_at=first.event_time.ToDatetime(tzinfo=UTC),
        content=history.to_json(),
    )


async def histories_of(client: Client, case_id: str) -> list[WorkflowHistory]:
    """The histories of all runs of a case that the engine still has, the earliest first.

    Nothing in them is hidden any more.
    """
    try:
        latest = await client.get_workflow_handle(case_id).fetch_history()
    except RPCError as failure:
        if failure.status is RPCStatusCode.NOT_FOUND:
            return []
        raise
    known = {_run(latest): latest}
    query = f"WorkflowId = '{case_id}'"
    async for one in client.list_workflows(query):
        if one.run_id not in known:
            handle = client.get_workflow_handle(case_id, run_id=one.run_id)
            try:
                known[one.run_id] = await handle.fetch_history()
            except RPCError as failure:
                if failure.status is not RPCStatusCode.NOT_FOUND:
                    raise
    codec = client.data_converter.payload_codec
    histories = [await shown(history, codec) for history in known.values()]
    return sorted(histories, key=lambda one: one.events[0].event_time.ToDatetime())


def _run(history: WorkflowHistory) -> str:
    started = history.events[0].workflow_execution_started_event_attributes
    return str(started.original_execution_run_id)
