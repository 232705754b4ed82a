"""From a completely received upload to numbers on record: once, and all of it or nothing.

One transaction under the institution's lock: the file is read piece by piece, good rows are copied
into a table of the transaction's own while the next ones are read, PostgreSQL sorts them and leaves
out what is there already, and they are merged in the order of the index. A process that dies at any
point leaves nothing; an upload that was decided is answered with what was decided.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activities.number_file import PART, Batch, CsvReading, NotUtf8
from activities.number_workbook import read_workbook
from domain.number_checks import Terms
from domain.report_numbers import IngestOutcome, IngestRequest
from domain.status import UploadStage
from store import report_numbers, uploads
from store.report_numbers import Take
from store.uploads import Upload

_log = structlog.get_logger(__name__)

_WAITING = (UploadStage.QUEUED, UploadStage.READING, UploadStage.CHECKING)
_AGAIN = 0.5
"""Seconds until the institution's lock is tried again."""

_EVERY = 1.0
"""Seconds between two signs of progress."""


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
                        return await _decided(connection, request, terms, state)
        except _GivenUp:
            async with engine.begin() as connection:
                return _outcome(await _upload(connection, request))
        progress(0)
        await asyncio.sleep(_AGAIN)


async def _decided(
    connection: AsyncConnection, request: IngestRequest, terms: Terms, state: _State
) -> IngestOutcome:
    """Reads and decides an upload under its institution's lock; one decided before stays so."""
    upload = await _upload(connection, request)
    if upload.decided:
        return _outcome(upload)
    earlier = await uploads.same_file(connection, upload.case_id, upload.sha256)
    if earlier is not None:
        await uploads.mark_known(connection, upload.no, earlier.id)
    else:
        await _read(connection, upload, terms, state)
        await _decide(connection, upload, request, state)
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
    connection: AsyncConnection, upload: Upload, request: IngestRequest, state: _State
) -> None:
    state.stage = UploadStage.CHECKING
    good_only = upload.accept == "good"
    take = Take.GOOD if good_only else Take.ALL
    if state.unusable or (state.bad and not good_only):
        take = Take.NOTHING
    found = await report_numbers.merge(connection, upload.institution_no, upload.no, take)
    state.bad += found.left_out
    accepted = (
        found.numbers > 0
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
        accepted=found.numbers if accepted else 0,
        digest=found.digest if accepted else "",
        visible_from=request.visible_from if accepted else None,
    )
    if not written:
        raise _GivenUp


# --- reading ------------------------------------------------------------------------------------


async def _read(connection: AsyncConnection, upload: Upload, terms: Terms, state: _State) -> None:
    state.stage = UploadStage.READING
    await report_numbers.begin_staging(connection)
    batches = _workbook_batches if upload.media == "xlsx" else _csv_batches
    try:
        await _put(connection, upload, batches(connection, upload, terms, "utf-8"), state)
    except NotUtf8:
        await report_numbers.begin_staging(connection)
        await uploads.forget_problems(connection, upload.no)
        state.rows = state.bad = 0
        await _put(connection, upload, _csv_batches(connection, upload, terms, "gb18030"), state)


async def _put(
    connection: AsyncConnection,
    upload: Upload,
    batches: "AsyncIterator[Callable[[], Batch | None] | None]",
    state: _State,
) -> None:
    """Copies what is read; PostgreSQL takes one batch while the next is read in a thread."""
    async with AsyncExitStack() as copying:
        write: Callable[[bytes], Awaitable[None]] | None = None
        following: int | None = None
        async for read in batches:
            try:
                batch, first, lines = await asyncio.to_thread(_batch, read)
            except NotUtf8:
                # a COPY that is broken off would take the transaction with it
                await copying.aclose()
                raise
            if read is None or (batch is not None and (batch.problems or first != following)):
                await copying.aclose()
                write = None
            if batch is None:
                continue
            state.rows += batch.rows
            state.bad += batch.bad
            state.unusable = state.unusable or batch.unusable
            if batch.problems:
                await report_numbers.add_problems(connection, upload.no, batch.problems)
            if lines:
                if write is None:
                    staging = report_numbers.staging(connection, first)
                    write = await copying.enter_async_context(staging)
                await write(lines)
                following = None if first is None else first + batch.good


def _batch(read: Callable[[], Batch | None] | None) -> tuple[Batch | None, int | None, bytes]:
    """A batch and what is copied of it, both made in a thread."""
    batch = read() if read else None
    return (batch, *batch.copied()) if batch is not None else (None, None, b"")


async def _csv_batches(
    connection: AsyncConnection, upload: Upload, terms: Terms, encoding: str
) -> "AsyncIterator[Callable[[], Batch | None] | None]":
    """What to call for each batch; None: the connection is needed, nothing may be under way."""
    reading = CsvReading(terms, encoding)
    async for piece in uploads.pieces(connection, upload.no):
        for start in range(0, len(piece), PART):
            part = piece[start : start + PART]
            yield lambda part=part: reading.feed(part)  # type: ignore[misc]
        yield None
    yield reading.finish


async def _workbook_batches(
    connection: AsyncConnection, upload: Upload, terms: Terms, _: str
) -> "AsyncIterator[Callable[[], Batch | None] | None]":
    with tempfile.TemporaryFile() as file:
        async for piece in uploads.pieces(connection, upload.no):
            file.write(piece)
        rows = read_workbook(file, terms)
        over = False

        def following() -> Batch | None:
            nonlocal over
            batch = next(rows, None)
            over = batch is None
            return batch

        while not over:
            yield following


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
                        await uploads.show_progress(
                            connection, upload.no, state.stage, state.rows, state.bad
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
