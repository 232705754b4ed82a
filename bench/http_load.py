"""Loads an HTTP server over many connections: ``python -m bench.http_load PORT``.

Reads paths from standard input, one a line, asks for them in turn for some seconds, each
connection as soon as it has its answer, and prints what came back as JSON. After a tab a line may
have a header that goes along.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import cast

import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Asking(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again until the time is over."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests = requests
        self._until = until
        self._buffer = b""
        self.statuses: Counter[int] = Counter()
        self.waits: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        head = data.find(_END)
        length = data.find(_LENGTH, 0, head)
        if head < 0 or len(data) < head + 4 + int(
            data[length + 16 : data.index(b"\r", length)] if length >= 0 else 0
        ):
            self._buffer = data
            return
        self._buffer = b""
        self.statuses[int(data[9:12])] += 1
        self.waits.append(time.perf_counter() - self._asked)
        if time.perf_counter() < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)


def _request(line: str) -> bytes:
    path, _, header = line.partition("\t")
    more = f"{header}\r\n" if header else ""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode()


async def load(
    port: int, lines: list[str], connections: int, seconds: float, spread: float = 0
) -> tuple[float, Counter[int], float]:
    """Answers a second, how many there were of each status, and the 95th percentile in seconds.

    With ``spread`` connections begin at moments of their own within so many seconds.
    """
    requests = itertools.cycle([_request(line) for line in lines])
    began = time.perf_counter()
    asking = [Asking(requests, began + seconds) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    chance = random.Random(7)

    async def begin(one: Asking, after: float) -> None:
        await asyncio.sleep(after)
        await loop.create_connection(lambda: one, "127.0.0.1", port)
        await one.done

    if spread:
        await asyncio.gather(*(begin(one, chance.uniform(0, spread)) for one in asking))
    else:
        for one in asking:
            await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.gather(*(one.done for one in asking))
    statuses = sum((one.statuses for one in asking), Counter())
    took = time.perf_counter() - began
    waits = sorted(wait for one in asking for wait in one.waits)
    return sum(statuses.values()) / took, statuses, waits[int(len(waits) * 0.95)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--spread", type=float, default=0)
    given = parser.parse_args()
    asked = sys.stdin.read().splitlines()
    rate, found, p95 = uvloop.run(
        load(given.port, asked, given.connections, given.seconds, given.spread)
    )
    print(json.dumps({"rate": rate, "statuses": found, "p95": p95}))
