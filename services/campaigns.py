"""Campaigns: opening a year under its rules, another pass over the register, progress."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.campaigns import RESCAN, CampaignStage, CampaignStart
from domain.case.commands import Actor
from domain.case.events import Step
from domain.case.plan import FOREVER, WINDOWS
from domain.case.status import Status
from domain.case.workflow_messages import CAMPAIGN_WORKFLOW, TASK_QUEUE
from domain.facts import Facts, InstitutionFacts
from domain.filing.kind import FILING
from domain.ids import campaign_id, region_prefix
from domain.numbers.batch import BATCH
from domain.numbers.quarters import Period, Quarter
from domain.refusals import Code, Refusal, Refused
from engine.client import ANSWER_WITHIN, WorkflowGone, translated
from rules.check.checks import check_name
from rules.compiled import CompiledRules, NotPublishable
from rules.file.library import RuleSetNotFound, RulesInvalid, current_library
from services.clock import Clock
from services.rule_sets import PinnedRules
from store import campaigns, cases, rule_sets
from store.campaigns import Campaign
from store.cases import Case


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

    async def open(self, period: Period, jurisdiction: str, actor: Actor, command_id: str) -> str:
        """Opens the campaign of a year or a quarter, its rule sets stored for ever; returns its id.

        Opening it again under the same rules changes nothing. Raises Refused when there are no
        rules, or when it is open already under other rules.
        """
        case_id = campaign_id(period, jurisdiction)
        # checking rules takes seconds of pure computing: other requests go on meanwhile
        documents = await asyncio.to_thread(
            checked_documents, self._rules, period.year, jurisdiction
        )
        async with self._engine.begin() as connection:
            pinned = {
                place: await rule_sets.store(connection, document)
                for place, document in documents.items()
            }
        own = CompiledRules(documents[jurisdiction])
        try:
            stages = _stages(own, period)
        except NotPublishable as failure:
            asked = {"year": str(period), "jurisdiction": jurisdiction, "known": str(failure)}
            raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=asked)) from None
        standing = await self.find(period, jurisdiction)
        if standing is not None:
            return self._already_open(standing, pinned, case_id)
        start = CampaignStart(
            case_id=case_id,
            year=period.year,
            quarter=period.quarter,
            jurisdiction=jurisdiction,
            opened_by=actor,
            requested_at=self._clock(),
            rule_sets=pinned,
            stages=stages,
            command_id=command_id,
        )
        async with translated():
            try:
                await _start(
                    self._client,
                    start,
                    WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    WorkflowIDConflictPolicy.FAIL,
                )
            except WorkflowAlreadyStartedError:
                # somebody else was a moment earlier: their opening counts
                return self._already_open(
                    await self._appeared(period, jurisdiction), pinned, case_id
                )
        return case_id

    async def rescan(self, period: Period, jurisdiction: str, command_id: str) -> None:
        """Has the register gone through again, for institutions that came on record later."""
        handle = self._client.get_workflow_handle(campaign_id(period, jurisdiction))
        try:
            async with translated():
                await handle.signal(RESCAN, command_id, rpc_timeout=ANSWER_WITHIN)
        except WorkflowGone:
            if await self.find(period, jurisdiction) is None:
                raise Refused(_not_found(period, jurisdiction)) from None
            params = {
                "status": "结束",
                "action": "重新核对名录",
                "next": "开放的期限已过，不再列入新的机构；新机构从下一期起列入",
            }
            raise Refused(Refusal(code=Code.CASE_ENDED, params=params)) from None

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
        async with self._engine.connect() as connection:
            counts = await cases.counts(connection, campaign.case_id)
            reported = (
                await cases.reported(connection, campaign.case_id) if campaign.quarter else None
            )
        rules = await self._pinned.get(campaign.rule_set)
        return {
            **campaign.model_dump(),
            "stages": [stage.model_dump() for stage in _stages(rules, _period(campaign))],
            "reported": reported,
            "statuses": {status: counts.get(status, 0) for status in Status},
        }

    async def listed(self, period: Period, jurisdiction: str, status: Status) -> list[Case]:
        """All cases of a campaign in one status, by their ids."""
        listed: list[Case] = []
        while page := await self.page(
            period, jurisdiction, status, "", listed[-1].case_id if listed else "", 1000
        ):
            listed.extend(page)
        return listed

    async def page(
        self,
        period: Period,
        jurisdiction: str,
        status: Status,
        region_prefix: str,
        after: str,
        size: int,
    ) -> list[Case]:
        """Up to ``size`` cases of a campaign in one status, with ids after ``after``.

        Whose batch has numbers on record has reported, declared or not: those are left out.
        """
        async with self._engine.connect() as connection:
            return await cases.listed(
                connection,
                kind=kind_of(period),
                campaign=campaign_id(period, jurisdiction),
                status=status,
                revision=0 if period.quarter else None,
                region_prefix=region_prefix,
                after=after,
                size=size,
            )

    async def cases_on_record(self, case_id: str) -> int:
        """How many filings of a campaign are on record."""
        async with self._engine.connect() as connection:
            return sum((await cases.counts(connection, case_id)).values())

    # --- private steps -----------------------------------------------------------------------

    async def _appeared(self, period: Period, jurisdiction: str) -> Campaign:
        """A campaign that is just being opened. Raises Refused if it does not come on record."""
        for _ in range(100):
            campaign = await self.find(period, jurisdiction)
            if campaign is not None:
                return campaign
            await asyncio.sleep(0.1)
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"}))

    def _already_open(self, campaign: Campaign, pinned: dict[str, str], case_id: str) -> str:
        if campaign.rule_sets == pinned:
            return case_id
        params = {
            "year": str(_period(campaign)),
            "jurisdiction": campaign.jurisdiction,
            "sha256": campaign.rule_set[:12],
        }
        raise Refused(Refusal(code=Code.CAMPAIGN_EXISTS, params=params))


async def start_again(
    client: Client, campaign: Campaign, opened: Step, rules: CompiledRules
) -> None:
    """Starts a campaign on record once more; what it has done before is done only once.

    ``opened`` is its first step, ``rules`` are its own.
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
        id=start.case_id,
        task_queue=TASK_QUEUE,
        id_reuse_policy=reuse,
        id_conflict_policy=conflict,
        rpc_timeout=ANSWER_WITHIN,
    )


