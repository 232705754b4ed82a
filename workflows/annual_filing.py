"""One institution's annual filing, from before its window opens until it has ended.

Legal basis: the yearly notice, pinned as a rule set when the filing starts; its plan says which
windows, levels and quality check apply. States: see `domain.case.status`. Messages: one update,
``act``, takes every command; timers open the filing, start the quality check and let it lapse.
"""

from temporalio import workflow

from workflows.case import ONE_TRY, RETRY, CaseLife

with workflow.unsafe.imports_passed_through():
    from domain.case import commands as c
    from domain.case.commands import Command
    from domain.case.state import Submission
    from domain.case.status import Status
    from domain.case.workflow_messages import (
        FILING_WORKFLOW,
        PREPARE_SUBMISSION,
        CaseStart,
        PrepareSubmission,
    )


@workflow.defn(name=FILING_WORKFLOW)
class AnnualFiling(CaseLife):
    """See the module's text."""

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        return await self.live()

    async def prepare(self, command: Command) -> Submission:
        """A submission's content is looked into, and its reviewer decided."""
        if not isinstance(command, c.Submit):
            return Submission()
        found: Submission = await workflow.execute_local_activity(
            PREPARE_SUBMISSION,
            PrepareSubmission(
                case_id=self._start.case_id,
                institution=self._start.opening.institution,
                rule_set=self._plan.ruleset.sha256,
                revision=command.revision,
                content_sha256=command.content_sha256,
                choice=command.choice,
                parts=self._plan.parts,
            ),
            result_type=Submission,
            start_to_close_timeout=ONE_TRY,
            retry_policy=RETRY,
        )
        return found
