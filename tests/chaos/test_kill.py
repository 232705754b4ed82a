"""``kill -9`` in the middle of everything, on real processes over real HTTP, again and again.

Clients do what clients do: they send again, with the same key, until they are answered. What was
acknowledged must then stand exactly once in the journal, the read model and the engine's history.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from files.roster import RosterInstitution
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from tests.chaos.confirm import Confirmed, confirm
from tests.chaos.figures import keep
from tests.chaos.machine import PARTS, Machine, open_rules
from tests.chaos.people import People

pytestmark = pytest.mark.anyio

AT_ONCE = 8
KILLS = int(os.environ.get("KILLS", "210"))


class Storm:
    """People at work on a machine while its processes are killed."""

    def __init__(self, machine: Machine, people: People, seed: int) -> None:
        self.machine = machine
        self.people = people
        self.random = random.Random(seed)
        self.over = False
        self.last_blow = 0.0

    async def work(self, roster: list[RosterInstitution], content: dict[str, Any]) -> None:
        """Filings, files of numbers and certificates, side by side until the storm is over."""
        waiting = iter(roster)

        async def person() -> None:
            for holder in waiting:
                if self.over:
                    return
                await asyncio.gather(*self._together(holder, content))

        await asyncio.gather(*(person() for _ in range(AT_ONCE)))
        assert self.over, "more institutions are needed for so many kills"

    def _together(
        self, holder: RosterInstitution, content: dict[str, Any]
    ) -> list[Coroutine[Any, Any, None]]:
        async def year() -> None:
            # whoever has filed may upload
            await self.people.file(holder.id, content)
            await self.people.report(holder.id, ask_again=self.random.random() < 0.5)

        return [year(), self.people.certify(holder)] if self.random.random() < 0.5 else [year()]

    async def rage(self, kills: list[str]) -> None:
        """Kills one after the other, most of them once people are being answered again."""
        for part in kills:
            if self.random.random() < 0.8:
                await self._answered(3)
            await asyncio.sleep(self.random.uniform(0, 2))
            await self.machine.kill(part, self.random)
            self.last_blow = time.monotonic()
        await self._answered(3)
        self.over = True

    async def _answered(self, more: int) -> None:
        """Waits for so many receipts more, not for ever: everybody may have to wait at once."""
        wanted = len(self.people.receipts) + more
        for _ in range(300):
            if len(self.people.receipts) >= wanted:
                return
            await asyncio.sleep(0.1)


async def survive(
    data: Path, rules: Path, *, kills: list[str], institutions: int, seed: int
) -> tuple[People, Confirmed]:
    """A storm from its first kill to the moment when engine and record agree again."""
    began = time.monotonic()
    machine = Machine(data, rules)
    async with machine.running(), httpx.AsyncClient(timeout=30) as http:
        people = People(machine.url, http, random.Random(seed))
        roster = await people.prepare(institutions)
        content = blank_example(FormLibrary(rules / "forms").get("statistics-2024"))
        storm = Storm(machine, people, seed)
        async with asyncio.TaskGroup() as group:
            group.create_task(storm.work(roster, content))
            group.create_task(storm.rage(kills))
        confirmed = await confirm(machine, people, storm.last_blow)
    seconds = sorted(one.seconds for one in people.asked)
    acts = Counter(one.path.rpartition("/")[2] for one in people.asked if "/filings/" in one.path)
    keep(
        "kills",
        {
            "seed": seed,
            "kills": Counter(kills),
            "minutes": round((time.monotonic() - began) / 60, 1),
            "starts": machine.starts,
            "filings": acts["quality"],
            "files": len(people.uploads),
            "certificates": len(people.certificates),
            "acknowledged": confirmed.acknowledged,
            "sent_again": sum(one.tries > 1 for one in people.asked),
            "half_answered_within": round(seconds[len(seconds) // 2], 2),
            "last_answered_after": round(seconds[-1], 1),
            "steps": confirmed.steps,
            "agreed_after": confirmed.agreed_after,
            **{
                name: len(getattr(confirmed, name))
                for name in ("lost", "doubled", "stuck", "ahead", "disagreeing")
            },
        },
    )
    assert not confirmed.wrong, confirmed
    assert not people.faults, people.faults
    return people, confirmed


async def test_nothing_is_lost_doubled_or_stuck_after_each_part_is_killed_once(
    short_folder: Path,
) -> None:
    people, confirmed = await survive(
        short_folder / "k", open_rules(short_folder), kills=[*PARTS], institutions=40, seed=1
    )
    assert any(one.tries > 1 for one in people.asked)
    assert confirmed.acknowledged > 30


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
async def test_nothing_is_lost_doubled_or_stuck_after_hundreds_of_random_kills(
    short_folder: Path,
) -> None:
    seed = int(os.environ.get("SEED") or time.time())
    print(f"SEED={seed}")
    chosen = random.Random(seed)
    kills = [*PARTS, *chosen.choices(PARTS, k=KILLS - len(PARTS))]
    _, confirmed = await survive(
        short_folder / "k-long",
        open_rules(short_folder),
        kills=kills,
        institutions=KILLS * 6,
        seed=seed,
    )
    assert confirmed.acknowledged > 5 * KILLS
