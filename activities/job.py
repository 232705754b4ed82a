"""Works through the cases of a bulk job; each one's outcome is in the database."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.jobs import WORK_THROUGH_JOB, JobAction, JobStart, JobState, command_id, command_of
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.enforcement.cases import EnforcementService
from services.jobs import LATER
from store import cases, jobs
from store.cases import Case
from store.jobs import Job

_PAGE = 200
_AT_ONCE = 8
"""Acts under way at once: people's own acts come in between."""


class JobActivities:
    """The activity of jobs, with what it needs to act."""

    def __init__(self, engine: AsyncEngine, acting: EnforcementService, clock: Clock) -> None:
        self._engine = engine
        self._acting = acting
        self._clock = clock

    @activity.defn(name=WORK_THROUGH_JOB)
    async def work_through_job(self, start: JobStart) -> None:
        """Acts on all cases that wait; goes on wherever it stopped before."""
        async with self._engine.connect() as connection:
            job = await jobs.by_id(connection, start.job_id)
        if job is None:
            raise ApplicationError("no such job", non_retryable=True)
        while True:
            async with self._engine.connect() as connection:
                going_on = await jobs.state_of(connection, job.id) is JobState.RUNNING
                waiting = await jobs.waiting(connection, job.id, _PAGE)
            if not going_on:
                return
            if not waiting:
                break
            for first in range(0, len(waiting), _AT_ONCE):
                if await self._stopped(job):
                    return
                at_once = waiting[first : first + _AT_ONCE]
                await asyncio.gather(*(self._settle(job, *item) for item in at_once))
                activity.heartbeat()
        async with self._engine.begin() as connection:
            await jobs.set_state(connection, job.id, JobState.DONE, self._clock())

    # --- private steps -----------------------------------------------------------------------

    async def _stopped(self, job: Job) -> bool:
        async with self._engine.connect() as connection:
            return await jobs.state_of(connection, job.id) is not JobState.RUNNING

    async def _settle(self, job: Job, number: int, case_id: str) -> None:
        """Acts on one case. Raises Refused when nobody answers: it is tried again."""
        async with self._engine.connect() as connection:
            case = await cases.by_id(connection, case_id)
        sequence, refusal = None, None
        if case is None:
            refusal = Refusal(code=Code.NOT_FOUND, params={"what": case_id})
        else:
            try:
                sequence = await self._act(job, number, case)
            except Refused as refused:
                if refused.refusal.code in LATER:
                    raise
                refusal = refused.refusal
        async with self._engine.begin() as connection:
            await jobs.settle(
                connection, job.id, number, self._clock(), sequence=sequence, refusal=refusal
            )

    async def _act(self, job: Job, number: int, case: Case) -> int | None:
        """The step that it led to, None for a case of enforcement that was opened about it."""
        if job.order.action is JobAction.OPEN_ENFORCEMENT:
            key = command_id(job.id, number)
            await self._acting.open(case.case_id, job.order.actor, key, alone=True)
            return None
        command = command_of(job.order, job.id, number, self._clock())
        return (await self._acting.act(case, command)).sequence
