"""Extensions: granting one case, a selection or a whole place more time, and ending it earlier.

An extension is a job beside a row of its own, under the same id: each case that it gives time to
has its outcome. At its end the filings lapse by their own timers; nobody has to lock them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import ROLE_LABELS, Actor, forbidden
from domain.case.status import Status
from domain.case.workflow_messages import Receipt
from domain.ids import campaign_id
from domain.jobs import JobAction, JobOrder, JobState, command_of
from domain.kinds import KINDS
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from services.cases import CaseService
from services.clock import Clock
from services.jobs import LATER, Beside, JobService, Selection, id_of_job, reason_required
from services.sight import counting
from store import campaigns, content, extensions, jobs, journal
from store.cases import Case
from store.extensions import Extension as Extension

UNFINISHED = tuple(
    status
    for status in Status
    if status not in (Status.COMPLETED, Status.CANCELLED, Status.ANNULLED)
)
"""Where more time can make a difference to a case."""


class ExtensionTerms(Value):
    """More time as it is asked for: until when, why, under which document and on whose word.

    ``standing``: for the whole of ``jurisdiction``, newcomers too.
    """

    period: Period
    jurisdiction: str
    standing: bool = False
    until: datetime
    reason: str
    document: str = ""
    authorised_by: str = ""


class ExtensionShown(Value):
    """An extension. What became of each case is in the job of the same id.

    ``standing``: for the whole jurisdiction, newcomers too. ``open`` while it runs; after that its
    filings have their own windows again. ``extended`` filings have their time from it.
    """

    id: str
    period: str
    jurisdiction: str
    standing: bool
    until: datetime
    given_until: datetime
    open: bool
    reason: str
    document: str
    authorised_by: str
    granted_by: str
    granted_at: datetime
    total: int
    extended: int
    shortened_at: datetime | None
    shortened_by: str
    shortened_reason: str
    shortened_job: str


class ExtensionService:
    """Everything that is done with extensions."""

    def __init__(
        self, engine: AsyncEngine, of_jobs: JobService, acting: CaseService, clock: Clock
    ) -> None:
        self._engine = engine
        self._jobs = of_jobs
        self._acting = acting
        self._clock = clock

    async def grant(
        self, terms: ExtensionTerms, selection: Selection, actor: Actor, key: str
    ) -> Extension:
        """Gives more time to the cases that are selected now; in a place, to newcomers too.

        The same key again is the same extension. Raises Refused: not for this role, no reason, an
        instant that has passed, no campaign there, no case selected, or the key was used for
        another.
        """
        rule = KINDS[selection.kind].commands[JobAction.EXTEND]
        if actor.role not in rule.roles:
            raise Refused(forbidden(ROLE_LABELS[actor.role], rule.roles))
        if not terms.reason.strip():
            raise Refused(reason_required(JobAction.EXTEND))
        id_, now = id_of_job(actor.subject, key), self._clock()
        if await self._known(id_) is None and terms.until <= now:
            raise Refused(Refusal(code=Code.EXTENSION_NOT_LATER, at=now))
        beside = _Granted(terms, id_, selection.kind, key)
        await self._jobs.begin(
            id_,
            JobAction.EXTEND,
            selection,
            actor,
            _details(terms, id_),
            terms.reason,
            beside=beside,
        )
        return await self.find(id_)

    async def grant_one(self, case: Case, terms: ExtensionTerms, actor: Actor, key: str) -> Receipt:
        """Gives one case more time, at once. Raises Refused; then there is no such extension."""
        id_ = id_of_job(actor.subject, key)
        known = await self._known(id_)
        job = await self._jobs.begin(
            id_,
            JobAction.EXTEND,
            Selection(kind=case.kind, year=case.year, quarter=case.quarter, ids=(case.case_id,)),
            actor,
            _details(terms, id_),
            terms.reason,
            beside=_Granted(terms, id_, case.kind, key, alone=True),
        )
        try:
            command = command_of(job.order, job.id, 1, self._clock())
            receipt = await self._acting.act(case, command)
        except Refused as refused:
            if known is None and refused.refusal.code not in LATER:
                # what the case did not take is on the case's own record
                async with self._engine.begin() as connection:
                    await extensions.remove(connection, id_)
            raise
        now = self._clock()
        async with self._engine.begin() as connection:
            await jobs.settle(connection, id_, 1, now, sequence=receipt.sequence)
            if await jobs.state_of(connection, id_) is JobState.RUNNING:
                await jobs.set_state(connection, id_, JobState.DONE, now)
        return receipt

    async def shorten(
        self, id_: str, until: datetime | None, actor: Actor, key: str, reason: str
    ) -> Extension:
        """Has an extension end at ``until``, at once by default, where that takes nothing away.

        The cases that live by it alone keep it; each has its outcome in the job that
        ``shortened_job`` names. Raises Refused.
        """
        if not reason.strip():
            raise Refused(reason_required(JobAction.SHORTEN))
        extension, job_id, now = await self.find(id_), id_of_job(actor.subject, key), self._clock()
        if extension.shortened_job == job_id:
            return extension
        ends = until or now
        await self._jobs.begin(
            job_id,
            JobAction.SHORTEN,
            Selection(kind=extension.kind, extension=id_),
            actor,
            {"until": ends.isoformat(), "extension": id_},
            reason,
            beside=_Shortened(extension, ends, job_id, key, now),
        )
        return await self.find(id_)

    async def find(self, id_: str) -> Extension:
        """One extension. Raises Refused for none."""
        extension = await self._known(id_)
        if extension is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"延期 {id_}"}))
        return extension

    async def newest_first(
        self, period: Period, place: str, after: tuple[datetime, str] | None, size: int
    ) -> list[Extension]:
        """Up to ``size`` extensions within a place, or of a place around it."""
        async with counting(self._engine) as connection:
            return await extensions.of_place(
                connection, period.year, period.quarter, place, after, size
            )

    async def reasons(self, granted: Sequence[Extension]) -> dict[str, str]:
        """Why some extensions were given and ended, by the hashes of the notes."""
        hashes = {sha for one in granted for sha in (one.note_sha256, one.shortened_note) if sha}
        async with self._engine.connect() as connection:
            notes = await content.notes_by_sha256(connection, sorted(hashes))
        return {sha: str(note.get("reason", "")) for sha, note in notes.items()}

    async def _known(self, id_: str) -> Extension | None:
        async with counting(self._engine) as connection:
            return await extensions.by_id(connection, id_)


def _details(terms: ExtensionTerms, id_: str) -> dict[str, Any]:
    return {"until": terms.until.isoformat(), "document": terms.document, "extension": id_}


class _Granted(Beside):
    """An extension on record with the job that gives it to each case."""

    def __init__(
        self, terms: ExtensionTerms, id_: str, kind: str, key: str, *, alone: bool = False
    ) -> None:
        self.about = campaign_id(terms.period, terms.jurisdiction)
        self.may_be_empty = terms.standing
        self.acts_itself = alone
        self._terms, self._id, self._kind, self._key = terms, id_, kind, key

    async def before(self, connection: AsyncConnection) -> None:
        """Whoever comes on record from here on finds the extension; the others are selected."""
        if not await _campaigns(connection, self._terms.period, self._terms.jurisdiction):
            params = {"year": str(self._terms.period), "jurisdiction": self._terms.jurisdiction}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))

    async def after(
        self, connection: AsyncConnection, order: JobOrder, total: int, now: datetime
    ) -> None:
        """Puts it on record; that of one case stands on the case's own record."""
        terms = self._terms
        extension = Extension(
            id=self._id,
            kind=self._kind,
            year=terms.period.year,
            quarter=terms.period.quarter,
            jurisdiction=terms.jurisdiction,
            standing=terms.standing,
            until=terms.until,
            given_until=terms.until,
            document=terms.document,
            authorised_by=terms.authorised_by or order.actor.subject,
            note_sha256=order.note_sha256,
            granted_by=order.actor,
            granted_at=now,
        )
        await extensions.add(connection, extension)
        if not self.acts_itself:
            await _on_campaigns(
                connection, "extension_granted", extension, order, total, now, self._key
            )


