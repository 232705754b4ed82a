"""What an annual filing's workflow asks for: recording steps, looking into a submission."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from domain.canonical import sha256_of
from domain.case.workflow_messages import (
    READ_STEPS,
    RECORD_STEPS,
    ReadSteps,
    RecordedSteps,
    RecordRequest,
)
from domain.facts import Facts
from domain.filing.amending import PREPARE_AMENDMENT, PrepareAmendment
from domain.filing.findings import FilingFindings, PrepareSubmission
from domain.filing.kind import PREPARE_SUBMISSION
from domain.filing.parts import left_over_refusal, parts_to_file
from domain.filing.waiving import waived_by_another
from domain.refusals import Code, Refusal, Refused
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed
from rules.filing.forms.changes import figures_differ
from services import legal_persons
from services.campaigns.amending import plan_of
from services.contents import ContentService
from services.rule_sets import PinnedRules
from store import content, institutions, journal, submissions
from store.batching import Batcher
from store.submissions import Submitted, Wanted
from store.writer import JournalWriter


class FilingActivities:
    """The activities of annual filings, with what they need to act."""

    def __init__(
        self,
        engine: AsyncEngine,
        writer: JournalWriter,
        pinned: PinnedRules,
        contents: ContentService,
    ) -> None:
        # single reads: no transaction to begin and end around them
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transactions = engine
        # whoever waits for a lock holds a connection, and the writer needs one too
        self._alone = asyncio.Semaphore(2)
        self._writer = writer
        self._pinned = pinned
        self._contents = contents
        self._reader: Batcher[Wanted, Submitted] = Batcher(self._read)

    @activity.defn(name=RECORD_STEPS)
    async def record_steps(self, request: RecordRequest) -> RecordedSteps:
        """Writes the steps of one command, with the read model, in one transaction."""
        if not request.shared:
            return await self._writer.record(request)
        # one after the other for one legal person, in whichever process: the second sees the first
        async with self._alone, self._transactions.begin() as connection:
            for name in request.shared:
                await journal.lock(connection, name)
            refusal = await self._filed_meanwhile(connection, request)
            if refusal is not None:
                return RecordedSteps(refusal=refusal)
            return await self._writer.record(request)

    @activity.defn(name=READ_STEPS)
    async def read_steps(self, asked: ReadSteps) -> RecordedSteps:
        """What the journal holds of a case after a sequence."""
        return await self._writer.recorded(asked.case_id, asked.sequence, asked.head)

    @activity.defn(name=PREPARE_SUBMISSION)
    async def prepare_submission(self, wanted: PrepareSubmission) -> FilingFindings:
        """Checks the revision, and decides under the pinned rules who reviews it.

        For a confirmation nobody reviews yet; for a waiver no content is looked at. Where a rule
        cannot be computed for the institution, that is the refusal: trying again would change
        nothing.
        """
        try:
            return await self._looked_into(wanted)
        except (ConditionFailed, Refused) as failed:
            return FilingFindings(refusal=failed.refusal)

    async def _looked_into(self, wanted: PrepareSubmission) -> FilingFindings:
        rules = await self._pinned.get(wanted.rule_set)
        submitted = await self._reader.ask(
            Wanted(
                wanted.case_id,
                wanted.revision,
                wanted.returned_revision,
                wanted.institution,
                rules.document.year,
            )
        )
        institution = submitted.institution
        waiving = wanted.purpose == "waive"
        refusal = None if waiving else submitted.unreadable or revision_refusal(wanted, submitted)
        if refusal is not None:
            return FilingFindings(refusal=refusal)
        if institution is None:
            return FilingFindings(
                refusal=Refusal(
                    code=Code.UNKNOWN_INSTITUTION, params={"institution": wanted.institution}
                )
            )
        beside = legal_persons.among(rules, submitted.account, submitted.others)
        if submitted.account is not None and legal_persons.has_centres(rules, institution):
            async with self._engine.connect() as connection:
                beside = await legal_persons.at_centres(connection, rules, institution, beside)
        if beside.refusal is not None:
            return FilingFindings(refusal=beside.refusal)
        facts = institution.facts_for(wanted.choice)
        if waiving:
            return assign(rules, facts, submitted)
        to_file = parts_to_file(wanted.parts, [part.id for part in rules.parts(facts)])
        refusal = left_over_refusal(submitted.content, to_file)
        if refusal is not None:
            return FilingFindings(refusal=refusal)
        waived = {
            finding: number for mine in wanted.waived.values() for finding, number in mine.items()
        }
        last = await self._contents.values_of(submitted.completed())
        report = await self._contents.report(
            rules, to_file, institution, submitted.content, waived, last
        )
        if not report.ready:
            params = {"count": str(len(report.open))}
            return FilingFindings(refusal=Refusal(code=Code.CONTENT_INCOMPLETE, params=params))
        if wanted.purpose == "attest":
            return FilingFindings(
                editors=submitted.editors, attestation=rules.attestation, files=submitted.files
            )
        findings = assign(rules, facts, submitted)
        reviewer = findings.decision.reviewer if findings.decision is not None else None
        if reviewer is not None:
            used = {one.sha256: one.waiver for one in report.findings if one.waiver is not None}
            refusal = waived_by_another(used, wanted.waived, reviewer)
            if refusal is not None:
                return FilingFindings(refusal=refusal)
        findings = findings.model_copy(update={"shared": beside.shared})
        if not wanted.completed_revision:
            return findings
        async with self._engine.connect() as connection:
            before = await content.revision(connection, wanted.case_id, wanted.completed_revision)
        differ = before is not None and figures_differ(
            rules.forms_of(to_file), before.content, submitted.content
        )
        return findings.model_copy(update={"figures_changed": differ})

    @activity.defn(name=PREPARE_AMENDMENT)
    async def prepare_amendment(self, wanted: PrepareAmendment) -> FilingFindings:
        """What a filing would run on under an amendment, by the facts that it began with."""
        async with self._engine.connect() as connection:
            plan = await plan_of(connection, self._pinned, wanted.case_id, wanted.amendment)
        if isinstance(plan, Refusal):
            return FilingFindings(refusal=plan)
        return FilingFindings(plan=plan)

    async def _filed_meanwhile(
        self, connection: AsyncConnection, request: RecordRequest
    ) -> Refusal | None:
        """Why a submission is refused after all: another account was quicker."""
        institution_id, rule_set = request.steps[0].actor.scope, request.rule_set
        known = await institutions.by_ids(connection, [institution_id])
        if institution_id not in known:
            return None
        rules = await self._pinned.get(rule_set)
        return (await legal_persons.beside(connection, rules, known[institution_id])).refusal

    async def _read(self, wanted: Sequence[Wanted]) -> Sequence[Submitted]:
        return await submissions.read(self._engine, wanted)


def revision_refusal(wanted: PrepareSubmission, submitted: Submitted) -> Refusal | None:
    """Only the newest revision, exactly as its filer saw it, can be submitted."""
    if submitted.latest == 0:
        return Refusal(code=Code.NOTHING_TO_SUBMIT)
    if submitted.latest != wanted.revision or submitted.sha256 != wanted.content_sha256:
        params = {"revision": str(wanted.revision), "latest": str(submitted.latest)}
        return Refusal(code=Code.STALE_REVISION, params=params)
    return None


def assign(rules: CompiledRules, facts: Facts, submitted: Submitted) -> FilingFindings:
    """The reviewer's decision as findings; a refusal when nobody can review."""
    decision = rules.route(facts)
    if decision.reviewer is None:
        code = Code(decision.refusal or Code.NOBODY_APPLIES)
        refusal = Refusal(code=code, params={"choice": facts.choice or ""}, cite=decision.cite)
        return FilingFindings(refusal=refusal)
    inputs = facts.model_dump(mode="json")
    pinned = decision.model_copy(update={"inputs": inputs, "inputs_sha256": sha256_of(inputs)})
    return FilingFindings(
        decision=pinned,
        editors=submitted.editors,
        unchanged=submitted.sha256 == submitted.returned_sha256,
        files=submitted.files,
        attestation=rules.attestation,
        corrections=rules.corrections,
    )
