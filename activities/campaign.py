"""What a campaign's workflow asks for: its opening, everybody's filings, its stages."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client

from domain.campaigns import (
    BEGIN_CAMPAIGN,
    ENTER_STAGE,
    START_FILINGS,
    CampaignStart,
    ScanProgress,
    ScanRequest,
    Stage,
)
from domain.case.commands import SYSTEM
from domain.case.workflow_messages import CaseStart
from domain.ids import region_prefix
from domain.numbers.quarters import Quarter
from engine.starting import start_case
from services.rule_sets import PinnedRules
from services.starts import batch_start, filing_start
from store import campaigns, cases, institutions, journal
from store.institutions import Institution

_PAGE = 500
_AT_ONCE = 24
"""Starts under way at once; more only adds latency (see docs/performance.md)."""


class CampaignActivities:
    """The activities of campaigns, with what they need to act."""

    def __init__(self, engine: AsyncEngine, client: Client, pinned: PinnedRules) -> None:
        self._engine = engine
        self._client = client
        self._pinned = pinned

    @activity.defn(name=BEGIN_CAMPAIGN)
    async def begin_campaign(self, start: CampaignStart) -> None:
        """Puts the campaign on record with the rule sets it pins."""
        async with self._engine.begin() as connection:
            await campaigns.add(connection, start)
            await journal.append_operator_step(
                connection,
                start.case_id,
                "campaign_opened",
                start.opened_by,
                start.requested_at,
                {"rule_sets": start.rule_sets},
                start.command_id,
            )

    @activity.defn(name=START_FILINGS)
    async def start_filings(self, request: ScanRequest) -> ScanProgress:
        """Starts the filing of everyone who must file; goes on from its last heartbeat."""
        before = activity.info().heartbeat_details
        progress = ScanProgress.model_validate(before[0]) if before else ScanProgress()
        prefix = region_prefix(request.jurisdiction)
        async with self._engine.connect() as connection:
            total = await institutions.count(connection, prefix)
        progress = progress.model_copy(update={"total": total})
        while True:
            async with self._engine.connect() as connection:
                page = await institutions.page(connection, progress.after, _PAGE, prefix)
            if not page:
                break
            progress = await self._start_page(request, page, progress)
            activity.heartbeat(progress.model_dump())
            async with self._engine.begin() as connection:
                await campaigns.note_progress(connection, request.case_id, progress)
        await self._finish(request, progress)
        return progress

    @activity.defn(name=ENTER_STAGE)
    async def enter_stage(self, stage: Stage) -> None:
        """Puts the campaign's stage on record."""
        event = "campaign_ended" if stage.ended else "stage_entered"
        async with self._engine.begin() as connection:
            reached = "ended" if stage.ended else stage.stage.id
            await campaigns.enter_stage(connection, stage.case_id, reached)
            await journal.append_operator_step(
                connection,
                stage.case_id,
                event,
                SYSTEM,
                stage.at,
                {"stage": stage.stage.id, "label": stage.stage.label},
                f"{event}:{stage.stage.id}",
            )

    # --- private steps -----------------------------------------------------------------------

    async def _start_page(
        self, request: ScanRequest, page: Sequence[Institution], progress: ScanProgress
    ) -> ScanProgress:
        """Considers one page; its counts are added only when the whole page is done."""
        names = ("started", "voluntary", "outside", "without_rules", "elsewhere")
        counted = dict.fromkeys(names, 0)
        starts = []
        for institution in page:
            outcome, start = await self._consider(request, institution)
            counted[outcome] += 1
            if start is not None:
                starts.append(start)
        async with self._engine.connect() as connection:
            present = await cases.campaigns_of(connection, [start.case_id for start in starts])
        others = sum(campaign != request.case_id for campaign in present.values())
        counted["started"] -= others
        counted["elsewhere"] += others
        gate = asyncio.Semaphore(_AT_ONCE)

        async def start_one(start: CaseStart) -> None:
            async with gate:
                await start_case(self._client, start)
                activity.heartbeat(progress.model_dump())

        await asyncio.gather(*(start_one(one) for one in starts if one.case_id not in present))
        totals = {name: getattr(progress, name) + number for name, number in counted.items()}
        return progress.model_copy(
            update={
                **totals,
                "considered": progress.considered + len(page),
                "after": page[-1].facts.id,
            }
        )

    async def _consider(
        self, request: ScanRequest, institution: Institution
    ) -> tuple[str, CaseStart | None]:
        own = await self._pinned.get(request.rule_sets[request.jurisdiction])
        places = own.document.tree.upwards(institution.facts.region)
        sha256 = next((request.rule_sets[p] for p in places if p in request.rule_sets), None)
        if sha256 is None:
            return "without_rules", None
        rules = await self._pinned.get(sha256)
        facts = institution.facts_for(None)
        quarter = Quarter(request.year, request.quarter) if request.quarter else None
        obligation = (
            rules.batch_obligation(facts, quarter) if quarter else rules.obligation(facts)
        ).outcome
        if obligation != "must":
            return ("voluntary" if obligation == "may" else "outside"), None
        if quarter is not None:
            start = batch_start(quarter, request.case_id, rules, facts, request.requested_at)
        else:
            start = filing_start(request.year, request.case_id, rules, facts, request.requested_at)
        return "started", start

    async def _finish(self, request: ScanRequest, progress: ScanProgress) -> None:
        async with self._engine.begin() as connection:
            await campaigns.note_progress(connection, request.case_id, progress)
            await campaigns.mark_started(connection, request.case_id, request.requested_at)
            await journal.append_operator_step(
                connection,
                request.case_id,
                "batches_started" if request.quarter else "filings_started",
                SYSTEM,
                request.requested_at,
                progress.model_dump(exclude={"after"}),
                f"scan:{request.scan}",
            )
