"""Acting on cases of any kind: the way of a command to its workflow, and back as a receipt."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client, WithStartWorkflowOperation

from domain.case.commands import (
    Actor,
    Approve,
    Assign,
    Command,
    HandOver,
    PassQuality,
    PassWithRemark,
)
from domain.case.events import Position
from domain.case.kind import next_timer
from domain.case.review import check, editable, lapsed
from domain.case.status import ENDED, Status
from domain.case.timeline import RefusedAct
from domain.case.workflow_messages import (
    ACT,
    Act,
    Receipt,
    command_sha256,
    receipt_of,
)
from domain.kinds import KINDS
from domain.numbers.commands import ReceiveUpload
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, WorkflowGone, translated
from services import deputies
from services.clock import Clock
from services.revival import start_from_record, starting_again
from store import cases, content, journal, people, refusals
from store.cases import Case
from store.content import Revision


class CaseService:
    """Has commands carried out by the workflow of their case."""

    def __init__(self, client: Client, engine: AsyncEngine, clock: Clock) -> None:
        self._client = client
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock

    async def answers(self) -> bool:
        """Whether the workflow engine answers."""
        return await self._client.service_client.check_health()

    async def act(self, case: Case, command: Command) -> Receipt:
        """Has a command carried out; the receipt of the first time for one sent again.

        Raises Refused, after the refusal is on record.
        """
        receipt = await self._recorded_before(case.case_id, command)
        if receipt is None:
            await self._refuse_revoked(case, command)
            await self._refuse_altered(case, command)
            found_out = {
                "seen_sequence": case.sequence,
                "acting_for": await self._acting_for(case, command.actor),
            }
            command = command.model_copy(update=found_out)
            receipt = await self._told(case, command)
        elif receipt.sequence >= case.sequence and receipt.command_sha256 == command_sha256(
            command
        ):
            # its workflow may have lost it: told again, it catches up before it answers
            command = command.model_copy(update={"seen_sequence": receipt.sequence})
            await self._told(case, command)
        if receipt.command_sha256 != command_sha256(command):
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return receipt

    async def save_draft(
        self, case: Case, based_on: int, document: dict[str, Any], actor: Actor
    ) -> Revision:
        """Saves the revision after ``based_on``. Raises Refused: closed, or overtaken."""
        now = self._clock()
        async with self._engine.begin() as connection:
            await self.held_editable(connection, case, now)
            saved = await content.save_revision(
                connection, case.case_id, based_on, document, actor.subject, now
            )
            if saved is None:
                latest = await content.latest_revision(connection, case.case_id)
                newest = str(latest.revision if latest else 0)
                params = {"given": str(based_on), "latest": newest}
                raise Refused(Refusal(code=Code.REVISION_CONFLICT, params=params))
        return saved

    async def held_editable(self, connection: AsyncConnection, case: Case, now: datetime) -> None:
        """Holds a case as it stands until the transaction ends. Raises Refused: closed to edits."""
        kind = KINDS[case.kind]
        status, due = await cases.held_still(connection, case.case_id)
        if status in (Status.LAPSED, Status.AFTER_WINDOW):
            known = await journal.carried(connection, kind, case.case_id)
            raise Refused(lapsed(kind.state(known.state), case.plan))
        refusal = editable(kind, Position(status=status, due=due), case.plan, now)
        if refusal is not None:
            raise Refused(refusal)

    # --- private steps -----------------------------------------------------------------------

    async def _refuse_revoked(self, case: Case, command: Command) -> None:
        """Nobody is given a case who may not act for its authority any more."""
        if not isinstance(command, Assign | HandOver):
            return
        async with self._reads.connect() as connection:
            since = await people.revoked(connection, command.person, case.authority)
        if since is None:
            return
        params = {"person": command.person, "authority": case.authority}
        refusal = Refusal(code=Code.PERSON_REVOKED, params=params, at=since)
        await self._record_refusal(case.case_id, command, refusal)
        raise Refused(refusal)

    async def _refuse_altered(self, case: Case, command: Command) -> None:
        """Nothing is approved that is not what was submitted."""
        if not isinstance(command, Approve | PassQuality | PassWithRemark) or not case.revision:
            return
        try:
            async with self._reads.connect() as connection:
                await content.revision(connection, case.case_id, case.revision)
        except Refused as refused:
            await self._record_refusal(case.case_id, command, refused.refusal)
            raise

    async def _acting_for(self, case: Case, actor: Actor) -> str:
        if case.claimed_by in ("", actor.subject):
            return ""
        async with self._reads.connect() as connection:
            return await deputies.acting_for(
                connection, case.claimed_by, case.authority, actor, self._clock()
            )

    async def _told(self, case: Case, command: Command) -> Receipt:
        """Tells the workflow; what is on record is answered for, whatever the workflow says.

        `services.reconciler` sees to it that a workflow which has lost it learns of it.
        """
        try:
            return await self._receipt(case, command)
        except Refused as refused:
            before = await self._recorded_before(case.case_id, command)
            if before is None:
                await self._record_refusal(case.case_id, command, refused.refusal)
                raise
            return before

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
        """The receipt of a command that is on record; a key means one act, for ever.

        A workflow knows its newest commands only, and not those it has lost in a crash. Asked for
        one of them after its window has closed, it would refuse what was taken in time.
        """
        async with self._reads.connect() as connection:
            step = await journal.by_command(connection, case_id, command.id)
        return receipt_of(step) if step is not None else None

    async def _act_on_ended(self, case: Case, command: Command) -> Receipt:
        """A case whose workflow has ended: answer from the record, or start it again."""
        recorded = await self._recorded_before(case.case_id, command)
        if recorded is not None:
            return recorded
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
        kind, now = KINDS[case.kind], self._clock()
        start = start_from_record(case, steps, now, revived_by=command.id)
        state = kind.state(start.carried.state)
        # its workflow may have been ended in the middle of the case's life: then it decides
        lives = state.status not in ENDED or next_timer(kind, state, case.plan) is not None
        refusal = check(kind, state, case.plan, command, now)
        if refusal is not None and not lives:
            raise Refused(refusal)
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            kind.workflow, start, **starting_again(start)
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
            # an upload is known to be answered by its refusal
            kept = await refusals.count(connection, act, keep=True)
            if kept or isinstance(command, ReceiveUpload):
                await refusals.add(connection, case_id, act, command.id)
