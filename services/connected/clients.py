"""Clients of connected mode: registering, rotating secrets, revoking, and telling who asks."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import ROLE_LABELS, Actor
from domain.connected import ApiClient, client_of
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.rate_limits import Limiter, RateLimits
from services.together import Together
from store import journal
from store.connected import clients

SECRET_BYTES = 32
TOKEN_LIFETIME = timedelta(minutes=10)


class ClientService:
    """Everything about clients. A secret is random, told once, and kept as its hash only."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, limit: str, together: Together | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._limiter = Limiter(RateLimits(limit, limit), together, "tokens")

    async def register(
        self, authority: str, name: str, sandbox: bool, actor: Actor, command_id: str
    ) -> tuple[ApiClient, str]:
        """Puts a client on record; with its secret, which is "" for the same command again."""
        now = self._clock()
        client = ApiClient(
            id=command_id[:16],
            authority=authority,
            name=name,
            sandbox=sandbox,
            created_by=actor.subject,
            created_at=now,
            revoked_at=None,
        )
        secret = ""
        async with self._engine.begin() as connection:
            if await clients.add(connection, client):
                secret = secrets.token_urlsafe(SECRET_BYTES)
                await clients.add_secret(connection, command_id, client.id, _hashed(secret), now)
                body = {"authority": authority, "name": name, "sandbox": sandbox}
                await self._record(connection, client.id, "client_registered", actor, body)
            known = await clients.by_id(connection, client.id)
        assert known is not None
        return known, secret

    async def rotate(
        self, client_id: str, overlap: timedelta, actor: Actor, command_id: str
    ) -> tuple[ApiClient, str]:
        """A further secret; the others end after ``overlap``. Again: "". Raises Refused."""
        now = self._clock()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        async with self._engine.begin() as connection:
            client = await clients.by_id(connection, client_id)
            if client is None or client.revoked_at is not None:
                raise Refused(_no_client(client_id))
            if not await clients.add_secret(
                connection, command_id, client_id, _hashed(secret), now
            ):
                return client, ""
            await clients.end_other_secrets(connection, client_id, command_id, now + overlap)
            body = {"overlap_seconds": int(overlap.total_seconds())}
            await self._record(connection, client_id, "client_secret_rotated", actor, body)
        return client, secret

    async def revoke(self, client_id: str, reason: str, actor: Actor) -> ApiClient:
        """Revokes a client for good: its secrets and its tokens end at once. Raises Refused."""
        async with self._engine.begin() as connection:
            if await clients.revoke(connection, client_id, self._clock()):
                body = {"reason": reason}
                await self._record(connection, client_id, "client_revoked", actor, body)
            client = await clients.by_id(connection, client_id)
        if client is None:
            raise Refused(_no_client(client_id))
        return client

    async def authenticate(self, client_id: str, secret: str, address: str) -> ApiClient:
        """The client with this id and secret, who gets a token; that goes on record.

        Raises Refused; too many tries are refused too.
        """
        try:
            self._limiter.count_client(address, self._clock())
        except Refused as refused:
            params = refused.refusal.params
            raise Refused(Refusal(code=Code.TOO_MANY_DELIVERIES, params=params)) from None
        given = _hashed(secret)
        async with self._engine.connect() as connection:
            hashes = await clients.hashes_at(connection, client_id, self._clock())
            client = await clients.by_id(connection, client_id)
        # every hash is compared, whether or not one fitted already
        fitting = [hmac.compare_digest(given, one) for one in hashes]
        if client is None or not any(fitting):
            raise Refused(Refusal(code=Code.CLIENT_REFUSED, params={"why": "不区分是哪一种"}))
        ends = self._clock() + TOKEN_LIFETIME
        said = {"role": client.actor.role.value, "role_label": ROLE_LABELS[client.actor.role]}
        said |= {"scope": client.authority, "ends_at": ends.isoformat()}
        async with self._engine.begin() as connection:
            await self._record(connection, client_id, "token_issued", client.actor, said)
        return client

    async def acting(self, actor: Actor) -> ApiClient | None:
        """The client that acts, None for a person. Raises Refused: unknown, or revoked."""
        client_id = client_of(actor)
        if not client_id:
            return None
        async with self._engine.connect() as connection:
            client = await clients.by_id(connection, client_id)
        if client is None or client.revoked_at is not None or client.authority != actor.scope:
            why = "这一联网系统没有登记或已停用"
            raise Refused(Refusal(code=Code.UNAUTHENTICATED, params={"why": why}))
        return client

    async def page(self, after: str, size: int) -> list[ApiClient]:
        """Up to ``size`` clients with ids after ``after``, revoked ones included."""
        async with self._engine.connect() as connection:
            return await clients.page(connection, after, size)

    async def secrets_of(self, client: ApiClient) -> list[tuple[datetime, datetime | None]]:
        """When a client's secrets were made and when they end, oldest first."""
        async with self._engine.connect() as connection:
            return (await clients.secrets_of(connection, [client.id]))[client.id]

    async def _record(
        self, connection: Any, client_id: str, event: str, actor: Actor, body: dict[str, Any]
    ) -> None:
        await journal.append_operator_step(
            connection,
            f"client/{client_id}",
            event,
            actor,
            self._clock(),
            body,
            f"{event}:{secrets.token_hex(8)}",
        )


def _hashed(secret: str) -> str:
    """256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(f"client-secret|{secret}".encode()).hexdigest()


def _no_client(client_id: str) -> Refusal:
    return Refusal(code=Code.NOT_FOUND, params={"what": f"可用的联网系统 {client_id}"})
