"""A file is acknowledged and its worker dies: it is read all the same, asked for or not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from store.database import connect
from tests.chaos.figures import keep
from tests.chaos.machine import Machine, open_rules
from tests.chaos.people import People, send_slowly

pytestmark = pytest.mark.anyio

READ_WITHIN = 60.0
LONG = 200_000
"""Rows that take a worker a moment: it dies in the middle of them."""


class Laboratories:
    """Institutions that may upload, on a machine whose worker dies when they have done so."""

    def __init__(self, machine: Machine, people: People, engine: AsyncEngine) -> None:
        self._machine = machine
        self.people = people
        self._engine = engine

    async def upload(self, silent: str, asking: str) -> tuple[float, float]:
        """Uploads for two of them, one of which asks again while the other does not.

        How many seconds after the acknowledgement all numbers of each were on record.
        """
        acknowledged = {}
        for one in (silent, asking):
            file = await self.people.upload(one, LONG)
            acknowledged[file] = time.monotonic()
            await self._machine.kill("worker", Random(1))
        again = asyncio.create_task(self._ask_again(asking))
        first, second = [
            asyncio.create_task(self._until_read(*one)) for one in acknowledged.items()
        ]
        await again
        return await first, await second

    async def _ask_again(self, institution: str) -> None:
        await self.people.upload(institution, LONG)
        assert (await self.people.until_decided(institution))["accepted"] == LONG

    async def _until_read(self, file: str, since: float) -> float:
        accepted = text("SELECT accepted FROM uploads WHERE id = :id AND stage = 'accepted'")
        async with asyncio.timeout(120):
            while True:
                async with self._engine.connect() as connection:
                    if await connection.scalar(accepted, {"id": file}) == LONG:
                        return time.monotonic() - since
                await asyncio.sleep(0.1)


@asynccontextmanager
async def laboratories(
    data: Path, rules: Path, count: int
) -> AsyncIterator[tuple[list[str], Laboratories]]:
    """So many of them, each with a batch to which files may come."""
    machine = Machine(data, rules)
    content = blank_example(FormLibrary(rules / "forms").get("statistics-2024"))
    async with machine.running(), httpx.AsyncClient(timeout=30) as http:
        people = People(machine.url, http, Random(1))
        ids = [holder.id for holder in await people.prepare(count)]

        async def prepare(institution: str) -> None:
            await people.file(institution, content)
            await people.begin_report(institution)

        await asyncio.gather(*(prepare(one) for one in ids))
        engine = connect(machine.settings["DATABASE_URL"], pool_size=2)
        yield ids, Laboratories(machine, people, engine)
        await engine.dispose()


async def test_a_file_acknowledged_while_its_worker_dies_is_read_within_a_minute(
    short_folder: Path,
) -> None:
    async with laboratories(short_folder / "u", open_rules(short_folder), 3) as (ids, labs):
        assert max(await labs.upload(*ids[:2])) < READ_WITHIN
        sent = labs.people.file_to_send(ids[2])
        slow = asyncio.create_task(send_slowly(labs.people.where(), *sent, seconds=60))
        await asyncio.sleep(1)
        stopping = time.monotonic()
    # nobody's slow file holds up the end of the whole
    assert time.monotonic() - stopping < 15
    status, _ = await slow
    assert status in (0, 503)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_twenty_files_acknowledged_while_their_workers_die(short_folder: Path) -> None:
    async with laboratories(short_folder / "u-long", open_rules(short_folder), 20) as (ids, labs):
        took = [
            await labs.upload(silent, asking)
            for silent, asking in zip(ids[::2], ids[1::2], strict=True)
        ]
    silent, asking = (max(times) for times in zip(*took, strict=True))
    keep(
        "uploads",
        {
            "files": len(ids),
            "rows": LONG,
            "longest_asked_again": round(asking, 1),
            "longest_not_asked_again": round(silent, 1),
        },
    )
    assert max(silent, asking) < READ_WITHIN
