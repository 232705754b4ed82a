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

from workflows.case import ONE_TRY, RETRY, CaseWorkflow

with workflow.unsafe.imports_passed_through():
    from domain.case.commands import SYSTEM, Command
    from domain.case.events import Event
    from domain.case.plan import NumberTerms
    from domain.case.review import check
    from domain.case.state import CaseState
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart
    from domain.numbers.batch import BATCH
    from domain.numbers.commands import ChangeNumbers, FinishUpload, ReceiveUpload
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
    from domain.numbers.state import BatchFindings, BatchState, PendingUpload
    from domain.numbers.transitions import visible_from

_WHOLE_FILE = timedelta(hours=6)
_HEARTBEAT = timedelta(seconds=15)
"""The reading gives a sign of life about once a second; without any, another worker reads."""
_UNTIL_IT_WORKS = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=["NotReady"],
)


@workflow.defn(name=BATCH_WORKFLOW)
class ReportBatch(CaseWorkflow):
    """See the module's text."""

    kind = BATCH
    _state: CaseState[BatchState]

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        await self.begin()
        while await self.goes_on():
            if self.has_work():
                await self.attempt(self._read_next_file)
            elif self.status is Status.SCHEDULED:
                await self._window_opens()
            elif self.status is Status.IN_REVIEW:
                await self._authority_reviews()
            else:
                await self._filer_reports()
        return self.status

    # --- the phases of a batch ---------------------------------------------------------------

    async def _window_opens(self) -> None:
        """Nothing is taken before the first instant of the quarter's window."""
        await self.people_or_time()

    async def _filer_reports(self) -> None:
        """The filer uploads files, changes numbers, and declares that all of them are in.

        Time reminds whoever has reported nothing, notes that it is overdue, and ends the batch
        when the last window closes. What was accepted is published when its day has come, after
        the batch's end as well.
        """
        await self.people_or_time()

    async def _authority_reviews(self) -> None:
        """Where the rules order a review, the authority approves the declaration or returns it."""
        await self.people_or_time()

    async def _read_next_file(self) -> None:
        """The file that has waited longest is read, and what became of it recorded."""
        waiting = self._state.own.uploads_waiting[0]
        try:
            outcome = await self._read(waiting)
        except ActivityError:
            # nothing of it is on record, and nothing will be: the next file is not to wait
            workflow.logger.exception("an upload could not be read")
            outcome = IngestOutcome(
                upload=waiting.upload, accepted=False, rows=0, bad=0, numbers=0, digest=""
            )
        await self.give(
            FinishUpload(
                id=f"finish:{outcome.upload}",
                actor=SYSTEM,
                received_at=workflow.now(),
                outcome=outcome,
            )
        )

    # --- what only batches do ----------------------------------------------------------------

    def beginning(self) -> tuple[Event, ...]:
        """A batch is on the list of its quarter, and open if the window is."""
        return self.scheduled()

    def has_work(self) -> bool:
        """Files that wait to be read."""
        return bool(self._state.own.uploads_waiting)

    async def prepare(self, command: Command) -> BatchFindings:
        """An upload passes the gate of the rules; a change is made before it is recorded."""
        if isinstance(command, ReceiveUpload):
            return await self._gate()
        assert isinstance(command, ChangeNumbers)
        # what the case itself refuses must not touch the numbers
        refusal = check(self.kind, self._state, self._plan, command, workflow.now())
        return BatchFindings(refusal=refusal) if refusal else await self._change(command)

    # --- private steps -----------------------------------------------------------------------

    async def _read(self, waiting: PendingUpload) -> IngestOutcome:
        outcome: IngestOutcome = await workflow.execute_activity(
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
        return outcome

    @property
    def _terms(self) -> NumberTerms:
        assert self._plan.numbers is not None
        return self._plan.numbers

    async def _gate(self) -> BatchFindings:
        findings: BatchFindings = await workflow.execute_local_activity(
            PREPARE_UPLOAD,
            PrepareUpload(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                rule_set=self._plan.ruleset.sha256,
                at=workflow.now(),
            ),
            result_type=BatchFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return findings

    async def _change(self, command: ChangeNumbers) -> BatchFindings:
        findings: BatchFindings = await workflow.execute_local_activity(
            CHANGE_NUMBERS,
            ChangeRequest(
                case_id=self._start.case_id,
                change=command.change,
                first_day=self._terms.first_day,
                last_day=self._terms.last_day,
                longest=self._terms.longest,
                visible_from=visible_from(self._plan, workflow.now()),
                at=workflow.now(),
                orders=self.orders,
            ),
            result_type=BatchFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return findings
