"""Acts on institutions of the register: a change of code, a merger, a split.

An act is done once, by an operator in whose jurisdiction all institutions concerned lie, with
date, document and reason. What each means for certificates, report numbers and open cases is
decided in the record of decisions (docs/adr/0030-one-institution-after-a-merger.md).
"""

import hashlib
from datetime import date
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.case.status import Status
from domain.clock import day_of
from domain.filing.kind import FILING
from domain.ids import NATION
from domain.institutions import ACT_KIND_LABELS, ActKind, Part
from domain.jurisdictions import lies_in
from domain.numbers.batch import BATCH
from domain.refusals import Code, Refusal, Refused, unseen
from services.clock import Clock
from services.institutions import refuse_merged
from services.jobs import JobService
from store import content, institution_acts, institutions, journal
from store.institution_acts import Act as Act
from store.institutions import REGISTER, Institution

WITH_ITS_FILER = (Status.SCHEDULED, Status.DRAFT, Status.RETURNED, Status.WITHDRAWN)
"""Where a case of a merged institution is not owed any more: its survivor's is."""


class Grounds(NamedTuple):
    """What an act rests on: from which day, by which document, why."""

    effective_on: date
    document: str
    reason: str


class ActKnown(NamedTuple):
    """An act with its reason, and the jobs that end the open cases of a merged institution."""

    act: Act
    reason: str
    jobs: tuple[str, ...]


