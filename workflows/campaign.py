"""A year's campaign in one jurisdiction: opening, everybody's filings, stages, end.

Legal basis: the yearly notice of the jurisdiction; its stages are the rules'. The filings are
started by a heartbeating activity that goes on where it stopped; ``rescan`` makes another pass
over the register, for institutions that came on record later.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from domain.campaigns import (
        ANNUL,
        BEGIN_CAMPAIGN,
        ENTER_STAGE,
        RESCAN,
        START_FILINGS,
        CampaignStage,
        CampaignStart,
        ScanProgress,
        ScanRequest,
        Stage,
    )
    from domain.case.workflow_messages import CAMPAIGN_WORKFLOW

_SHORT = timedelta(seconds=30)
_WHOLE_SCAN = timedelta(hours=24)
_HEARTBEAT = timedelta(seconds=60)
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=["RuleSetMissing"],
)


@workflow.defn(name=CAMPAIGN_WORKFLOW)
class CampaignOfYear:
    """See the module's text."""

    @workflow.init
    def __init__(self, start: CampaignStart) -> None:
        self._start = start
        self._scans_wanted = 1
        self._scans_done = 0
        self._asked: list[str] = []
        self._annulled = False

    @workflow.run
    async def run(self, start: CampaignStart) -> None:
        await self._begin()
        scans = asyncio.create_task(self._scan_when_asked())
        for stage in start.stages:
            await self._enter(stage)
        if start.stages:
            await self._end(start.stages[-1])
        await workflow.wait_condition(
            lambda: self._annulled or self._scans_done >= self._scans_wanted
        )
        scans.cancel()

    @workflow.signal(name=RESCAN)
    def rescan(self, command_id: str) -> None:
        """Makes another pass over the register after the present one; once per command."""
        if command_id in self._asked:
            return
        self._asked.append(command_id)
        under_way = self._scans_done < self._scans_wanted
        self._scans_wanted = self._scans_done + (2 if under_way else 1)

    @workflow.signal(name=ANNUL)
    def annul(self) -> None:
        """Enters no further stage: the campaign was opened by mistake."""
        self._annulled = True

    # --- private steps -----------------------------------------------------------------------

    async def _begin(self) -> None:
        await workflow.execute_activity(
            BEGIN_CAMPAIGN,
            self._start,
            start_to_close_timeout=_SHORT,
            retry_policy=_RETRY,
        )

    async def _scan_when_asked(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._scans_done < self._scans_wanted)
            try:
                await self._scan()
            except ActivityError:
                # the stages go on; an operator mends the cause and asks for another pass
                workflow.logger.exception("a pass over the register failed for good")
            self._scans_done += 1

    async def _scan(self) -> None:
        await workflow.execute_activity(
            START_FILINGS,
            ScanRequest(
                case_id=self._start.case_id,
                year=self._start.year,
                quarter=self._start.quarter,
                jurisdiction=self._start.jurisdiction,
                rule_sets=self._start.rule_sets,
                scan=self._scans_done + 1,
                requested_at=workflow.now(),
                before=self._start.opening - 1,
            ),
            result_type=ScanProgress,
            start_to_close_timeout=_WHOLE_SCAN,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
        )

    async def _enter(self, stage: CampaignStage) -> None:
        await self._until(stage.opens)
        await self._record_stage(stage, ended=False)

    async def _end(self, last: CampaignStage) -> None:
        await self._until(max(stage.closes for stage in self._start.stages))
        await self._record_stage(last, ended=True)

    async def _record_stage(self, stage: CampaignStage, *, ended: bool) -> None:
        if self._annulled:
            return
        await workflow.execute_activity(
            ENTER_STAGE,
            Stage(
                case_id=self._start.case_id,
                stage=stage,
                at=workflow.now(),
                ended=ended,
                before=self._start.opening - 1,
            ),
            start_to_close_timeout=_SHORT,
            retry_policy=_RETRY,
        )

    async def _until(self, instant: datetime) -> None:
        remaining = instant - workflow.now()
        if remaining > timedelta():
            with suppress(asyncio.TimeoutError):
                await workflow.wait_condition(lambda: self._annulled, timeout=remaining)
