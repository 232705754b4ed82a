"""Signing in with a local account: password, code of a telephone, and what a browser then keeps."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from functools import cache
from time import monotonic
from typing import NamedTuple

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from zxcvbn import zxcvbn

from domain.case.commands import ROLE_LABELS, SYSTEM, Actor, Role
from domain.case.timeline import RefusedAct
from domain.memberships import Membership, holds, wants_second_factor
from domain.own_record import person_chain
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.keys import Keyring, Purpose, derived_by
from services.memberships import hashed, record_of
from services.throttle import Throttle
from store import accounts, refusals
from store.accounts import Session as Session
from store.refusals import Tried

SESSION_LIFETIME = timedelta(hours=10)
"""A working day; then one signs in again, and earlier where nobody does anything: `Terms`."""

MOST_SIGN_INS = 10
"""So many browsers somebody is signed in with at a time; one more ends the eldest."""

USES_ARE_NOTED = timedelta(minutes=1)
"""So exactly it is kept when somebody last did something."""

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 128
OF_THIS_WORK = (
    "zhibao", "samr", "cma", "woaini", "市场监管", "检验检测", "检测", "直报", "密码",
)  # fmt: skip
"""What is guessed first of people of this work: no part of a password that counts."""

_HARD_ENOUGH = 3
"""Of the score of zxcvbn, 0 to 4: more than a hundred million guesses."""

_LOOKED_AT = 32
"""So many characters of a password are tried to be guessed; each costs more than the last: of 72
that may stand for letters, two seconds in which the process does nothing else."""
BROWSER_LIFETIME = timedelta(days=180)
"""For so long a browser is known that somebody has signed in with."""

DEMO = "demo-"
"""What the names of a demonstration's accounts begin with."""

_STEP = 30
"""Seconds for which a code holds (RFC 6238); the one before and the one after are taken too."""

REFUSED_IN_STEPS_OF = 0.25
"""Seconds: whoever is not let in waits for the next so manyth, so that no time they take tells what
was done, and so whether there is such an account."""

_AT_ONCE = 4
"""So many passwords are checked at a time: each takes 64 MiB."""


class Terms(NamedTuple):
    """How often one may try, how long a sign-in may be left alone, who else needs a code."""

    limit: str
    idle: timedelta
    second_factor: frozenset[Role] = frozenset()


class SignedIn(NamedTuple):
    """A sign-in and the membership it acts in."""

    session: Session
    membership: Membership


class Invitation(NamedTuple):
    """What a one-time link leads to; ``address`` is what a telephone reads, "" if none is needed.

    ``secret`` is the same to type in.
    """

    person: str
    secret: str
    address: str


class CameFrom(NamedTuple):
    """The provider by which somebody signs in, and what it calls person and sign-in."""

    issuer: str = ""
    subject: str = ""
    session: str = ""


NOWHERE = CameFrom()
"""For a sign-in of this system's own."""


class DemoAccount(NamedTuple):
    """An account of the demonstration, with its password for everybody to see."""

    membership: Membership
    password: str


@cache
def _hash_of_nobody() -> str:
    """What a password for a name that is not there is held against, so that both take as long."""
    return PasswordHasher().hash(secrets.token_hex(16))


