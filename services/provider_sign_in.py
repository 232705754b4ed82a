"""Signing in by a provider of OpenID Connect: whose account it is, and that it ends everywhere.

The provider says who somebody is; accounts and roles are this system's own. Which account a
person of the provider's has is tied once, by the person with a one-time link, or by hand.
"""

import hmac
import secrets
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import SYSTEM, Actor
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.memberships import MembershipService, hashed, record_of
from services.provider import NotBelieved, Provider, ProviderAway
from services.sign_in import CameFrom, SignInService
from services.throttle import Throttle
from store import accounts, identities
from store.identities import Begun
from store.identities import Identity as Identity

log = structlog.get_logger()

BACK = "/sign-in/provider/back"
"""Where the provider sends browsers back to."""

_WITHIN = timedelta(minutes=10)


class Arrived(NamedTuple):
    """A browser that has signed in: what it keeps, whose it is, and where it goes."""

    secret: str
    person: str
    leads_to: str


class ProviderSignIn:
    """Sign-ins by the one provider that is set; ``site`` is the address browsers come back to."""

    def __init__(
        self,
        engine: AsyncEngine,
        provider: Provider | None,
        sign_in: SignInService,
        memberships: MembershipService,
        throttle: Throttle,
        site: str,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._provider = provider
        self._sign_in = sign_in
        self._memberships = memberships
        self._throttle = throttle
        self._back = f"{site}{BACK}"
        self._site = site
        self._clock = clock

    @property
    def name(self) -> str:
        """What people know the provider by, "" where none is set."""
        return self._provider.client.name if self._provider else ""

    async def begin(self, leads_to: str, link: str = "") -> tuple[str, str]:
        """Where a browser is sent, and what it keeps meanwhile. Raises Refused.

        ``link``: the secret of a one-time link, whose account is to be tied.
        """
        provider = self._set()
        if link:
            await self._sign_in.invited(link)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        now = self._clock()
        begun = Begun(
            state=hashed(state),
            nonce=nonce,
            verifier=verifier,
            leads_to=leads_to,
            link=hashed(link) if link else "",
            ends_at=now + _WITHIN,
        )
        async with self._engine.begin() as connection:
            await identities.forget(connection, now)
            await identities.begin(connection, begun)
        try:
            return await provider.address(state, nonce, verifier, self._back), state
        except ProviderAway as failure:
            raise self._away(failure) from None

    async def arrive(self, state: str, kept: str, code: str, issuer: str, agent: str) -> Arrived:
        """Signs in a browser that comes back. Raises Refused.

        ``kept`` is what the browser has kept since it was sent there: another's answer, given to
        this browser, signs nobody in. ``issuer`` is who says it has answered, "" for nobody.
        """
        provider = self._set()
        begun = None
        if state and hmac.compare_digest(state.encode(), kept.encode()):
            async with self._engine.begin() as connection:
                begun = await identities.take(connection, hashed(state), self._clock())
        if begun is None:
            raise self._refused("不是由本浏览器开始的登录，或已过时")
        try:
            metadata = await provider.metadata()
            named = metadata.authorization_response_iss_parameter_supported
            if (issuer or named) and issuer != provider.client.issuer:
                raise NotBelieved("答复来自别处")
            claims = await provider.claims(code, begun.verifier, begun.nonce, self._back)
        except NotBelieved as failure:
            raise self._refused(str(failure)) from None
        except ProviderAway as failure:
            raise self._away(failure) from None
        came = CameFrom(provider.client.issuer, claims.subject, claims.session)
        async with self._engine.begin() as connection:
            if begun.link:
                await self._tie_by_link(connection, begun.link, came)
            person = await identities.person_of(connection, came.issuer, came.subject)
        if person is None:
            raise Refused(Refusal(code=Code.IDENTITY_UNKNOWN, params={"provider": self.name}))
        secret = await self._sign_in.begin(
            person, agent, second_factor=claims.second_factor, came_from=came
        )
        return Arrived(secret, person, begun.leads_to)

    async def leaving(self) -> str:
        """Where a browser signs out of the provider as well, "" where it cannot."""
        if self._provider is None:
            return ""
        try:
            return await self._provider.leaving(f"{self._site}/sign-in")
        except ProviderAway:
            return ""

    async def signed_out(self, given: str) -> None:
        """Ends what the provider says has ended, here at once. Raises Refused."""
        provider = self._set()
        try:
            subject, session, id_ = await provider.signed_out(given)
        except NotBelieved as failure:
            raise self._refused(str(failure)) from None
        except ProviderAway as failure:
            raise self._away(failure) from None
        issuer = provider.client.issuer
        if not await self._throttle.first(f"logout|{issuer}|{id_}", timedelta(hours=1)):
            raise self._refused("这一退出通知已经收到过")
        async with self._engine.begin() as connection:
            now = self._clock()
            await accounts.end_provider_sessions(connection, issuer, subject, session, now)

    # --- whose account it is -------------------------------------------------------------------

    async def tie(
        self, person: str, subject: str, actor: Actor, *, by_hand: bool = False
    ) -> Identity:
        """Ties a person of the provider's to an account, for who administers it. Raises Refused."""
        issuer = self._set().client.issuer
        async with self._engine.begin() as connection:
            await self._memberships.may_become(connection, person, actor, by_hand=by_hand)
            return await self._tie(connection, issuer, subject, person, actor)

    async def untie(self, person: str, subject: str, actor: Actor, *, by_hand: bool = False) -> str:
        """Unties them; what is signed in by it ends at once; the issuer. Raises Refused."""
        issuer, now = self._set().client.issuer, self._clock()
        async with self._engine.begin() as connection:
            if person != actor.subject:
                await self._memberships.may_become(connection, person, actor, by_hand=by_hand)
            if await identities.untie(connection, issuer, subject, person, actor.subject, now):
                await accounts.end_provider_sessions(connection, issuer, subject, "", now)
                key = f"{_short(issuer, subject)}:{now.isoformat()}"
                await record_of(connection, person, "identity_untied", actor, now, {}, key)
        return issuer

    async def tied(self, person: str) -> list[Identity]:
        """Whom of the provider's an account is tied to."""
        async with self._engine.connect() as connection:
            return await identities.of_person(connection, person)

    async def _tie_by_link(self, connection: AsyncConnection, link: str, came: CameFrom) -> None:
        now = self._clock()
        standing = await accounts.open_link(connection, link, now)
        if standing is None or not await accounts.use_link(connection, link, now):
            raise Refused(Refusal(code=Code.LINK_ENDED))
        actor = SYSTEM.model_copy(update={"subject": standing.person})
        await self._tie(connection, came.issuer, came.subject, standing.person, actor)

    async def _tie(
        self, connection: AsyncConnection, issuer: str, subject: str, person: str, actor: Actor
    ) -> Identity:
        now = self._clock()
        new = Identity(
            issuer=issuer, subject=subject, person=person, tied_by=actor.subject, tied_at=now
        )
        kept = await identities.tie(connection, new)
        if kept.person != person:
            why = "这一身份已绑定另一个账号，须先解除"
            raise Refused(Refusal(code=Code.MEMBERSHIP_REFUSED, params={"why": why}))
        if kept.tied_at == now:
            key = f"{_short(issuer, subject)}:{now.isoformat()}"
            body = {"issuer": issuer}
            await record_of(connection, person, "identity_tied", actor, now, body, key)
        return kept

    def _set(self) -> Provider:
        if self._provider is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "统一身份认证"}))
        return self._provider

    def _refused(self, why: str) -> Refused:
        params = {"provider": self.name, "why": why}
        return Refused(Refusal(code=Code.PROVIDER_REFUSED, params=params))

    def _away(self, failure: ProviderAway) -> Refused:
        # who looks after the system sees what the provider lacks; nobody who signs in does
        log.error("provider_away", why=str(failure))
        return Refused(Refusal(code=Code.UNAVAILABLE, params={"part": self.name}))


def _short(issuer: str, subject: str) -> str:
    return hashed(f"{issuer}\n{subject}")[:16]
