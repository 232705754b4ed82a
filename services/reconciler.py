"""Engine and record agree: cases whose workflow has lost a step, or is gone, are carried on.

What stands in the journal has happened, whatever became of its workflow since: a worker that died
after the commit, an engine restored from an older copy, a process terminated, reset or deleted by
hand. Each pass compares what may be behind with the engine and carries it on from the record.

What a pass costs: one query of a workflow for each case moved since the pass before (a hundredth of
a request to the engine's list for one that is over), and once a minute one line of the database and
a hundredth of a request for each open case; so many are in memory at a time as stand on one page.
A case that cannot be read is left out and told of: the others go on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from domain.campaigns import process_id
from domain.case.kind import next_timer
from domain.case.status import ENDED
from domain.case.workflow_messages import CATCH_UP, SEQUENCE, CaseStart
from domain.kinds import KINDS, kind_of
from domain.model import Value
from domain.refusals import Refused
from services.campaigns.opening import start_again as campaign_from_record
from services.clock import Clock
from services.jobs import start_job
from services.repeated import repeated
from services.revival import start_from_record, starting_again
from services.rule_sets import PinnedRules
from store import campaigns, cases, jobs, journal, outbox, unfinished
from store.campaigns import Campaign
from store.unfinished import LastStep

log = structlog.get_logger()

EVERY = 15.0
"""Seconds between two passes."""

SWEEP_EVERY = 60.0
"""Seconds between two comparisons of all open cases with the engine's list, at least."""

_RESTS = 5
"""No more than one part in so many of the time goes into these comparisons."""

_AT_ONCE = 4
_PAGE = 500
_LISTED_AT_ONCE = 100
_ANSWER_WITHIN = timedelta(seconds=10)
_FIRST_LOOK = 2_000
"""How many of the newest steps are looked at when a worker starts."""
_ENDED_LATELY = timedelta(days=2)
_BROKEN_OFF = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.CANCELED,
)


class Behind(Value):
    """A case whose workflow is behind its record.

    ``record`` and ``engine`` are the last steps that each of them knows; ``engine`` is None where
    no workflow answers, and ``state`` says what became of it. ``done`` is what was done about it:
    ``started``, ``caught_up``, or nothing yet.
    """

    case_id: str
    record: int
    engine: int | None
    state: str
    done: str = ""


Asked = TypeVar("Asked", Behind, LastStep)