class SignInService:
    """Local accounts and the sign-ins of browsers.

    Passwords are kept as Argon2id hashes. The secret of a person's codes is derived from a key
    of the system's and a salt on record, which names the key, so that the database alone gives
    none away. A browser's secret is random and kept as its hash.
    """

    def __init__(
        self, engine: AsyncEngine, keyring: Keyring, terms: Terms, *, demo: bool, clock: Clock
    ) -> None:
        self._engine = engine
        # single reads: no transaction to begin and end around them
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._keyring = keyring
        self._demo = demo
        self._clock = clock
        self._terms = terms
        self.idle_minutes = int(terms.idle.total_seconds()) // 60
        self._throttle = Throttle(engine, keyring, terms.limit, clock)
        self._hasher = PasswordHasher()
        self._checking = asyncio.Semaphore(_AT_ONCE)

    # --- signing in ----------------------------------------------------------------------------

    async def sign_in(
        self, name: str, password: str, code: str, address: str, agent: str, browser: str = ""
    ) -> str:
        """A new secret for the browser. Raises Refused; what was wrong is not told apart.

        ``browser`` is what a browser keeps by which it is known, see `known`.
        """
        await self._count(name, address, browser)
        begun = monotonic()
        async with self._engine.connect() as connection:
            account = await accounts.account(connection, name)
        kept = account.password_hash if account else ""
        nobody = await asyncio.to_thread(_hash_of_nobody)
        right = await self._fits(kept or nobody, password)
        try:
            if account is None or not kept or not right:
                raise Refused(Refusal(code=Code.SIGN_IN_REFUSED))
            if account.totp_salt:
                await self._use_code(name, account.totp_salt, code)
        except Refused as refused:
            if account is not None:
                await self._put_on_record(name, refused.refusal)
            took = monotonic() - begun
            await asyncio.sleep(REFUSED_IN_STEPS_OF - took % REFUSED_IN_STEPS_OF)
            raise
        return await self.begin(name, agent, second_factor=bool(account.totp_salt), kept=kept)

    async def begin(
        self,
        name: str,
        agent: str,
        *,
        second_factor: bool,
        came_from: CameFrom = NOWHERE,
        kept: str = "",
    ) -> str:
        """Signs in a person who has been recognised. Raises Refused where they hold no role.

        ``kept`` is the hash of the password they were recognised by, "" for none: where another
        one was set meanwhile they were not.
        """
        now, secret = self._clock(), secrets.token_urlsafe(32)
        async with self._engine.begin() as connection:
            if kept and not await accounts.has_still(connection, name, kept):
                raise Refused(Refusal(code=Code.SIGN_IN_REFUSED))
            usable = await self._usable(connection, name, second_factor)
            if not usable:
                params = {"person": name, "why": "，或须先以一次性链接设定动态口令"}
                raise Refused(Refusal(code=Code.NO_ROLE, params=params))
            session = Session(
                sha256=hashed(secret),
                person=name,
                membership=usable[0].id,
                second_factor=second_factor,
                agent="".join(mark for mark in agent if mark.isprintable())[:120],
                began_at=now,
                ends_at=now + SESSION_LIFETIME,
                issuer=came_from.issuer,
                subject=came_from.subject,
                provider_session=came_from.session,
            )
            going_on = await accounts.sessions_of(connection, name, now, self._terms.idle)
            # everybody shares what a demonstration shows: nobody signs the others out
            most = len(going_on) + 1 if self._shown_to_all(name) else MOST_SIGN_INS
            for eldest in going_on[most - 1 :]:
                await accounts.end_sessions(connection, name, now, eldest.sha256)
            await accounts.add_session(connection, session)
            said = {**acting_as(usable[0]), "second_factor": second_factor}
            actor, key = usable[0].actor, session.sha256
            await record_of(connection, name, "signed_in", actor, now, said, key)
        return secret

    async def _put_on_record(self, name: str, refusal: Refusal) -> None:
        """Somebody was not let in by an account: its person sees it, and whoever audits."""
        act = RefusedAct(
            action="signed_in",
            subject=name,
            role=Role.SYSTEM,
            scope="",
            at=self._clock(),
            refusal=refusal,
        )
        async with self._engine.begin() as connection:
            if await refusals.count(connection, act, keep=True):
                await refusals.add(connection, person_chain(name), act, secrets.token_hex(16))

    async def refused_of_late(self, person: str) -> Tried:
        """How often somebody was not let in by an account in the last thirty days."""
        since = self._clock() - timedelta(days=30)
        async with self._reads.connect() as connection:
            return await refusals.tried(connection, person_chain(person), "signed_in", since)

    async def _count(self, name: str, address: str, browser: str) -> None:
        """One more try. Raises Refused: too many.

        Whoever guesses at a name from ever so many addresses locks out those who guess, and not
        the browsers its person has signed in with: these are counted by themselves.
        """
        await self._throttle.count_address(address)
        if browser and await self._knows(name, browser):
            await self._throttle.count("browser", hashed(browser), "这一浏览器")
        else:
            await self._throttle.count("name", name, "这一账号")

    async def _knows(self, name: str, browser: str) -> bool:
        async with self._engine.connect() as connection:
            return await accounts.knows_browser(connection, hashed(browser), name, self._clock())

    async def known(self, name: str, browser: str) -> str:
        """What a browser is to keep that its person has signed in with: what it has, or new."""
        if browser and await self._knows(name, browser):
            return browser
        now, kept = self._clock(), secrets.token_urlsafe(32)
        async with self._engine.begin() as connection:
            await accounts.add_browser(connection, hashed(kept), name, now, now + BROWSER_LIFETIME)
        return kept

    async def _fits(self, kept: str, password: str) -> bool:
        async with self._checking:
            return await asyncio.to_thread(self._verify, kept, password[: LONGEST_PASSWORD + 1])

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    async def _use_code(self, name: str, salt: str, code: str) -> None:
        step = self._step_of(name, salt, code)
        if step is not None:
            async with self._engine.begin() as connection:
                if await accounts.use_step(connection, name, step):
                    return
        raise Refused(Refusal(code=Code.SIGN_IN_REFUSED))

    def _step_of(self, name: str, salt: str, code: str) -> int | None:
        """The time step of a code that holds now, None for one that does not."""
        secret = self._totp_secret(name, salt)
        if not secret:
            return None
        codes = pyotp.HOTP(secret)
        now = int(self._clock().timestamp()) // _STEP
        given = code.strip().encode()
        fitting = [
            step
            for step in (now - 1, now, now + 1)
            if hmac.compare_digest(codes.at(step).encode(), given)
        ]
        return fitting[-1] if fitting else None

    def _totp_secret(self, name: str, salt: str) -> str:
        """What a telephone is given; "" once the key behind it has ended."""
        id_, _, rest = salt.partition(":")
        key = self._keyring.by_id(Purpose.TOTP, id_, self._clock())
        if key is None:
            return ""
        return base64.b32encode(derived_by(key, f"{name}|{rest}")[:20]).decode()

    def _salt_of(self, link: str) -> str:
        key = self._keyring.current(Purpose.TOTP, self._clock())
        return f"{key.id}:{hashlib.sha256(f'salt|{link}'.encode()).hexdigest()[:32]}"

    # --- signed in -----------------------------------------------------------------------------

    async def signed_in(self, secret: str, *, by_itself: bool = False) -> SignedIn | None:
        """The sign-in behind a browser's secret, None for none; its role may have ended.

        ``by_itself``: the browser asks, as pages do that refresh, and nobody sits before it.
        """
        now = self._clock()
        async with self._reads.connect() as connection:
            found = await accounts.session(connection, hashed(secret), now, self._terms.idle)
            if found is None:
                return None
            if not by_itself and now - found.used_at >= USES_ARE_NOTED:
                await accounts.note_use(connection, found.session.sha256, now)
        return SignedIn(found.session, found.membership)

    async def acting(self, secret: str, *, by_itself: bool = False) -> Actor:
        """Who asks with a browser's secret, as things stand now. Raises Refused."""
        found = await self.signed_in(secret, by_itself=by_itself)
        if found is None:
            raise Refused(Refusal(code=Code.UNAUTHENTICATED, params={"why": "没有登录或已退出"}))
        membership = found.membership
        if not holds(membership, self._clock()) or (
            not found.session.second_factor and self._wants_code(membership)
        ):
            raise Refused(role_ended(membership.actor))
        return membership.actor

    async def roles(self, found: SignedIn) -> list[Membership]:
        """In which memberships a sign-in can act now."""
        async with self._engine.connect() as connection:
            return await self._usable(connection, found.session.person, found.session.second_factor)

    async def act_in(self, found: SignedIn, membership_id: str) -> None:
        """Has a sign-in act in another membership of its person. Raises Refused."""
        roles = {one.id: one for one in await self.roles(found)}
        chosen, person = roles.get(membership_id), found.session.person
        if chosen is None:
            params = {"person": found.session.person, "why": ""}
            raise Refused(Refusal(code=Code.NO_ROLE, params=params))
        async with self._engine.begin() as connection:
            await accounts.act_in(connection, found.session.sha256, membership_id)
            if membership_id == found.membership.id:
                return
            now, key = self._clock(), secrets.token_hex(16)
            said = acting_as(chosen)
            await record_of(connection, person, "role_chosen", chosen.actor, now, said, key)

    async def sessions(self, person: str) -> list[Session]:
        """A person's sign-ins that have not ended, the latest first."""
        async with self._engine.connect() as connection:
            return await accounts.sessions_of(connection, person, self._clock(), self._terms.idle)

    async def sign_out(self, person: str, sha256: str = "") -> None:
        """Ends one sign-in of a person, or all of them, everywhere."""
        async with self._engine.begin() as connection:
            now = self._clock()
            ended = await accounts.end_sessions(connection, person, now, sha256)
            if ended:
                actor = SYSTEM.model_copy(update={"subject": person})
                said, key = {"sessions": ended}, secrets.token_hex(16)
                await record_of(connection, person, "signed_out", actor, now, said, key)

    async def _usable(
        self, connection: AsyncConnection, name: str, second_factor: bool
    ) -> list[Membership]:
        now = self._clock()
        return [
            one
            for one in await accounts.memberships_of(connection, name)
            if holds(one, now) and (second_factor or not self._wants_code(one))
        ]

    def _wants_code(self, membership: Membership) -> bool:
        wanted = wants_second_factor(membership, self._terms.second_factor)
        return wanted and not self._shown_to_all(membership.person)

    def _shown_to_all(self, person: str) -> bool:
        return self._demo and person.startswith(DEMO)

    # --- links and passwords -------------------------------------------------------------------

    async def invited(self, secret: str) -> Invitation:
        """Whom a one-time link is for, and the second factor it sets up. Raises Refused."""
        async with self._engine.connect() as connection:
            link = await accounts.open_link(connection, hashed(secret), self._clock())
            if link is None:
                raise Refused(Refusal(code=Code.LINK_ENDED))
            held = await accounts.memberships_of(connection, link.person)
        now = self._clock()
        if not any(self._wants_code(one) for one in held if holds(one, now) or one.starts > now):
            return Invitation(link.person, "", "")
        totp = self._totp_secret(link.person, self._salt_of(link.sha256))
        address = pyotp.TOTP(totp).provisioning_uri(
            name=link.person, issuer_name="检验检测统计直报"
        )
        return Invitation(link.person, totp, address)

    async def set_password(self, secret: str, password: str, again: str, code: str) -> str:
        """Sets password and second factor by a link, which is used up; whose. Raises Refused."""
        invitation = await self.invited(secret)
        await self._throttle.count("link", hashed(secret), "这一链接")
        wrong = await asyncio.to_thread(_unfit, invitation.person, password, again)
        salt = self._salt_of(hashed(secret)) if invitation.secret else ""
        step = self._step_of(invitation.person, salt, code) if salt else 0
        if wrong or step is None:
            why = wrong or "动态口令不对，请核对手机的时间"
            raise Refused(Refusal(code=Code.PASSWORD_UNFIT, params={"why": why}))
        async with self._checking:
            kept = await asyncio.to_thread(self._hasher.hash, password)
        now, person = self._clock(), invitation.person
        async with self._engine.begin() as connection:
            if not await accounts.use_link(connection, hashed(secret), now):
                raise Refused(Refusal(code=Code.LINK_ENDED))
            await accounts.set_password(connection, person, kept, salt)
            if step:
                await accounts.use_step(connection, person, step)
            # whoever knew the old password is out
            await accounts.end_sessions(connection, person, now)
            await accounts.forget_browsers(connection, person, now)
            actor = SYSTEM.model_copy(update={"subject": person})
            await record_of(connection, person, "password_set", actor, now, {}, hashed(secret))
        return person

    async def change_password(
        self, found: SignedIn, old: str, password: str, again: str, code: str
    ) -> None:
        """Sets another password for whoever is signed in and says the old one. Raises Refused.

        All other sign-ins of theirs end, and no other browser is known any more.
        """
        person, now = found.session.person, self._clock()
        if self._shown_to_all(person):
            why = "演示账号的密码在登录页上公开，供所有人使用，不能更改"
            raise Refused(Refusal(code=Code.PASSWORD_UNFIT, params={"why": why}))
        # whoever found a browser open guesses no longer than whoever has none; counted by itself,
        # so that whoever guesses at the name keeps nobody from changing their password
        await self._throttle.count("change", person, "这一账号")
        async with self._engine.connect() as connection:
            account = await accounts.account(connection, person)
        if account is None or not account.password_hash:
            why = "这一账号没有密码，由统一身份认证登录；要设密码，请管理员给一次性链接"
            raise Refused(Refusal(code=Code.PASSWORD_UNFIT, params={"why": why}))
        # first: told of it after the old one, whoever has no code would know that that was right
        if wrong := await asyncio.to_thread(_unfit, person, password, again):
            raise Refused(Refusal(code=Code.PASSWORD_UNFIT, params={"why": wrong}))
        not_right = Refusal(code=Code.PASSWORD_UNFIT, params={"why": "原密码或动态口令不对"})
        if not await self._fits(account.password_hash, old):
            raise Refused(not_right)
        if account.totp_salt:
            try:
                await self._use_code(person, account.totp_salt, code)
            except Refused:
                raise Refused(not_right) from None
        async with self._checking:
            kept = await asyncio.to_thread(self._hasher.hash, password)
        async with self._engine.begin() as connection:
            if not await accounts.has_still(connection, person, account.password_hash):
                # another one was set meanwhile: by a link, against whoever knew the old one
                raise Refused(not_right)
            await accounts.set_password(connection, person, kept, account.totp_salt)
            await accounts.end_sessions(connection, person, now, besides=found.session.sha256)
            await accounts.forget_browsers(connection, person, now)
            actor = SYSTEM.model_copy(update={"subject": person})
            key = secrets.token_hex(16)
            await record_of(connection, person, "password_set", actor, now, {}, key)

    async def has_password(self, person: str) -> tuple[bool, bool]:
        """Whether an account has a password, and whether a code goes with it."""
        async with self._reads.connect() as connection:
            account = await accounts.account(connection, person)
        return bool(account and account.password_hash), bool(account and account.totp_salt)

    # --- the demonstration ---------------------------------------------------------------------

    async def demo_accounts(self) -> list[DemoAccount]:
        """The demonstration's accounts with their passwords; none in any other system."""
        if not self._demo:
            return []
        async with self._engine.connect() as connection:
            held = await accounts.memberships_like(connection, DEMO)
        now = self._clock()
        return [
            DemoAccount(one, self._demo_password(one.person)) for one in held if holds(one, now)
        ]

    async def open_demo_account(self, name: str) -> None:
        """Sets the password that the demonstration's sign-in page shows for an account."""
        if not self._demo or not name.startswith(DEMO):
            raise ValueError(f"no account of a demonstration: {name}")
        kept = await asyncio.to_thread(self._hasher.hash, self._demo_password(name))
        async with self._engine.begin() as connection:
            await accounts.set_password(connection, name, kept, "")

    def _demo_password(self, name: str) -> str:
        key = self._keyring.current(Purpose.LINKS, self._clock())
        return base64.b32encode(derived_by(key, f"demo|{name}"))[:12].decode().lower()


