"""A bulk job: one act on many cases, worked through to the last of them.

Which cases there are and what came of each is in the database; a heartbeating activity goes on
where it stopped, however often it has to. A stopped job's process ends; resuming starts another.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from domain.jobs import JOB_WORKFLOW, WORK_THROUGH_JOB, JobStart

_WHOLE_JOB = timedelta(hours=24)
_HEARTBEAT = timedelta(seconds=30)
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@workflow.defn(name=JOB_WORKFLOW)
class Job:
    """See the module's text."""

    @workflow.run
    async def run(self, start: JobStart) -> None:
        await workflow.execute_activity(
            WORK_THROUGH_JOB,
            start,
            start_to_close_timeout=_WHOLE_JOB,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )
