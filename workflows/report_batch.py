"""One institution's report numbers of one quarter, from before its window opens.

Legal basis: the yearly notices' paragraph on report numbers, pinned as a rule set; the plan says
who must report, from when until when, with which reminders, and when numbers become visible.
Each uploaded file is read by a heartbeating activity, one after the other; a file received in
time is in time however long that takes. Publication, reminders and lateness are timers. A batch
lives on after its end for what may still come: another upload, a withdrawal, a complaint.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from workflows.case import ONE_TRY, RETRY, CaseLife

with workflow.unsafe.imports_passed_through():
    from domain.case import commands as c
    from domain.case.commands import SYSTEM, Command
    from domain.case.plan import NumberTerms
    from domain.case.review import check, decide
    from domain.case.state import PendingUpload, Submission
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart
    from domain.numbers.report_numbers import (
        BATCH_WORKFLOW,
        CHANGE_NUMBERS,
        INGEST_UPLOAD,
        PREPARE_UPLOAD,
        ChangeRequest,
        IngestOutcome,
        IngestRequest,
        PrepareUpload,
    )
    from domain.numbers.transitions import visible_from
    from domain.refusals import Refusal

_WHOLE_FILE = timedelta(hours=6)
_HEARTBEAT = timedelta(seconds=60)
_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=["NotReady"],
)


@workflow.defn(name=BATCH_WORKFLOW)
class ReportBatch(CaseLife):
    """See the module's text."""

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        return await self.live()

    async def prepare(self, command: Command) -> Submission:
        """An upload passes the gate of the rules; a change is made before it is recorded."""
        if isinstance(command, c.ReceiveUpload):
            return await self._gate()
        if isinstance(command, c.ChangeNumbers):
            # what the case itself refuses must not touch the numbers
            refusal = check(self._state, self._plan, command, workflow.now())
            return Submission(refusal=refusal) if refusal else await self._change(command)
        return Submission()

    def has_work(self) -> bool:
        """Files that wait to be read."""
        return bool(self._state.uploads_waiting)

    async def work(self) -> None:
        """Reads the file that has waited longest, and records what became of it."""
        waiting = self._state.uploads_waiting[0]
        try:
            outcome = await self._read(waiting)
        except ActivityError:
            # nothing of it is on record, and nothing will be: the next file is not to wait
            workflow.logger.exception("an upload could not be read")
            outcome = IngestOutcome(
                upload=waiting.upload, accepted=False, rows=0, bad=0, numbers=0, digest=""
            )
        command = c.FinishUpload(
            id=f"finish:{outcome.upload}",
            actor=SYSTEM,
            received_at=workflow.now(),
            outcome=outcome,
        )
        async with self._turn:
            found = decide(self._state, self._plan, command, workflow.now())
            if not isinstance(found, Refusal):
                await self.record(command, found)

    # --- private steps -----------------------------------------------------------------------

    async def _read(self, waiting: PendingUpload) -> IngestOutcome:
        found: IngestOutcome = await workflow.execute_activity(
            INGEST_UPLOAD,
            IngestRequest(
                case_id=self._start.case_id,
                upload=waiting.upload,
                first_day=self._terms.first_day,
                last_day=self._terms.last_day,
                longest=self._terms.longest,
                visible_from=waiting.visible_from,
            ),
            result_type=IngestOutcome,
            start_to_close_timeout=_WHOLE_FILE,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_UNTIL_IT_WORKS,
        )
        return found

    @property
    def _terms(self) -> NumberTerms:
        assert self._plan.numbers is not None
        return self._plan.numbers

    async def _gate(self) -> Submission:
        found: Submission = await workflow.execute_local_activity(
            PREPARE_UPLOAD,
            PrepareUpload(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                rule_set=self._plan.ruleset.sha256,
                at=workflow.now(),
            ),
            result_type=Submission,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found

    async def _change(self, command: c.ChangeNumbers) -> Submission:
        found: Submission = await workflow.execute_local_activity(
            CHANGE_NUMBERS,
            ChangeRequest(
                case_id=self._start.case_id,
                change=command.change,
                first_day=self._terms.first_day,
                last_day=self._terms.last_day,
                longest=self._terms.longest,
                visible_from=visible_from(self._plan, workflow.now()),
                at=workflow.now(),
            ),
            result_type=Submission,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found