def role_ended(actor: Actor) -> Refusal:
    """The refusal of somebody whose role does not hold any more, or not yet."""
    params = {"person": actor.subject, "role": ROLE_LABELS[actor.role]}
    return Refusal(code=Code.ROLE_ENDED, params=params)


def acting_as(membership: Membership) -> dict[str, str]:
    """In which role somebody acts, as it goes on record."""
    return {
        "membership": membership.id,
        "role": membership.role.value,
        "role_label": ROLE_LABELS[membership.role],
        "scope": membership.scope,
    }


def csrf_token(secret: str) -> str:
    """What the forms of a browser's pages carry, so that no other site can send one."""
    return hashlib.sha256(f"form|{secret}".encode()).hexdigest()


def _unfit(person: str, password: str, again: str) -> str:
    """Why a password cannot be taken, "" if it can."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"密码须有 {SHORTEST_PASSWORD} 至 {LONGEST_PASSWORD} 个字符"
    if person.casefold() in password.casefold() or len(set(password)) < 5:
        return "密码不能含有账号，也不能只由几个字符重复组成"
    rest = password.casefold()
    for word in OF_THIS_WORK:
        rest = rest.replace(word, "")
    if not rest or zxcvbn(rest[:_LOOKED_AT])["score"] < _HARD_ENOUGH:
        return "密码太容易猜到：多是常见的词、连号、年份或相邻的键，请加上别人想不到的词"
    return "" if password == again else "两次填写的密码不一样"