class _Shortened(Beside):
    """The earlier end of an extension, with the job that gives it to each case."""

    may_be_empty = True

    def __init__(
        self, extension: Extension, ends: datetime, job_id: str, key: str, now: datetime
    ) -> None:
        self.about = campaign_id(Period(extension.year, extension.quarter), extension.jurisdiction)
        self._extension, self._ends, self._job_id = extension, ends, job_id
        self._key, self._now = key, now

    async def before(self, connection: AsyncConnection) -> None:
        """Newcomers wait until they can know of the earlier end."""
        period = Period(self._extension.year, self._extension.quarter)
        await _campaigns(connection, period, self._extension.jurisdiction)
        present = await extensions.held(connection, self._extension.id)
        assert present is not None
        if not self._now <= self._ends < present.until:
            raise Refused(Refusal(code=Code.EXTENSION_NOT_EARLIER, at=present.until))

    async def after(
        self, connection: AsyncConnection, order: JobOrder, total: int, now: datetime
    ) -> None:
        """Puts it on record."""
        await extensions.shorten(
            connection,
            self._extension.id,
            self._ends,
            now,
            by=order.actor.subject,
            note_sha256=order.note_sha256,
            job_id=self._job_id,
        )
        shortened = self._extension.model_copy(update={"until": self._ends})
        await _on_campaigns(
            connection, "extension_shortened", shortened, order, total, now, self._key
        )


async def _campaigns(connection: AsyncConnection, period: Period, jurisdiction: str) -> list[str]:
    return await campaigns.of_place(connection, period.year, period.quarter, jurisdiction)


async def _on_campaigns(
    connection: AsyncConnection,
    event: str,
    extension: Extension,
    order: JobOrder,
    total: int,
    now: datetime,
    key: str,
) -> None:
    """Puts what was done with an extension on the record of the campaigns that it concerns."""
    body = {
        "extension": extension.id,
        "jurisdiction": extension.jurisdiction,
        "standing": extension.standing,
        "until": extension.until.isoformat(),
        "document": extension.document,
        "authorised_by": extension.authorised_by,
        "total": total,
    }
    period = Period(extension.year, extension.quarter)
    for campaign in await _campaigns(connection, period, extension.jurisdiction):
        await journal.append_operator_step(
            connection,
            campaign,
            event,
            order.actor,
            now,
            body,
            key,
            note_sha256=order.note_sha256,
        )


def shown(extension: Extension, reasons: dict[str, str], now: datetime) -> ExtensionShown:
    """An extension as the API and the command line show it."""
    return ExtensionShown(
        **extension.model_dump(include=set(ExtensionShown.model_fields) - {"granted_by"}),
        period=str(Period(extension.year, extension.quarter)),
        open=now < extension.until,
        reason=reasons.get(extension.note_sha256, ""),
        granted_by=extension.granted_by.subject,
        shortened_reason=reasons.get(extension.shortened_note, ""),
    )
