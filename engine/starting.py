"""Starting the workflow of a case, whatever its kind."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.case.status import Kind
from domain.case.workflow_messages import FILING_WORKFLOW, TASK_QUEUE, CaseStart
from domain.certificates.issuing import CERTIFICATE_WORKFLOW
from domain.numbers.report_numbers import BATCH_WORKFLOW, COMPLAINT_WORKFLOW
from engine.search_attributes import search_attributes

WORKFLOW_OF: dict[str, str] = {
    Kind.FILING: FILING_WORKFLOW,
    Kind.REPORT_NUMBERS: BATCH_WORKFLOW,
    Kind.COMPLAINT: COMPLAINT_WORKFLOW,
    Kind.CERTIFICATE: CERTIFICATE_WORKFLOW,
}
"""The workflow behind each kind of case."""

_ANSWER_WITHIN = timedelta(seconds=20)


async def start_case(client: Client, start: CaseStart) -> None:
    """Starts one case's workflow; one that runs or has run already is left alone."""
    try:
        await client.start_workflow(
            WORKFLOW_OF[start.opening.kind],
            start,
            id=start.case_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=search_attributes(start.opening),
            rpc_timeout=_ANSWER_WITHIN,
        )
    except WorkflowAlreadyStartedError:
        return
