"""From a completely received upload to numbers on record: once, and all of it or nothing.

One transaction under the institution's lock: the file is read piece by piece, while PostgreSQL
tells the hashes of the numbers read before, and good rows are put into the order of the index.
Stretch by stretch of it they are compared with what is on record and copied, while the next one is
prepared. A process that dies at any point leaves nothing; an upload that was decided is answered
with what was decided.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.numbers.report_numbers import (
    NO_ROOM,
    IngestOutcome,
    IngestRequest,
    UploadStage,
)
from domain.numbers.row_checks import NUMBER, Terms
from files.numbers import PART, Batch, CsvReading, NotUtf8, read_workbook
from services.numbers.order import Ordering, Stretch
from store.database import beside
from store.numbers import report_numbers, uploads
from store.numbers.uploads import Upload

Item = TypeVar("Item")

_log = structlog.get_logger(__name__)

_WAITING = (UploadStage.QUEUED, UploadStage.READING, UploadStage.CHECKING)
_REPEATED = "repeated_in_file"
_AGAIN = 0.5
"""Seconds until the institution's lock is tried again."""

_EVERY = 1.0
"""Seconds between two signs of progress."""


class _Take(Enum):
    """What is to be taken of a file."""

    ALL = "all"
    """All of it, or nothing if a number is left out."""

    GOOD = "good"
    """What is left when numbers are left out."""

    NOTHING = "nothing"
    """Nothing; what would be left out is told nevertheless."""


class _GivenUp(Exception):
    """The upload was given up while it was being read: all of it is taken back."""


class NotReady(Exception):
    """There is no such upload of this case, or it is not complete; asking again will not help."""


@dataclass
class _State:
    """How far it is, as others may see it while it goes on."""

    stage: UploadStage | None = None
    rows: int = 0
    bad: int = 0
    unusable: bool = False


async def ingest(
    engine: AsyncEngine, request: IngestRequest, progress: Callable[[int], None]
) -> IngestOutcome:
    """Reads, checks and merges an upload. Raises `NotReady`; no content of a file raises anything.

    ``progress`` is called about once a second, also while PostgreSQL is busy, with the rows read.
    """
    if request.first_day.year != request.last_day.year:
        raise ValueError("a batch lies in one year")
    terms = Terms(request.first_day, request.last_day, request.longest)
    state = _State()
    async with engine.begin() as connection:
        upload = await _upload(connection, request)
        if not upload.decided:
            await report_numbers.ensure_years(connection, terms.first_day.year, terms.last_day.year)
    if upload.decided:
        return _outcome(upload)
    while True:
        try:
            async with engine.begin() as connection:
                if await report_numbers.lock_institution(connection, upload.institution_no):
                    async with _signs_of_life(engine, upload, state, progress):
                        return await _decided(engine, connection, request, terms, state)
        except (ConnectionError, TimeoutError):
            raise
        except OSError:
            # the temporary file, or writing to it: a matter of this machine, not of the file
            async with engine.begin() as connection:
                await uploads.show_trouble(connection, upload.no, NO_ROOM)
            raise
        except _GivenUp:
            async with engine.begin() as connection:
                return _outcome(await _upload(connection, request))
        progress(0)
        await asyncio.sleep(_AGAIN)


async def _decided(
    engine: AsyncEngine,
    connection: AsyncConnection,
    request: IngestRequest,
    terms: Terms,
    state: _State,
) -> IngestOutcome:
    """Reads and decides an upload under its institution's lock; one decided before stays so."""
    upload = await _upload(connection, request)
    if upload.decided:
        return _outcome(upload)
    earlier = await uploads.same_file(connection, upload.case_id, upload.sha256)
    if earlier is not None:
        await uploads.mark_known(connection, upload.no, earlier.id)
    else:
        with Ordering() as rows:
            await _read(connection, upload, terms, rows, state)
            await _decide(engine, connection, upload, request, rows, state)
    return _outcome(await _upload(connection, request))


async def _upload(connection: AsyncConnection, request: IngestRequest) -> Upload:
    upload = await uploads.by_id(connection, request.upload)
    if upload is None or upload.case_id != request.case_id:
        raise NotReady(f"no upload {request.upload} of {request.case_id}")
    if not upload.decided and upload.stage not in _WAITING:
        raise NotReady(f"upload {request.upload} is {upload.stage}")
    return upload


def _outcome(upload: Upload) -> IngestOutcome:
    return IngestOutcome(
        upload=upload.id,
        accepted=upload.stage is UploadStage.ACCEPTED,
        rows=upload.rows,
        bad=upload.bad,
        numbers=upload.accepted,
        digest=upload.digest,
    )