def checked_documents(rules: Path, year: int, jurisdiction: str) -> dict[str, dict[str, Any]]:
    """A campaign's own rule set and those of every jurisdiction within it, by jurisdiction.

    All are checked in full, examples included. Raises Refused: none there, a mere base, not in
    order.
    """
    library = current_library(rules)
    asked = {"year": str(year), "jurisdiction": jurisdiction}
    prefix = region_prefix(jurisdiction)
    try:
        own = library.resolve(year, jurisdiction)
        if own.not_publishable is not None:
            known = f"{own.id} 只是基础：{own.not_publishable}"
            raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params={**asked, "known": known}))
        places = [p for y, p in library.sets() if y == year and p.startswith(prefix)]
        with _checking:
            findings = [f for p in places for f in check_name(library, library.name_of(year, p))]
        if findings:
            raise RulesInvalid(findings)
        return {place: library.resolve(year, place).document for place in places}
    except RuleSetNotFound as failure:
        params = {**asked, "known": str(failure)}
        raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=params)) from None
    except RulesInvalid as invalid:
        raise Refused(rules_invalid(invalid, **asked)) from None


# seconds of computing, of which others that ask meanwhile profit
_checking = threading.Lock()


def rules_invalid(invalid: RulesInvalid, **asked: str) -> Refusal:
    """Rule files that are not in order, as a refusal."""
    first = str(invalid.findings[0])
    params = {**asked, "count": str(len(invalid.findings)), "first": first}
    return Refusal(code=Code.RULES_INVALID, params=params)


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
    # the windows of a batch depend on the quarter alone, so any institution's do
    anybody = Facts(institution=InstitutionFacts(id="0", region=rules.document.jurisdiction))
    plan = rules.batch_plan(anybody, Quarter(*period))
    windows = {"fill": plan.fill, "supplement": plan.supplement}
    return tuple(
        CampaignStage(id=name, label=WINDOWS[name].label, opens=window.opens, closes=window.closes)
        for name, window in windows.items()
        if window is not None and window.closes < FOREVER
    )


def _not_found(period: Period, jurisdiction: str) -> Refusal:
    return Refusal(
        code=Code.CAMPAIGN_NOT_FOUND, params={"year": str(period), "jurisdiction": jurisdiction}
    )
