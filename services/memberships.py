"""Roles of people: given, ended, told of, and the one-time links by which they come to sign in."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import ROLE_LABELS, SYSTEM, Actor, Role
from domain.connected import client_of
from domain.ids import NATION, jurisdiction_of
from domain.memberships import (
    OF_INSTITUTION,
    Membership,
    can_administer,
    holds,
    is_program,
    may_administer,
)
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.jobs import JobService
from services.keys import Keyring, Purpose, derived
from services.repeated import repeated
from store import accounts, content, institutions, journal
from store.accounts import Listed as Listed
from store.accounts import Wanted as Wanted

log = structlog.get_logger()

_NOT_PEOPLE = ("cli.", "system")
"""What the names of those begin with who act for the system itself."""

_CLAIMING = frozenset({Role.REVIEWER, Role.CHECKER, Role.OFFICER, Role.DECIDER})
"""Who claims tasks in their authority."""

LINK_LIFETIME = timedelta(days=3)

LOOKED_EVERY = 15.0
"""Seconds between two looks at roles whose last instant has passed."""

_PAGE = 200


class MembershipService:
    """Who holds which role for what, from when to when, given by whom.

    Every change is a step of the person's own record, ``person/<name>``. What holds is asked of
    the record at each request, so that it takes effect on what is open already.
    """

    def __init__(
        self, engine: AsyncEngine, keyring: Keyring, jobs: JobService | None, clock: Clock
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._jobs = jobs
        self._clock = clock

    async def give(
        self,
        person: str,
        role: Role,
        scope: str,
        administers: bool,
        starts: datetime | None,
        ends: datetime | None,
        actor: Actor,
        key: str,
        reason: str,
        *,
        by_hand: bool = False,
    ) -> Membership:
        """Gives somebody a role, and an account to sign in with; the same key is the same.

        ``by_hand``: at the terminal of the machine, where whoever gives it holds the database
        anyway. Raises Refused.
        """
        now = self._clock()
        wrong = _wrong(person, role, administers, starts or now, ends, now, actor)
        if wrong:
            raise Refused(Refusal(code=Code.MEMBERSHIP_REFUSED, params={"why": wrong}))
        async with self._engine.begin() as connection:
            await self._may(connection, actor, role, scope, by_hand)
            note = await content.save_note(connection, {"reason": reason}) if reason.strip() else ""
            given = Membership(
                id=step_id(actor, key),
                person=person,
                role=role,
                scope=scope,
                administers=administers,
                starts=starts or now,
                ends=ends,
                given_by=actor.subject,
                note_sha256=note,
                given_at=now,
            )
            await accounts.add_account(connection, person, now)
            kept, new = await accounts.add_membership(connection, given)
            if new:
                await self._record(connection, "role_given", kept, actor, note)
        if _asked(kept) != _asked(given):
            raise Refused(Refusal(code=Code.KEY_REUSED))
        return kept

    async def end(
        self, id_: str, actor: Actor, reason: str, *, by_hand: bool = False
    ) -> Membership:
        """Ends it at once, on open sign-ins as well; ended once more it stays. Raises Refused."""
        async with self._engine.begin() as connection:
            standing = await accounts.membership(connection, id_)
            if standing is None:
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"身份 {id_}"}))
            await self._may(connection, actor, standing.role, standing.scope, by_hand)
            note = await content.save_note(connection, {"reason": reason}) if reason.strip() else ""
            if await accounts.end_membership(connection, id_, actor.subject, self._clock()):
                await self._record(connection, "role_ended", standing, actor, note)
            ended = await accounts.membership(connection, id_)
        assert ended is not None
        if self._jobs is not None and ended.role in _CLAIMING:
            # what they had claimed is others' to take from now on
            await self._jobs.release_claims(
                ended.scope, ended.person, actor, f"role-ended:{ended.id}", reason or "身份已收回"
            )
        return ended

    async def held_for(self, scope: str) -> list[Membership]:
        """What people hold and held for a scope: at the terminal of the machine."""
        async with self._engine.connect() as connection:
            return await accounts.memberships_for(connection, scope)

    async def in_sight(
        self, actor: Actor, wanted: Wanted, after: tuple[datetime, str] | None, size: int
    ) -> list[Listed]:
        """What people hold and held of all that the asker administers. Raises Refused."""
        async with self._engine.connect() as connection:
            administrator = await self._administrator(connection, actor)
            if administrator is None:
                raise Refused(_no_administrator(actor, actor.scope))
            return await accounts.memberships_under(connection, administrator, wanted, after, size)

    async def institution_names(self, held: Sequence[Membership]) -> dict[str, str]:
        """What the institutions are called that some roles are held for."""
        wanted = sorted({one.scope for one in held if one.role in OF_INSTITUTION})
        async with self._engine.connect() as connection:
            known = await institutions.by_ids(connection, wanted)
        return {id_: one.name for id_, one in known.items()}

    async def link(self, person: str, actor: Actor, key: str, *, by_hand: bool = False) -> str:
        """The secret of a one-time link by which somebody sets a password; the same key, the same.

        Only who administers all that the person holds may have one made: whoever has the link
        becomes that person. Raises Refused.
        """
        if is_program(person):
            why = "程序没有密码，请发给它密钥"
            raise Refused(Refusal(code=Code.MEMBERSHIP_REFUSED, params={"why": why}))
        now = self._clock()
        secret = derived(self._keyring, Purpose.LINKS, now, f"link|{step_id(actor, key)}")
        async with self._engine.begin() as connection:
            await self.may_become(connection, person, actor, by_hand=by_hand)
            made = accounts.Link(
                sha256=hashed(secret),
                person=person,
                made_by=actor.subject,
                made_at=now,
                ends_at=now + LINK_LIFETIME,
            )
            await accounts.add_link(connection, made)
            await record_of(connection, person, "link_made", actor, now, {}, made.sha256)
        return secret

    async def may_become(
        self, connection: AsyncConnection, person: str, actor: Actor, *, by_hand: bool
    ) -> None:
        """Raises Refused unless somebody administers all that a person holds, which is something.

        Whoever has a link of theirs, a secret or a token becomes that person.
        """
        now = self._clock()
        held = await accounts.memberships_of(connection, person)
        open_ = [one for one in held if one.ended_at is None and not _over(one, now)]
        if not open_:
            raise Refused(
                Refusal(code=Code.NO_ROLE, params={"person": person, "why": "，不能登录"})
            )
        for one in open_:
            await self._may(connection, actor, one.role, one.scope, by_hand)

    async def first_administrator(self, person: str, actor: Actor) -> str:
        """The secret of a link for a nation's administrator, "" once one can sign in."""
        async with self._engine.connect() as connection:
            if await accounts.administered(connection, NATION):
                return ""
        await self.give(
            person, Role.OPERATOR, NATION, True, None, None, actor, "first", "", by_hand=True
        )
        now = self._clock()
        return await self.link(person, actor, f"first-{now.isoformat()}", by_hand=True)

    async def _may(
        self, connection: AsyncConnection, actor: Actor, role: Role, scope: str, by_hand: bool
    ) -> None:
        of_institution = role in OF_INSTITUTION
        region = await _region(connection, scope) if of_institution else None
        if of_institution and region is None:
            why = f"没有机构 {scope}"
            raise Refused(Refusal(code=Code.MEMBERSHIP_REFUSED, params={"why": why}))
        if by_hand:
            return
        administrator = await self._administrator(connection, actor)
        if administrator is None or not may_administer(administrator, role, scope, region):
            raise Refused(_no_administrator(actor, f"{ROLE_LABELS[role]} {scope}".strip()))

    async def _administrator(self, connection: AsyncConnection, actor: Actor) -> Membership | None:
        """The membership in which somebody acts, where it administers and holds now."""
        now = self._clock()
        for one in await accounts.memberships_of(connection, actor.subject):
            if one.actor == actor and one.administers and holds(one, now):
                return one
        return None

    async def _record(
        self, connection: AsyncConnection, event: str, about: Membership, actor: Actor, note: str
    ) -> None:
        body = _told_of(about)
        await record_of(connection, about.person, event, actor, self._clock(), body, about.id, note)


