"""One complaint from the public, from its receipt until the authority has dealt with it.

Legal basis: the notices' word that complaints about report numbers are followed up; the rules
name the authority. A person of that authority claims the complaint and resolves it with an
outcome and a reply. The outcome is then told to the complainant, and noted on the batches of the
numbers concerned.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.case import CaseWorkflow

with workflow.unsafe.imports_passed_through():
    from domain.case.events import Event
    from domain.case.kind import evolve, position
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart
    from domain.complaints import (
        COMPLAINT,
        COMPLAINT_WORKFLOW,
        SETTLE_COMPLAINT,
        ComplaintEvent,
        SettleComplaint,
    )

_SHORT = timedelta(seconds=60)
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


@workflow.defn(name=COMPLAINT_WORKFLOW)
class Complaint(CaseWorkflow):
    """See the module's text."""

    kind = COMPLAINT

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        await self.begin()
        while await self.goes_on():
            await self._authority_deals_with_it()
        if self.status is Status.COMPLETED:
            await self._outcome_is_told()
        return self.status

    async def _authority_deals_with_it(self) -> None:
        """A person of the authority claims the complaint and resolves it. No window ends this."""
        await self.people_or_time()

    async def _outcome_is_told(self) -> None:
        """To the complainant, who finds it with the receipt, and on the batches concerned."""
        await workflow.execute_activity(
            SETTLE_COMPLAINT,
            SettleComplaint(case_id=self._start.case_id),
            start_to_close_timeout=_SHORT,
            retry_policy=_RETRY,
        )

    def beginning(self) -> tuple[Event, ...]:
        """A complaint is with its authority from the first moment."""
        level = self._plan.levels[0]
        received = Event(
            name=ComplaintEvent.RECEIVED,
            actor=self._start.requested_by,
            position=position(self.kind, self._state, self._plan),
            cite=level.cite,
            body={
                "levels": [level.model_dump(mode="json")],
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
            },
        )
        state = evolve(self.kind, self._state, received)
        return (received.model_copy(update={"position": position(self.kind, state, self._plan)}),)
