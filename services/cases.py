"""Acting on cases of any kind: the way of a command to its workflow, and back as a receipt."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.case.commands import Actor, Command
from domain.case.events import Position
from domain.case.review import check, editable, lapsed
from domain.case.status import Status
from domain.case.timeline import RefusedAct
from domain.case.workflow_messages import (
    ACT,
    TASK_QUEUE,
    Act,
    CaseOpening,
    CaseStart,
    Receipt,
    command_sha256,
    receipt_of,
)
from domain.kinds import KINDS
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, WorkflowGone, translated
from engine.search_attributes import search_attributes
from services.clock import Clock
from store import cases, content, journal, refusals
from store.cases import Case
from store.content import Revision


class CaseService:
    """Has commands carried out by the workflow of their case."""

    def __init__(self, client: Client, engine: AsyncEngine, clock: Clock) -> None:
        self._client = client
        self._engine = engine
        self._clock = clock

    async def answers(self) -> bool:
        """Whether the workflow engine answers."""
        return await self._client.service_client.check_health()

    async def act(self, case: Case, command: Command) -> Receipt:
        """Has a command carried out; the receipt of the first time for one sent again.

        Raises Refused, after the refusal is on record.
        """
        command = command.model_copy(update={"seen_sequence": case.sequence})
        try:
            receipt = await self._receipt(case, command)
        except Refused as refused:
            before = await self._recorded_before(case.case_id, command)
            if before is None:
                await self._record_refusal(case.case_id, command, refused.refusal)
                raise
            receipt = before
        if receipt.command_sha256 != command_sha256(command):
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return receipt

    async def save_draft(
        self, case: Case, based_on: int, document: dict[str, Any], actor: Actor
    ) -> Revision:
        """Saves the revision after ``based_on``. Raises Refused: closed, or overtaken."""
        now, kind = self._clock(), KINDS[case.kind]
        async with self._engine.begin() as connection:
            status, due = await cases.held_still(connection, case.case_id)
            if status is Status.LAPSED:
                known = await journal.carried(connection, kind, case.case_id)
                raise Refused(lapsed(kind.state(known.state), case.plan))
            refusal = editable(kind, Position(status=status, due=due), case.plan, now)
            if refusal is not None:
                raise Refused(refusal)
            saved = await content.save_revision(
                connection, case.case_id, based_on, document, actor.subject, now
            )
            if saved is None:
                latest = await content.latest_revision(connection, case.case_id)
                newest = str(latest.revision if latest else 0)
                params = {"given": str(based_on), "latest": newest}
                raise Refused(Refusal(code=Code.REVISION_CONFLICT, params=params))
        return saved

    # --- private steps -----------------------------------------------------------------------

    async def _receipt(self, case: Case, command: Command) -> Receipt:
        handle = self._client.get_workflow_handle(case.case_id)
        try:
            async with translated():
                receipt: Receipt = await handle.execute_update(
                    ACT,
                    Act.of(command),
                    id=command.id,
                    result_type=Receipt,
                    rpc_timeout=ANSWER_WITHIN,
                )
        except WorkflowGone:
            return await self._act_on_ended(case, command)
        return receipt

    async def _recorded_before(self, case_id: str, command: Command) -> Receipt | None:
        """The receipt of a command that was recorded though its history was lost in a crash.

        Sent again after its window has closed, it would be refused, yet it was taken in time.
        """
        async with self._engine.connect() as connection:
            step = await journal.by_command(connection, case_id, command.id)
        return receipt_of(step) if step is not None else None

    async def _act_on_ended(self, case: Case, command: Command) -> Receipt:
        """A case whose workflow has ended: answer from the record, or start it again."""
        kind = KINDS[case.kind]
        recorded = await self._recorded_before(case.case_id, command)
        if recorded is not None:
            return recorded
        async with self._engine.connect() as connection:
            carried = await journal.carried(connection, kind, case.case_id)
        refusal = check(kind, kind.state(carried.state), case.plan, command, self._clock())
        if refusal is not None:
            raise Refused(refusal)
        start = CaseStart(
            case_id=case.case_id,
            opening=CaseOpening(
                kind=case.kind,
                year=case.year,
                quarter=case.quarter,
                institution=case.institution_id,
                jurisdiction=case.jurisdiction,
                campaign=case.campaign,
                plan=case.plan,
            ),
            requested_at=self._clock(),
            carried=carried,
            revived_by=command.id,
        )
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            kind.workflow,
            start,
            id=case.case_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=search_attributes(start.opening),
        )
        async with translated():
            receipt: Receipt = await self._client.execute_update_with_start_workflow(
                ACT,
                Act.of(command),
                id=command.id,
                result_type=Receipt,
                start_workflow_operation=operation,
                rpc_timeout=ANSWER_WITHIN,
            )
        return receipt

    async def _record_refusal(self, case_id: str, command: Command, refusal: Refusal) -> None:
        if refusal.code in (Code.UNAVAILABLE, Code.BUSY):
            return
        act = RefusedAct(
            action=command.kind,
            **command.actor.model_dump(),
            at=self._clock(),
            refusal=refusal,
        )
        async with self._engine.begin() as connection:
            await refusals.add(connection, case_id, act, command.id)
