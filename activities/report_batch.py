"""What batches of report numbers ask for: the gate, reading a file, changing numbers."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from domain.clock import day_of
from domain.numbers.report_numbers import (
    CHANGE_NUMBERS,
    INGEST_UPLOAD,
    PREPARE_UPLOAD,
    ChangeRequest,
    IngestOutcome,
    IngestRequest,
    PrepareUpload,
)
from domain.numbers.state import BatchFindings
from domain.refusals import Code, Refusal
from rules.conditions import ConditionFailed
from services.campaigns.lookup import filing_record
from services.numbers.changes import apply_change
from services.numbers.ingest import ingest
from services.rule_sets import PinnedRules
from store import institutions

_AT_ONCE = 3
"""Files read at the same time: each holds a connection, and memory, until it is done."""


class ReportBatchActivities:
    """The activities of batches, with what they need to act."""

    def __init__(self, engine: AsyncEngine, pinned: PinnedRules) -> None:
        self._engine = engine
        self._pinned = pinned
        self._reading = asyncio.Semaphore(_AT_ONCE)

    @activity.defn(name=PREPARE_UPLOAD)
    async def prepare_upload(self, asked: PrepareUpload) -> BatchFindings:
        """Decides under the pinned rules whether the institution may upload now.

        Where a rule cannot be computed for it, that is the refusal.
        """
        rules = await self._pinned.get(asked.rule_set)
        async with self._engine.connect() as connection:
            found = await institutions.by_ids(connection, [asked.institution])
            if asked.institution not in found:
                params = {"institution": asked.institution}
                return BatchFindings(refusal=Refusal(code=Code.UNKNOWN_INSTITUTION, params=params))
            facts = found[asked.institution].facts_for(None)
            record = await filing_record(
                connection, self._pinned, asked.institution, facts.institution.region, asked.at
            )
        try:
            gate = rules.gate(facts, record, day_of(asked.at))
        except ConditionFailed as failed:
            return BatchFindings(refusal=failed.refusal)
        if gate.allowed:
            return BatchFindings(gate=gate)
        refusal = Refusal(
            code=Code(gate.code or Code.NOT_IN_REPORTING),
            params={
                "institution": asked.institution,
                "year": str(record.latest_closed_year),
                "because": gate.because,
            },
            cite=gate.cite,
        )
        return BatchFindings(refusal=refusal)

    @activity.defn(name=INGEST_UPLOAD)
    async def ingest_upload(self, request: IngestRequest) -> IngestOutcome:
        """Reads, checks and merges one received file; once decided, tells what was decided."""
        while self._reading.locked():
            # others are read first; the engine is told that nobody has died
            activity.heartbeat(0)
            await asyncio.sleep(1)
        async with self._reading:
            return await ingest(self._engine, request, activity.heartbeat)

    @activity.defn(name=CHANGE_NUMBERS)
    async def change_numbers(self, request: ChangeRequest) -> BatchFindings:
        """Makes a stored withdrawal or correction; changes nothing when part of it is wrong."""
        outcome = await apply_change(self._engine, request)
        if outcome.made:
            return BatchFindings(visible_from=request.visible_from)
        if outcome.busy:
            return BatchFindings(
                refusal=Refusal(code=Code.UPLOADS_UNDER_WAY, params={"count": "1"})
            )
        params = {"count": str(len({one.place for one in outcome.problems}))}
        return BatchFindings(refusal=Refusal(code=Code.NUMBERS_NOT_ON_RECORD, params=params))