class InstitutionActService:
    """Does acts on institutions, each once."""

    def __init__(self, engine: AsyncEngine, jobs: JobService, clock: Clock) -> None:
        self._engine = engine
        self._jobs = jobs
        self._clock = clock

    async def change_uscc(
        self, institution: str, uscc: str, grounds: Grounds, actor: Actor, command_id: str
    ) -> ActKnown:
        """Gives an institution another unified social credit code. Raises Refused."""
        id_ = _id(command_id)
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            standing = await institution_acts.by_id(connection, id_)
            if standing is None:
                [own] = await self._concerned(connection, [institution], actor)
                if own.uscc == uscc:
                    params = {"institution": institution, "uscc": uscc}
                    raise Refused(Refusal(code=Code.USCC_UNCHANGED, params=params))
                standing = self._act(
                    ActKind.USCC_CHANGED,
                    id_,
                    institution,
                    grounds,
                    actor,
                    old_uscc=own.uscc,
                    new_uscc=uscc,
                )
                await self._do(connection, standing, grounds, actor, command_id)
        return await self._known(standing)

    async def merge(
        self, institution: str, into: str, grounds: Grounds, actor: Actor, command_id: str
    ) -> ActKnown:
        """Merges an institution into another one, which stands for both from then on.

        What is still with the merged one's filer is cancelled by jobs: its survivor files. Raises
        Refused: into itself, one of them is merged already, or lies in another jurisdiction.
        """
        id_ = _id(command_id)
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            standing = await institution_acts.by_id(connection, id_)
            if standing is None:
                if into == institution:
                    params = {"institution": institution, "action": ACT_KIND_LABELS[ActKind.MERGED]}
                    raise Refused(Refusal(code=Code.SAME_INSTITUTION, params=params))
                await self._concerned(connection, [institution, into], actor)
                standing = self._act(ActKind.MERGED, id_, institution, grounds, actor, into_id=into)
                await self._do(connection, standing, grounds, actor, command_id)
        return await self._known(standing, await self._end_open(standing, grounds, actor))

    async def split(
        self,
        institution: str,
        parts: tuple[Part, ...],
        grounds: Grounds,
        actor: Actor,
        command_id: str,
    ) -> ActKnown:
        """Gives certificates of an institution, which goes on, to others that came of it.

        One that ends with its split is merged into one of the parts afterwards. Raises Refused as
        `merge`, and for certificates that are not its own or that a case stands behind.
        """
        id_ = _id(command_id)
        async with self._engine.begin() as connection:
            await journal.lock(connection, REGISTER)
            standing = await institution_acts.by_id(connection, id_)
            if standing is None:
                named = [institution, *(part.institution for part in parts)]
                if len(set(named)) < len(named):
                    params = {"institution": institution, "action": ACT_KIND_LABELS[ActKind.SPLIT]}
                    raise Refused(Refusal(code=Code.SAME_INSTITUTION, params=params))
                await self._concerned(connection, named, actor)
                await _refuse_certificates(connection, institution, parts)
                standing = self._act(ActKind.SPLIT, id_, institution, grounds, actor, parts=parts)
                await self._do(connection, standing, grounds, actor, command_id)
        return await self._known(standing)

    async def of_institution(self, institution: str) -> list[ActKnown]:
        """The acts that concern an institution, the earliest first."""
        async with self._engine.connect() as connection:
            acts = await institution_acts.of_institution(connection, institution)
        return [await self._known(act) for act in acts]

    async def roster_changes(self, institution: str) -> list[dict[str, object]]:
        """What rosters changed of an institution, the earliest first."""
        async with self._engine.connect() as connection:
            return await institution_acts.roster_changes(connection, institution)

    # --- private steps -----------------------------------------------------------------------

    async def _concerned(
        self, connection: AsyncConnection, ids: list[str], actor: Actor
    ) -> list[Institution]:
        """The institutions of an act. Raises Refused: unknown, elsewhere, or merged already."""
        known = await institutions.by_ids(connection, ids)
        for id_ in ids:
            if id_ not in known and actor.scope == NATION:
                raise Refused(Refusal(code=Code.UNKNOWN_INSTITUTION, params={"institution": id_}))
            if id_ not in known or not lies_in(known[id_].facts.region, actor.scope):
                raise Refused(unseen())
        for id_ in ids:
            refuse_merged(known[id_])
        return [known[id_] for id_ in ids]

    def _act(
        self,
        kind: ActKind,
        id_: str,
        institution: str,
        grounds: Grounds,
        actor: Actor,
        *,
        into_id: str | None = None,
        old_uscc: str = "",
        new_uscc: str = "",
        parts: tuple[Part, ...] = (),
    ) -> Act:
        now = self._clock()
        if grounds.effective_on > day_of(now):
            params = {"day": str(grounds.effective_on)}
            raise Refused(Refusal(code=Code.NOT_EFFECTIVE_YET, params=params))
        return Act(
            id=id_,
            kind=kind,
            institution_id=institution,
            into_id=into_id,
            old_uscc=old_uscc,
            new_uscc=new_uscc,
            parts=parts,
            effective_on=grounds.effective_on,
            document=grounds.document,
            note_sha256="",
            done_by=actor.subject,
            done_at=now,
        )

    async def _do(
        self, connection: AsyncConnection, act: Act, grounds: Grounds, actor: Actor, command_id: str
    ) -> None:
        note = await content.save_note(connection, {"reason": grounds.reason})
        await institution_acts.add(connection, act.model_copy(update={"note_sha256": note}))
        body = act.model_dump(
            mode="json", exclude={"id", "kind", "note_sha256", "done_by", "done_at"}
        )
        await journal.append_operator_step(
            connection,
            REGISTER,
            f"institution_{act.kind.value}",
            actor,
            act.done_at,
            {"act": act.id, **body},
            command_id,
            note_sha256=note,
        )

    async def _end_open(self, act: Act, grounds: Grounds, actor: Actor) -> tuple[str, ...]:
        """Has what is still with the merged one's filer cancelled; again: the same jobs."""
        async with self._engine.connect() as connection:
            open_ = await institution_acts.cases_with(
                connection,
                act.institution_id,
                [FILING.name, BATCH.name],
                [status.value for status in WITH_ITS_FILER],
            )
        begun = []
        for kind, ids in open_.items():
            reason = f"机构 {act.institution_id} 已并入 {act.into_id}（{grounds.document}）"
            job = await self._jobs.cancel_merged(act.id, kind, tuple(ids), actor, reason)
            if job is not None:
                begun.append(job.id)
        return tuple(begun)

    async def _known(self, act: Act, jobs: tuple[str, ...] = ()) -> ActKnown:
        async with self._engine.connect() as connection:
            recorded = await institution_acts.by_id(connection, act.id)
            assert recorded is not None
            notes = await content.notes_by_sha256(connection, [recorded.note_sha256])
        return ActKnown(recorded, notes.get(recorded.note_sha256, {}).get("reason", ""), jobs)


async def _refuse_certificates(
    connection: AsyncConnection, institution: str, parts: tuple[Part, ...]
) -> None:
    own = await institution_acts.certificates_to_split(connection, institution)
    taken: set[str] = set()
    for part in parts:
        for number in part.certificates:
            if number not in own or number in taken:
                params = {"number": number, "institution": institution}
                raise Refused(Refusal(code=Code.OTHER_HOLDER, params=params))
            if own[number]:
                raise Refused(Refusal(code=Code.CERTIFICATE_STAYS, params={"number": number}))
            taken.add(number)


def _id(command_id: str) -> str:
    return hashlib.sha256(f"act|{command_id}".encode()).hexdigest()[:32]
