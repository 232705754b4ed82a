"""What comparing values costs a replay: the recorded histories, with comparison and without.

As a program: ``python -m bench.audit``. Rounds of both follow each other; medians count.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
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


async def main() -> None:
    """Prints histories per second, processor time per history, and the ratio."""
    histories = recorded()
    rounds: dict[str, list[tuple[float, float]]] = {"bare": [], "compared": []}
    for _ in range(ROUNDS):
        for name, work in (("bare", bare), ("compared", compared)):
            rounds[name].append(await timed(work, histories))
    rates = {}
    for name, done in rounds.items():
        rates[name] = len(histories) / median(one[0] for one in done)
        spent = median(one[1] for one in done) / len(histories) * 1000
        print(f"{name}: {rates[name]:.0f} histories/s, {spent:.1f} ms of processor time each")
    ratio = rates["compared"] / rates["bare"]
    print(f"ratio {ratio:.2f}, wanted {LEAST}")


if __name__ == "__main__":
    asyncio.run(main())