async def _decide(
    engine: AsyncEngine,
    connection: AsyncConnection,
    upload: Upload,
    request: IngestRequest,
    rows: Ordering,
    state: _State,
) -> None:
    state.stage = UploadStage.CHECKING
    good_only = upload.accept == "good"
    take = _Take.GOOD if good_only else _Take.ALL
    if state.unusable or (state.bad and not good_only):
        take = _Take.NOTHING
    year = request.first_day.year
    numbers, digest = await _merge(engine, connection, upload, rows, take, year)
    state.bad += rows.count - numbers
    accepted = (
        numbers > 0
        and not state.unusable
        and (state.bad == 0 or good_only)
    )  # fmt: skip
    state.stage = None
    written = await uploads.decide(
        connection,
        upload.no,
        UploadStage.ACCEPTED if accepted else UploadStage.REJECTED,
        rows=state.rows,
        bad=state.bad,
        accepted=numbers if accepted else 0,
        digest=digest if accepted else "",
        visible_from=request.visible_from if accepted else None,
    )
    if not written:
        raise _GivenUp


async def _merge(
    engine: AsyncEngine,
    connection: AsyncConnection,
    upload: Upload,
    rows: Ordering,
    take: _Take,
    year: int,
) -> tuple[int, str]:
    """Puts rows on record as far as they are to be taken and can be; how many, and their digest.

    Left out, as problems, is what the file repeats and what the institution has on record. A number
    whose row on record was withdrawn or corrected is free again. If all or nothing is to be taken,
    the first row left out takes back what was put on record, and the rest is checked only.
    """
    count, weight = rows.count, rows.weight
    tail = f"\t{upload.institution_no}\t{upload.no}\n".encode()
    await report_numbers.begin_taking(connection)
    async with (
        _record_of(engine, connection, upload.institution_no) as known_of,
        aclosing(_ahead(_in_thread(_prepared(rows, tail)))) as prepared,
        aclosing(_ahead(_compared(prepared, known_of))) as compared,
        AsyncExitStack() as copying,
    ):
        copy: Callable[[bytes], Awaitable[None]] | None = None
        async for stretch, all_lines, known in compared:
            good, problems = _checked(stretch, known)
            lines = all_lines
            if problems:
                # the connection is needed for other things
                await copying.aclose()
                copy = None
                if take is _Take.ALL:
                    await report_numbers.take_back(connection)
                    take = _Take.NOTHING
                await report_numbers.add_problems(connection, upload.no, problems)
                count -= len(problems)
                weight -= stretch.weight() - good.weight()
                lines = good.lines_ending_with(tail)
            if take is not _Take.NOTHING:
                if copy is None:
                    opened = report_numbers.copying(connection, year)
                    copy = await copying.enter_async_context(opened)
                await copy(lines)
    return count, report_numbers.digest(weight)


@asynccontextmanager
async def _record_of(
    engine: AsyncEngine, connection: AsyncConnection, institution_no: int
) -> AsyncIterator[Callable[[str], Awaitable[dict[str, date]]]]:
    """Tells which of some hashes an institution has numbers of on record, with these numbers.

    It asks on a connection beside the one that is busy copying: under the institution's lock
    nobody else adds to what it sees.
    """
    years = await report_numbers.years_on_record(connection, institution_no)
    if years is None:

        async def nothing(hashes: str) -> dict[str, date]:
            return {}

        yield nothing
        return
    async with beside(engine) as reader:
        await report_numbers.prepare_reader(reader)
        yield lambda hashes: report_numbers.on_record(reader, institution_no, hashes, years)


async def _compared(
    prepared: AsyncIterator[tuple[Stretch, str, bytes]],
    known_of: Callable[[str], Awaitable[dict[str, date]]],
) -> AsyncIterator[tuple[Stretch, bytes, dict[str, date]]]:
    """Each stretch, its lines, and what of it is on record."""
    async for stretch, hashes, lines in prepared:
        yield stretch, lines, await known_of(hashes)


def _prepared(rows: Ordering, tail: bytes) -> Iterator[tuple[Stretch, str, bytes]]:
    """Each stretch, its hashes as an array, and its lines as they are copied."""
    for stretch in rows.stretches():
        yield stretch, stretch.hashes_as_array(), stretch.lines_ending_with(tail)


def _checked(
    stretch: Stretch, known: dict[str, date]
) -> tuple[Stretch, list[tuple[int, str, str, str]]]:
    """What is left of a stretch without what it repeats and what is known, and these rows."""
    left_out = {place: (_REPEATED, str(first)) for place, first in stretch.repeated().items()}
    if known:
        for place in range(len(stretch.lines)):
            day = known.get(stretch.number(place))
            if day is not None and place not in left_out:
                left_out[place] = ("on_record", str(day))
    if not left_out:
        return stretch, []
    problems = [(int(stretch.rows[place]), NUMBER, *why) for place, why in left_out.items()]
    return stretch.without(left_out), problems


