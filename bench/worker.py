"""The workers under measurement, each in a process of its own: ``python -m bench.worker KIND``.

``full`` is the real worker; ``bare`` the same worker with nothing but the bare workflows. With
ZHIBAO_BENCH_PROFILE set to a file, what the process did is written there as cProfile statistics.
"""

import asyncio
import contextlib
import cProfile
import os
import pstats
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker import _workflow_instance as instances

from bench.bare import QUEUE, BareCampaign, BareLapse, BareLife, BareStarts, nothing
from services.doors import door_of
from settings import Settings, from_environment
from store.database import connect
from worker import build_worker, serving


@contextlib.asynccontextmanager
async def bare(settings: Settings) -> AsyncIterator[Worker]:
    """A worker with exactly the real one's settings, and nothing to do, sign or hide."""
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    engine = connect(settings.database_url.get_secret_value())
    real = build_worker(client, engine, door_of(settings).commands).config()
    config: Any = {
        **real,
        "task_queue": QUEUE,
        "workflows": [BareLapse, BareLife, BareCampaign],
        "activities": [nothing, BareStarts(client).start_many],
        "interceptors": [],
    }
    async with Worker(**config) as worker:
        yield worker


async def serve(kind: str) -> None:
    """Serves until told to stop, or until nobody is left at the other end of standard input.

    Says on standard output when it is ready.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin, stopping.set)
    async with {"bare": bare, "full": serving}[kind](from_environment()):
        print("ready", flush=True)
        await stopping.wait()


@contextlib.contextmanager
def profiled(file: str) -> Iterator[None]:
    """Profiles this thread and every workflow task, which run in threads of their own."""
    profiles: dict[int, cProfile.Profile] = {}
    activate = instances._WorkflowInstanceImpl.activate

    def profiled_activate(self: Any, act: Any) -> Any:
        profile = profiles.setdefault(threading.get_ident(), cProfile.Profile())
        return profile.runcall(activate, self, act)

    instances._WorkflowInstanceImpl.activate = profiled_activate  # type: ignore[method-assign]
    main = cProfile.Profile()
    try:
        with main:
            yield
    finally:
        pstats.Stats(main, *profiles.values()).dump_stats(file)


if __name__ == "__main__":
    wanted = os.environ.get("ZHIBAO_BENCH_PROFILE")
    with profiled(f"{wanted}.{sys.argv[1]}") if wanted else contextlib.nullcontext():
        uvloop.run(serve(sys.argv[1]))
