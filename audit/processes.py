"""Open cases against the engine's processes, in both directions."""

from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from audit.findings import Finding, Kind
from domain.kinds import kind_of
from services.clock import Clock
from services.reconciler import Behind, Reconciler
from services.rule_sets import PinnedRules
from store import unfinished

_JUST_BEGUN = timedelta(minutes=5)
"""A process that has begun so lately may be recording its first step."""
_PAGE = 500

_STATES = {
    "missing": "流程引擎没有这个流程",
    "terminated": "流程被终止",
    "failed": "流程失败",
    "timed_out": "流程超时",
    "canceled": "流程被取消",
    "completed": "流程已结束",
    "unreadable": "流程读不出来",
}


async def check_processes(
    client: Client, engine: AsyncEngine, clock: Clock, case_id: str = ""
) -> AsyncIterator[Finding]:
    """What of the open cases, or of one, has no process; and the processes without a case."""
    reconciler = Reconciler(client, engine, PinnedRules(engine), clock)
    if case_id:
        async for behind in reconciler.of_case(case_id):
            yield _gone(behind)
        return
    async for behind in reconciler.sweep(closely=False):
        if behind.engine is None:
            yield _gone(behind)
    waiting: list[str] = []
    before = (clock() - _JUST_BEGUN).isoformat()
    query = f"ExecutionStatus = 'Running' AND StartTime < '{before}'"
    async for one in client.list_workflows(query, page_size=_PAGE):
        if kind_of(one.id) is None:
            continue
        waiting.append(one.id)
        if len(waiting) == _PAGE:
            async for finding in _without_case(engine, waiting):
                yield finding
            waiting = []
    async for finding in _without_case(engine, waiting):
        yield finding


def _gone(behind: Behind) -> Finding:
    if behind.engine is not None:
        told = f"日志到第 {behind.record} 步，流程只知道第 {behind.engine} 步"
    else:
        told = _STATES.get(behind.state, behind.state)
    return Finding(
        kind=Kind.PROCESS_GONE,
        case_id=behind.case_id,
        sequence=behind.record,
        table="cases",
        message=f"办件未结，{told}",
    )


async def _without_case(engine: AsyncEngine, ids: list[str]) -> AsyncIterator[Finding]:
    async with engine.connect() as connection:
        known = {step.case_id for step in await unfinished.sequences(connection, ids)}
    for id_ in ids:
        if id_ not in known:
            yield Finding(
                kind=Kind.PROCESS_WITHOUT_CASE,
                case_id=id_,
                sequence=None,
                table="cases",
                message="流程在运行，办件表里没有这一件",
            )
