"""Annual filings: acting on them, starting one that is asked for, saving drafts."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from activities.campaign import filing_start, start_filing
from activities.rule_sets import PinnedRules
from activities.search_attributes import search_attributes
from domain.case import (
    ACT,
    FILING_WORKFLOW,
    TASK_QUEUE,
    Act,
    CaseOpening,
    CaseStart,
    Receipt,
    command_sha256,
    receipt_of,
)
from domain.commands import Actor, Command
from domain.ids import filing_id
from domain.refusals import Code, Refusal, Refused
from domain.review import check, editable, lapsed
from domain.status import Status
from domain.steps import Position
from domain.timeline import RefusedAct
from gateways.clock import Clock
from gateways.engine import ANSWER_WITHIN, WorkflowGone, translated
from store import cases, content, institutions, journal, refusals
from store.cases import Case
from store.content import Revision
from store.tables import campaigns
from store.tables import cases as cases_table


class FilingGateway:
    """Everything the outside can do with annual filings."""

    def __init__(
        self, client: Client, engine: AsyncEngine, pinned: PinnedRules, clock: Clock
    ) -> None:
        self._client = client
        self._engine = engine
        self._clock = clock
        self._pinned = pinned

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

    async def ask_for(self, year: int, institution_id: str, actor: Actor) -> str:
        """Starts the filing of an institution that asks for it; returns the case's id.

        Raises Refused when there is no campaign, no such institution, or no place for it.
        """
        case_id = filing_id(year, institution_id)
        async with self._engine.connect() as connection:
            found = await institutions.by_ids(connection, [institution_id])
            if institution_id not in found:
                raise Refused(
                    Refusal(code=Code.UNKNOWN_INSTITUTION, params={"institution": institution_id})
                )
            facts = found[institution_id].facts_for(None)
            campaign, sha256 = await self._campaign_for(connection, year, facts.institution.region)
            if await cases.by_id(connection, case_id) is not None:
                params = {"institution": institution_id, "year": str(year)}
                raise Refused(Refusal(code=Code.FILING_EXISTS, params=params))
        rules = await self._pinned.get(sha256)
        obligation = rules.obligation(facts)
        if obligation.outcome == "none":
            params = {"institution": institution_id}
            raise Refused(Refusal(code=Code.NOT_IN_STATISTICS, params=params, cite=obligation.cite))
        start = filing_start(year, campaign, rules, facts, self._clock()).model_copy(
            update={"requested_by": actor}
        )
        last = start.opening.plan.supplement or start.opening.plan.fill
        if obligation.outcome == "may" and self._clock() >= last.closes:
            # whoever need not file must not be made late by asking
            raise Refused(Refusal(code=Code.FILL_CLOSED, cite=last.cite, at=last.closes))
        async with translated():
            await start_filing(self._client, start)
        return case_id

    async def save_draft(
        self, case: Case, based_on: int, document: dict[str, Any], actor: Actor
    ) -> Revision:
        """Saves the revision after ``based_on``. Raises Refused: closed, or overtaken."""
        now = self._clock()
        async with self._engine.begin() as connection:
            # shared with other savers, but not with a step that moves the case meanwhile
            row = (
                await connection.execute(
                    select(cases_table.c.status, cases_table.c.due)
                    .where(cases_table.c.case_id == case.case_id)
                    .with_for_update(read=True)
                )
            ).one()
            if row.status == Status.LAPSED:
                known = await journal.carried(connection, case.case_id)
                raise Refused(lapsed(known.state, case.plan))
            refusal = editable(Position(status=row.status, due=row.due), case.plan, now)
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
                    Act(command=command),
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
        recorded = await self._recorded_before(case.case_id, command)
        if recorded is not None:
            return recorded
        async with self._engine.connect() as connection:
            carried = await journal.carried(connection, case.case_id)
        refusal = check(carried.state, case.plan, command, self._clock())
        if refusal is not None:
            raise Refused(refusal)
        start = CaseStart(
            case_id=case.case_id,
            opening=CaseOpening(
                year=case.year,
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
            FILING_WORKFLOW,
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
                Act(command=command),
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

    async def _campaign_for(self, connection: Any, year: int, region: str) -> tuple[str, str]:
        """The campaign an institution belongs to and the rule set it pins for its region."""
        found = await connection.execute(
            select(campaigns.c.case_id, campaigns.c.jurisdiction, campaigns.c.rule_sets).where(
                campaigns.c.year == year
            )
        )
        by_jurisdiction = {row.jurisdiction: row for row in found}
        for row in by_jurisdiction.values():
            tree = (await self._pinned.get(row.rule_sets[row.jurisdiction])).document.tree
            places = list(tree.upwards(region))
            campaign = next((by_jurisdiction[p] for p in places if p in by_jurisdiction), None)
            if campaign is not None:
                sha256 = next(
                    (campaign.rule_sets[p] for p in places if p in campaign.rule_sets), None
                )
                if sha256 is not None:
                    return campaign.case_id, sha256
        params = {"year": str(year), "jurisdiction": region}
        raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
