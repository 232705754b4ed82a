"""Report numbers on record: partitions by year of issue, merging an upload, changing numbers.

The functions here take part in the caller's transaction. Whoever changes an institution's numbers
holds `lock_institution` until the end: that, and the check made under it, keeps an institution's
numbers apart; the index cannot, since partitions go by year and withdrawn numbers stay.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from domain.number_checks import NUMBER

_LOCK_YEARS, _LOCK_INSTITUTION = 0x7A620001, 0x7A620002
_RANGES = 53
"""Checks go by ranges of the hash: its upper eleven bits, so that each is one walk of the index."""

_SESSION = (
    # a file of millions takes longer than any other statement may
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL work_mem = '128MB'",
    "SET LOCAL jit = off",
    "SET LOCAL datestyle = 'ISO, YMD'",
)

_STAGED = """
    CREATE TEMPORARY TABLE staged (
        row bigint, number text, issued_on date,
        hash bigint GENERATED ALWAYS AS (hashtextextended(number, 0)) STORED
    ) ON COMMIT DROP
"""
_SORTED = """
    CREATE TEMPORARY TABLE sorted ON COMMIT DROP AS SELECT * FROM staged ORDER BY hash
"""
_SUM = """
    SELECT count(*), count(DISTINCT hash),
           sum(hashtextextended(number || '|' || issued_on, 1)) FROM sorted
"""
_REPEATED = """
    WITH repeated AS (
        SELECT row, first FROM (
            SELECT row, min(row) OVER (PARTITION BY hash, number) AS first FROM sorted
        ) AS each WHERE row <> first
    ), told AS (
        INSERT INTO upload_problems (upload_no, row, "column", code, detail)
        SELECT %(upload)s, row, %(column)s, 'repeated_in_file', first::text FROM repeated
    )
    DELETE FROM sorted USING repeated WHERE sorted.row = repeated.row
"""
# Sorted groups of hashes, each looked up by one walk along the index. The planner's own idea could
# be to read a whole year.
_STANDING = """
    CREATE TEMPORARY TABLE standing ON COMMIT DROP AS
    SELECT r.number, min(r.issued_on) AS issued_on
    FROM (SELECT array_agg(hash) AS hashes FROM sorted GROUP BY hash >> {ranges}) AS probe
    CROSS JOIN LATERAL (
        SELECT number, issued_on FROM report_numbers
        WHERE hashtextextended(number, 0) = ANY(probe.hashes) AND institution_no = {institution}
          AND change_no IS NULL AND issued_on >= '{first}' AND issued_on < '{after}'
    ) AS r
    GROUP BY r.number
"""
_ON_RECORD = """
    WITH known AS (
        SELECT s.row, r.issued_on FROM standing r
        JOIN sorted s ON s.hash = hashtextextended(r.number, 0) AND s.number = r.number
    ), told AS (
        INSERT INTO upload_problems (upload_no, row, "column", code, detail)
        SELECT %(upload)s, row, %(column)s, 'on_record', issued_on::text FROM known
    )
    DELETE FROM sorted USING known WHERE sorted.row = known.row
"""
_MERGE = """
    INSERT INTO report_numbers (number, issued_on, institution_no, upload_no)
    SELECT number, issued_on, {institution}, {upload} FROM sorted
"""


class Merge(Value):
    """What stands ready to be merged: how many numbers, their digest, how many were left out."""

    numbers: int
    digest: str
    left_out: int


class StandingNumber(Value):
    """A live number on record."""

    number: str
    issued_on: date
    institution_no: int
    upload_no: int
    case_id: str


async def ensure_years(connection: AsyncConnection, first_year: int, last_year: int) -> None:
    """Makes the partitions of these years that are missing; others may ask for them meanwhile."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:one, 0)"), {"one": _LOCK_YEARS})
    found = await connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits"
             " WHERE inhparent = 'report_numbers'::regclass")
    )  # fmt: skip
    present = set(found.scalars())
    for year in range(first_year, last_year + 1):
        name = f"report_numbers_{year:04d}"
        if name in present:
            continue
        # attaching, unlike creating in place, waits for nobody who is writing other years
        await connection.execute(text(f"CREATE TABLE {name} (LIKE report_numbers INCLUDING ALL)"))
        await connection.execute(
            text(
                f"ALTER TABLE report_numbers ATTACH PARTITION {name}"
                f" FOR VALUES FROM ('{year:04d}-01-01') TO ('{year + 1:04d}-01-01')"
            )
        )


async def lock_institution(connection: AsyncConnection, institution_no: int) -> bool:
    """Keeps other changes of an institution's numbers out until the end; False: one is under way.

    Whoever waited here would hold a connection that others need.
    """
    driver = await _driver(connection)
    for statement in _SESSION:
        await driver.execute(statement)
    taken = await driver.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_INSTITUTION, institution_no)
    )
    found = await taken.fetchone()
    return bool(found and found[0])


async def begin_staging(connection: AsyncConnection) -> None:
    """Makes the table of this transaction's own that good rows are read into, or empties it."""
    driver = await _driver(connection)
    await driver.execute("DROP TABLE IF EXISTS pg_temp.staged")
    await driver.execute(_STAGED)


