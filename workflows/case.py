"""What the workflows of all kinds of cases share: one update, timers, recording, continuing.

The workflow of a kind derives from `CaseWorkflow`. Its `run` tells the life of the case in steps
that stand here: `begin`, `goes_on`, `people_or_time`, `attempt`. It says how a case begins, what is
found out before a command is decided, and what work there is beside people's and time's. Each
accepted command is recorded by one local activity before its sender is answered.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import ClassVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.case.amending import AMENDED, ruled_by
    from domain.case.checks import wrong_status
    from domain.case.commands import Command
    from domain.case.events import Event, Step, event_of
    from domain.case.kind import CaseKind, evolve, next_timer, spread, timed
    from domain.case.opening import beginning, chain, opening_command, vouched
    from domain.case.review import check, decide
    from domain.case.state import Findings, Timer
    from domain.case.status import ENDED, Status
    from domain.case.workflow_messages import (
        ACT,
        CATCH_UP,
        READ_STEPS,
        RECORD_STEPS,
        SEQUENCE,
        Act,
        Carried,
        CaseOpening,
        CaseStart,
        ReadSteps,
        Receipt,
        RecordedSteps,
        RecordRequest,
        newest,
        receipt_of,
    )
    from domain.orders import UNSIGNED_START, Order
    from domain.refusals import Refusal

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=5),
    # what will not be better for being tried again: a value the database refuses, a broken chain
    non_retryable_error_types=[
        "DataError",
        "IntegrityError",
        "ProgrammingError",
        "JournalFork",
        "StepsRefused",
        "RuleSetMissing",
    ],
)
ONE_TRY = timedelta(seconds=30)
_TROUBLE = timedelta(minutes=10)
"""How long a timer waits that failed for good, before it tries again."""
_REVIVAL = timedelta(minutes=1)
_MOST_UPDATES_PER_RUN = 500
"""The engine takes 2,000 updates per run; a case that is moved more often continues as new."""


class CaseWorkflow:
    """See the module's text. A subclass is the workflow: it declares `run`, its name and kind."""

    kind: ClassVar[CaseKind]

    def __init__(self, start: CaseStart) -> None:
        self._start = start
        self._plan = start.opening.plan
        self._state = self.kind.state(start.carried.state)
        self._sequence = start.carried.sequence
        self._head = start.carried.head
        self._receipts = dict(start.carried.receipts)
        self._updates = 0
        self._out_of_time = False
        # what a run goes on with that followed on another was never sent to it
        self._sent = None if workflow.info().continued_run_id else start
        self._orders: tuple[Order, ...] = ()
        self._forged = False
        self._turn = asyncio.Lock()

    @property
    def orders(self) -> tuple[Order, ...]:
        """What was sent to this process and led to what is being done now."""
        if self._sent is None:
            return self._orders
        began = workflow.info().start_time
        return (*self._orders, Order.of(self._start.case_id, "start", self._sent, began))

    @property
    def status(self) -> Status:
        """Where the case stands."""
        return self._state.status

    # --- the steps that a run is told in -----------------------------------------------------

    async def begin(self) -> None:
        """Records what the case begins with; a revived one waits for whoever revives it."""
        if self._sequence == 0:
            async with self._turn:
                events = vouched(self._start, self.beginning())
                await self.record(self._opening_command(), events)
        if self._start.revived_by and self._over():
            await self._wait_for_reviver(self._start.revived_by)

    async def goes_on(self) -> bool:
        """Whether the case lives on. One that was moved often continues in a new run first."""
        if self._over() or self._worn():
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self._forged:
                # the reconciler starts it from its record
                raise ApplicationError(
                    "not started by the gateway", type=UNSIGNED_START, non_retryable=True
                )
            if self._over():
                return False
            self._continue_as_new()
        return True

    async def people_or_time(self) -> None:
        """Waits until somebody has moved the case, or its timer has."""
        timer = next_timer(self.kind, self._state, self._plan)
        if not await self._people_act_before(timer):
            assert timer is not None
            await self.attempt(lambda: self._on_time(timer))

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        """Takes a step that nobody waits for; one that fails for good is tried again later."""
        try:
            await step()
        except ActivityError:
            # the case stays: people can still act on it, and somebody will have to look
            workflow.logger.exception("a step could not be recorded")
            await workflow.sleep(_TROUBLE)

    @workflow.update(name=ACT)
    async def act(self, asked: Act) -> Receipt:
        """Takes one command; the receipt says which step it led to, again for a repeated one."""
        command = self._decoded(asked)
        self._updates += 1
        await workflow.wait_condition(lambda: self._sequence > 0)
        async with self._turn:
            if command.seen_sequence > self._sequence:
                await self._catch_up()
            while (known := self._receipts.get(command.id)) is None:
                await self._perform(command, asked)
            return known

    @act.validator
    def check_act(self, asked: Act) -> None:
        """Refuses before anything is written to the history. `act` decides again in its turn."""
        command = self._decoded(asked)
        behind = command.seen_sequence > self._sequence
        if command.id in self._receipts or self._turn.locked() or behind:
            return
        if self._sequence == 0:
            return
        refusal = check(self.kind, self._state, self._plan, command, workflow.now())
        if refusal is not None:
            raise refused(refusal)

    @workflow.signal(name=CATCH_UP)
    async def catch_up(self, sequence: int) -> None:
        """Has the workflow learn what the journal holds up to a sequence that it may have lost."""
        await workflow.wait_condition(lambda: self._sequence > 0)
        async with self._turn:
            if sequence > self._sequence:
                try:
                    await self._catch_up()
                except ActivityError:
                    # whoever asked looks again; a case must not end for it
                    workflow.logger.exception("the journal could not be caught up with")

    @workflow.query(name=SEQUENCE)
    def sequence(self) -> int:
        """The last step that this workflow knows of."""
        return self._sequence

    # --- what kinds differ in ----------------------------------------------------------------

    def beginning(self) -> tuple[Event, ...]:
        """The events a case begins with."""
        raise NotImplementedError

    async def prepare(self, command: Command) -> Findings:
        """Finds out what a command that the kind prepares is decided by."""
        raise NotImplementedError

    def has_work(self) -> bool:
        """Whether there is something to do that neither people nor time bring about."""
        return False

    async def write(self, request: RecordRequest, events: Sequence[Event]) -> RecordedSteps:
        """Has the steps of these events recorded."""
        recorded: RecordedSteps = await workflow.execute_local_activity(
            RECORD_STEPS,
            request,
            result_type=RecordedSteps,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return recorded

    # --- what they are made with -------------------------------------------------------------

    def scheduled(self) -> tuple[Event, ...]:
        """The beginning of a case with a filling window: on the list, and open if that is."""
        return beginning(
            self.kind,
            self._state,
            self._plan,
            self._start.requested_by,
            self._opening_command(),
            workflow.now(),
            self._start.opening.placed(),
        )

    async def give(self, command: Command) -> None:
        """Records a command of the system's own, where the case takes it."""
        async with self._turn:
            outcome = decide(self.kind, self._state, self._plan, command, workflow.now())
            if not isinstance(outcome, Refusal):
                await self.record(command, outcome)

    async def record(self, command: Command, events: Sequence[Event]) -> None:
        """Writes the steps of one command; only what is written has happened. Raises a refusal.

        A crash can come between the journal's commit and the engine's history. The journal is
        then ahead: what stands in it is adopted, and the command is to be decided on once more.
        """
        steps = self._chain(command, events)
        first = steps[0].sequence == 1
        request = RecordRequest(
            steps=steps,
            opening=self._start.opening if first else None,
            orders=self.orders,
        )
        try:
            recorded = await self.write(request, events)
        except FailureError as failure:
            self._look_at(failure)
            raise
        self._sent = None
        if recorded.refusal is not None:
            raise refused(recorded.refusal)
        self._adopt(recorded.steps or steps, recorded.opening)

    # --- private steps -----------------------------------------------------------------------

    def _decoded(self, asked: Act) -> Command:
        try:
            command = self.kind.command(asked.command)
        except ValidationError:
            # its text may quote what was sent
            raise ApplicationError("malformed command", non_retryable=True) from None
        if command is None:
            raise refused(wrong_status(self._state, str(asked.command.get("kind", ""))))
        return command

    def _over(self) -> bool:
        ended = self._state.status in ENDED and not self.has_work()
        waits = next_timer(self.kind, self._state, self._plan) is not None
        return (ended and not waits) or self._out_of_time or self._forged

    def _worn(self) -> bool:
        return (
            self._updates >= _MOST_UPDATES_PER_RUN or workflow.info().is_continue_as_new_suggested()
        )

    def _opening_command(self) -> Command:
        return opening_command(self._start.requested_at)

    async def _wait_for_reviver(self, command_id: str) -> None:
        """An ended case is started again by the very command that revives it, or not at all."""
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: command_id in self._receipts, timeout=_REVIVAL)

    async def _people_act_before(self, timer: Timer | None) -> bool:
        """Waits for a change of timer, an end or wear; False when the timer fires first."""

        def changed() -> bool:
            return (
                self._over()
                or self._worn()
                or self.has_work()
                or next_timer(self.kind, self._state, self._plan) != timer
            )

        if timer is None:
            await workflow.wait_condition(changed)
            return True
        remaining = timer.at - workflow.now()
        if remaining <= timedelta():
            return changed()
        try:
            later = spread(self._start.case_id, timer)
            await workflow.wait_condition(changed, timeout=remaining + later)
        except TimeoutError:
            return False
        return True

    async def _on_time(self, timer: Timer) -> None:
        async with self._turn:
            # a command may have been decided between the timer's firing and this turn
            if next_timer(self.kind, self._state, self._plan) != timer or workflow.now() < timer.at:
                return
            command = timed(timer, self._sequence)
            if command is None:
                self._out_of_time = True
                return
            outcome = decide(self.kind, self._state, self._plan, command, workflow.now())
            if isinstance(outcome, tuple):
                await self.record(command, outcome)

    async def _perform(self, command: Command, asked: Act) -> None:
        self._orders = (Order.of(self._start.case_id, "act", asked),)
        try:
            prepared = command.kind in self.kind.prepares
            findings = await self.prepare(command) if prepared else None
            outcome = decide(self.kind, self._state, self._plan, command, workflow.now(), findings)
            if isinstance(outcome, Refusal):
                raise refused(outcome)
            await self.record(command, outcome)
        except FailureError as failure:
            self._look_at(failure)
            raise
        finally:
            self._orders = ()

    def _look_at(self, failure: FailureError) -> None:
        """A run that the gateway has not started ends, before anything comes of it."""
        cause = failure.cause if isinstance(failure, ActivityError) else failure
        if isinstance(cause, ApplicationError) and cause.type == UNSIGNED_START:
            self._forged = True

    async def _catch_up(self) -> None:
        """Adopts what the journal holds beyond this workflow's own knowledge."""
        recorded: RecordedSteps = await workflow.execute_local_activity(
            READ_STEPS,
            ReadSteps(case_id=self._start.case_id, sequence=self._sequence, head=self._head),
            result_type=RecordedSteps,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        self._adopt(recorded.steps, recorded.opening)

    def _adopt(self, steps: Sequence[Step], opening: CaseOpening | None) -> None:
        if opening is not None:
            # its year was annulled and opened again, and this process has missed it
            self._start = self._start.model_copy(update={"opening": opening})
            self._plan = opening.plan
        for step in steps:
            if opening is None and step.event == AMENDED:
                # a run that follows on this one begins with what this one was told
                self._plan = ruled_by(self._plan, step.event, step.body)
                told = self._start.opening.model_copy(update={"plan": self._plan})
                self._start = self._start.model_copy(update={"opening": told})
            self._state = evolve(self.kind, self._state, event_of(step))
            self._sequence, self._head = step.sequence, step.hash
            self._receipts[step.command_id] = receipt_of(step)

    def _chain(self, command: Command, events: Sequence[Event]) -> tuple[Step, ...]:
        return chain(
            self._start.case_id, self._sequence, self._head, command, events, workflow.now()
        )

    def _continue_as_new(self) -> None:
        carried = Carried(
            state=self._state.model_dump(mode="json"),
            sequence=self._sequence,
            head=self._head,
            receipts=newest(self._receipts),
        )
        workflow.continue_as_new(
            self._start.model_copy(update={"carried": carried, "revived_by": "", "warrant": None})
        )


def refused(refusal: Refusal) -> ApplicationError:
    """A refusal as the engine carries it: the code as type, the rest as its detail."""
    return ApplicationError(
        refusal.code.value, refusal.model_dump(mode="json"), type=refusal.code, non_retryable=True
    )
