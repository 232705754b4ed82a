"""What could go wrong with uploads and complaints beside one another."""

import asyncio
import errno
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.numbers.report_numbers import UPLOAD_TROUBLES
from domain.refusals import Refused
from domain.text import normalised
from services.numbers.batches import BatchService
from services.numbers.ingest import ingest
from store import complaints
from store.database import connect
from store.numbers import report_numbers, uploads
from tests.ill_treated import small_disk
from tests.number_uploads import AT, Numbers, csv_of, many, quiet

pytestmark = pytest.mark.anyio


async def test_a_piece_reaches_only_an_upload_of_the_batch_named(engine: AsyncEngine) -> None:
    numbers = Numbers(engine)
    mine, theirs = await numbers.batch("mine"), await numbers.batch("theirs")
    async with engine.begin() as connection:
        await uploads.create(
            connection, "u1", theirs, await numbers.no("theirs"), "x.csv", "csv", "all", None,
            "clerk", AT,
        )  # fmt: skip
    nothing: Any = None
    service = BatchService(nothing, engine, nothing, lambda: AT)
    case: Any = SimpleNamespace(case_id=mine)

    async def stream() -> Any:
        yield b"not yours"

    with pytest.raises(Refused):
        await service.receive(case, "u1", 0, stream())
    assert (await numbers.seen()).received_bytes == 0


async def test_an_institution_is_found_by_its_name_with_full_width_brackets(
    engine: AsyncEngine,
) -> None:
    numbers = Numbers(engine)
    await numbers.batch("lab")
    await numbers.value(
        "UPDATE institutions SET name = '某检测（福建）有限公司' WHERE id = 'lab' RETURNING no"
    )
    async with engine.connect() as connection:
        given = normalised("某检测（福建）有限公司")
        assert list(await complaints.holders(connection, "", given)) == ["lab"]


async def test_files_waiting_for_one_institution_leave_connections_for_others(
    database_url: str, engine: AsyncEngine
) -> None:
    worker = connect(database_url)  # as worker.serving has it
    numbers = Numbers(engine)
    quarters = [f"20{year}Q{n}" for year in (22, 23, 24) for n in (1, 2, 3, 4)]
    asked = []
    for n, quarter in enumerate(quarters):
        case_id = await numbers.batch("lab", quarter)
        asked.append(await numbers.upload(case_id, csv_of(many(1)), id_=f"u{n}"))
    async with engine.begin() as reading:  # a file of millions of the same institution
        await report_numbers.lock_institution(reading, await numbers.no("lab"))
        tasks = [asyncio.create_task(ingest(worker, one, quiet)) for one in asked]
        await asyncio.sleep(2)
        try:
            async with asyncio.timeout(5), worker.connect() as connection:
                await connection.execute(text("SELECT 1"))
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.dispose()


async def test_an_upload_key_sent_again_with_a_shorter_file_is_not_the_longer_one(
    engine: AsyncEngine,
) -> None:
    numbers = Numbers(engine)
    case_id = await numbers.batch("lab")
    async with engine.begin() as connection:
        await uploads.create(
            connection, "u1", case_id, await numbers.no("lab"), "x.csv", "csv", "all", None, "u", AT
        )  # fmt: skip
        # what a broken connection left behind
        await uploads.append(connection, "u1", 0, csv_of(many(3)))
    nothing: Any = None
    service = BatchService(nothing, engine, nothing, lambda: AT)
    case: Any = SimpleNamespace(case_id=case_id)
    shorter = csv_of(many(2))

    async def stream() -> Any:
        yield shorter

    try:  # as api.report_batches.upload_file does for a key used before
        await service.receive_whole(case, "u1", stream())
        await service._completed(case, "u1", nothing, "key", None)
    except Refused:
        return
    assert (await numbers.seen()).received_bytes == len(shorter)


async def test_the_same_file_twice_in_the_queue_is_recognised(engine: AsyncEngine) -> None:
    numbers = Numbers(engine)
    case_id = await numbers.batch("lab")
    one = await numbers.upload(case_id, csv_of(many(500)), id_="u1")
    two = await numbers.upload(case_id, csv_of(many(500)), id_="u2")
    await ingest(engine, one, quiet)
    await ingest(engine, two, quiet)
    seen = await numbers.seen("u2")
    assert (seen.stage, seen.repeats) == ("repeated", "u1"), (seen.stage, seen.bad)
    assert await numbers.problems("u2") == []


async def test_a_worker_without_room_for_temporary_files_says_so_on_the_upload(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Numbers(engine)
    case_id = await numbers.batch("lab")
    asked = await numbers.upload(case_id, csv_of(many(3)), id_="u1")

    def full(**_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as without_room:
        without_room.setattr(tempfile, "TemporaryFile", full)
        with pytest.raises(OSError, match="No space"):
            await ingest(engine, asked, quiet)
    seen = await numbers.seen("u1")
    assert (seen.stage, seen.trouble) == ("queued", "no_room")
    assert "临时文件" in UPLOAD_TROUBLES[seen.trouble]
    await ingest(engine, asked, quiet)
    seen = await numbers.seen("u1")
    assert (seen.stage, seen.accepted, seen.trouble) == ("accepted", 3, "")


async def test_an_upload_waits_while_the_disk_for_temporary_files_is_full(
    engine: AsyncEngine, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Numbers(engine)
    case_id = await numbers.batch("lab")
    asked = await numbers.upload(case_id, csv_of(many(60_000)), id_="u1")
    with small_disk(short_folder / "temporary", 1) as real, monkeypatch.context() as elsewhere:
        if real:
            elsewhere.setattr(tempfile, "tempdir", str(short_folder / "temporary"))
        else:
            # takes everything and has room for nothing
            elsewhere.setattr(
                tempfile,
                "TemporaryFile",
                lambda **_: Path("/dev/full").open("r+b", buffering=0),  # noqa: SIM115
            )
        with pytest.raises(OSError, match="No space"):
            await ingest(engine, asked, quiet)
    seen = await numbers.seen("u1")
    assert (seen.decided, seen.trouble) == (False, "no_room")
    await ingest(engine, asked, quiet)
    seen = await numbers.seen("u1")
    assert (seen.stage, seen.accepted, seen.trouble) == ("accepted", 60_000, "")