class Reconciler:
    """Looks for what is behind; any number of processes may do so at the same time."""

    def __init__(
        self, client: Client, engine: AsyncEngine, pinned: PinnedRules, clock: Clock
    ) -> None:
        self._client = client
        self._engine = engine
        self._pinned = pinned
        self._clock = clock
        self._seen: int | None = None
        self._newest = 0
        self._swept, self._sweep_took = -SWEEP_EVERY, 0.0
        self._broken_since: datetime | None = None
        # cases that rightly have no workflow, each with the last step it was so found at
        self._at_rest: dict[str, int] = {}
        self._carried_on = Runtime.default().metric_meter.create_counter(
            "zhibao_carried_on", "cases and campaigns whose workflow was behind the record"
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks from time to time."""
        return repeated(self.reconcile, first=EVERY, every=EVERY, failed="not_reconciled")

    async def reconcile(self) -> list[Behind]:
        """One pass: carries on what is behind, and tells what that was."""
        done: dict[str, Behind] = {}
        for look in (self._touched, self._left_over, self._broken_off, self._open):
            try:
                async for page in look():
                    new = [behind for behind in page if behind.case_id not in done]
                    for behind in await self._one_by_one(self._carry_on, new):
                        done[behind.case_id] = behind
            except RPCError as failure:
                # the engine's list may be away while the engine is there
                log.warning("not_compared", look=look.__name__, status=failure.status.name)
        await self._campaigns()
        await self._jobs()
        return list(done.values())

    async def sweep(self, *, closely: bool = False) -> AsyncIterator[Behind]:
        """Open cases that are behind: those without a workflow or, ``closely``, all of them."""
        async for page in self._pages(closely=closely):
            for behind in page:
                yield behind

    async def of_case(self, case_id: str) -> AsyncIterator[Behind]:
        """One case if it is behind."""
        for behind in await self._compared(await self._on_record([case_id])):
            yield behind

    # --- what may be behind ------------------------------------------------------------------

    async def _touched(self) -> AsyncIterator[list[Behind]]:
        """Cases that moved before the last pass: whoever moved them has had time to be told."""
        async with self._engine.connect() as connection:
            newest = await outbox.newest(connection)
            if self._seen is None:
                self._seen, self._newest = max(0, newest - _FIRST_LOOK), newest
            moved = await unfinished.moved(connection, self._seen, self._newest)
        for start in range(0, len(moved), _PAGE):
            page = moved[start : start + _PAGE]
            yield await self._compared([row for row in page if not row.over])
            # thousands that end at one instant are not asked one by one whether they have
            going_on = await self._running([row.case_id for row in page if row.over])
            yield await self._compared([row for row in page if row.case_id in going_on])
        self._seen, self._newest = self._newest, newest

    async def _broken_off(self) -> AsyncIterator[list[Behind]]:
        """Cases whose workflow was terminated, reset, or failed since the last pass."""
        now = self._clock()
        since = self._broken_since or now - timedelta(days=30)
        states = ", ".join(f"'{one.name.title().replace('_', '')}'" for one in _BROKEN_OFF)
        query = f"ExecutionStatus IN ({states}) AND CloseTime > '{since.isoformat()}'"
        ids = {one.id async for one in self._client.list_workflows(query, page_size=_PAGE)}
        yield await self._compared(await self._on_record(ids))
        # the list lags behind
        self._broken_since = now - timedelta(minutes=2)

    async def _left_over(self) -> AsyncIterator[list[Behind]]:
        """Ended cases with work left that no timer stands for."""
        async with self._engine.connect() as connection:
            left = await unfinished.with_work_left(connection)
        yield await self._compared(await self._on_record(left), work_left=True)

    async def _open(self) -> AsyncIterator[list[Behind]]:
        """All open cases, not in every pass."""
        began = monotonic()
        if began - self._swept < max(SWEEP_EVERY, self._sweep_took * _RESTS):
            return
        self._swept = began
        async for page in self._pages(closely=False):
            yield page
        self._sweep_took = monotonic() - began

    async def _pages(self, *, closely: bool) -> AsyncIterator[list[Behind]]:
        after, lately, seen = "", self._clock() - _ENDED_LATELY, set[str]()
        while True:
            async with self._engine.connect() as connection:
                page = await unfinished.open_cases(connection, lately, after, _PAGE)
            if not page:
                break
            after = page[-1].case_id
            if not closely:
                known = await self._running([row.case_id for row in page if not row.over])
                page = [row for row in page if not row.over and row.case_id not in known]
            yield await self._compared(page)
            seen |= self._at_rest.keys() & {row.case_id for row in page}
        # what no sweep comes upon any more needs no remembering
        self._at_rest = {id_: step for id_, step in self._at_rest.items() if id_ in seen}

    async def _on_record(self, ids: Iterable[str]) -> list[LastStep]:
        wanted = [one for one in ids if kind_of(one) is not None]
        async with self._engine.connect() as connection:
            return await unfinished.sequences(connection, wanted)

    async def _running(self, ids: Sequence[str]) -> set[str]:
        """Those of some cases that the engine lists as running; it may lag a little."""
        running: set[str] = set()
        for start in range(0, len(ids), _LISTED_AT_ONCE):
            listed = ", ".join(f"'{one}'" for one in ids[start : start + _LISTED_AT_ONCE])
            query = f"ExecutionStatus = 'Running' AND WorkflowId IN ({listed})"
            async for one in self._client.list_workflows(query, page_size=_LISTED_AT_ONCE):
                running.add(one.id)
        return running

    # --- comparing ---------------------------------------------------------------------------

    async def _compared(self, rows: Iterable[LastStep], *, work_left: bool = False) -> list[Behind]:
        async def compare(row: LastStep) -> Behind | None:
            return await self._compare(row.case_id, row.sequence, work_left)

        return await self._one_by_one(
            compare,
            [row for row in rows if self._at_rest.get(row.case_id) != row.sequence or work_left],
        )

    async def _one_by_one(
        self, work: Callable[[Asked], Awaitable[Behind | None]], asked: Iterable[Asked]
    ) -> list[Behind]:
        """What some work on each of several cases came to; a few are worked on at once."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def alone(one: Asked) -> Behind | None:
            async with gate:
                try:
                    return await work(one)
                except (RPCError, SQLAlchemyError, OSError):
                    raise
                except Refused as refused:
                    what = refused.refusal.params.get("what", "")
                    log.error("case_without_record", case_id=one.case_id, what=what)
                    return None
                except Exception:
                    # one case that cannot be read must not keep the others waiting
                    log.exception("case_not_reconciled", case_id=one.case_id)
                    return None

        done = await asyncio.gather(*(alone(one) for one in asked))
        return [behind for behind in done if behind is not None]

    async def _compare(self, case_id: str, record: int, work_left: bool) -> Behind | None:
        """What a case's workflow says of itself; None as long as it says nothing."""
        handle = self._client.get_workflow_handle(case_id)
        try:
            known: int = await handle.query(
                SEQUENCE,
                result_type=int,
                reject_condition=QueryRejectCondition.NOT_OPEN,
                rpc_timeout=_ANSWER_WITHIN,
            )
        except WorkflowQueryRejectedError as rejected:
            state = rejected.status
        except RPCError as failure:
            if failure.status is not RPCStatusCode.NOT_FOUND:
                return None
            state = None
        except WorkflowQueryFailedError:
            # its history is no history of this code: told something, it ends
            return Behind(case_id=case_id, record=record, engine=None, state="unreadable")
        else:
            if known > record and await self._is_ahead(case_id, known):
                return Behind(case_id=case_id, record=record, engine=known, state="ahead")
            if known >= record:
                return None
            return Behind(case_id=case_id, record=record, engine=known, state="running")
        if await self._at_rest_now(case_id, broken_off=state in _BROKEN_OFF or work_left):
            self._at_rest[case_id] = record
            return None
        told = state.name.lower() if state is not None else "missing"
        return Behind(case_id=case_id, record=record, engine=None, state=told)

    async def _is_ahead(self, case_id: str, known: int) -> bool:
        """Whether a workflow knows steps that the record, looked at after it, does not have."""
        return all(step.sequence < known for step in await self._on_record([case_id]))

    async def _at_rest_now(self, case_id: str, *, broken_off: bool) -> bool:
        """Whether a case rightly has no workflow: it has ended, and time brings nothing more."""
        if broken_off:
            # there may have been work left that only its workflow knows of
            return False
        try:
            start = await self._start(case_id)
        except (Refused, ValidationError, KeyError):
            # a row without steps, or of somebody else's making: nothing vouches for its rest
            return False
        kind = KINDS[start.opening.kind]
        state = kind.state(start.carried.state)
        timer = next_timer(kind, state, start.opening.plan)
        if timer is None:
            return state.status in ENDED
        return timer.command is None and timer.at <= self._clock()

    # --- carrying on -------------------------------------------------------------------------

    async def _carry_on(self, behind: Behind) -> Behind:
        handle = self._client.get_workflow_handle(behind.case_id)
        if behind.state == "ahead":
            # what it knows has been lost with the database: only what is on record has happened
            await handle.terminate("its steps are not on record", rpc_timeout=_ANSWER_WITHIN)
        elif behind.engine is not None or behind.state == "unreadable":
            await handle.signal(CATCH_UP, behind.record, rpc_timeout=_ANSWER_WITHIN)
            return self._told(behind.model_copy(update={"done": "caught_up"}))
        start = await self._start(behind.case_id)
        workflow = KINDS[start.opening.kind].workflow
        await self._client.start_workflow(
            workflow, start, rpc_timeout=_ANSWER_WITHIN, **starting_again(start)
        )
        return self._told(behind.model_copy(update={"done": "started"}))

    def _told(self, done: Behind) -> Behind:
        self._carried_on.add(1, {"done": done.done})
        log.warning("carried_on", **done.model_dump())
        return done

    async def _campaigns(self) -> None:
        """Campaigns that have not ended and whose workflow is gone are opened once more."""
        async with self._engine.connect() as connection:
            going_on = await campaigns.running(connection)
        for campaign in going_on:
            try:
                await self._campaign(campaign)
            except RPCError as failure:
                log.warning("not_compared", look="campaigns", status=failure.status.name)
                return
            except (SQLAlchemyError, OSError):
                raise
            except Exception:
                log.exception("campaign_not_reconciled", case_id=campaign.case_id)

    async def _campaign(self, campaign: Campaign) -> None:
        process = process_id(campaign.case_id, campaign.opening)
        handle = self._client.get_workflow_handle(process)
        try:
            state = (await handle.describe(rpc_timeout=_ANSWER_WITHIN)).status
        except RPCError as failure:
            if failure.status is not RPCStatusCode.NOT_FOUND:
                raise
            state = None
        if state is not None and state not in _BROKEN_OFF:
            return
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, campaign.case_id)
        opened = [step for step in steps if step.event == "campaign_opened"][-1]
        rules = await self._pinned.get(campaign.rule_set)
        await campaign_from_record(self._client, campaign, opened, rules)
        self._carried_on.add(1, {"done": "started"})
        log.warning("campaign_carried_on", case_id=campaign.case_id)

    async def _jobs(self) -> None:
        """Jobs that are to go on and have no process."""
        async with self._engine.connect() as connection:
            going_on = await jobs.running(connection)
        for id_ in going_on:
            await start_job(self._client, id_)

    # --- private steps -----------------------------------------------------------------------

    async def _start(self, case_id: str) -> CaseStart:
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, case_id)
            steps = await journal.steps(connection, case_id)
        assert case is not None
        return start_from_record(case, steps, self._clock())
