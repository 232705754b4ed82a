"""Numbers of certificates: consecutive, one for each case, whoever asks at once and dies."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from store import content as contents
from tests.certificates import Office, content
from tests.system import System, institution

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
COUNT = 200

_COPIES = """
    INSERT INTO cases
    SELECT (jsonb_populate_record(
        c, jsonb_build_object('case_id', 'certificate/copy-' || to_char(n, 'FM000')))).*
    FROM cases c, generate_series(1, :count) n WHERE case_id = :model
"""


async def asker(system: System, rule_set: str, cases: list[str]) -> asyncio.subprocess.Process:
    url = system.engine.url.render_as_string(hide_password=False)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.allotting",
        rule_set,
        *cases,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
    )


async def test_two_hundred_at_once_get_two_hundred_consecutive_numbers_under_kill_9(
    system: System,
) -> None:
    """Four processes ask for the same two hundred cases, and three are killed at work."""
    await system.add(institution("lab", certificates=()))
    path = await Office(system).begin({"content": content()})
    model = path.removeprefix("/api/").replace("certificates", "certificate")
    async with system.engine.begin() as connection:
        await connection.execute(text(_COPIES), {"count": COUNT, "model": model})
        first = await contents.revision(connection, model, 1)
        assert first is not None
        for n in range(1, COUNT + 1):
            case_id = f"certificate/copy-{n:03d}"
            by, at = first.saved_by, first.saved_at
            await contents.save_revision(connection, case_id, 0, first.content, by, at)
        found = await connection.execute(
            text("SELECT rule_set FROM cases WHERE case_id = :model"), {"model": model}
        )
        rule_set = str(found.scalar_one())
    cases = [f"certificate/copy-{n:03d}" for n in range(1, COUNT + 1)]
    chance = random.Random(20260)
    told: dict[str, set[str]] = {}

    async def ask(lines: int | None) -> None:
        """Runs a process to its end, or kills it once it has told of so many numbers."""
        process = await asker(system, rule_set, chance.sample(cases, COUNT))
        assert process.stdout is not None
        seen = 0
        async for line in process.stdout:
            case_id, number = line.decode().split()
            told.setdefault(case_id, set()).add(number)
            seen += 1
            if seen == lines:
                process.send_signal(signal.SIGKILL)
                break
        await process.communicate()
        assert process.returncode == (0 if lines is None else -signal.SIGKILL)

    await asyncio.gather(ask(17), ask(40), ask(71), ask(None))
    assert all(len(numbers) == 1 for numbers in told.values())
    assert set(told) == set(cases)
    numbers = sorted(number for (number,) in told.values())
    assert numbers == [f"311301060{serial:03d}" for serial in range(1, COUNT + 1)]
    async with system.engine.connect() as connection:
        kept = await connection.execute(text("SELECT number FROM certificate_numbers ORDER BY 1"))
        assert list(kept.scalars()) == numbers
        last = await connection.execute(text("SELECT last FROM certificate_serials"))
        assert last.scalar_one() == COUNT
