"""Starting the workflow of a case that is on record: what a new run of it goes on from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.case.events import Step
from domain.case.workflow_messages import (
    TASK_QUEUE,
    CaseOpening,
    CaseStart,
    Newcomer,
)
from domain.kinds import KINDS
from domain.refusals import Code, Refusal, Refused
from engine.search_attributes import search_attributes
from store.cases import Case
from store.journal import memory


def start_from_record(
    case: Case, recorded: Sequence[Step], at: datetime, revived_by: str = ""
) -> CaseStart:
    """What a new run starts from; ``recorded`` are all steps of the case.

    Raises Refused for none: the case stands in the read model, and nothing of it has happened.
    """
    if not recorded:
        what = f"{case.case_id} 的记录"
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
    first = recorded[0].body
    newcomer = first.get("newcomer")
    return CaseStart(
        case_id=case.case_id,
        opening=CaseOpening(
            kind=case.kind,
            year=case.year,
            quarter=case.quarter,
            institution=case.institution_id or first.get("institution", ""),
            jurisdiction=case.jurisdiction,
            campaign=case.campaign,
            plan=case.plan,
            renews=first.get("renews", ""),
            newcomer=Newcomer.model_validate(newcomer) if newcomer else None,
        ),
        requested_at=at,
        carried=memory(KINDS[case.kind], recorded),
        revived_by=revived_by,
    )


def starting_again(start: CaseStart) -> dict[str, Any]:
    """How a run is started though another has ended; one that is under way is left alone."""
    return {
        "id": start.case_id,
        "task_queue": TASK_QUEUE,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "search_attributes": search_attributes(start.opening),
    }