class PassedRoles:
    """Sees to roles whose last instant has passed.

    They hold no more from that instant on, whoever looks. What was claimed with them is given
    back, and then their end is put on record.
    """

    def __init__(self, engine: AsyncEngine, jobs: JobService, clock: Clock) -> None:
        self._engine = engine
        self._jobs = jobs
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Looks from time to time."""
        return repeated(
            self.look, first=LOOKED_EVERY, every=LOOKED_EVERY, failed="passed_roles_not_looked_at"
        )

    async def look(self) -> None:
        """Ends every role that has passed; whoever does so at the same time does the same."""
        async with self._engine.connect() as connection:
            passed = await accounts.passed(connection, self._clock(), _PAGE)
        for one in passed:
            try:
                await self._over(one)
            except Exception:
                # one that cannot be ended must not keep the others waiting
                log.exception("role_not_ended", membership=one.id)

    async def _over(self, over: Membership) -> None:
        assert over.ends is not None
        async with self._engine.connect() as connection:
            held = await accounts.memberships_of(connection, over.person)
        now = self._clock()
        goes_on = any(one.actor == over.actor and holds(one, now) for one in held)
        if over.role in _CLAIMING and not goes_on:
            # first: were this process to die now, the role would be looked at again
            releasing = Actor(
                subject=SYSTEM.subject, role=Role.OPERATOR, scope=jurisdiction_of(over.scope)
            )
            await self._jobs.release_claims(
                over.scope, over.person, releasing, f"role-over:{over.id}", "身份到期"
            )
        async with self._engine.begin() as connection:
            if await accounts.end_membership(connection, over.id, SYSTEM.subject, over.ends):
                await record_of(
                    connection, over.person, "role_ended", SYSTEM, now, _told_of(over), over.id
                )


def _told_of(about: Membership) -> dict[str, Any]:
    return {
        "membership": about.id,
        "role": about.role.value,
        "role_label": ROLE_LABELS[about.role],
        "scope": about.scope,
        "administers": about.administers,
    }


async def record_of(
    connection: AsyncConnection,
    person: str,
    event: str,
    actor: Actor,
    now: datetime,
    body: dict[str, Any],
    key: str,
    note: str = "",
) -> None:
    """Puts one step on a person's own record; the same key again changes nothing."""
    await journal.append_operator_step(
        connection, f"person/{person}", event, actor, now, body, f"{event}:{key}", "", note
    )


