"""What a campaign's workflow asks for: its opening, everybody's filings, its stages."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

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
from domain.case.events import EventName
from domain.case.timeline import RefusedAct
from domain.numbers.quarters import Period
from domain.refusals import Refusal
from rules.conditions import ConditionFailed
from services.campaigns import launch
from services.campaigns.considering import Outcome, consider
from services.campaigns.opening import record_opening
from services.rule_sets import PinnedRules
from services.starts import case_start, id_of
from store import campaigns, cases, institutions, journal, legal_persons, refusals
from store.institutions import Institution

_TOLD_EVERY = 2.0
"""Seconds between two signs of life while processes are started."""

_COUNTED_AS: dict[Outcome, str] = {
    "must": "started",
    "may": "voluntary",
    "outside": "outside",
    "without_rules": "without_rules",
    "uncomputable": "uncomputable",
}


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
            await record_opening(connection, start)

    @activity.defn(name=START_FILINGS)
    async def start_filings(self, request: ScanRequest) -> ScanProgress:
        """Puts the filing of everyone who must file on record, then starts their processes.

        Goes on from its last heartbeat.
        """
        before = activity.info().heartbeat_details
        progress = ScanProgress.model_validate(before[0]) if before else ScanProgress()
        async with self._engine.connect() as connection:
            total = await institutions.count(connection, request.jurisdiction)
        progress = progress.model_copy(update={"total": total})
        while True:
            async with self._engine.connect() as connection:
                page = await institutions.page(
                    connection, progress.after, launch.PAGE, request.jurisdiction
                )
            if not page:
                break
            try:
                progress = await self._record_page(request, page, progress)
            except launch.Amended:
                # planned under rules that have been amended meanwhile: planned anew
                continue
            except launch.Annulled:
                return progress
            await self._note(request, progress)
        while await launch.launch_page(
            self._engine,
            self._client,
            request.case_id,
            request.requested_at,
            _seldom(partial(activity.heartbeat, progress.model_dump())),
        ):
            async with self._engine.connect() as connection:
                launched = await cases.count_launched(connection, request.case_id)
            progress = progress.model_copy(update={"launched": launched})
            await self._note(request, progress)
        await self._finish(request, progress)
        return progress

    @activity.defn(name=ENTER_STAGE)
    async def enter_stage(self, stage: Stage) -> None:
        """Puts the campaign's stage on record."""
        event = "campaign_ended" if stage.ended else "stage_entered"
        async with self._engine.begin() as connection:
            reached = "ended" if stage.ended else stage.stage.id
            opening = stage.before + 1
            if not await campaigns.note(connection, stage.case_id, opening, stage=reached):
                return
            await journal.append_operator_step(
                connection,
                stage.case_id,
                event,
                SYSTEM,
                stage.at,
                {"stage": stage.stage.id, "label": stage.stage.label},
                keyed(f"{event}:{stage.stage.id}", opening),
            )

    # --- private steps -----------------------------------------------------------------------

    async def _record_page(
        self, request: ScanRequest, page: Sequence[Institution], progress: ScanProgress
    ) -> ScanProgress:
        """Considers one page; its counts are added only when the whole page is on record."""
        period = Period(request.year, request.quarter)
        rule_sets = {
            place: await self._pinned.get(sha256)
            for place, sha256 in (await self._pinned_now(request)).items()
        }
        counted: Counter[str] = Counter()
        starts = []
        refused: dict[str, Refusal] = {}
        async with self._engine.connect() as connection:
            ids = [one.facts.id for one in page]
            with_others = await legal_persons.filing_with_others(connection, period, ids)
        for institution in page:
            facts = institution.facts_for(None)
            outcome, place, refusal = consider(
                rule_sets, request.jurisdiction, facts, period, facts.institution.id in with_others
            )
            if outcome == "must":
                try:
                    starts.append(
                        case_start(
                            period, request.case_id, rule_sets[place], facts, request.requested_at
                        )
                    )
                except ConditionFailed as failed:
                    outcome, refusal = "uncomputable", failed.refusal
            counted[_COUNTED_AS[outcome]] += 1
            if refusal is not None:
                refused[id_of(period, facts.institution.id)] = refusal
        await self._put_refusals(request, refused)
        present = await launch.put_on_record(self._engine, starts, request.requested_at)
        others = sum(campaign != request.case_id for campaign in present.values())
        counted["started"] -= others
        counted["elsewhere"] += others
        totals = {name: getattr(progress, name) + number for name, number in counted.items()}
        return progress.model_copy(
            update={
                **totals,
                "considered": progress.considered + len(page),
                "after": page[-1].facts.id,
            }
        )

    async def _put_refusals(self, request: ScanRequest, refused: dict[str, Refusal]) -> None:
        """Puts on record whose filing could not be begun, once for each pass over the register."""
        key = keyed(f"scan:{request.scan}", request.before + 1)
        async with self._engine.begin() as connection:
            for case_id, refusal in refused.items():
                act = RefusedAct(
                    action=EventName.SCHEDULED.value,
                    **SYSTEM.model_dump(),
                    at=request.requested_at,
                    refusal=refusal,
                )
                if not await refusals.is_known(connection, case_id, key):
                    await refusals.add(connection, case_id, act, key)

    async def _pinned_now(self, request: ScanRequest) -> dict[str, str]:
        """What this opening of the campaign pins, by jurisdiction: other sets once amended."""
        async with self._engine.connect() as connection:
            campaign = await campaigns.by_id(connection, request.case_id)
        if campaign is None or campaign.opening != request.before + 1:
            return request.rule_sets
        return campaign.rule_sets

    async def _note(self, request: ScanRequest, progress: ScanProgress) -> None:
        activity.heartbeat(progress.model_dump())
        async with self._engine.begin() as connection:
            noted = progress.model_dump(exclude={"after"})
            await campaigns.note(connection, request.case_id, request.before + 1, **noted)

    async def _finish(self, request: ScanRequest, progress: ScanProgress) -> None:
        async with self._engine.begin() as connection:
            noted = progress.model_dump(exclude={"after"})
            opening, at = request.before + 1, request.requested_at
            if not await campaigns.note(
                connection, request.case_id, opening, **noted, started_at=at
            ):
                return
            await journal.append_operator_step(
                connection,
                request.case_id,
                "batches_started" if request.quarter else "filings_started",
                SYSTEM,
                request.requested_at,
                progress.model_dump(exclude={"after"}),
                keyed(f"scan:{request.scan}", opening),
            )


def _seldom(tell: Callable[[], None]) -> Callable[[], None]:
    """Tells once in so many seconds: each time something is written, hidden and handed over."""
    told = monotonic()

    def tell_now_and_then() -> None:
        nonlocal told
        if monotonic() - told >= _TOLD_EVERY:
            told = monotonic()
            tell()

    return tell_now_and_then


def keyed(key: str, opening: int) -> str:
    """The key of what happens once in each opening of a campaign."""
    return key if opening == 1 else f"{key}@{opening}"
