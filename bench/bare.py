"""The bare limit: a workflow of a filing's shape with nothing in it, and a campaign's bare starts.

A start, one timer, four validated updates that each run one local activity which does nothing (the
first one two), a result. No input, no decision, no database.
"""

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import ClassVar

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

QUEUE = "bare"
ACTS = 4
_ONE_TRY = timedelta(seconds=30)


@activity.defn
async def nothing() -> None:
    """Does nothing."""


@workflow.defn(name="bare-life")
class BareLife:
    """The shape of an annual filing."""

    def __init__(self) -> None:
        self._acts = 0
        self._turn = asyncio.Lock()

    begun: ClassVar[int] = 0

    @workflow.run
    async def run(self) -> int:
        await _record()
        BareLife.begun += 1
        await workflow.wait_condition(lambda: self._acts == ACTS, timeout=timedelta(days=60))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._acts

    @workflow.update
    async def submit(self) -> int:
        """Like a submission: looks something up, then records."""
        async with self._turn:
            await _record()
            await _record()
            self._acts += 1
            return self._acts

    @submit.validator
    def check_submit(self) -> None:
        """Only the first act is a submission."""
        if self._acts:
            raise ApplicationError("submitted already")

    @workflow.update
    async def act(self) -> int:
        """Like any other act: records."""
        async with self._turn:
            await _record()
            self._acts += 1
            return self._acts

    @act.validator
    def check_act(self) -> None:
        """Other acts follow a submission."""
        if not self._acts:
            raise ApplicationError("not submitted")


async def _record() -> None:
    await workflow.execute_local_activity(nothing, start_to_close_timeout=_ONE_TRY)


@workflow.defn(name="bare-lapse")
class BareLapse:
    """The shape of a filing that lapses: it begins, and one timer ends it."""

    @workflow.run
    async def run(self, due: float) -> None:
        await _record()
        remaining = due - workflow.now().timestamp()
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: False, timeout=max(0.0, remaining))
        await _record()


class BareStarts:
    """The activity that starts many bare lives, as a campaign starts filings."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn
    async def start_many(self, prefix: str, number: int, at_once: int) -> tuple[float, float]:
        """Starts ``number`` bare lives, ``at_once`` at a time.

        Returns the seconds until all were started, and until all had had their first turn.
        """
        gate, before, since = asyncio.Semaphore(at_once), BareLife.begun, time.perf_counter()

        async def one(index: int) -> None:
            async with gate:
                await self._client.start_workflow(
                    BareLife.run, id=f"{prefix}-{index}", task_queue=QUEUE
                )
                activity.heartbeat()

        await asyncio.gather(*(one(index) for index in range(number)))
        started = time.perf_counter() - since
        while BareLife.begun - before < number:
            await asyncio.sleep(0.01)
            activity.heartbeat()
        return started, time.perf_counter() - since


@workflow.defn(name="bare-campaign")
class BareCampaign:
    """A campaign that only starts lives."""

    @workflow.run
    async def run(self, prefix: str, number: int, at_once: int) -> tuple[float, float]:
        return await workflow.execute_activity_method(
            BareStarts.start_many,
            args=[prefix, number, at_once],
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=60),
        )
