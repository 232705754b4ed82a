"""Tokens on record: who got which, until when; revoked one by one, at once.

A token itself is kept nowhere. Those that programs and clients get for their secrets hold for
minutes, and end with the secret or the role; they are not kept on record.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import ROLE_LABELS, Actor
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.memberships import MembershipService, record_of
from store import tokens
from store.tokens import Token as Token


class TokenService:
    """The tokens that people have."""

    def __init__(self, engine: AsyncEngine, memberships: MembershipService, clock: Clock) -> None:
        self._engine = engine
        self._memberships = memberships
        self._clock = clock

    async def issued(
        self, id_: str, holder: Actor, issued_at: datetime, ends_at: datetime, actor: Actor
    ) -> Token:
        """Puts on record that somebody gets a token, before they do."""
        token = Token(
            id=id_,
            person=holder.subject,
            role=holder.role,
            scope=holder.scope,
            issued_by=actor.subject,
            issued_at=issued_at,
            ends_at=ends_at,
        )
        async with self._engine.begin() as connection:
            await tokens.add(connection, token)
            body = {
                "token": id_,
                "role": holder.role.value,
                "role_label": ROLE_LABELS[holder.role],
                "scope": holder.scope,
                "ends_at": ends_at.isoformat(),
            }
            await record_of(connection, holder.subject, "token_issued", actor, issued_at, body, id_)
        return token

    async def mine(self, actor: Actor) -> list[Token]:
        """One's own tokens that hold, the latest first."""
        async with self._engine.connect() as connection:
            return await tokens.of_person(connection, actor.subject, self._clock())

    async def of_person(self, person: str, actor: Actor, *, by_hand: bool = False) -> list[Token]:
        """A person's tokens that hold, for who administers all that they hold. Raises Refused."""
        async with self._engine.connect() as connection:
            await self._may(connection, person, actor, by_hand)
            return await tokens.of_person(connection, person, self._clock())

    async def revoke(self, id_: str, actor: Actor, *, by_hand: bool = False) -> Token:
        """Revokes a token at once, one's own or of whom one administers. Raises Refused."""
        now = self._clock()
        async with self._engine.begin() as connection:
            token = await tokens.by_id(connection, id_)
            if token is None:
                raise Refused(_no_token())
            try:
                await self._may(connection, token.person, actor, by_hand)
            except Refused:
                # nobody learns of tokens that are not theirs to revoke
                raise Refused(_no_token()) from None
            if await tokens.revoke(connection, id_, actor.subject, now):
                body = {"token": id_}
                await record_of(connection, token.person, "token_revoked", actor, now, body, id_)
            revoked = await tokens.by_id(connection, id_)
        assert revoked is not None
        return revoked

    async def _may(
        self, connection: AsyncConnection, person: str, actor: Actor, by_hand: bool
    ) -> None:
        if by_hand or person == actor.subject:
            return
        await self._memberships.may_become(connection, person, actor, by_hand=False)


def _no_token() -> Refusal:
    return Refusal(code=Code.NOT_FOUND, params={"what": "这一凭证"})
