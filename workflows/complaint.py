"""One complaint from the public, from its receipt until the authority has dealt with it.

Legal basis: the notices' word that complaints about report numbers are followed up; the rules
name the authority. A person of that authority claims the complaint and resolves it with an
outcome and a reply. The outcome is then told to the complainant, and noted on the batches of the
numbers concerned.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.case import CaseLife

with workflow.unsafe.imports_passed_through():
    from domain.case.events import Event, EventName
    from domain.case.state import evolve, position
    from domain.case.status import Status
    from domain.case.workflow_messages import CaseStart
    from domain.numbers.report_numbers import COMPLAINT_WORKFLOW, SETTLE_COMPLAINT, SettleComplaint

_SHORT = timedelta(seconds=60)
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


@workflow.defn(name=COMPLAINT_WORKFLOW)
class Complaint(CaseLife):
    """See the module's text."""

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: CaseStart) -> Status:
        status = await self.live()
        if status is Status.COMPLETED:
            await workflow.execute_activity(
                SETTLE_COMPLAINT,
                SettleComplaint(case_id=start.case_id),
                start_to_close_timeout=_SHORT,
                retry_policy=_RETRY,
            )
        return status

    def beginning(self) -> tuple[Event, ...]:
        """A complaint is with its authority from the first moment."""
        level = self._plan.levels[0]
        received = Event(
            name=EventName.COMPLAINT_RECEIVED,
            actor=self._start.requested_by,
            position=position(self._state, self._plan),
            cite=level.cite,
            body={
                "levels": [level.model_dump(mode="json")],
                "ruleset": self._plan.ruleset.model_dump(mode="json"),
            },
        )
        state = evolve(self._state, received)
        return (received.model_copy(update={"position": position(state, self._plan)}),)
