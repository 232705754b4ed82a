"""Loads an HTTP server over many connections: ``python -m bench.http_load PORT``.

Reads paths from standard input, one a line, asks for them in turn for some seconds, each
connection as soon as it has its answer, and prints what came back as JSON.
"""

import argparse
import asyncio
import itertools
import json
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
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
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
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)


async def load(
    port: int, paths: list[str], connections: int, seconds: float
) -> tuple[float, Counter[int]]:
    """Answers a second, and how many there were of each status."""
    requests = itertools.cycle(
        [f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode() for path in paths]
    )
    began = time.perf_counter()
    asking = [Asking(requests, began + seconds) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for one in asking:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(one.done for one in asking))
    statuses = sum((one.statuses for one in asking), Counter())
    return sum(statuses.values()) / (time.perf_counter() - began), statuses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3)
    given = parser.parse_args()
    asked = sys.stdin.read().splitlines()
    rate, found = uvloop.run(load(given.port, asked, given.connections, given.seconds))
    print(json.dumps({"rate": rate, "statuses": found}))
