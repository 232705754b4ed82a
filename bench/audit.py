"""What comparing values costs a replay: the recorded histories, with comparison and without.

As a program: ``python -m bench.audit [--short]``. Rounds of both follow each other; medians count.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from audit.replay import compare
from engine.values import VALUES
from workflows.registry import WORKFLOWS

HISTORIES = Path(__file__).parents[1] / "tests" / "workflows" / "histories"
ROUNDS = 5
LEAST = 0.8
"""A replay that compares is to reach so much of a bare one's rate."""


def recorded() -> list[WorkflowHistory]:
    """The recorded lives that replay under the limits of production."""
    return [
        WorkflowHistory.from_json(file.stem, file.read_text())
        for file in sorted(HISTORIES.glob("*.json"))
        if "continued" not in file.stem
    ]


async def bare(histories: list[WorkflowHistory]) -> None:
    """As Temporal's own replayer does it, one history after the other."""
    for history in histories:
        replayer = Replayer(
            workflows=WORKFLOWS,
            data_converter=VALUES,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        await replayer.replay_workflow(history)


async def compared(histories: list[WorkflowHistory]) -> None:
    """With every value compared."""
    for history in histories:
        await compare([history], None)


async def timed(
    work: Callable[[list[WorkflowHistory]], Awaitable[None]], histories: list[WorkflowHistory]
) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of one round."""
    began, spent = time.perf_counter(), time.process_time()
    await work(histories)
    return time.perf_counter() - began, time.process_time() - spent


def replayed(times: int) -> tuple[float, float]:
    """Compares all lives so many times, in a process of its own: seconds, and of its processor."""
    histories = recorded()
    asyncio.run(compared(histories[:3]))
    began, spent = time.perf_counter(), time.process_time()
    for _ in range(times):
        asyncio.run(compared(histories))
    return time.perf_counter() - began, time.process_time() - spent


def over(processes: int, times: int) -> tuple[float, float]:
    """Lives compared by so many processes at once: per second, and milliseconds of processor each.

    The second tells what processes cost each other where others use the machine as well.
    """
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        took = list(pool.map(replayed, [times] * processes))
    lives = times * len(recorded())
    rate = processes * lives / max(one[0] for one in took)
    return rate, sum(one[1] for one in took) / (processes * lives) * 1000


async def main(rounds: int) -> dict[str, float]:
    """Histories per second, processor time per history, and the ratio."""
    histories = recorded()
    done: dict[str, list[tuple[float, float]]] = {"bare": [], "compared": []}
    await compared(histories[:3])
    for _ in range(rounds):
        for name, work in (("bare", bare), ("compared", compared)):
            done[name].append(await timed(work, histories))
    rates = {}
    for name, of_name in done.items():
        rates[name] = len(histories) / median(one[0] for one in of_name)
        spent = median(one[1] for one in of_name) / len(histories) * 1000
        print(f"{name}: {rates[name]:.0f} histories/s, {spent:.1f} ms of processor time each")
    spent_bare, spent_compared = (
        median(one[1] for one in done[name]) for name in ("bare", "compared")
    )
    print(
        f"ratio {rates['compared'] / rates['bare']:.2f}, "
        f"by processor time {spent_bare / spent_compared:.2f}, wanted {LEAST}"
    )
    return rates


def run(short: bool) -> None:
    """Replays in this process, then in one and in two processes."""
    asyncio.run(main(1 if short else ROUNDS))
    rounds, times = (1, 1) if short else (3, 2)
    seen = [(over(1, times), over(2, times)) for _ in range(rounds)]
    for one, two in seen:
        print(
            f"compared by one process {one[0]:.0f}/s, by two {two[0]:.0f}/s: "
            f"{two[0] / one[0]:.2f} times; processor time each {one[1]:.1f} and {two[1]:.1f} ms"
        )
    if not short:
        print(f"median {median(two[0] / one[0] for one, two in seen):.2f} times")


if __name__ == "__main__":
    run("--short" in sys.argv)
