"""People of authorities: who is away and who acts for them, and who has lost a capacity.

Tokens say who somebody is and in what capacity; what is on record here takes a capacity away
before its token ends, and lets a colleague act on what somebody has claimed.
"""

import hashlib
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor, Role
from domain.clock import in_utc
from domain.ids import jurisdiction_of
from domain.jurisdictions import authority_of, lies_in
from domain.refusals import Code, Refusal, Refused, unseen
from services.clock import Clock
from services.deputies import OF_AUTHORITIES
from services.jobs import JobService
from services.memberships import record_of
from services.sign_in import role_ended
from store import accounts, content, people
from store.people import Deputy as Deputy
from store.people import Revocation as Revocation


class PeopleService:
    """Everything about who may act for an authority beside what tokens say."""

    def __init__(self, engine: AsyncEngine, jobs: JobService, clock: Clock) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._jobs = jobs
        self._clock = clock

    async def standing(self, actor: Actor, token: str = "") -> None:
        """Raises Refused for a person whose role has ended, or was revoked in an authority.

        And for whom a token stands that was revoked, by its id.
        """
        async with self._reads.connect() as connection:
            lost, revoked_token = await accounts.standing(connection, actor, self._clock(), token)
            if revoked_token:
                why = {"why": "已作废"}
                raise Refused(Refusal(code=Code.UNAUTHENTICATED, params=why))
            if lost:
                raise Refused(role_ended(actor))
            if actor.role not in OF_AUTHORITIES:
                return
            revoked = await people.revoked(connection, actor.subject, actor.scope)
        if revoked is not None:
            params = {"person": actor.subject, "authority": actor.scope}
            raise Refused(Refusal(code=Code.ROLE_REVOKED, params=params, at=revoked))

    # --- deputies ------------------------------------------------------------------------------

    async def name_deputy(
        self,
        authority: str,
        person: str,
        deputy: str,
        starts: datetime,
        ends: datetime,
        actor: Actor,
        key: str,
        reason: str,
    ) -> Deputy:
        """Has somebody act for a person of an authority who is away; the same key is the same.

        A person names its own deputy; an operator of the authority's own jurisdiction anybody's.
        Raises Refused.
        """
        _of_the_authority(authority, actor, person)
        if person == deputy or ends <= max(starts, self._clock()):
            why = "代办人须是另一个人" if person == deputy else "结束时间须晚于开始时间和现在"
            raise Refused(Refusal(code=Code.DEPUTY_REFUSED, params={"why": why}))
        async with self._engine.begin() as connection:
            if await people.revoked(connection, deputy, authority) is not None:
                why = f"{deputy} 已停用，不能为 {authority} 办理"
                raise Refused(Refusal(code=Code.DEPUTY_REFUSED, params={"why": why}))
            named = Deputy(
                id=_id(actor, key),
                authority=authority,
                person=person,
                deputy=deputy,
                starts=starts,
                ends=ends,
                named_by=actor.subject,
                note_sha256=await content.save_note(connection, {"reason": reason})
                if reason.strip()
                else "",
                named_at=self._clock(),
            )
            kept = await people.add_deputy(connection, named)
            if kept.model_copy(update={"named_at": named.named_at, "ended_at": None}) != named:
                raise Refused(Refusal(code=Code.KEY_REUSED))
            await self._record(connection, "deputy_named", kept, actor, kept.note_sha256)
        return kept

    async def end_deputy(self, id_: str, actor: Actor) -> Deputy:
        """Ends it before its time; ended once more it stays as it is. Raises Refused."""
        async with self._engine.begin() as connection:
            named = await people.deputy(connection, id_)
            if named is None or not _is_theirs(named.authority, actor, named.person):
                raise Refused(unseen())
            await people.end_deputy(connection, id_, self._clock())
            ended = await people.deputy(connection, id_)
            await self._record(connection, "deputy_ended", named, actor)
        assert ended is not None
        return ended

    async def deputies(self, actor: Actor, authority: str) -> list[Deputy]:
        """Those of an authority, the latest first. Raises Refused for another's."""
        if actor.role in OF_AUTHORITIES and actor.scope != authority:
            raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": authority}))
        _in_the_region(authority, actor)
        async with self._engine.connect() as connection:
            return await people.deputies_of(connection, authority)

    # --- revocations ---------------------------------------------------------------------------

    async def revoke(
        self, authority: str, person: str, actor: Actor, key: str, reason: str
    ) -> Revocation:
        """Takes all capacities in an authority from a person, and what they have claimed with it.

        It holds from the next request on, whatever their token says. Raises Refused.
        """
        _in_the_region(authority, actor)
        if not reason.strip():
            params = {"action": "停用", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        async with self._engine.begin() as connection:
            revocation = Revocation(
                id=_id(actor, key),
                authority=authority,
                person=person,
                revoked_by=actor.subject,
                note_sha256=await content.save_note(connection, {"reason": reason}),
                revoked_at=self._clock(),
            )
            kept = await people.add_revocation(connection, revocation)
            if (kept.authority, kept.person) != (authority, person):
                raise Refused(Refusal(code=Code.KEY_REUSED))
            await self._record(connection, "role_revoked", kept, actor, kept.note_sha256)
        job = await self._jobs.release_claims(authority, person, actor, key, reason)
        if job:
            async with self._engine.begin() as connection:
                await people.released_by(connection, kept.id, job)
        return kept.model_copy(update={"job_id": job})

    async def restore(self, id_: str, actor: Actor) -> Revocation:
        """Gives the capacities back that were revoked; tokens that still run hold again."""
        async with self._engine.begin() as connection:
            revocation = await people.revocation_by_id(connection, id_)
            if revocation is None or not _is_in_the_region(revocation.authority, actor):
                raise Refused(unseen())
            await people.restore(connection, id_, actor.subject, self._clock())
            restored = await people.revocation_by_id(connection, id_)
            await self._record(connection, "role_restored", revocation, actor)
        assert restored is not None
        return restored

    async def revocations(self, actor: Actor, authority: str) -> list[Revocation]:
        """Those of an authority, the latest first. Raises Refused for one elsewhere."""
        _in_the_region(authority, actor)
        async with self._engine.connect() as connection:
            return await people.revocations_of(connection, authority)

    async def _record(
        self,
        connection: AsyncConnection,
        event: str,
        about: Deputy | Revocation,
        actor: Actor,
        note: str = "",
    ) -> None:
        """Puts on the record of whoever it is about; the same again changes nothing."""
        body = {"id": about.id, "authority": about.authority}
        if isinstance(about, Deputy):
            times = {"starts": in_utc(about.starts), "ends": in_utc(about.ends)}
            body |= {"deputy": about.deputy, **times}
        now = self._clock()
        await record_of(connection, about.person, event, actor, now, body, about.id, note)


def _is_theirs(authority: str, actor: Actor, person: str) -> bool:
    """Whether it is the person's own matter, or that of the authority's operator."""
    if actor.role in OF_AUTHORITIES:
        return (actor.scope, actor.subject) == (authority, person)
    return actor.role is Role.OPERATOR and actor.scope == jurisdiction_of(authority)


def _of_the_authority(authority: str, actor: Actor, person: str) -> None:
    """Raises Refused for somebody else's matter."""
    if _is_theirs(authority, actor, person):
        return
    params = {"authority": f"{authority}（{person} 本人或该部门的经办人）"}
    raise Refused(Refusal(code=Code.NOT_YOUR_AUTHORITY, params=params))


def _in_the_region(authority: str, actor: Actor) -> None:
    """Raises Refused for an operator whose jurisdiction the authority is not in."""
    if not _is_in_the_region(authority, actor):
        params = {"region": jurisdiction_of(authority), "jurisdiction": actor.scope}
        raise Refused(Refusal(code=Code.NOT_YOUR_REGION, params=params))


def _is_in_the_region(authority: str, actor: Actor) -> bool:
    return actor.role is not Role.OPERATOR or lies_in(jurisdiction_of(authority), actor.scope)


def own_authority(actor: Actor) -> str:
    """The authority that somebody is of: an operator's is that of its jurisdiction."""
    return authority_of(actor.scope) if actor.role is Role.OPERATOR else actor.scope


def _id(actor: Actor, key: str) -> str:
    return hashlib.sha256(f"{actor.subject}\n{key}".encode()).hexdigest()[:32]
