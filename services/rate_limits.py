"""How often somebody may ask: per client or person, and per stretch of numbers or authority.

Counted in memory, by each process; `services.together` adds up what is said to be.
The notation of limits is that of the library `limits`. Its memory storage is not used: it goes
through all keys a hundred times a second, which is what somebody who enumerates would make it do.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from math import ceil

from limits import RateLimitItem, parse_many

from domain.refusals import Code, Refusal, Refused
from services.together import SHARES, Together

NEIGHBOURS = 4
"""Numbers that differ in their last so many characters are counted together."""

FEW = 3
"""So many of what others have used up are still had by whoever has had none: a limit that all
share stops those who filled it, and is no way to shut others out."""

_MOST_KEYS = 100_000


@dataclass(frozen=True)
class RateLimits:
    """The limits as they are written: ``60/minute; 1000/hour``."""

    per_client: str
    per_prefix: str


class Limiter:
    """Counts in windows that begin with the first of what is counted.

    Addresses and numbers are kept as keyed hashes, under a key of this process, for the window.
    ``together`` holds all processes to a limit, else each allows it; ``counting`` names what is
    counted, apart from what others count.
    """

    def __init__(
        self, limits: RateLimits, together: Together | None = None, counting: str = ""
    ) -> None:
        self._key = secrets.token_hex(32)
        self._together = together
        self._counting = counting
        self._clients = [_Windows(item) for item in parse_many(limits.per_client)]
        self._prefixes = [_Windows(item) for item in parse_many(limits.per_prefix)]
        self._shares = [_Windows(item, FEW) for item in parse_many(limits.per_prefix)]

    def count_client(self, address: str, now: datetime) -> None:
        """Counts a lookup of a client. Raises Refused above the limit."""
        self._count(self._clients, one_client(address), now, "您所在的网络地址")

    def count_number(self, number: str, now: datetime, address: str) -> None:
        """Counts a lookup of a number among its neighbours, whoever asks.

        Raises Refused above the limit, but for an address that has asked for few of them.
        """
        self._count_shared(number[:-NEIGHBOURS], now, address, "与此相邻的编号")

    def count_member(self, person: str, group: str, now: datetime) -> None:
        """Counts a request of a person, and of the authority or institution it is for.

        Raises Refused above the person's limit, and above that of all of the group.
        """
        self._count(self._clients, person, now, "您")
        self._count_shared(group, now, person, "您所在单位")

    def _count_shared(self, text: str, now: datetime, whose: str, counted: str) -> None:
        few = self._ends(self._shares, f"{text}|{one_client(whose)}", now)[0] == 0
        try:
            self._count(self._prefixes, text, now, counted)
        except Refused:
            if not few:
                raise

    def _ends(
        self, windows: list["_Windows"], text: str, now: datetime
    ) -> tuple[float, "_Windows"]:
        key = hash(self._key + text)
        instant = now.timestamp()
        until, window = 0.0, windows[0]
        for one in windows:
            ends = one.hit(key, instant)
            if ends > until:
                until, window = ends, one
        return until, window

    def _count(self, windows: list["_Windows"], text: str, now: datetime, counted: str) -> None:
        until, window = self._ends(windows, text, now)
        if not until and self._together is not None:
            until, window = self._all_have(self._together, windows, text, now)
        if until:
            params = {
                "counted": counted,
                "window": str(window.seconds),
                "limit": str(window.amount),
                "seconds": str(ceil(until - now.timestamp())),
            }
            raise Refused(Refusal(code=Code.TOO_MANY_LOOKUPS, params=params))

    def _all_have(
        self, together: Together, windows: list["_Windows"], text: str, now: datetime
    ) -> tuple[float, "_Windows"]:
        key, instant = hash(self._key + text), now.timestamp()
        for one in windows:
            what = f"{self._counting}|{one.amount}|{one.seconds}|{text}"
            if until := together.until(what, instant):
                return until, one
            had, ends = one.had(key)
            if had % one.share == 0:
                together.tell(what, one.share, one.amount, ends)
        return 0.0, windows[0]


class _Windows:
    """One limit: how often each key has come up in its present window."""

    def __init__(self, item: RateLimitItem, amount: int | None = None) -> None:
        self.amount = item.amount if amount is None else min(amount, item.amount)
        self.seconds = item.get_expiry()
        self.share = max(1, self.amount // SHARES)
        # all windows are equally long: this is in the order in which they end; the first of a
        # plain dictionary takes the longer to find the more were deleted before it
        self._open: OrderedDict[int, list[float]] = OrderedDict()

    def hit(self, key: int, now: float) -> float:
        """Counts one; 0 where that is within the limit, else when the window ends."""
        found = self._open.get(key)
        if found is None or found[1] <= now:
            self._forget(now)
            self._open.pop(key, None)
            found = self._open[key] = [0, now + self.seconds]
        if found[0] >= self.amount:
            return found[1]
        found[0] += 1
        return 0

    def had(self, key: int) -> tuple[int, float]:
        """What a key has come up to in its present window, which there is, and when that ends."""
        count, ends = self._open[key]
        return int(count), ends

    def _forget(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if self._open[oldest][1] > now and len(self._open) < _MOST_KEYS:
                return
            del self._open[oldest]


def one_client(address: str) -> str:
    """What counts as one client: an IPv4 address, or the network an IPv6 address belongs to."""
    if ":" not in address:
        return address
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(int(found) >> 64)
    return str(getattr(found, "ipv4_mapped", found))