async def _region(connection: AsyncConnection, institution: str) -> str | None:
    known = await institutions.by_ids(connection, [institution])
    return known[institution].facts.region if institution in known else None


def _wrong(
    person: str,
    role: Role,
    administers: bool,
    starts: datetime,
    ends: datetime | None,
    now: datetime,
    actor: Actor,
) -> str:
    """Why a role cannot be given like this, "" if it can."""
    if person == actor.subject:
        return "不能给自己"
    if client_of(Actor(subject=person, role=role)) or person.startswith(_NOT_PEOPLE):
        return f"{person} 是系统所用的名称，请换一个账号"
    if ends is not None and ends <= max(starts, now):
        return "结束时间须晚于开始时间和现在"
    if administers and is_program(person):
        return "程序不能是管理员"
    if administers and not can_administer(role):
        return "只有辖区的经办人和机构的填报人可以是管理员"
    return ""


def _asked(given: Membership) -> tuple[object, ...]:
    return given.person, given.role, given.scope, given.administers, given.ends


def _over(membership: Membership, now: datetime) -> bool:
    return membership.ends is not None and membership.ends <= now


def _no_administrator(actor: Actor, what: str) -> Refusal:
    params = {"person": actor.subject, "what": what}
    return Refusal(code=Code.NOT_AN_ADMINISTRATOR, params=params)


def hashed(secret: str) -> str:
    """256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(f"sign-in|{secret}".encode()).hexdigest()


def step_id(actor: Actor, key: str) -> str:
    """The id of what somebody does with a key: the same again is the same."""
    return hashlib.sha256(f"{actor.subject}\n{key}".encode()).hexdigest()[:32]