@asynccontextmanager
async def staging(connection: AsyncConnection) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Takes rows, as CSV lines of row, number, date of issue, for as long as it is open.

    What is written has been handed over, not yet been worked through: PostgreSQL does that while
    the caller prepares more. Meanwhile the connection can do nothing else.
    """
    copy = "COPY staged (row, number, issued_on) FROM STDIN (FORMAT csv)"
    async with (await _driver(connection)).cursor().copy(copy) as rows:
        yield rows.write


async def add_problems(
    connection: AsyncConnection, upload_no: int, problems: Iterable[tuple[int, str, str, str]]
) -> None:
    """Puts problems on record: row, column, code, detail."""
    copy = 'COPY upload_problems (upload_no, row, "column", code, detail) FROM STDIN'
    async with (await _driver(connection)).cursor().copy(copy) as rows:
        for problem in problems:
            await rows.write_row((upload_no, *problem))


async def check(connection: AsyncConnection, institution_no: int, upload_no: int) -> Merge:
    """Leaves out, as problems, what the file repeats and what the institution has on record.

    A number whose row on record was withdrawn or corrected is free again.
    """
    driver = await _driver(connection)
    await driver.execute(_SORTED)
    counted, distinct, total = await _one(driver, _SUM)
    values = {"upload": upload_no, "column": NUMBER}
    left_out = 0
    if counted != distinct:
        left_out += (await driver.execute(_REPEATED, values)).rowcount
    years = await _years_on_record(driver, institution_no)
    if years is not None and counted:
        await driver.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_hashagg = off")
        await driver.execute(_standing(institution_no, *years))
        await driver.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_hashagg = on")
        left_out += (await driver.execute(_ON_RECORD, values)).rowcount
    if left_out:
        counted, _, total = await _one(driver, _SUM)
    return Merge(numbers=counted, digest=_digest(total), left_out=left_out)


def _standing(institution_no: int, first_year: int, last_year: int) -> bytes:
    """The statement with its bounds written out, so that other years are not even planned."""
    return _STANDING.format(
        ranges=_RANGES,
        institution=int(institution_no),
        first=f"{first_year:04d}-01-01",
        after=f"{last_year + 1:04d}-01-01",
    ).encode()


def _digest(total: int | None) -> str:
    return f"{int(total or 0) % 2**64:016x}"


async def merge(connection: AsyncConnection, institution_no: int, upload_no: int) -> None:
    """Puts what `check` left on record, in the order of the index."""
    statement = _MERGE.format(institution=int(institution_no), upload=int(upload_no))
    await (await _driver(connection)).execute(statement.encode())


async def _years_on_record(
    driver: "psycopg.AsyncConnection[Any]", institution_no: int
) -> tuple[int, int] | None:
    """The first and last year of issue an institution has numbers of, None if it has none.

    A batch holds numbers of its own quarter only, so the batches' years tell.
    """
    first, last = await _one(
        driver,
        """
        SELECT min(c.year), max(c.year) FROM cases c JOIN institutions i ON i.id = c.institution_id
        WHERE i.no = %s AND c.kind = 'report-numbers'
          AND EXISTS (SELECT 1 FROM uploads u WHERE u.case_id = c.case_id AND u.accepted > 0)
        """,
        (institution_no,),
    )
    return None if first is None else (first, last)


async def live(
    connection: AsyncConnection, institution_no: int, numbers: Sequence[str]
) -> dict[str, StandingNumber]:
    """Those of some numbers that an institution has on record, neither withdrawn nor corrected."""
    found = await connection.execute(
        text("""
            SELECT r.number, r.issued_on, r.institution_no, r.upload_no, u.case_id
            FROM report_numbers r JOIN uploads u ON u.no = r.upload_no
            WHERE hashtextextended(r.number, 0) = ANY(ARRAY(
                    SELECT hashtextextended(n, 0) FROM unnest(CAST(:numbers AS text[])) AS n))
              AND r.number = ANY(CAST(:numbers AS text[]))
              AND r.institution_no = :institution AND r.change_no IS NULL
        """),
        {"numbers": list(numbers), "institution": institution_no},
    )
    return {row["number"]: StandingNumber(**row) for row in found.mappings()}


async def mark_changed(
    connection: AsyncConnection, standing: Sequence[StandingNumber], change_no: int
) -> None:
    """Turns live numbers into what a withdrawal or correction leaves of them."""
    await connection.execute(
        text("""
            UPDATE report_numbers r SET change_no = :change
            FROM unnest(CAST(:numbers AS text[]), CAST(:days AS date[])) AS given(number, day)
            WHERE hashtextextended(r.number, 0) = hashtextextended(given.number, 0)
              AND r.number = given.number AND r.issued_on = given.day
              AND r.institution_no = :institution AND r.change_no IS NULL
        """),
        {
            "change": change_no,
            "numbers": [one.number for one in standing],
            "days": [one.issued_on for one in standing],
            "institution": standing[0].institution_no,
        },
    )


async def add(
    connection: AsyncConnection,
    institution_no: int,
    upload_no: int,
    numbers: Sequence[tuple[str, date]],
) -> str:
    """Puts a few numbers on record; returns their digest."""
    found = await connection.execute(
        text("""
            WITH added AS (
                INSERT INTO report_numbers (number, issued_on, institution_no, upload_no)
                SELECT number, day, :institution, :upload
                FROM unnest(CAST(:numbers AS text[]), CAST(:days AS date[])) AS given(number, day)
                RETURNING number, issued_on
            )
            SELECT sum(hashtextextended(number || '|' || to_char(issued_on, 'YYYY-MM-DD'), 1))
            FROM added
        """),
        {
            "institution": institution_no,
            "upload": upload_no,
            "numbers": [number for number, _ in numbers],
            "days": [day for _, day in numbers],
        },
    )
    return _digest(found.scalar_one())


async def _one(
    driver: "psycopg.AsyncConnection[Any]", query: str, values: tuple[Any, ...] = ()
) -> tuple[Any, ...]:
    row = await (await driver.execute(query.encode(), values)).fetchone()
    assert row is not None
    return tuple(row)


async def _driver(connection: AsyncConnection) -> "psycopg.AsyncConnection[Any]":
    """The driver's connection, with the transaction begun that SQLAlchemy ends."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    return raw
