"""Gathers concurrent requests into batches: one statement and one commit for many callers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg
from sqlalchemy.exc import InterfaceError, OperationalError

_NOBODY_CAN = (OperationalError, InterfaceError, psycopg.OperationalError, OSError)
"""What fails a batch as a whole, whoever is in it."""

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batcher(Generic[Request, Answer]):
    """Calls ``work`` with everything that came in while the previous batch was under way.

    Each caller of `ask` waits for its own answer. When ``work`` fails for a batch of several, each
    request is tried again alone, so that a bad one fails only its own caller; when the database
    cannot be reached, the batch fails as a whole. A batch is called for after ``pause`` seconds,
    and after three times as long where several were in the one before: more will come.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]],
        *,
        largest: int = 200,
        pause: float = 0.01,
    ) -> None:
        self._work = work
        self._largest = largest
        self._pause = pause
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._busy = False

    async def ask(self, request: Request) -> Answer:
        """The answer to one request; raises what ``work`` raises for it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                # lets more callers join: what a batch costs hardly depends on its size
                await asyncio.sleep(self._pause * (3 if self._busy else 1))
                # whoever has given up meanwhile has asked again, or does not care
                self._waiting = [one for one in self._waiting if not one[1].done()]
                batch = self._waiting[: self._largest]
                del self._waiting[: self._largest]
                self._busy = len(batch) > 1
                await self._answer(batch)
        finally:
            self._flusher = None

    async def _answer(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([request for request, _ in batch])
        except _NOBODY_CAN as failure:
            # the database is away: asking for each alone would only take longer to say so
            for _, future in batch:
                _settle(future, failure)
            return
        except Exception as failure:
            if len(batch) == 1:
                _settle(batch[0][1], failure)
                return
            for one in batch:
                await self._answer([one])
            return
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        # a turn later: who is answered has a lot to do, and the next batch is to be sent off first
        asyncio.get_running_loop().call_soon(_settle_all, batch, answers)


def _settle_all(
    batch: Sequence[tuple[Request, asyncio.Future[Answer]]], answers: Sequence[Answer]
) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        _settle(future, answer)


def _settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    # the caller may have been cancelled meanwhile; its work is done all the same
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
