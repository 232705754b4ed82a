"""Report numbers on record: partitions by year of issue, taking an upload, changing numbers.

The functions here take part in the caller's transaction. Whoever changes an institution's numbers
holds `lock_institution` until the end: that, and the check made under it, keeps an institution's
numbers apart; the index cannot, since partitions go by year and withdrawn numbers stay.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.sight import driver_of

_LOCK_YEARS, _LOCK_INSTITUTION = 0x7A620001, 0x7A620002
_SESSION = (
    # a file of millions takes longer than any other statement may
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL jit = off",
)

# In binary and in one piece: a row for each number would cost more than hashing it.
_HASHES = """
    SELECT string_agg(int8send(hashtextextended(left(line, -11), 0)), '')
    FROM string_to_table(%s, E'\\n') AS line
"""
# One walk along the index from each hash to the next; with its bounds written out, so that other
# years are not even planned.
_ON_RECORD = """
    SELECT number, min(issued_on) FROM report_numbers
    WHERE hashtextextended(number, 0) = ANY(%s::bigint[])
      AND institution_no = %s AND change_no IS NULL
      AND issued_on >= '{first:04d}-01-01' AND issued_on < '{after:04d}-01-01'
    GROUP BY number
"""
# A number has no control characters: between tabs it needs no quotes.
_COPY = """
    COPY report_numbers_{year:04d} (number, issued_on, institution_no, upload_no)
    FROM STDIN (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01', ENCODING 'UTF8')
"""


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
        if f"report_numbers_{year:04d}" not in present:
            # the owner's work
            await connection.execute(text("SELECT open_year(:year)"), {"year": year})


async def lock_institution(connection: AsyncConnection, institution_no: int) -> bool:
    """Keeps other changes of an institution's numbers out until the end; False: one is under way.

    Whoever waited here would hold a connection that others need.
    """
    driver = await driver_of(connection)
    for statement in _SESSION:
        await driver.execute(statement)
    taken = await driver.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_INSTITUTION, institution_no)
    )
    found = await taken.fetchone()
    return bool(found and found[0])


async def hashes(connection: AsyncConnection, lines: str) -> bytes:
    """The hashes of numbers, 8 bytes each, signed, the highest first: what the index goes by.

    ``lines``: number, tab and ISO date, divided by line feeds.
    """
    found = await (await driver_of(connection)).execute(_HASHES, (lines,), binary=True)
    row = await found.fetchone()
    assert row is not None
    return bytes(row[0])


async def years_on_record(
    connection: AsyncConnection, institution_no: int
) -> tuple[int, int] | None:
    """The first and last year of issue an institution has numbers of, None if it has none.

    A batch holds numbers of its own quarter only, so the batches' years tell.
    """
    found = await (await driver_of(connection)).execute(
        """
        SELECT min(c.year), max(c.year) FROM cases c JOIN institutions i ON i.id = c.institution_id
        WHERE i.no = %s AND c.kind = 'report-numbers'
          AND EXISTS (SELECT 1 FROM uploads u WHERE u.case_id = c.case_id AND u.accepted > 0)
        """,
        (institution_no,),
    )
    row = await found.fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


async def prepare_reader(connection: AsyncConnection) -> None:
    """Sets up a connection of its own for `on_record`."""
    driver = await driver_of(connection)
    # a table of few rows is walked along its index as well, as it will be when it has grown
    for statement in ("SET enable_seqscan = off", "SET jit = off", "SET statement_timeout = 0"):
        await driver.execute(statement)


async def on_record(
    connection: AsyncConnection, institution_no: int, hashes: str, years: tuple[int, int]
) -> dict[str, date]:
    """The live numbers of an institution with these hashes, and their days of issue.

    ``hashes`` is an array as PostgreSQL reads it; ``years`` are the first and the last to look at.
    """
    query = _ON_RECORD.format(first=years[0], after=years[1] + 1).encode()
    found = await (await driver_of(connection)).execute(
        query, (hashes, institution_no), binary=True
    )
    return dict(await found.fetchall())


@asynccontextmanager
async def copying(
    connection: AsyncConnection, year: int
) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Puts numbers issued in a year on record for as long as it is open.

    A line has number, ISO date, institution and upload, with tabs between. The partition is named:
    it need not be found for each row. Meanwhile the connection can do nothing else.
    """
    driver = await driver_of(connection)
    async with driver.cursor().copy(_COPY.format(year=year).encode()) as rows:
        yield rows.write


async def begin_taking(connection: AsyncConnection) -> None:
    """Marks where `take_back` goes back to."""
    await (await driver_of(connection)).execute("SAVEPOINT taking")


async def take_back(connection: AsyncConnection) -> None:
    """Takes back what was put on record since `begin_taking`."""
    await (await driver_of(connection)).execute("ROLLBACK TO SAVEPOINT taking")


async def add_problems(
    connection: AsyncConnection, upload_no: int, problems: Sequence[tuple[int, str, str, str]]
) -> None:
    """Puts problems on record: row, column, code, detail."""
    await (await driver_of(connection)).execute(
        """
        INSERT INTO upload_problems (upload_no, row, "column", code, detail)
        SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
        """,
        (upload_no, *map(list, zip(*problems, strict=True))),
    )


def digest(total: int | None) -> str:
    """The digest of numbers, of which `IngestOutcome` tells what is summed up."""
    return f"{int(total or 0) % 2**64:016x}"


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


class ListedNumber(Value):
    """A number as its institution sees it; ``change`` is empty unless withdrawn or corrected."""

    number: str
    issued_on: date
    upload_no: int
    upload: str
    visible_from: datetime
    change: str
    reason: str
    changed_at: datetime | None


async def of_batch(
    connection: AsyncConnection,
    case_id: str,
    days: tuple[date, date],
    begins: str,
    upload: str,
    after: tuple[str, int],
    size: int,
) -> list[ListedNumber]:
    """A batch's numbers issued within ``days``, in the order of their characters.

    Those that begin so, and of one upload where one is named; ``after`` is a place in the order.
    """
    found = await connection.execute(
        text("""
            SELECT r.number, r.issued_on, r.upload_no, u.id AS upload, u.visible_from,
                   coalesce(c.kind, '') AS change, coalesce(c.reason, '') AS reason,
                   c.made_at AS changed_at
            FROM uploads u JOIN report_numbers r ON r.upload_no = u.no
                LEFT JOIN number_changes c ON c.no = r.change_no
            WHERE u.case_id = :case_id AND u.visible_from IS NOT NULL
              AND r.issued_on BETWEEN :first AND :last
              AND starts_with(r.number, :begins) AND (:upload = '' OR u.id = :upload)
              AND (r.number COLLATE "C", r.upload_no) > (:number COLLATE "C", :no)
            ORDER BY r.number COLLATE "C", r.upload_no LIMIT :size
        """),
        {
            "case_id": case_id, "first": days[0], "last": days[1], "begins": begins,
            "upload": upload, "number": after[0], "no": after[1], "size": size,
        },
    )  # fmt: skip
    return [ListedNumber(**row) for row in found.mappings()]


async def live_of_upload(
    connection: AsyncConnection, upload_no: int, days: tuple[date, date], size: int
) -> list[str]:
    """Up to ``size`` numbers of an upload that are neither withdrawn nor corrected, in order."""
    found = await connection.execute(
        text("""
            SELECT number FROM report_numbers
            WHERE upload_no = :no AND change_no IS NULL AND issued_on BETWEEN :first AND :last
            ORDER BY number COLLATE "C" LIMIT :size
        """),
        {"no": upload_no, "first": days[0], "last": days[1], "size": size},
    )
    return list(found.scalars())


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
            SELECT sum(hashtextextended(number, 0)::numeric
                       * (2 * (issued_on - date '2000-01-01') + 1)) FROM added
        """),
        {
            "institution": institution_no,
            "upload": upload_no,
            "numbers": [number for number, _ in numbers],
            "days": [day for _, day in numbers],
        },
    )
    return digest(found.scalar_one())
