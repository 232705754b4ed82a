"""The feed of events: nothing appears behind a reader's back, whatever order commits come in."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from store import outbox
from store.writer import JournalWriter, write_steps
from tests.store.conftest import Register

pytestmark = pytest.mark.anyio


class Reader:
    """Reads on from where it was."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._last = (0, 0)
        self.seen: list[tuple[str, int]] = []

    async def read(self, size: int = 100) -> int:
        """Reads once; returns how many events were new."""
        async with self._engine.connect() as connection:
            found = await outbox.after(connection, *self._last, size)
        if found:
            self._last = (found[-1].transaction, found[-1].id)
        self.seen += [(one.case_id, one.sequence) for one in found]
        return len(found)


async def test_an_event_that_commits_late_is_not_skipped_by_a_reader_that_was_there_before(
    engine: AsyncEngine, register: Register
) -> None:
    slow, quick = await register.chains("slow", "quick")
    reader = Reader(engine)
    async with engine.connect() as holding:
        transaction = await holding.begin()
        await write_steps(holding, [slow.request()])
        # has a higher number than the one still open, and is committed
        await JournalWriter(engine).record(quick.request())
        await reader.read()
        assert (slow.case_id, 1) not in reader.seen
        # another one, begun later and done sooner
        await JournalWriter(engine).record(quick.request())
        await reader.read()
        await transaction.commit()
    while await reader.read(1):
        pass
    assert sorted(reader.seen) == sorted(
        [(slow.case_id, 1), (quick.case_id, 1), (quick.case_id, 2)]
    )
    assert len(reader.seen) == len(set(reader.seen))


async def test_an_event_that_is_rolled_back_is_never_read_and_holds_nothing_up(
    engine: AsyncEngine, register: Register
) -> None:
    gone, there = await register.chains("gone", "there")
    reader = Reader(engine)
    async with engine.connect() as holding:
        transaction = await holding.begin()
        await write_steps(holding, [gone.request()])
        await JournalWriter(engine).record(there.request())
        await reader.read()
        await transaction.rollback()
    while await reader.read():
        pass
    assert reader.seen == [(there.case_id, 1)]


async def test_somebody_who_only_looks_for_long_holds_no_event_up(
    engine: AsyncEngine, register: Register
) -> None:
    (chain,) = await register.chains("inst")
    reader = Reader(engine)
    async with engine.connect() as looking:
        await looking.execute(text("SELECT count(*) FROM journal"))
        await JournalWriter(engine).record(chain.request(3))
        assert await reader.read() == 3


async def test_a_reader_beside_many_writers_sees_every_event_once_and_each_case_in_order(
    engine: AsyncEngine, register: Register
) -> None:
    chains = await register.chains(*(f"inst-{n}" for n in range(30)))
    # writers of several processes: their transactions run beside each other
    writers = [JournalWriter(engine) for _ in range(5)]
    reader = Reader(engine)
    done = asyncio.Event()

    async def write(number: int) -> None:
        for _ in range(6):
            await writers[number % 5].record(chains[number].request())
            await asyncio.sleep(0.001 * (number % 7))

    async def read() -> None:
        while not done.is_set():
            await reader.read(7)
            await asyncio.sleep(0)
        while await reader.read(7):
            pass

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(number) for number in range(30)))
    done.set()
    await reading
    assert len(reader.seen) == 180
    for chain in chains:
        mine = [sequence for case_id, sequence in reader.seen if case_id == chain.case_id]
        assert mine == [1, 2, 3, 4, 5, 6]
