"""A filing's life with everything on, beside a bare workflow's: ``python -m bench.filing_life``.

Everything on: rules, form check, journal with hash chain, read model and outbox in PostgreSQL with
fsync, the real worker. Both lives are a start, a timer, four validated updates and a result, on
one engine, in turns. The target is a ratio of at least 0.8.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from temporalio.client import Client

from bench.bare import ACTS, QUEUE, BareLife
from bench.seeds import CHECKER, REVIEWER, add_filings
from bench.system import Bench, Round, cpu_ratio, measured, servers, summary
from domain.case import commands as c
from domain.case.commands import Actor, Command, Role
from domain.case.status import Status
from domain.case.workflow_messages import ACT, Act, CaseStart, Receipt
from domain.filing.kind import Submit
from engine.starting import start_case

TARGET = 0.8
_AT_ONCE = 32
_WARM_UP = 40
Item = TypeVar("Item")

_FILER = Actor(subject="bench-filer", role=Role.FILER)
_REVIEWER = Actor(subject="bench-reviewer", role=Role.REVIEWER, scope=REVIEWER)
_CHECKER = Actor(subject="bench-checker", role=Role.CHECKER, scope=CHECKER)


async def bare_life(client: Client, id_: str) -> None:
    """One bare life."""
    handle = await client.start_workflow(BareLife.run, id=id_, task_queue=QUEUE)
    await handle.execute_update(BareLife.submit)
    for _ in range(ACTS - 1):
        await handle.execute_update(BareLife.act)
    assert await handle.result() == ACTS


def acts(start: CaseStart, sha256: str) -> tuple[Command, ...]:
    """What people ask for in a filing's life, in order."""
    now = datetime.now(UTC)
    filer = _FILER.model_copy(update={"scope": start.opening.institution})
    return (
        Submit(id="submit", actor=filer, received_at=now, revision=1, content_sha256=sha256),
        c.Claim(id="claim", actor=_REVIEWER, received_at=now),
        c.Approve(id="approve", actor=_REVIEWER, received_at=now),
        c.PassQuality(id="pass", actor=_CHECKER, received_at=now),
    )


async def full_life(client: Client, start: CaseStart, sha256: str) -> None:
    """One filing's life, from its start to its result."""
    await start_case(client, start)
    handle = client.get_workflow_handle(start.case_id, result_type=Status)
    for command in acts(start, sha256):
        asked = Act.of(command)
        await handle.execute_update(ACT, asked, id=command.id, result_type=Receipt)
    assert await handle.result() is Status.COMPLETED


async def all_of(life: Callable[[Item], Awaitable[None]], items: Sequence[Item]) -> None:
    """Many lives, some of them at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> None:
        async with gate:
            await life(item)

    await asyncio.gather(*(one(item) for item in items))


async def compare(bench: Bench, lives: int, rounds: int) -> dict[str, list[Round]]:
    """Bare and full rounds in turns, after a warm-up of each."""
    warm_up = min(_WARM_UP, lives)
    starts, sha256 = await add_filings(bench, range(warm_up + lives * rounds))
    names = [f"bare-{start.case_id}" for start in starts]

    async def bare(stretch: slice) -> None:
        await all_of(lambda id_: bare_life(bench.bare, id_), names[stretch])

    async def full(stretch: slice) -> None:
        await all_of(lambda start: full_life(bench.client, start, sha256), starts[stretch])

    found: dict[str, list[Round]] = {"bare": [], "full": []}
    kinds = [("bare", bare), ("full", full)]
    for _, run in kinds:
        await run(slice(warm_up))
    for number in range(rounds):
        first = warm_up + number * lives
        for kind, run in kinds if number % 2 else reversed(kinds):
            with measured(bench, lives, found[kind]):
                await run(slice(first, first + lives))
    return found


async def main(lives: int, rounds: int) -> dict[str, object]:
    """The medians of both, and their ratio."""
    async with servers() as bench:
        with bench.worker("bare"), bench.worker("full"):
            found = await compare(bench, lives, rounds)
    bare, full = summary(found["bare"]), summary(found["full"])
    ratio = round(float(str(full["rate"])) / float(str(bare["rate"])), 3)
    rates = {kind: [round(one.rate, 1) for one in many] for kind, many in found.items()}
    by_cpu = cpu_ratio(found["bare"], found["full"])
    answer = {
        "bare": bare,
        "full": full,
        "ratio": ratio,
        "cpu_ratio": by_cpu,
        "target": TARGET,
        "met": ratio >= TARGET,
    }
    return {**answer, "lives": lives, "rounds": rates}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=300, help="lives per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="a few lives: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    given = parser.parse_args()
    size = (10, 2) if given.short else (given.lives, given.rounds)
    result = asyncio.run(main(*size))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:8}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
