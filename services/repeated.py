"""Work that is done from time to time for as long as its process lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()


@asynccontextmanager
async def repeated(
    work: Callable[[], Awaitable[object]], *, first: float, every: float, failed: str
) -> AsyncIterator[None]:
    """Has work done ``first`` seconds from now, and again ``every`` seconds after it has ended.

    Work that fails is logged as ``failed``, and done again like any other.
    """

    async def again_and_again() -> None:
        await asyncio.sleep(first)
        while True:
            try:
                await work()
            except Exception:
                log.exception(failed)
            await asyncio.sleep(every)

    task = asyncio.create_task(again_and_again())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
