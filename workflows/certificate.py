"""One certificate (资质认定证书), from its application to the end of its life.

Legal basis: 市监检测函〔2019〕1364号 and the rules pinned when the case begins. An application is
reviewed by the issuing authority, approved, numbered and coded, checked and issued. The case then
lives on: reminders to renew and expiry are timers, changes go the same way round once more while
the certificate stays in force, and ending or replacing it is recorded whenever it comes. What the
register shows is written together with the step that changes it. A case that is moved often
continues as new, with its state and the end of its chain.
"""

import functools
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.case import ONE_TRY, RETRY, CaseLife

with workflow.unsafe.imports_passed_through():
    from domain.case import commands as c
    from domain.case.commands import SYSTEM, Command
    from domain.case.events import Event, EventName
    from domain.case.review import check, decide
    from domain.case.state import CaseState, Submission, Timer, evolve, position
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart, RecordCertificate, RecordRequest, Standing
    from domain.certificates.issuing import (
        ALLOT_NUMBER,
        CERTIFICATE_WORKFLOW,
        PREPARE_APPLICATION,
        RECORD_CERTIFICATE,
        SUPERSEDE_PREDECESSOR,
        AllotNumber,
        Decided,
        PrepareApplication,
        SupersedePredecessor,
    )
    from domain.certificates.transitions import issuer_of
    from domain.refusals import Refusal

_SHORT = timedelta(seconds=60)
_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)
)


@workflow.defn(name=CERTIFICATE_WORKFLOW)
class Certificate(CaseLife):
    """See the module's text."""

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        return await self.live()

    def beginning(self) -> tuple[Event, ...]:
        """A case begins with an application that can be written."""
        begun = Event(
            name=EventName.APPLICATION_BEGUN,
            actor=self._start.requested_by,
            position=position(CaseState(status=Status.DRAFT), self._plan),
            cite=self._plan.fill.cite,
            body={
                "renews": self._start.opening.renews,
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
            },
        )
        return (begun,)

    async def prepare(self, command: Command) -> Submission:
        """An application's content is looked into; what is approved for issue gets its number."""
        if isinstance(command, c.Apply):
            refusal = check(self._state, self._plan, command, workflow.now())
            if refusal is not None:
                return Submission(refusal=refusal)
            found = await self._look_into(command)
            issuing = command.decided is not None and self._state.certificate is None
            if found.refusal is not None or not issuing:
                return found
            numbered = await self._allot(command.revision, command.decided)
            return found.model_copy(
                update={"allotment": numbered.allotment, "refusal": numbered.refusal}
            )
        if isinstance(command, c.Approve) and self._state.certificate is None:
            # a number is given only to what is going to be approved: none is lost
            last = self._state.level == len(self._state.levels)
            if last and check(self._state, self._plan, command, workflow.now()) is None:
                return await self._allot(self._state.revision, None)
        renewal = bool(self._start.opening.renews) and self._state.certificate is None
        if (
            isinstance(command, c.PassQuality)
            and renewal
            and check(self._state, self._plan, command, workflow.now()) is None
        ):
            # what it renews may have ended since the approval; its number is the one it has
            found = await self._allot(self._state.revision, None)
            return Submission(refusal=found.refusal)
        return Submission()

    async def write(self, request: RecordRequest, events: Sequence[Event]) -> Standing:
        """Steps that change what is in force are written together with the register."""
        held = functools.reduce(evolve, events, self._state).certificate
        if held is None or held == self._state.certificate:
            return await super().write(request, events)
        opening = self._start.opening
        found: Standing = await workflow.execute_local_activity(
            RECORD_CERTIFICATE,
            RecordCertificate(
                request=request,
                held=held,
                renews=opening.renews,
                newcomer=opening.newcomer if self._state.certificate is None else None,
            ),
            result_type=Standing,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found

    def has_work(self) -> bool:
        """The certificate that this one replaces has yet to be marked so."""
        replaces = bool(self._start.opening.renews) and self._state.certificate is not None
        return replaces and not self._state.predecessor_told

    async def work(self) -> None:
        """Has it marked, and records that it is."""
        held, predecessor = self._state.certificate, self._start.opening.renews
        assert held is not None
        await workflow.execute_activity(
            SUPERSEDE_PREDECESSOR,
            SupersedePredecessor(
                case_id=self._start.case_id,
                predecessor=predecessor,
                by=held.code,
                on=held.issued_on,
            ),
            start_to_close_timeout=_SHORT,
            retry_policy=_UNTIL_IT_WORKS,
        )
        command = c.NotePredecessor(
            id=f"predecessor:{predecessor}",
            actor=SYSTEM,
            received_at=workflow.now(),
            predecessor=predecessor,
        )
        async with self._turn:
            found = decide(self._state, self._plan, command, workflow.now())
            if not isinstance(found, Refusal) and not self._state.predecessor_told:
                await self.record(command, found)

    def timed_command(self, timer: Timer) -> Command:
        """The commands that only the time of a certificate brings."""
        id_ = f"{timer.action}@{self._sequence}"
        if timer.action == "expire":
            return c.Expire(id=id_, actor=SYSTEM, received_at=timer.at)
        if timer.action == "remind":
            held = self._state.certificate
            assert held is not None
            due = (one for one in held.reminders if one.id not in self._state.reminded)
            first = min(due, key=lambda reminder: reminder.at)
            return c.Remind(id=id_, actor=SYSTEM, received_at=timer.at, reminder=first.id)
        return super().timed_command(timer)

    # --- private steps -----------------------------------------------------------------------

    async def _look_into(self, command: c.Apply) -> Submission:
        found: Submission = await workflow.execute_local_activity(
            PREPARE_APPLICATION,
            PrepareApplication(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                issuer=issuer_of(self._plan),
                rule_set=self._plan.ruleset.sha256,
                purpose=command.purpose,
                change=command.change,
                revision=command.revision,
                content_sha256=command.content_sha256,
                standing_revision=self._state.completed_revision,
                renews=self._start.opening.renews,
                decided=command.decided,
                at=workflow.now(),
            ),
            result_type=Submission,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found

    async def _allot(self, revision: int, decided: Decided | None) -> Submission:
        found: Submission = await workflow.execute_local_activity(
            ALLOT_NUMBER,
            AllotNumber(
                case_id=self._start.case_id,
                issuer=issuer_of(self._plan),
                rule_set=self._plan.ruleset.sha256,
                revision=revision,
                decided=decided,
                renews=self._start.opening.renews,
                at=workflow.now(),
            ),
            result_type=Submission,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found
