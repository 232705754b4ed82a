"""Starting the workflow of a case, whatever its kind."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.case.workflow_messages import TASK_QUEUE, CaseStart
from domain.kinds import KINDS
from engine.search_attributes import search_attributes

_ANSWER_WITHIN = timedelta(seconds=20)


async def start_case(client: Client, start: CaseStart, *, again: bool = False) -> None:
    """Starts one case's workflow; one that runs is left alone, and so is one that has run.

    ``again``: the case has begun anew since, so that what has run does not count.
    """
    reuse = WorkflowIDReusePolicy
    try:
        await client.start_workflow(
            KINDS[start.opening.kind].workflow,
            start,
            id=start.case_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=search_attributes(start.opening),
            rpc_timeout=_ANSWER_WITHIN,
        )
    except WorkflowAlreadyStartedError:
        return
