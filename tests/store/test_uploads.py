"""Pieces of an upload: each kept once, in any cut; the file's hash without the file in memory."""

import asyncio
import hashlib
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.numbers.report_numbers import UploadStage
from services.numbers.changes import apply_change
from services.numbers.ingest import ingest
from store.database import connect
from store.numbers import uploads
from store.numbers.uploads import Append, Completion
from tests.number_uploads import AT, Numbers, csv_of, quiet

pytestmark = pytest.mark.anyio
_uploads = count(1)


@pytest.fixture
def numbers(engine: AsyncEngine) -> Numbers:
    return Numbers(engine)


async def append(numbers: Numbers, at_byte: int, content: bytes, id_: str = "u1") -> Append:
    async with numbers.engine.begin() as connection:
        return (await uploads.append(connection, id_, at_byte, content)).outcome


async def complete(numbers: Numbers, id_: str = "u1") -> Completion:
    async with numbers.engine.begin() as connection:
        return await uploads.complete(connection, id_, AT)


async def whole(numbers: Numbers, id_: str = "u1") -> bytes:
    async with numbers.engine.connect() as connection:
        upload = await uploads.by_id(connection, id_)
        assert upload is not None
        return b"".join([piece async for piece in uploads.pieces(connection, upload.no)])


@pytest.fixture
async def begun(numbers: Numbers) -> Numbers:
    """An upload of ten bytes that has received six of them, in two pieces."""
    case_id = await numbers.batch("a")
    async with numbers.engine.begin() as connection:
        await uploads.create(
            connection, "u1", case_id, await numbers.no("a"), "x.csv", "csv", "all", 10, "u", AT
        )
    assert await append(numbers, 0, b"abc") is Append.KEPT
    assert await append(numbers, 3, b"def") is Append.KEPT
    return numbers


@pytest.mark.parametrize(
    ("at_byte", "content", "outcome", "received"),
    [
        (6, b"ghi", Append.KEPT, 9),
        (6, b"ghij", Append.KEPT, 10),
        (3, b"def", Append.KEPT_BEFORE, 6),
        (1, b"bcde", Append.KEPT_BEFORE, 6),
        (0, b"abcdefgh", Append.KEPT, 8),
        (6, b"", Append.KEPT_BEFORE, 6),
        (7, b"h", Append.GAP, 6),
        (3, b"deX", Append.OTHER_CONTENT, 6),
        (0, b"Xbcdefgh", Append.OTHER_CONTENT, 6),
        (6, b"ghijk", Append.TOO_MANY_BYTES, 6),
    ],
)
async def test_a_piece_is_kept_once_and_only_where_it_fits(
    begun: Numbers, at_byte: int, content: bytes, outcome: Append, received: int
) -> None:
    assert await append(begun, at_byte, content) is outcome
    assert (await begun.seen()).received_bytes == received
    assert await whole(begun) == b"abcdefghij"[:received]


async def test_a_file_is_complete_when_all_declared_bytes_are_there(begun: Numbers) -> None:
    assert await complete(begun) is Completion.BYTES_MISSING
    assert (await begun.seen()).stage is UploadStage.RECEIVING
    await append(begun, 6, b"ghij")
    assert await complete(begun) is Completion.COMPLETE
    assert await complete(begun) is Completion.COMPLETE_BEFORE
    seen = await begun.seen()
    assert (seen.stage, seen.received_at) == (UploadStage.QUEUED, AT)
    assert seen.sha256 == hashlib.sha256(b"abcdefghij").hexdigest()
    assert await append(begun, 10, b"k") is Append.NOT_RECEIVING


async def test_an_unknown_upload_is_told(numbers: Numbers) -> None:
    assert await append(numbers, 0, b"x", "none") is Append.UNKNOWN
    assert await complete(numbers, "none") is Completion.UNKNOWN


async def test_an_upload_that_is_given_up_keeps_nothing_and_takes_nothing(begun: Numbers) -> None:
    async with begun.engine.begin() as connection:
        assert await uploads.abandon(connection, "u1", AT)
    async with begun.engine.begin() as connection:
        assert not await uploads.abandon(connection, "u1", AT)
    assert await whole(begun) == b""
    assert await append(begun, 6, b"g") is Append.NOT_RECEIVING
    assert await complete(begun) is Completion.NOT_RECEIVING


async def test_the_same_piece_sent_ten_times_at_once_is_there_once(begun: Numbers) -> None:
    outcomes = await asyncio.gather(*(append(begun, 6, b"gh") for _ in range(10)))
    assert sorted(outcomes) == [Append.KEPT, *[Append.KEPT_BEFORE] * 9]
    assert await whole(begun) == b"abcdefgh"


@settings(
    deadline=None,
    max_examples=20,
    # every example has an upload of its own in the one database
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=12))
def test_whatever_is_sent_again_the_file_is_a_beginning_of_the_file(
    cuts: list[tuple[int, int]], database_url: str
) -> None:
    """Any stretches of one file in any order: no outcome but kept, known or a gap."""
    file = b"0123456789abcdefghij"

    async def run() -> None:
        engine = connect(database_url)
        numbers = Numbers(engine)
        case_id = await numbers.batch("a")
        id_ = f"u-{next(_uploads)}"
        no = await numbers.no("a")
        async with engine.begin() as connection:
            await uploads.create(connection, id_, case_id, no, "x.csv", "csv", "all", None, "u", AT)
        received = 0
        for at_byte, length in cuts:
            piece = file[at_byte : at_byte + length]
            outcome = await append(numbers, at_byte, piece, id_)
            assert (outcome is Append.GAP) == (at_byte > received)
            received = received if at_byte > received else max(received, at_byte + len(piece))
            assert await whole(numbers, id_) == file[:received]
        await engine.dispose()

    asyncio.run(run())


async def test_uploads_of_a_case_newest_first_page_by_page(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    await numbers.upload(await numbers.batch("b"), b"x", id_="other")
    for number in range(5):
        await numbers.upload(case_id, b"x", id_=f"u{number}")
    async with numbers.engine.connect() as connection:
        first = await uploads.of_case(connection, case_id, size=3)
        rest = await uploads.of_case(connection, case_id, size=3, before=first[-1].no)
    assert [one.id for one in first + rest] == ["u4", "u3", "u2", "u1", "u0"]


async def test_the_same_file_is_known_until_its_numbers_change(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    content = csv_of([("JC-1", "2024-07-01"), ("JC-2", "2024-07-01")])
    request = await numbers.upload(case_id, content)
    sha256 = (await numbers.seen()).sha256

    async def known(of: str) -> str | None:
        async with numbers.engine.connect() as connection:
            found = await uploads.same_file(connection, of, sha256)
        return found.id if found else None

    assert await known(case_id) is None
    await ingest(numbers.engine, request, quiet)
    assert await known(case_id) == "u1"
    assert await known(await numbers.batch("b")) is None
    change = await numbers.change(case_id, "withdrawn", {"numbers": ["JC-1"]})
    decided = (await numbers.seen()).decided_at
    await apply_change(numbers.engine, change.model_copy(update={"at": decided}))
    assert await known(case_id) is None


async def test_problems_come_by_row_however_many(numbers: Numbers) -> None:
    rows = [(f"n{n}", "2024-10-01") for n in range(5_000)]
    request = await numbers.upload(await numbers.batch("a"), csv_of(rows))
    await ingest(numbers.engine, request, quiet)
    found = await numbers.problems()
    assert [one.row for one in found] == list(range(2, 5_002))
    async with numbers.engine.connect() as connection:
        few = await uploads.problems(connection, (await numbers.seen()).no, size=10)
    assert few == found[:10]
