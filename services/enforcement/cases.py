"""Cases of enforcement: foreseeing one, opening it, and every act of its life."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import event_of
from domain.case.kind import fold
from domain.case.state import CaseState
from domain.case.workflow_messages import CaseOpening, CaseStart, Receipt
from domain.decision import Obligation
from domain.enforcement.commands import Cure
from domain.enforcement.consequences import (
    Consequences,
    EnforcementFacts,
    EnforcementTerms,
    FilingFacts,
    Finding,
)
from domain.enforcement.kind import ENFORCEMENT
from domain.enforcement.state import EnforcementState
from domain.ids import enforcement_id
from domain.numbers.batch import BATCH
from domain.refusals import Code, Refusal, Refused, unseen
from domain.working_days import CalendarMissing
from engine.client import ANSWER_WITHIN, translated
from engine.starting import start_case
from rules.compiled import CompiledRules
from rules.file.calendars import read_calendar
from services.cases import CaseService
from services.clock import Clock
from services.notices.telling import Telling
from services.repeated import repeated
from services.rule_sets import PinnedRules
from services.sight import judging
from store import cases, content, enforcement, institutions, journal, rule_sets
from store.cases import Case
from store.enforcement import Attachment as Attachment
from store.enforcement import Document as Document
from store.enforcement import FilingDates

_LOOK_AGAIN = 0.02
EVERY = 15.0
"""Seconds between two looks for what has been made good."""

MOST_CURED = 200


class EnforcementService(CaseService):
    """Everything the outside can do with enforcement."""

    def __init__(
        self,
        client: Client,
        engine: AsyncEngine,
        pinned: PinnedRules,
        rules: Path,
        clock: Clock,
        templates: Path | None = None,
    ) -> None:
        super().__init__(client, engine, clock)
        self._pinned = pinned
        self._rules = rules
        self._telling = Telling(engine, pinned, clock, templates)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Ends from time to time what has been made good."""
        return repeated(self.cure_all, first=EVERY, every=EVERY, failed="not_cured")

    # --- before there is a case ------------------------------------------------------------------

    async def terms(
        self, about: str, findings: Sequence[Finding]
    ) -> tuple[FilingDates, CompiledRules, EnforcementFacts, EnforcementTerms]:
        """What a case about a filing, opened now, would run on. Raises Refused: no such filing."""
        dates = await enforcement.filing_dates(self._engine, about)
        if dates is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"填报 {about}"}))
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, [dates.institution_id])
        rules = await self._pinned.get(dates.rule_set)
        facts = EnforcementFacts.model_validate(
            {
                **known[dates.institution_id].facts_for(None).model_dump(),
                "filing": _filing(dates),
                "findings": tuple(findings),
            }
        )
        return dates, rules, facts, rules.enforcement_terms(facts, self._clock())

    async def consequences(self, about: str, findings: Sequence[Finding] = ()) -> Consequences:
        """What would be proposed about a filing now, and why nothing else. Raises Refused."""
        return (await self.terms(about, findings))[3].consequences

    async def open(
        self,
        about: str,
        actor: Actor,
        command_id: str,
        findings: Sequence[Finding] = (),
        evidence: str = "",
        *,
        alone: bool = False,
    ) -> str:
        """Opens a case about a filing, which proposes nothing yet; its id.

        The same command again finds the same case. Raises Refused: nothing could be proposed, it
        is not this authority that proposes, findings without evidence, a year not on file;
        ``alone``: also while another case about it is under way.
        """
        now = self._clock()
        async with self._engine.connect() as connection:
            standing = await enforcement.opened_with(connection, about, command_id)
            if standing is not None and await cases.by_id(connection, standing.case_id):
                return standing.case_id
        dates, rules, facts, terms = await self.terms(about, findings)
        if findings and not evidence.strip():
            params = {"action": "作出认定", "field": "evidence"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        if not terms.measures:
            params = {"case": about, "because": terms.consequences.because}
            raise Refused(Refusal(code=Code.NOTHING_TO_PROPOSE, params=params))
        if actor.role is Role.OFFICER:
            theirs = [one for one in terms.measures if one.proposes == actor.scope]
            if not theirs:
                raise Refused(unseen())
        try:
            calendar = await asyncio.to_thread(read_calendar, self._rules)
            due = {one.id: calendar.count(one.terms["decision"], now).due for one in terms.measures}
        except CalendarMissing as missing:
            raise Refused(calendar_missing(missing)) from None
        authority = terms.measures[0].proposes
        async with judging(self._engine) as connection:
            opened = await enforcement.put_on_record(
                connection, about, enforcement_id, authority, command_id, actor.subject, now
            )
            if alone:
                await _refuse_beside(connection, about, opened.case_id, now)
            sha256 = ""
            if evidence.strip():
                sha256 = await content.save_note(connection, {"evidence": evidence})
            await rule_sets.store(connection, rules.source)
        plan = rules.enforcement_plan(facts, now)
        plan = plan.model_copy(
            update={
                "enforcement": terms.model_copy(
                    update={
                        "about": about,
                        "number": f"{opened.year}-{opened.serial}",
                        "evidence_sha256": sha256,
                        "decision_due": due,
                    }
                )
            }
        )
        start = CaseStart(
            case_id=opened.case_id,
            opening=CaseOpening(
                kind=ENFORCEMENT.name,
                year=dates.year,
                quarter=dates.quarter,
                institution=dates.institution_id,
                jurisdiction=plan.jurisdiction,
                campaign="",
                plan=plan,
            ),
            requested_at=opened.opened_at,
            requested_by=actor,
            vouched=True,
            inputs=facts.model_dump(mode="json"),
        )
        async with translated():
            await start_case(self._client, start)
        await self._on_record(opened.case_id)
        return opened.case_id

    # --- acts ------------------------------------------------------------------------------------

    async def perform(
        self, case: Case, command: Command, note: Mapping[str, Any] | None = None
    ) -> Receipt:
        """Has a command carried out with its note; whoever is to be told is told at once."""
        if note is not None:
            async with self._engine.begin() as connection:
                sha256 = await content.save_note(connection, dict(note))
            command = command.model_copy(update={"note_sha256": sha256})
        receipt = await self.act(case, command)
        await self._telling.tell(case.case_id)
        return receipt

    async def note(self, note: Mapping[str, Any]) -> str:
        """Keeps a text beside the case; its sha256."""
        async with self._engine.begin() as connection:
            return await content.save_note(connection, dict(note))

    async def notes(self, sha256s: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Texts kept beside a case, by their sha256."""
        async with self._engine.connect() as connection:
            return await content.notes_by_sha256(connection, list(sha256s))

    async def state(self, case: Case) -> CaseState[EnforcementState]:
        """How far a case has come: the fold of its steps."""
        async with self._engine.connect() as connection:
            steps = await journal.steps(connection, case.case_id)
        return fold(ENFORCEMENT, [event_of(step) for step in steps])

    async def attach(self, case: Case, name: str, media: str, data: bytes, actor: Actor) -> str:
        """Keeps a file that an institution adds; its sha256, by which a statement names it."""
        sha256 = hashlib.sha256(data).hexdigest()
        async with self._engine.begin() as connection:
            await enforcement.attach(
                connection, case.case_id, sha256, name, media, data, actor.subject, self._clock()
            )
        return sha256

    async def attachments(self, case: Case) -> list[Attachment]:
        """The files that an institution has added to a case."""
        async with self._engine.connect() as connection:
            return await enforcement.attachments(connection, case.case_id)

    async def attachment(self, case: Case, sha256: str) -> tuple[str, str, bytes]:
        """Name, media type and content of a file added to a case. Raises Refused: none."""
        async with self._engine.connect() as connection:
            found = await enforcement.attachment(connection, case.case_id, sha256)
        if found is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"附件 {sha256}"}))
        return found

    async def documents(self, case: Case) -> list[Document]:
        """The documents of a case, in order."""
        async with self._engine.connect() as connection:
            return await enforcement.documents(connection, case.case_id)

    async def document(self, case: Case, sha256: str) -> bytes:
        """The PDF of one of them. Raises Refused: none."""
        async with self._engine.connect() as connection:
            found = await enforcement.document(connection, case.case_id, sha256)
        if found is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"文书 {sha256}"}))
        return found

    async def cure_all(self) -> int:
        """Ends what has been made good; how many cases. Refusals of single ones are left alone."""
        async with self._engine.connect() as connection:
            waiting = await enforcement.to_cure(connection, MOST_CURED)
        ended = 0
        for case_id in waiting:
            async with self._engine.connect() as connection:
                case = await cases.by_id(connection, case_id)
            if case is None:
                continue
            command = Cure(id=f"cure@{case.sequence}", actor=SYSTEM, received_at=self._clock())
            try:
                await self.perform(case, command)
            except Refused:
                continue
            ended += 1
        return ended

    # --- private steps -----------------------------------------------------------------------

    async def _on_record(self, case_id: str) -> None:
        waited = 0.0
        while waited < ANSWER_WITHIN.total_seconds():
            async with self._engine.connect() as connection:
                if await cases.by_id(connection, case_id) is not None:
                    return
            await asyncio.sleep(_LOOK_AGAIN)
            waited += _LOOK_AGAIN
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "流程引擎"}))


async def _refuse_beside(
    connection: AsyncConnection, about: str, case_id: str, now: datetime
) -> None:
    """Raises Refused, and so takes back what was put on record, while another is under way."""
    for other in await enforcement.under_way(connection, about, now):
        if other != case_id:
            params = {"case": about, "other": other}
            raise Refused(Refusal(code=Code.ENFORCEMENT_UNDER_WAY, params=params))


def calendar_missing(missing: CalendarMissing) -> Refusal:
    """The refusal of a term that reaches a year without its notice."""
    return Refusal(code=Code.CALENDAR_MISSING, params={"year": str(missing.year)})


def _filing(dates: FilingDates) -> dict[str, Any]:
    """The fact and the dates of a filing, as consequences are drawn from them."""
    approved = dates.approved_at
    submitted = dates.submitted_at
    if submitted is None or (approved is not None and approved < submitted):
        approved = None
    return FilingFacts(
        status=dates.status,
        about="report_numbers" if dates.kind == BATCH.name else "filing",
        obligation=Obligation(outcome=dates.obligation, rule=None, cite=None).outcome,
        due=dates.due,
        submitted_at=submitted,
        approved_at=approved,
        extended_until=dates.extended_until,
        reminders_served=dates.reminders_served,
    ).model_dump()
