"""Programs: accounts that hold roles as people do, and show a secret where people sign in."""

import hmac
import secrets
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor
from domain.memberships import holds, is_program
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.keys import Keyring
from services.memberships import MembershipService, hashed, record_of, step_id
from services.throttle import Throttle
from store import accounts, tokens
from store.tokens import ProgramSecret as ProgramSecret

TOKEN_LIFETIME = timedelta(minutes=10)
LONGEST_OVERLAP = timedelta(days=30)


class ProgramService:
    """Secrets of programs, and who a program is. A secret is random, told once, kept as hash."""

    def __init__(
        self,
        engine: AsyncEngine,
        memberships: MembershipService,
        keyring: Keyring,
        limit: str,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._memberships = memberships
        self._throttle = Throttle(engine, keyring, limit, clock)
        self._clock = clock

    async def new_secret(
        self, program: str, overlap: timedelta, actor: Actor, key: str, *, by_hand: bool = False
    ) -> tuple[ProgramSecret, str]:
        """A program's new secret; those before end after ``overlap``. Again, by its key: "".

        Who administers all that the program holds gives it one. Raises Refused.
        """
        now, secret = self._clock(), secrets.token_urlsafe(32)
        made = ProgramSecret(
            id=step_id(actor, key),
            program=program,
            sha256=hashed(secret),
            made_by=actor.subject,
            made_at=now,
        )
        async with self._engine.begin() as connection:
            self._is_one(program)
            await self._memberships.may_become(connection, program, actor, by_hand=by_hand)
            if not await tokens.add_secret(connection, made):
                return made, ""
            await tokens.end_secrets(connection, program, now + overlap, but=made.id)
            body = {"overlap_seconds": int(overlap.total_seconds())}
            await record_of(connection, program, "secret_made", actor, now, body, made.id)
        return made, secret

    async def end_secrets(self, program: str, actor: Actor, *, by_hand: bool = False) -> None:
        """Ends all secrets of a program at once. Raises Refused."""
        now = self._clock()
        async with self._engine.begin() as connection:
            self._is_one(program)
            await self._memberships.may_become(connection, program, actor, by_hand=by_hand)
            await tokens.end_secrets(connection, program, now)
            key = now.isoformat()
            await record_of(connection, program, "secrets_ended", actor, now, {}, key)

    async def authenticate(self, program: str, secret: str, wanted: str, address: str) -> Actor:
        """Whom a program acts as: ``wanted`` is ``role`` or ``role:scope``, "" its latest role.

        Raises Refused, and does not tell apart what was wrong.
        """
        await self._throttle.count_address(address)
        now, given = self._clock(), hashed(secret)
        async with self._engine.connect() as connection:
            kept = await tokens.secrets_of(connection, program, now)
            held = await accounts.memberships_of(connection, program)
        # every hash is compared, whether or not one fitted already
        fitting = [hmac.compare_digest(given, one.sha256) for one in kept]
        role, _, scope = wanted.partition(":")
        usable = [
            one
            for one in held
            if holds(one, now) and role in ("", one.role.value) and scope in ("", one.scope)
        ]
        if not any(fitting) or not usable:
            raise Refused(Refusal(code=Code.PROGRAM_REFUSED))
        return usable[0].actor

    def _is_one(self, program: str) -> None:
        if not is_program(program):
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"程序 {program}"}))
