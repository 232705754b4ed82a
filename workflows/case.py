"""What the workflows of all kinds of cases share: one update, timers, recording, continuing.

A kind derives from `CaseLife` and says how it begins, what it finds out before a command is
decided, and what work it does by itself. Each accepted command is recorded by one local activity
before its sender is answered.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.case import commands as c
    from domain.case.commands import SYSTEM, Command
    from domain.case.events import Event, EventName, Step, chained, event_of
    from domain.case.review import check, decide
    from domain.case.state import Submission, Timer, evolve, next_timer, position
    from domain.case.status import ENDED, Status
    from domain.case.workflow_messages import (
        ACT,
        READ_STANDING,
        RECORD_STEPS,
        Act,
        Carried,
        CaseStart,
        ReadStanding,
        Receipt,
        RecordRequest,
        Standing,
        command_sha256,
        receipt_of,
    )
    from domain.refusals import Refusal

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=10),
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
_RECEIPTS_CARRIED = 200
"""How many commands' receipts a new run knows; the service answers older ones from the journal."""
_REVIVAL = timedelta(minutes=1)
_MOST_UPDATES_PER_RUN = 500
"""The engine takes 2,000 updates per run; a case that is moved more often continues as new."""


class CaseLife:
    """See the module's text. A subclass is the workflow: it declares `run` and its own name."""

    def __init__(self, start: CaseStart) -> None:
        self._start = start
        self._plan = start.opening.plan
        self._state = start.carried.state
        self._sequence = start.carried.sequence
        self._head = start.carried.head
        self._receipts = dict(start.carried.receipts)
        self._updates = 0
        self._out_of_time = False
        self._turn = asyncio.Lock()

    async def live(self) -> Status:
        """The whole life of a case, to be awaited by a subclass's `run`."""
        if self._sequence == 0:
            await self._begin()
        if self._start.revived_by:
            await self._wait_for_reviver(self._start.revived_by)
        while not self._over():
            try:
                if await self._work():
                    continue
                timer = next_timer(self._state, self._plan)
                if await self._people_act_before(timer):
                    continue
                assert timer is not None
                await self._on_time(timer)
            except ActivityError:
                # the case stays: people can still act on it, and somebody will have to look
                workflow.logger.exception("a timer could not be recorded")
                await workflow.sleep(_TROUBLE)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._over():
            self._continue_as_new()
        return self._state.status

    @workflow.update(name=ACT)
    async def act(self, asked: Act) -> Receipt:
        """Takes one command; the receipt says which step it led to, again for a repeated one."""
        command = asked.command
        self._updates += 1
        await workflow.wait_condition(lambda: self._sequence > 0)
        async with self._turn:
            if command.seen_sequence > self._sequence:
                await self._catch_up()
            while (known := self._receipts.get(command.id)) is None:
                await self._perform(command)
            return known

    @act.validator
    def check_act(self, asked: Act) -> None:
        """Refuses before anything is written to the history. `act` decides again in its turn."""
        command = asked.command
        behind = command.seen_sequence > self._sequence
        if command.id in self._receipts or self._turn.locked() or behind:
            return
        if self._sequence == 0:
            return
        refusal = check(self._state, self._plan, command, workflow.now())
        if refusal is not None:
            raise refused(refusal)

    # --- what kinds differ in ----------------------------------------------------------------

    def beginning(self) -> tuple[Event, ...]:
        """The events a case begins with."""
        scheduled = Event(
            name=EventName.SCHEDULED,
            actor=self._start.requested_by,
            position=position(self._state, self._plan),
            cite=self._plan.obligation.cite,
            body={
                "obligation": self._plan.obligation.outcome,
                "rule": self._plan.obligation.rule,
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
            },
        )
        opened = decide(self._state, self._plan, self._opening_command(), workflow.now())
        return (scheduled, *opened) if isinstance(opened, tuple) else (scheduled,)

    async def prepare(self, command: Command) -> Submission:
        """What has to be found out before a command can be decided."""
        return Submission()

    def has_work(self) -> bool:
        """Whether there is something to do that neither people nor time bring about."""
        return False

    async def work(self) -> None:
        """Does one piece of it."""

    async def write(self, request: RecordRequest, events: Sequence[Event]) -> Standing:
        """Has the steps of these events recorded."""
        found: Standing = await workflow.execute_local_activity(
            RECORD_STEPS,
            request,
            result_type=Standing,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found

    def timed_command(self, timer: Timer) -> Command:
        """The command that a timer gives."""
        id_ = f"{timer.action}@{self._sequence}"
        match timer.action:
            case "open":
                return c.Open(id=id_, actor=SYSTEM, received_at=timer.at)
            case "start_review":
                return c.StartReview(id=id_, actor=SYSTEM, received_at=timer.at)
            case "start_quality_check":
                return c.StartQualityCheck(id=id_, actor=SYSTEM, received_at=timer.at)
            case "publish":
                return c.Publish(id=id_, actor=SYSTEM, received_at=timer.at)
            case "mark_overdue":
                return c.MarkOverdue(id=id_, actor=SYSTEM, received_at=timer.at)
            case "remind":
                due = (r for r in self._plan.reminders if r.id not in self._state.reminded)
                first = min(due, key=lambda reminder: reminder.at)
                return c.Remind(id=id_, actor=SYSTEM, received_at=timer.at, reminder=first.id)
            case _:
                return c.Lapse(id=id_, actor=SYSTEM, received_at=timer.at)

    # --- private steps -----------------------------------------------------------------------

    def _over(self) -> bool:
        ended = self._state.status in ENDED and not self.has_work()
        return (ended and next_timer(self._state, self._plan) is None) or self._out_of_time

    def _worn(self) -> bool:
        return (
            self._updates >= _MOST_UPDATES_PER_RUN or workflow.info().is_continue_as_new_suggested()
        )

    def _opening_command(self) -> Command:
        return c.Open(id="open", actor=SYSTEM, received_at=self._start.requested_at)

    async def _begin(self) -> None:
        async with self._turn:
            await self.record(self._opening_command(), self.beginning())

    async def _wait_for_reviver(self, command_id: str) -> None:
        """An ended case is started again by the very command that revives it, or not at all."""
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: command_id in self._receipts, timeout=_REVIVAL)

    async def _work(self) -> bool:
        if self._worn() or not self.has_work():
            return False
        await self.work()
        return True

    async def _people_act_before(self, timer: Timer | None) -> bool:
        """Waits for a change of timer, an end or wear; False when the timer fires first."""

        def changed() -> bool:
            return (
                self._over()
                or self._worn()
                or self.has_work()
                or next_timer(self._state, self._plan) != timer
            )

        if self._worn():
            await workflow.wait_condition(workflow.all_handlers_finished)
            if not self._over():
                self._continue_as_new()
            return True
        if timer is None:
            await workflow.wait_condition(changed)
            return True
        remaining = timer.at - workflow.now()
        if remaining <= timedelta():
            return changed()
        try:
            await workflow.wait_condition(changed, timeout=remaining)
        except TimeoutError:
            return False
        return True

    async def _on_time(self, timer: Timer) -> None:
        async with self._turn:
            # a command may have been decided between the timer's firing and this turn
            if next_timer(self._state, self._plan) != timer or workflow.now() < timer.at:
                return
            if timer.action == "end":
                self._out_of_time = True
                return
            command = self.timed_command(timer)
            found = decide(self._state, self._plan, command, workflow.now())
            if isinstance(found, tuple):
                await self.record(command, found)

    async def _perform(self, command: Command) -> None:
        found = decide(
            self._state, self._plan, command, workflow.now(), await self.prepare(command)
        )
        if isinstance(found, Refusal):
            raise refused(found)
        await self.record(command, found)

    async def record(self, command: Command, events: Sequence[Event]) -> None:
        """Writes the steps of one command; only what is written has happened.

        A crash can come between the journal's commit and the engine's history. The journal is
        then ahead: what stands in it is adopted, and the command is to be decided on once more.
        """
        steps = self._chain(command, events)
        first = steps[0].sequence == 1
        request = RecordRequest(steps=steps, opening=self._start.opening if first else None)
        found = await self.write(request, events)
        self._adopt(found.steps or steps)

    async def _catch_up(self) -> None:
        """Adopts what the journal holds beyond this workflow's own knowledge."""
        found: Standing = await workflow.execute_local_activity(
            READ_STANDING,
            ReadStanding(case_id=self._start.case_id, sequence=self._sequence, head=self._head),
            result_type=Standing,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        self._adopt(found.steps)

    def _adopt(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._state = evolve(self._state, event_of(step))
            self._sequence, self._head = step.sequence, step.hash
            self._receipts[step.command_id] = receipt_of(step)

    def _chain(self, command: Command, events: Sequence[Event]) -> tuple[Step, ...]:
        sequence, head, steps = self._sequence, self._head, []
        for event in events:
            sequence += 1
            step = chained(
                Step(
                    case_id=self._start.case_id,
                    sequence=sequence,
                    event=event.name,
                    actor=event.actor,
                    position=event.position,
                    cite=event.cite,
                    body=event.body,
                    at=workflow.now(),
                    received_at=command.received_at,
                    command_id=command.id,
                    command_sha256=command_sha256(command),
                    note_sha256=command.note_sha256,
                    previous_hash=head,
                )
            )
            head = step.hash
            steps.append(step)
        return tuple(steps)

    def _continue_as_new(self) -> None:
        carried = Carried(
            state=self._state,
            sequence=self._sequence,
            head=self._head,
            receipts=dict(list(self._receipts.items())[-_RECEIPTS_CARRIED:]),
        )
        workflow.continue_as_new(
            self._start.model_copy(update={"carried": carried, "revived_by": ""})
        )


def refused(refusal: Refusal) -> ApplicationError:
    """A refusal as the engine carries it: the code as type, the rest as its detail."""
    return ApplicationError(
        refusal.code.value, refusal.model_dump(mode="json"), type=refusal.code, non_retryable=True
    )
