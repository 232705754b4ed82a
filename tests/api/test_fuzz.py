"""What nobody has thought of: bytes changed at random, into readers, bodies, heads and pages.

The same few at each run of the tests; `make chaos` goes on for ZHIBAO_FUZZ_SECONDS, an hour, from
a seed that it names. Nothing of it may be answered with a 5xx, or end anything.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from random import Random
from typing import Any

import pytest

from api.door.bounded import BoundedProtocol
from api.resources import OPERATIONS, PAGES
from domain.refusals import Refused
from files.certificate_import import IMPORT, read_import
from files.findings import Unusable
from files.roster import ROSTER
from rules.certificates.certificates import current_certificate_rules
from rules.file.findings import RulesInvalid
from rules.file.library import SHIPPED
from rules.file.strict_yaml import load
from tests.api.lookups import served
from tests.files.test_numbers import book, read, read_book
from tests.system import OPERATOR, System

pytestmark = pytest.mark.anyio

SECONDS = float(os.environ.get("ZHIBAO_FUZZ_SECONDS") or 0)
SEED = int(os.environ.get("SEED") or 1)
FEW = 12
ODD = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\r", b"\n\n", b",,,,", b"=1+1", b"'", b"<!--",
    b"&#0;", b"%00", b"%2e%2e/", b"{", b"[" * 60, b"9" * 40, b"1e400", "\u202e".encode(),
    b"\xed\xa0\x80",
    b"null", b"\\ud800", b";", b"&", b"\t", b"NaN", b"-0", b"PK\x03\x04",
)  # fmt: skip


def changed(content: bytes, chance: Random) -> bytes:
    """Bytes with some taken away, doubled, moved, or set to what is odd."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((0, 1, 2, 8, 200)))
        piece = chance.choice(
            (b"", content[start:end] * 2, chance.choice(ODD), chance.randbytes(end - start))
        )
        content = content[:start] + piece + content[end:]
    return content


def rounds(share: float) -> Iterator[Random]:
    """Few, always the same; or as many as there is time for, from the seed on."""
    if not SECONDS:
        yield from (Random(seed) for seed in range(FEW))
        return
    print(f"SEED={SEED}, for {SECONDS * share:.0f} seconds")
    until, seed = time.monotonic() + SECONDS * share, SEED
    while time.monotonic() < until:
        yield Random(seed)
        seed += 1


def certificates(data: bytes) -> object:
    """An import's file, read and checked."""
    return read_import(
        data,
        "f.csv",
        rules=RULES,
        authority="amr-350000",
        today=date(2026, 1, 5),
        known_regions=lambda _: True,
    )


RULES = current_certificate_rules(SHIPPED)
READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "roster": (ROSTER.template(), lambda data: ROSTER.read(data, "f.csv", lambda _: True)),
    "certificates": (IMPORT.template(), certificates),
    "numbers": ("报告编号,出具日期\nA-1,2024-07-01\n".encode(), read),
    "workbook": (book(["A-1", "2024-07-01"]), read_book),
    "rules": (b"id: x\nwindows:\n  fill: {from: '2024-01-01'}\n", lambda data: load(data, "f")),
}


@pytest.mark.parametrize("name", READERS)
def test_no_file_ends_a_reader(name: str) -> None:
    content, reader = READERS[name]
    for chance in rounds(0.4 / len(READERS)):
        try:
            reader(changed(content, chance))
        except (Unusable, Refused, RulesInvalid):
            continue


@pytest.fixture(scope="module")
async def port(house: System) -> AsyncIterator[int]:
    async with served(house.parts, http=BoundedProtocol) as address:
        yield int(address.rpartition(":")[2])


async def answered(port: int, sent: bytes) -> int:
    """The status that some bytes are answered with; 0 where the connection is closed instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        writer.write_eof()
        said = await asyncio.wait_for(reader.read(64), 30)
    except ConnectionError:
        return 0
    finally:
        writer.close()
    return int(said.split(b" ")[1]) if said.startswith(b"HTTP/1.1 ") else 0


def asked(operation: Any, chance: Random, token: str) -> bytes:
    """A request that was good, changed in its body, its head or its address."""
    path = operation.path
    for name in operation.path.split("{")[1:]:
        known = name.partition("}")[0]
        path = path.replace(f"{{{known}}}", "2024" if known in ("year", "period") else "0" * 6)
    example = operation.example if operation.body is not None else None
    body = json.dumps(example).encode() if example is not None else b""
    head = f"{operation.method} {path}?size=3 HTTP/1.1\r\nhost: test\r\n"
    head += f"authorization: Bearer {token}\r\nidempotency-key: {chance.random()}\r\n"
    head += 'content-type: application/json\r\naccept: */*\r\nif-match: "1"\r\n'
    where = chance.randrange(3)
    if where == 0:
        body = changed(body, chance)
    told = head.encode() + f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    if where == 1:
        first, _, rest = told.partition(b"\r\n")
        return first + b"\r\n" + changed(rest, chance) + body
    if where == 2:
        method, _, rest = told.partition(b" ")
        address, _, rest = rest.partition(b" ")
        return (
            method + b" /" + changed(address[1:], chance).replace(b" ", b"+") + b" " + rest + body
        )
    return told + body


async def test_no_body_head_or_address_is_answered_with_a_failure(house: System, port: int) -> None:
    token = house.token(OPERATOR, "fuzz", "000000")
    operations = [one for one in (*OPERATIONS, *PAGES) if one.path not in ("/readyz", "/healthz")]
    for chance in rounds(0.6):
        for operation in chance.sample(operations, 20):
            sent = asked(operation, chance, token)
            status = await answered(port, sent)
            assert status < 500, (status, sent[:600])
    assert await answered(port, b"GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n") == 200
