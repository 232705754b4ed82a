"""Campaigns: opening a year under its rules, another pass over the register, progress."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.campaigns import ANNUL, RESCAN, CampaignStage, CampaignStart, Opening, process_id
from domain.case.commands import Actor
from domain.case.events import Step
from domain.case.plan import FOREVER, WINDOWS, Window
from domain.case.status import Status
from domain.case.workflow_messages import CAMPAIGN_WORKFLOW, TASK_QUEUE
from domain.filing.kind import FILING
from domain.ids import campaign_id
from domain.numbers.batch import BATCH
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, WorkflowGone, translated
from rules.check.checks import unfit
from rules.compiled import CompiledRules, NotPublishable
from rules.file.catalogue import cached_catalogue
from rules.file.library import ResolvedSet, current_library
from services.campaigns.considering import filing_closes, windows_of
from services.campaigns.forecast import Forecast, forecast
from services.campaigns.sampling import commit_to_seed
from services.clock import Clock
from services.publishing import fit_to_publish, put_in_force
from services.rule_sets import PinnedRules
from services.sight import counting
from store import campaigns, cases, content, journal, publications
from store.campaigns import Campaign


class CampaignService:
    """Everything an operator can do with a year's campaign."""

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        pinned: PinnedRules,
        rules: Path,
        clock: Clock,
    ) -> None:
        self._client = client
        self._engine = engine
        self._pinned = pinned
        self._rules = rules
        self._clock = clock

    async def foresee(self, period: Period, jurisdiction: str) -> Forecast:
        """What opening a campaign now would do; nothing is written. Raises Refused as `open`."""
        own = await self.rules_of(period, jurisdiction)
        names = cached_catalogue(self._rules).areas
        campaign = await self.find(period, jurisdiction)
        opened = campaign is not None and campaign.annulled_at is None
        async with self._engine.connect() as connection:
            return await forecast(
                connection, own, names, period, jurisdiction, self._clock(), opened=opened
            )

    async def open(
        self,
        period: Period,
        jurisdiction: str,
        actor: Actor,
        command_id: str,
        *,
        after_window: bool = False,
        reason: str = "",
    ) -> str:
        """Opens the campaign of a year or a quarter, its rule sets stored for ever; returns its id.

        Opening it again under the same rules changes nothing. One that was annulled is opened anew,
        once all its filings are annulled, and they begin anew; the command that had opened it
        before changes nothing. One whose filing window has closed is opened only when that is
        said, ``after_window``, with a reason; nobody lapses by it.
        Raises Refused when there are no rules, when it is open already under other rules, or when
        its annulment is under way.
        """
        case_id = campaign_id(period, jurisdiction)
        async with self._engine.connect() as connection:
            if await campaigns.openings(connection, case_id, command_id):
                return case_id
        compiled, unpublished = await self._rules_of(period, jurisdiction)
        own = compiled[jurisdiction]
        stages = _stages(own, period)
        now = self._clock()
        pinned = {place: rules.ref.sha256 for place, rules in compiled.items()}
        standing = await self.find(period, jurisdiction)
        if standing is not None and standing.annulled_at is None:
            return self._already_open(standing, pinned, case_id)
        await self._annulled_in_full(standing)
        await self._not_covered(period, jurisdiction, own)
        last = filing_closes(windows_of(own, period))
        late = now >= last.closes
        note = await self._reason_for_late(last, period, after_window, reason) if late else ""
        start = CampaignStart(
            case_id=case_id,
            year=period.year,
            quarter=period.quarter,
            jurisdiction=jurisdiction,
            opened_by=actor,
            requested_at=now,
            rule_sets=pinned,
            stages=stages,
            command_id=command_id,
            late=late,
            note_sha256=note,
            sampled=not period.quarter and any(rules.sample for rules in compiled.values()),
            opening=standing.opening + 1 if standing is not None else 1,
        )
        async with self._engine.begin() as connection:
            if unpublished:
                why = "统计工作开启时首次发布"
                await put_in_force(connection, unpublished, actor, command_id, why, now)
            first = await record_opening(connection, start)
        if not first:
            # somebody else was a moment earlier: their opening counts
            standing = await self.find(period, jurisdiction)
            assert standing is not None
            return self._already_open(standing, pinned, case_id)
        async with translated():
            await _start(
                self._client,
                start,
                WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                WorkflowIDConflictPolicy.USE_EXISTING,
            )
        return case_id

    async def rules_of(self, period: Period, jurisdiction: str) -> dict[str, CompiledRules]:
        """The sets that a campaign would pin now, by jurisdiction. Raises Refused."""
        compiled, _ = await self._rules_of(period, jurisdiction)
        return compiled

    async def rules_over(
        self, period: Period, jurisdiction: str
    ) -> tuple[str, dict[str, CompiledRules]]:
        """The nearest place at or above a jurisdiction that has rules, and the sets within it.

        A province that has none of its own goes by the nation's. Raises Refused where nobody has.
        """
        missing = None
        for place in cached_catalogue(self._rules).tree.upwards(jurisdiction):
            try:
                return place, await self.rules_of(period, place)
            except Refused as refused:
                if refused.refusal.code is not Code.RULES_NOT_FOUND:
                    raise
                missing = missing or refused
        assert missing is not None
        raise missing

    async def _rules_of(
        self, period: Period, jurisdiction: str
    ) -> tuple[dict[str, CompiledRules], list[ResolvedSet]]:
        """What a campaign would pin, and which of it opening has to put in force.

        That is what is in force, or, where the place has never had any, what its files say: they
        hold nothing that a case could stumble over, examples included.
        """
        async with self._engine.connect() as connection:
            published = await publications.in_force(connection, period.year, jurisdiction)
        sets: list[ResolvedSet] = []
        if jurisdiction in published:
            compiled = {
                place: await self._pinned.get(one.rule_set) for place, one in published.items()
            }
        else:
            # checking rules takes seconds of pure computing: other requests go on meanwhile
            sets = await asyncio.to_thread(
                fit_to_publish, self._rules, period.year, jurisdiction, unfit
            )
            compiled = {one.jurisdiction: CompiledRules(one.document) for one in sets}
        if jurisdiction not in compiled:
            base = current_library(self._rules).resolve(period.year, jurisdiction)
            known = f"{base.id} 只是基础：{base.not_publishable}"
            asked = {"year": str(period), "jurisdiction": jurisdiction, "known": known}
            raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=asked))
        try:
            windows_of(compiled[jurisdiction], period)
        except NotPublishable as failure:
            asked = {"year": str(period), "jurisdiction": jurisdiction, "known": str(failure)}
            raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=asked)) from None
        return compiled, sets

    async def annul(
        self, period: Period, jurisdiction: str, actor: Actor, command_id: str, reason: str
    ) -> Opening:
        """Has a campaign that was opened by mistake count for nothing; returns which opening of it.

        Its filings are annulled by a job, one after the other (see `services.jobs`). Annulling it
        again changes nothing, and neither does the command that annulled it before it was opened
        again. Raises Refused: not opened, a quarter's, or no reason.
        """
        campaign = await self.find(period, jurisdiction)
        if campaign is None:
            raise Refused(_not_found(period, jurisdiction))
        if period.quarter:
            raise Refused(Refusal(code=Code.QUARTER_NOT_ANNULLED, params={"year": str(period)}))
        if not reason.strip():
            params = {"action": "作废", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        async with self._engine.connect() as connection:
            before = await campaigns.openings(connection, campaign.case_id, command_id)
        if before and before < campaign.opening:
            return Opening(campaign.case_id, before, stands=False)
        if campaign.annulled_at is None:
            now = self._clock()
            async with self._engine.begin() as connection:
                note = await content.save_note(connection, {"reason": reason.strip()})
                await campaigns.annul(connection, campaign.case_id, note, now)
                await journal.append_operator_step(
                    connection,
                    campaign.case_id,
                    "campaign_annulled",
                    actor,
                    now,
                    {},
                    command_id,
                    note_sha256=note,
                )
        handle = self._handle(campaign)
        with suppress(WorkflowGone):
            async with translated():
                await handle.signal(ANNUL, rpc_timeout=ANSWER_WITHIN)
        return Opening(campaign.case_id, campaign.opening)

    async def rescan(
        self, period: Period, jurisdiction: str, actor: Actor, command_id: str
    ) -> None:
        """Has the register gone through again, for institutions that came on record later."""
        campaign = await self.find(period, jurisdiction)
        if campaign is None:
            raise Refused(_not_found(period, jurisdiction))
        try:
            async with translated():
                await self._handle(campaign).signal(RESCAN, command_id, rpc_timeout=ANSWER_WITHIN)
        except WorkflowGone:
            if campaign.annulled_at is not None:
                params = {"year": str(period), "jurisdiction": jurisdiction}
                raise Refused(Refusal(code=Code.CAMPAIGN_ANNULLED, params=params)) from None
            one = "report-batches" if period.quarter else "filings"
            params = {
                "status": "结束",
                "action": "重新核对名录",
                "next": f"必须填报而漏列的，逐家建立（POST /api/{one}/{period}/机构编号），"
                "再用 zhibao campaign extend 延期；其他机构从下一期起列入",
            }
            raise Refused(Refusal(code=Code.CASE_ENDED, params=params)) from None
        async with self._engine.begin() as connection:
            now, event = self._clock(), "register_rescanned"
            await journal.append_operator_step(
                connection, campaign.case_id, event, actor, now, {}, f"rescan:{command_id}"
            )

    async def find(self, period: Period, jurisdiction: str) -> Campaign | None:
        """A campaign, None if it has not been opened."""
        async with self._engine.connect() as connection:
            return await campaigns.by_id(connection, campaign_id(period, jurisdiction))

    async def status(self, period: Period, jurisdiction: str) -> dict[str, Any]:
        """A campaign's progress: stage, pass over the register, cases by status.

        Raises Refused when it has not been opened.
        """
        campaign = await self.find(period, jurisdiction)
        if campaign is None:
            raise Refused(_not_found(period, jurisdiction))
        return await self.describe(campaign)

    async def newest_first(self) -> list[Campaign]:
        """All campaigns, the newest period first."""
        async with self._engine.connect() as connection:
            return await campaigns.newest_first(connection)

    async def describe(self, campaign: Campaign) -> dict[str, Any]:
        """A campaign with its stages and the count of its cases by status."""
        async with counting(self._engine) as connection:
            counts = await cases.counts(connection, campaign.case_id)
            reported = (
                await cases.reported(connection, campaign.case_id) if campaign.quarter else None
            )
            notes = await content.notes_by_sha256(connection, [campaign.note_sha256])
        rules = await self._pinned.get(campaign.rule_set)
        return {
            **campaign.model_dump(exclude={"note_sha256"}),
            "reason": notes.get(campaign.note_sha256, {}).get("reason", ""),
            "stages": [stage.model_dump() for stage in _stages(rules, _period(campaign))],
            "reported": reported,
            "statuses": {status: counts.get(status, 0) for status in Status},
        }

    async def cases_on_record(self, case_id: str) -> int:
        """How many filings of a campaign are on record."""
        async with counting(self._engine) as connection:
            return sum((await cases.counts(connection, case_id)).values())

    # --- private steps -----------------------------------------------------------------------

    def _handle(self, campaign: Campaign) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(process_id(campaign.case_id, campaign.opening))

    async def _annulled_in_full(self, campaign: Campaign | None) -> None:
        """Raises Refused while filings of an annulled campaign are not, or wait in a job."""
        if campaign is None:
            return
        async with counting(self._engine) as connection:
            left = await cases.unfinished_annulment(connection, campaign.case_id)
        if left:
            params = {
                "year": str(_period(campaign)),
                "jurisdiction": campaign.jurisdiction,
                "left": str(left),
            }
            raise Refused(Refusal(code=Code.ANNULMENT_UNFINISHED, params=params))

    async def _not_covered(self, period: Period, jurisdiction: str, rules: CompiledRules) -> None:
        """Raises Refused where a campaign above has everybody's filing of the period already."""
        above = [one for one in rules.document.tree.upwards(jurisdiction) if one != jurisdiction]
        async with self._engine.connect() as connection:
            opened = await campaigns.of_period(connection, period.year, period.quarter)
        for campaign in opened:
            if campaign.jurisdiction in above:
                params = {
                    "year": str(period),
                    "jurisdiction": jurisdiction,
                    "covering": campaign.jurisdiction,
                }
                raise Refused(Refusal(code=Code.CAMPAIGN_COVERED, params=params))

    async def _reason_for_late(
        self, last: Window, period: Period, after_window: bool, reason: str
    ) -> str:
        """Keeps why a year is opened whose filing window has closed. Raises Refused without."""
        if not after_window:
            params = {"year": str(period)}
            raise Refused(
                Refusal(code=Code.WINDOW_PASSED, params=params, cite=last.cite, at=last.closes)
            )
        if not reason.strip():
            params = {"action": "期限过后开启", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        async with self._engine.begin() as connection:
            return await content.save_note(connection, {"reason": reason.strip()})

    def _already_open(self, campaign: Campaign, pinned: dict[str, str], case_id: str) -> str:
        if campaign.rule_sets == pinned:
            return case_id
        params = {
            "year": str(_period(campaign)),
            "jurisdiction": campaign.jurisdiction,
            "sha256": campaign.rule_set[:12],
        }
        raise Refused(Refusal(code=Code.CAMPAIGN_EXISTS, params=params))


async def record_opening(connection: AsyncConnection, start: CampaignStart) -> bool:
    """Puts a campaign on record; False, and nothing is written, when one is there already."""
    if not await campaigns.add(connection, start):
        return False
    body: dict[str, Any] = {"rule_sets": start.rule_sets}
    if start.opening > 1:
        body["opening"] = start.opening
    if start.late:
        body["late"] = True
    if start.sampled:
        # on record before anybody has filed: nobody can choose whom a sample will have
        body["sample_commitment"] = await commit_to_seed(
            connection, start.case_id, start.opening, start.requested_at
        )
    await journal.append_operator_step(
        connection,
        start.case_id,
        "campaign_opened",
        start.opened_by,
        start.requested_at,
        body,
        start.command_id,
        note_sha256=start.note_sha256,
    )
    return True


async def start_again(
    client: Client, campaign: Campaign, opened: Step, rules: CompiledRules
) -> None:
    """Starts a campaign on record once more; what it has done before is done only once.

    ``opened`` is the step that opened it last, ``rules`` are its own.
    """
    start = CampaignStart(
        case_id=campaign.case_id,
        year=campaign.year,
        quarter=campaign.quarter,
        jurisdiction=campaign.jurisdiction,
        opened_by=opened.actor,
        requested_at=opened.at,
        rule_sets=campaign.rule_sets,
        stages=_stages(rules, _period(campaign)),
        command_id=opened.command_id,
        late=campaign.late,
        note_sha256=opened.note_sha256,
        opening=campaign.opening,
    )
    await _start(
        client,
        start,
        WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        WorkflowIDConflictPolicy.USE_EXISTING,
    )


async def _start(
    client: Client,
    start: CampaignStart,
    reuse: WorkflowIDReusePolicy,
    conflict: WorkflowIDConflictPolicy,
) -> None:
    await client.start_workflow(
        CAMPAIGN_WORKFLOW,
        start,
        id=process_id(start.case_id, start.opening),
        task_queue=TASK_QUEUE,
        id_reuse_policy=reuse,
        id_conflict_policy=conflict,
        rpc_timeout=ANSWER_WITHIN,
    )


def kind_of(period: Period) -> str:
    """The name of the kind of cases that a campaign is made of."""
    return (BATCH if period.quarter else FILING).name


def _period(campaign: Campaign) -> Period:
    return Period(campaign.year, campaign.quarter)


def _stages(rules: CompiledRules, period: Period) -> tuple[CampaignStage, ...]:
    if period.quarter:
        return _stages_of_quarter(rules, period)
    return tuple(
        CampaignStage(
            id=stage.id, label=stage.label, opens=stage.window.opens, closes=stage.window.closes
        )
        for stage in sorted(rules.stages, key=lambda s: s.window.opens)
    )


def _stages_of_quarter(rules: CompiledRules, period: Period) -> tuple[CampaignStage, ...]:
    """A quarter's windows as stages; none where the rules set no end."""
    windows = windows_of(rules, period)
    return tuple(
        CampaignStage(
            id=name,
            label=WINDOWS[name].label,
            opens=windows[name].opens,
            closes=windows[name].closes,
        )
        for name in ("fill", "supplement")
        if name in windows and windows[name].closes < FOREVER
    )


def _not_found(period: Period, jurisdiction: str) -> Refusal:
    return Refusal(
        code=Code.CAMPAIGN_NOT_FOUND, params={"year": str(period), "jurisdiction": jurisdiction}
    )
