"""What is on record of cases of any kind: one, a list, an inbox, a history, contents, events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from domain.case.events import Step, event_of
from domain.case.kind import CaseKind, fold
from domain.case.status import Status
from domain.case.timeline import Entry
from domain.filing.kind import FILING
from domain.filing.questions import QUESTION_EVENTS
from domain.filing.state import FilingState, QuestionState
from domain.refusals import Code, Refusal, Refused
from services import deputies
from store import cases, content, journal, outbox, timeline
from store.cases import Case as Case
from store.cases import CaseOrder as CaseOrder
from store.cases import InboxCount as InboxCount
from store.cases import place_of as place_of
from store.content import Revision as Revision
from store.outbox import OutgoingEvent as OutgoingEvent


class OnRecord(NamedTuple):
    """A case, and the authorities whose turn it has ever been."""

    case: Case
    involved: frozenset[str]


class SaidOfQuestion(NamedTuple):
    """One thing that was said about a question."""

    event: str
    label: str
    at: datetime
    actor: Actor
    text: str


class QuestionOnRecord(NamedTuple):
    """A filer's question with everything that was said about it, in order."""

    number: int
    state: QuestionState
    said: tuple[SaidOfQuestion, ...]


class FilingOnRecord(NamedTuple):
    """A filing's steps, the state they lead to, and the notes of those that have any."""

    steps: list[Step]
    own: FilingState
    notes: dict[str, dict[str, Any]]


class CaseRecords:
    """Reads the record; acting on a case is another service's."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def find(self, case_id: str, what: str, mend: str = "") -> OnRecord:
        """One case. Raises Refused, saying ``what`` (in Chinese) was not found, for none.

        ``mend`` is what can be done about it, besides looking at the address again.
        """
        async with self._reads.connect() as connection:
            case = await cases.by_id(connection, case_id)
            # asked for one that is not there as well: how long an answer takes tells nothing
            involved = await journal.involved(connection, case_id)
            if case is None:
                params = {"what": f"{what} {case_id}{mend}"}
                raise Refused(Refusal(code=Code.NOT_FOUND, params=params))
            return OnRecord(case, involved)

    async def listed(
        self,
        kind: CaseKind,
        after: tuple[datetime | None, str] | None,
        size: int,
        sort: CaseOrder = "id",
        **filters: Any,
    ) -> list[Case]:
        """Up to ``size`` cases after a place; filters as `store.cases.listed` has."""
        async with self._reads.connect() as connection:
            return await cases.listed(
                connection, kind=kind.name, sort=sort, after=after, size=size, **filters
            )

    async def inbox(
        self,
        authority: str,
        status: Status,
        level: int | None,
        by_age: bool,
        after: tuple[datetime | None, str] | None,
        size: int,
        **narrowed: Any,
    ) -> list[Case]:
        """Up to ``size`` cases an authority has to act on, narrowed as `store.cases.inbox` has."""
        async with self._reads.connect() as connection:
            return await cases.inbox(
                connection,
                authority,
                status,
                level=level,
                by_age=by_age,
                after=after,
                size=size,
                **narrowed,
            )

    async def inbox_counts(
        self, actor: Actor, status: Status, level: int | None, now: datetime
    ) -> list[InboxCount]:
        """The inbox of somebody's authority in numbers, by kind."""
        async with self._reads.connect() as connection:
            mine = await deputies.whose_claims(connection, actor, now)
            return await cases.inbox_counts(
                connection, actor.scope, status, level=level, mine=mine, now=now
            )

    async def waivers_asked(self, authority: str) -> int:
        """How many filings ask an authority to do without a check, and wait for an answer."""
        async with self._reads.connect() as connection:
            return await cases.waivers_asked(connection, authority)

    async def whose_claims(self, actor: Actor, now: datetime) -> Sequence[str]:
        """Whose claims somebody sees to: their own, and those of whom they are the deputy."""
        async with self._reads.connect() as connection:
            return await deputies.whose_claims(connection, actor, now)

    async def steps(self, case: Case) -> list[Step]:
        """All steps of a case."""
        async with self._reads.connect() as connection:
            return await journal.steps(connection, case.case_id)

    async def timeline(self, case_id: str, *, with_notes: bool) -> list[Entry]:
        """What happened to a case or a campaign, refused acts included."""
        async with self._reads.connect() as connection:
            return await timeline.of_case(connection, case_id, with_notes=with_notes)

    async def filing(self, case_id: str) -> FilingOnRecord:
        """What has happened to a filing, with what was written about it."""
        async with self._reads.connect() as connection:
            steps = await journal.steps(connection, case_id)
            kept = [step.note_sha256 for step in steps if step.note_sha256]
            notes = await content.notes_by_sha256(connection, kept) if kept else {}
        return FilingOnRecord(steps, fold(FILING, map(event_of, steps)).own, notes)

    async def questions(self, case_id: str) -> list[QuestionOnRecord]:
        """The questions of a filing, by number."""
        async with self._reads.connect() as connection:
            steps = await journal.steps(connection, case_id)
            about = [step for step in steps if step.event in QUESTION_EVENTS]
            kept = [step.note_sha256 for step in about if step.note_sha256]
            notes = await content.notes_by_sha256(connection, kept)
        state: FilingState = fold(FILING, map(event_of, steps)).own
        return [
            QuestionOnRecord(
                one.number,
                one.state,
                tuple(
                    SaidOfQuestion(
                        step.event,
                        QUESTION_EVENTS[step.event].label,
                        step.at,
                        step.actor,
                        notes.get(step.note_sha256, {}).get("reason", ""),
                    )
                    for step in about
                    if step.body["question"] == one.number
                ),
            )
            for one in state.questions
        ]

    async def latest_revision(self, case: Case) -> Revision | None:
        """The newest revision of a case's content, None if nothing was saved yet."""
        async with self._reads.connect() as connection:
            return await content.latest_revision(connection, case.case_id)

    async def revision(self, case: Case, number: int) -> Revision | None:
        """One revision of a case's content, None if there is none with this number."""
        async with self._reads.connect() as connection:
            return await content.revision(connection, case.case_id, number)

    async def revisions(self, case: Case) -> list[Revision]:
        """All revisions of a case, the newest first, without their content."""
        async with self._reads.connect() as connection:
            return await content.history(connection, case.case_id)

    async def keep_note(self, note: dict[str, Any]) -> str:
        """Keeps a note; returns the sha256 it is found under."""
        async with self._engine.begin() as connection:
            return await content.save_note(connection, note)

    async def events_after(
        self, transaction: int, id_: int, size: int, within: str
    ) -> Sequence[OutgoingEvent]:
        """Up to ``size`` outgoing events after a reader's last one."""
        async with self._reads.connect() as connection:
            return await outbox.after(connection, transaction, id_, size, within)
