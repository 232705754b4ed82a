"""How often somebody may try to get in: counted in the database, for all processes together."""

from datetime import datetime, timedelta
from math import ceil

from limits import parse_many
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.keys import Keyring, Purpose, derived
from services.rate_limits import one_client
from store import tries


class Throttle:
    """Counts tries in windows that begin with the first of them.

    What is counted (an address, a name) is kept as a keyed hash, for the window.
    """

    def __init__(self, engine: AsyncEngine, keyring: Keyring, limit: str, clock: Clock) -> None:
        self._engine = engine
        self._keyring = keyring
        self._limits = parse_many(limit)
        self._clock = clock

    async def count_address(self, address: str) -> None:
        """One more of a network address. Raises Refused above the limit."""
        await self.count("address", one_client(address), "您所在的网络地址")

    async def count(self, kind: str, what: str, counted: str) -> None:
        """One more of something, ``counted`` in words. Raises Refused above the limit."""
        now = self._clock()
        for limit in self._limits:
            seconds = limit.get_expiry()
            key = self._key(now, f"{seconds}|{kind}|{what}")
            async with self._engine.begin() as connection:
                number, ends = await tries.count(connection, key, now, _end(now, seconds))
            if number > limit.amount:
                params = {
                    "counted": counted,
                    "window": str(seconds),
                    "limit": str(limit.amount),
                    "seconds": str(ceil((ends - now).total_seconds())),
                }
                raise Refused(Refusal(code=Code.TOO_MANY_SIGN_INS, params=params))

    async def first(self, what: str, within: timedelta) -> bool:
        """Whether this comes up for the first time in a while."""
        now = self._clock()
        async with self._engine.begin() as connection:
            number, _ = await tries.count(connection, self._key(now, what), now, now + within)
        return number == 1

    def _key(self, now: datetime, what: str) -> str:
        return derived(self._keyring, Purpose.LINKS, now, f"tries|{what}")


def _end(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)