# --- reading ------------------------------------------------------------------------------------


async def _read(
    connection: AsyncConnection, upload: Upload, terms: Terms, rows: Ordering, state: _State
) -> None:
    state.stage = UploadStage.READING
    if upload.media == "xlsx":
        await _put(connection, upload, _workbook_batches(connection, upload, terms), rows, state)
        return
    try:
        batches = _csv_batches(connection, upload, terms, "utf-8")
        await _put(connection, upload, batches, rows, state)
    except NotUtf8:
        await uploads.forget_problems(connection, upload.no)
        rows.clear()
        state.rows = state.bad = 0
        batches = _csv_batches(connection, upload, terms, "gb18030")
        await _put(connection, upload, batches, rows, state)


async def _put(
    connection: AsyncConnection,
    upload: Upload,
    batches: AsyncIterator[Batch],
    rows: Ordering,
    state: _State,
) -> None:
    """Takes in what is read.

    Three batches are under way: one is read, PostgreSQL hashes the numbers of the one before, and
    the one before that is put in order.
    """
    read = _ahead(batches)
    async with aclosing(_ahead(_hashed(connection, upload, read, state))) as hashed:
        async for batch, hashes in hashed:
            repeated = await asyncio.to_thread(rows.add, batch.runs, batch.text, hashes)
            if repeated:
                problems = [(row, NUMBER, _REPEATED, str(first)) for row, first in repeated]
                await report_numbers.add_problems(connection, upload.no, problems)
                state.bad += len(repeated)


async def _hashed(
    connection: AsyncConnection, upload: Upload, batches: AsyncGenerator[Batch], state: _State
) -> AsyncIterator[tuple[Batch, bytes]]:
    """Batches that have good rows, with their hashes; problems are put on record."""
    async with aclosing(batches):
        async for batch in batches:
            state.rows += batch.rows
            state.bad += batch.bad
            state.unusable = state.unusable or batch.unusable
            if batch.problems:
                await report_numbers.add_problems(connection, upload.no, batch.problems)
            if batch.good:
                yield batch, await report_numbers.hashes(connection, batch.text[:-1])


async def _csv_batches(
    connection: AsyncConnection, upload: Upload, terms: Terms, encoding: str
) -> AsyncIterator[Batch]:
    reading = CsvReading(terms, encoding)
    async for piece in uploads.pieces(connection, upload.no):
        for start in range(0, len(piece), PART):
            yield await asyncio.to_thread(reading.feed, piece[start : start + PART])
    yield await asyncio.to_thread(reading.finish)


async def _workbook_batches(
    connection: AsyncConnection, upload: Upload, terms: Terms
) -> AsyncIterator[Batch]:
    with tempfile.TemporaryFile() as file:
        async for piece in uploads.pieces(connection, upload.no):
            file.write(piece)
        async for batch in _in_thread(read_workbook(file, terms)):
            yield batch


# --- one step ahead -----------------------------------------------------------------------------


async def _in_thread(items: Iterator[Item]) -> AsyncIterator[Item]:
    """Items that take a while to make, each made in a thread."""
    while (one := await asyncio.to_thread(next, items, None)) is not None:
        yield one


async def _ahead(items: AsyncIterator[Item]) -> AsyncGenerator[Item]:
    """The same items; the next one is made while one is dealt with."""
    following = asyncio.ensure_future(anext(items, None))
    try:
        while (one := await following) is not None:
            following = asyncio.ensure_future(anext(items, None))
            yield one
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


# --- signs of life ------------------------------------------------------------------------------


@asynccontextmanager
async def _signs_of_life(
    engine: AsyncEngine, upload: Upload, state: _State, progress: Callable[[int], None]
) -> AsyncIterator[None]:
    """Tells the caller and everybody else, about once a second, how far it is."""
    over = asyncio.Event()

    async def tell() -> None:
        while True:
            try:
                async with asyncio.timeout(_EVERY):
                    await over.wait()
                return
            except TimeoutError:
                progress(state.rows)
            if state.stage is not None:
                try:
                    async with engine.begin() as connection:
                        # it may have been decided while a connection was waited for
                        if (stage := state.stage) is not None:
                            await uploads.show_progress(
                                connection, upload.no, stage, state.rows, state.bad
                            )
                except SQLAlchemyError as error:
                    # all connections may be taken: the reading itself must not suffer from it
                    _log.warning("progress_not_shown", error=type(error).__name__)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        over.set()
        await telling
