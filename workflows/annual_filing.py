"""One institution's annual filing, from before its window opens until it has ended.

Legal basis: the yearly notice, pinned as a rule set when the filing starts; its plan says which
windows, levels and quality check apply. States: see `domain.case.status`. Messages: one update,
``act``, takes every command; timers open the filing, start the quality check and let it lapse.
"""

from collections.abc import Sequence
from typing import Literal

from temporalio import workflow

from workflows.case import ONE_TRY, RETRY, CaseWorkflow

with workflow.unsafe.imports_passed_through():
    from domain.case.commands import Command
    from domain.case.events import Event, EventName
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart, RecordedSteps, RecordRequest
    from domain.filing.amending import PREPARE_AMENDMENT, Amend, PrepareAmendment
    from domain.filing.attesting import Attest
    from domain.filing.findings import FilingFindings, PrepareSubmission
    from domain.filing.kind import FILING, FILING_WORKFLOW, PREPARE_SUBMISSION, Submit
    from domain.filing.state import FilingState
    from domain.filing.waiving import AskWaiver, granted_by


_PURPOSES: dict[str, Literal["submit", "attest", "waive"]] = {
    "submit": "submit",
    "attest": "attest",
    "ask_waiver": "waive",
}


@workflow.defn(name=FILING_WORKFLOW)
class AnnualFiling(CaseWorkflow):
    """See the module's text."""

    kind = FILING

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)
        self._shared: tuple[str, ...] = ()

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        await self.begin()
        while await self.goes_on():
            match self.status:
                case Status.SCHEDULED:
                    await self._window_opens()
                case Status.DRAFT | Status.RETURNED | Status.WITHDRAWN:
                    await self._filer_submits()
                case Status.SUBMITTED | Status.IN_REVIEW:
                    await self._authorities_review()
                case Status.APPROVED | Status.QUALITY_CHECK:
                    await self._checker_checks()
                case ended:
                    raise AssertionError(ended)
        return self.status

    # --- the phases of a filing --------------------------------------------------------------

    async def _window_opens(self) -> None:
        """Nobody can do anything before the first instant of the filling window."""
        await self.people_or_time()

    async def _filer_submits(self) -> None:
        """The filer submits what it has filled in or corrected, or withdraws for good.

        When its last window closes the filing lapses; a voluntary one is withdrawn, and a
        reopened one stands as it was completed before.
        """
        await self.people_or_time()

    async def _authorities_review(self) -> None:
        """The authorities of the chain approve, each in its turn, or return it to the filer.

        What is not approved when the review closes lapses, where the rules say so.
        """
        await self.people_or_time()

    async def _checker_checks(self) -> None:
        """The checker completes the filing, or sends it back to the filer. No window ends this."""
        await self.people_or_time()

    # --- what only filings do ----------------------------------------------------------------

    def beginning(self) -> tuple[Event, ...]:
        """A filing is on the list of its year, and open if the window is."""
        return self.scheduled()

    async def prepare(self, command: Command) -> FilingFindings:
        """A submission's content is looked into, and its reviewer decided.

        So is what the responsible person confirms, and who may waive a check. For an amendment it
        is found out what the filing would run on.
        """
        if isinstance(command, Amend):
            return await self._amended(command)
        assert isinstance(command, Submit | Attest | AskWaiver)
        own = self._state.own
        assert isinstance(own, FilingState)
        findings: FilingFindings = await workflow.execute_local_activity(
            PREPARE_SUBMISSION,
            PrepareSubmission(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                rule_set=self._plan.ruleset.sha256,
                revision=0 if isinstance(command, AskWaiver) else command.revision,
                content_sha256="" if isinstance(command, AskWaiver) else command.content_sha256,
                choice=None if isinstance(command, Attest) else command.choice,
                parts=self._plan.parts,
                returned_revision=self._state.returned_revision,
                completed_revision=self._state.completed_revision,
                purpose=_PURPOSES[command.kind],
                waived=granted_by(own),
            ),
            result_type=FilingFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        self._shared = findings.shared
        return findings

    async def write(self, request: RecordRequest, events: Sequence[Event]) -> RecordedSteps:
        """Has steps recorded; a submission for what several accounts have only if it is first."""
        if any(event.name == EventName.SUBMITTED for event in events):
            told = {"shared": self._shared, "rule_set": self._plan.ruleset.sha256}
            request = request.model_copy(update=told)
        return await super().write(request, events)

    async def _amended(self, command: Amend) -> FilingFindings:
        findings: FilingFindings = await workflow.execute_local_activity(
            PREPARE_AMENDMENT,
            PrepareAmendment(case_id=self._start.case_id, amendment=command.amendment),
            result_type=FilingFindings,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return findings
