"""Ingest: all of a file or nothing, once, whoever else is at work and whatever dies meanwhile."""

import asyncio
import io
import os
import random
import signal
import sys
from datetime import date
from typing import Any

import openpyxl
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.numbers.report_numbers import UploadStage
from services.numbers import ingest as number_ingest
from services.numbers import order
from services.numbers.ingest import NotReady, ingest
from store.database import connect
from store.numbers import uploads
from tests.number_uploads import HEADER, VISIBLE, Numbers, accepted, csv_of, many, quiet

pytestmark = pytest.mark.anyio
ROWS = [("JC-1", "2024-07-01"), ("闽建检2024-001号", "2024-08-15"), ("JC-3", "2024-09-30")]
DIGEST = "sum(hashtextextended(number, 0)::numeric * (2 * (issued_on - date '2000-01-01') + 1))"
DAYS = {number: date.fromisoformat(day) for number, day in ROWS}


@pytest.fixture
def numbers(engine: AsyncEngine) -> Numbers:
    return Numbers(engine)


async def test_a_good_file_is_on_record_and_its_pieces_are_gone(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    request = await numbers.upload(case_id, csv_of(ROWS), piece=10)
    outcome = await ingest(numbers.engine, request, quiet)
    assert accepted(outcome, 3)
    assert outcome.rows == 3
    assert await numbers.on_record("a") == DAYS
    seen = await numbers.seen()
    assert (seen.stage, seen.rows, seen.accepted) == (UploadStage.ACCEPTED, 3, 3)
    assert (seen.visible_from, seen.digest) == (VISIBLE, outcome.digest)
    assert seen.decided_at is not None
    assert await numbers.value("SELECT count(*) FROM upload_pieces") == 0


async def test_the_digest_is_the_sum_over_what_is_on_record(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    request = await numbers.upload(case_id, csv_of(many(50)))
    outcome = await ingest(numbers.engine, request, quiet)
    total = await numbers.value(f"SELECT {DIGEST} FROM report_numbers")
    assert outcome.digest == f"{int(total) % 2**64:016x}"


async def test_asking_again_gives_the_same_answer_and_changes_nothing(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    request = await numbers.upload(case_id, csv_of(ROWS))
    first = await ingest(numbers.engine, request, quiet)
    assert await ingest(numbers.engine, request, quiet) == first
    refused = await numbers.upload(case_id, csv_of(ROWS) + b"\n", id_="u2")
    second = await ingest(numbers.engine, refused, quiet)
    assert (second.accepted, second.bad, second.numbers, second.digest) == (False, 3, 0, "")
    assert await ingest(numbers.engine, refused, quiet) == second
    assert len(await numbers.problems("u2")) == 3


@pytest.mark.parametrize("accept", ["all", "good"])
async def test_one_bad_row_keeps_all_out_or_only_itself(numbers: Numbers, accept: str) -> None:
    await one_bad_row(numbers, accept, 100_000)


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["all", "good"])
async def test_one_bad_row_of_a_million(numbers: Numbers, accept: str) -> None:
    await one_bad_row(numbers, accept, 1_000_000)


async def one_bad_row(numbers: Numbers, accept: str, count: int) -> None:
    case_id = await numbers.batch("a")
    rows = many(count)
    rows[count // 2] = (rows[count // 2][0], "2024-10-01")
    request = await numbers.upload(case_id, csv_of(rows), accept=accept)
    outcome = await ingest(numbers.engine, request, quiet)
    (problem,) = await numbers.problems()
    assert (problem.row, problem.column) == (count // 2 + 2, "出具日期")
    assert problem.code == "outside_quarter"
    on_record = await numbers.value("SELECT count(*) FROM report_numbers")
    if accept == "all":
        assert (outcome.accepted, outcome.bad, outcome.numbers, on_record) == (False, 1, 0, 0)
        assert (await numbers.seen()).stage is UploadStage.REJECTED
    else:
        assert (outcome.accepted, outcome.bad, outcome.numbers) == (True, 1, count - 1)
        assert on_record == count - 1
    assert outcome.rows == count


async def test_a_number_repeated_in_the_file_names_the_earlier_row(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    rows = [*ROWS, ("ＪＣ－１", "2024-08-01"), ("x", "2024-07-01"), ("JC-1", "2024-07-01")]
    request = await numbers.upload(case_id, csv_of(rows), accept="good")
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.accepted, outcome.rows, outcome.bad, outcome.numbers) == (True, 6, 2, 4)
    told = [(one.row, one.code, one.detail) for one in await numbers.problems()]
    assert told == [(5, "repeated_in_file", "2"), (7, "repeated_in_file", "2")]
    assert (await numbers.on_record("a"))["JC-1"] == date(2024, 7, 1)


@pytest.mark.parametrize("accept", ["all", "good"])
async def test_one_number_in_every_row_of_a_long_file(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Such a file does not wait in memory; each row but the first is told all the same."""
    monkeypatch.setattr(order, "_HELD", 1_000)
    monkeypatch.setattr(number_ingest, "PART", 2_000)
    case_id = await numbers.batch("a")
    rows = [("JC-1", "2024-07-01"), *many(5, "X"), *[("JC-1", "2024-08-01")] * 2_000]
    request = await numbers.upload(case_id, csv_of(rows), accept=accept)
    outcome = await ingest(numbers.engine, request, quiet)
    taken = 6 if accept == "good" else 0
    assert (outcome.rows, outcome.bad, outcome.numbers) == (2_006, 2_000, taken)
    assert outcome.accepted is (accept == "good")
    assert len(await numbers.on_record("a")) == taken
    told = await numbers.value(
        "SELECT count(*) FROM upload_problems"
        " WHERE code = 'repeated_in_file' AND row > 7 AND detail::int < row"
    )
    assert told == 2_000
    if taken:
        total = await numbers.value(f"SELECT {DIGEST} FROM report_numbers")
        assert outcome.digest == f"{int(total) % 2**64:016x}"
        assert (await numbers.on_record("a"))["JC-1"] == date(2024, 7, 1)


@pytest.mark.parametrize("quarter", ["2024Q2", "2020Q1", "2024Q4"])
async def test_a_number_of_any_other_quarter_on_record_is_named_with_its_date(
    numbers: Numbers, quarter: str
) -> None:
    earlier = await numbers.batch("a", quarter)
    before = numbers.request(earlier, "u1")
    await numbers.upload(earlier, csv_of([("JC-3", str(before.last_day))]))
    await ingest(numbers.engine, before, quiet)
    request = await numbers.upload(await numbers.batch("a"), csv_of(ROWS), id_="u2")
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.accepted, outcome.bad) == (False, 1)
    (problem,) = await numbers.problems("u2")
    assert (problem.row, problem.code, problem.detail) == (4, "on_record", str(before.last_day))


@pytest.mark.parametrize("accept", ["all", "good"])
@pytest.mark.parametrize("known", [1, 40, 3_000])
async def test_what_is_on_record_shows_in_whichever_stretch_it_lies(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, accept: str, known: int
) -> None:
    """In short stretches, what was merged before the first known number is taken back."""
    monkeypatch.setattr(order, "_STRETCH", 1)
    monkeypatch.setattr(order, "_HELD", 1_000)
    rows = many(3_000)
    before = await numbers.batch("a", "2024Q2")
    earlier = [(number, "2024-04-01") for number, _ in rows[-known:]]
    await numbers.upload(before, csv_of(earlier))
    assert accepted(await ingest(numbers.engine, numbers.request(before, "u1"), quiet), known)
    request = await numbers.upload(await numbers.batch("a"), csv_of(rows), id_="u2", accept=accept)
    outcome = await ingest(numbers.engine, request, quiet)
    taken = 3_000 - known if accept == "good" else 0
    assert (outcome.rows, outcome.bad, outcome.numbers) == (3_000, known, taken)
    told = [(one.row, one.code, one.detail) for one in await numbers.problems("u2")]
    assert told == [(3_002 - n, "on_record", "2024-04-01") for n in range(known, 0, -1)]
    assert len(await numbers.on_record("a")) == known + taken
    total = await numbers.value(
        f"SELECT {DIGEST} FROM report_numbers WHERE issued_on >= '2024-07-01'"
    )
    assert outcome.digest == (f"{int(total) % 2**64:016x}" if taken else "")


async def test_rows_are_counted_over_blank_and_bad_ones(numbers: Numbers) -> None:
    """Each good row once more at the end names the row where it stood first."""
    lines = [f"{number},{day}\r\n" for number, day in many(40_000)]
    lines[10] = "\r\n"
    lines[20_000] = f"x,2024-10-01\r\n{lines[20_000]}"
    lines[30_000] = f"\r\n\r\n{lines[30_000]}"
    first = dict(enumerate("".join(lines).splitlines(), 2))
    good = {row: line for row, line in first.items() if line and "-10-" not in line}
    content = (HEADER + "".join(lines) + "\r\n".join(good.values())).encode()
    request = await numbers.upload(await numbers.batch("a"), content, accept="good")
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.rows, outcome.bad, outcome.numbers) == (79_999, 40_000, 39_999)
    told = [(one.row, one.detail) for one in await numbers.problems() if one.detail.isdigit()]
    after = len(first) + 2
    assert told == [(row, str(at)) for row, at in enumerate(good, after)]


async def test_two_institutions_may_have_the_same_number(numbers: Numbers) -> None:
    for name in ("a", "b"):
        request = await numbers.upload(await numbers.batch(name), csv_of(ROWS), id_=name)
        assert accepted(await ingest(numbers.engine, request, quiet), 3)
    assert await numbers.on_record("a") == await numbers.on_record("b") == DAYS


async def test_days_on_both_sides_of_the_quarters_borders(numbers: Numbers) -> None:
    days = ["2024-06-30", "2024-07-01", "2024-09-30", "2024-10-01"]
    rows = [(f"n{day}", day) for day in days]
    request = await numbers.upload(await numbers.batch("a"), csv_of(rows), accept="good")
    await ingest(numbers.engine, request, quiet)
    assert sorted(await numbers.on_record("a")) == ["n2024-07-01", "n2024-09-30"]
    assert [one.row for one in await numbers.problems()] == [2, 5]


@pytest.mark.parametrize("accept", ["all", "good"])
async def test_a_file_without_the_needed_columns_is_refused_as_a_whole(
    numbers: Numbers, accept: str
) -> None:
    content = "编号,备注\r\nJC-1,2024-07-01\r\n".encode("gb18030")
    request = await numbers.upload(await numbers.batch("a"), content, accept=accept)
    outcome = await ingest(numbers.engine, request, quiet)
    assert not outcome.accepted
    (problem,) = await numbers.problems()
    assert (problem.row, problem.code, problem.detail) == (1, "missing_column", "出具日期")


@pytest.mark.parametrize("accept", ["all", "good"])
async def test_nothing_good_is_nothing_accepted(numbers: Numbers, accept: str) -> None:
    request = await numbers.upload(await numbers.batch("a"), csv_of([("", "")]), accept=accept)
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.accepted, outcome.numbers) == (False, 0)
    assert [one.code for one in await numbers.problems()] == ["no_rows"]


async def test_gb18030_that_shows_late_is_read_from_the_start_again(numbers: Numbers) -> None:
    rows = [("bad", "2024-10-01"), *many(40_000), ("闽检001", "2024-07-01")]
    content = csv_of(rows, header="number,date\r\n").decode().encode("gb18030")
    request = await numbers.upload(await numbers.batch("a"), content, accept="good")
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.rows, outcome.bad, outcome.numbers) == (40_002, 1, 40_001)
    assert "闽检001" in await numbers.on_record("a")
    assert [one.row for one in await numbers.problems()] == [2]


async def test_a_workbook_with_formulas_and_serial_dates(numbers: Numbers) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["报告编号", "出具日期", "备注"])
    sheet.append([123, date(2024, 7, 1), "x"])
    sheet.append(["JC-2", 45474, None])
    sheet.append(["=A2", date(2024, 7, 1), None])
    file = io.BytesIO()
    book.save(file)
    request = await numbers.upload(
        await numbers.batch("a"), file.getvalue(), media="xlsx", accept="good", piece=1000
    )
    outcome = await ingest(numbers.engine, request, quiet)
    assert (outcome.rows, outcome.bad, outcome.numbers) == (3, 1, 2)
    assert await numbers.on_record("a") == {"123": date(2024, 7, 1), "JC-2": date(2024, 7, 1)}
    assert [(one.row, one.code) for one in await numbers.problems()] == [(4, "no_value")]


async def test_only_a_complete_upload_of_the_case_is_read(numbers: Numbers) -> None:
    case_id = await numbers.batch("a")
    other = await numbers.batch("b")
    request = await numbers.upload(case_id, csv_of(ROWS), complete=False)
    for wrong in (request, request.model_copy(update={"upload": "none"})):
        with pytest.raises(NotReady):
            await ingest(numbers.engine, wrong, quiet)
    async with numbers.engine.begin() as connection:
        await uploads.complete(connection, "u1", VISIBLE)
    with pytest.raises(NotReady):
        await ingest(numbers.engine, request.model_copy(update={"case_id": other}), quiet)
    assert accepted(await ingest(numbers.engine, request, quiet), 3)


async def test_progress_can_be_seen_while_a_file_is_read(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_ingest, "_EVERY", 0.02)
    request = await numbers.upload(await numbers.batch("a"), csv_of(many(300_000)))
    told: list[int] = []
    stages: list[tuple[UploadStage, int]] = []
    running = asyncio.create_task(ingest(numbers.engine, request, told.append))
    while not running.done():
        seen = await numbers.seen()
        stages.append((seen.stage, seen.rows))
        await asyncio.sleep(0.05)
    assert accepted(await running, 300_000)
    assert told == sorted(told)
    assert any(stage in (UploadStage.READING, UploadStage.CHECKING) and rows > 0
               for stage, rows in stages), stages  # fmt: skip


# --- at once -------------------------------------------------------------------------------------


async def test_of_two_batches_with_the_same_numbers_at_once_one_has_them(
    numbers: Numbers, database_url: str
) -> None:
    """The same institution uploads the same numbers under two quarters from two processes."""
    others = [connect(database_url) for _ in range(4)]
    requests = []
    for number, quarter in enumerate(["2024Q1", "2024Q2", "2024Q3", "2024Q4"]):
        case_id = await numbers.batch("a", quarter)
        day = numbers.request(case_id, "").first_day
        rows = [(f"JC-{n}", str(day)) for n in range(2_000)]
        requests.append(await numbers.upload(case_id, csv_of(rows), id_=f"u{number}"))
    outcomes = await asyncio.gather(
        *(ingest(engine, one, quiet) for engine, one in zip(others, requests, strict=True))
    )
    assert sorted(one.numbers for one in outcomes) == [0, 0, 0, 2_000]
    assert sorted(one.bad for one in outcomes) == [0, 2_000, 2_000, 2_000]
    assert len(await numbers.on_record("a")) == 2_000
    for engine in others:
        await engine.dispose()


async def test_the_same_upload_read_by_two_processes_is_taken_once(
    numbers: Numbers, database_url: str
) -> None:
    others = [connect(database_url) for _ in range(3)]
    request = await numbers.upload(await numbers.batch("a"), csv_of(many(5_000)))
    first, *rest = await asyncio.gather(*(ingest(one, request, quiet) for one in others))
    assert accepted(first, 5_000)
    assert rest == [first, first]
    assert len(await numbers.on_record("a")) == 5_000
    for engine in others:
        await engine.dispose()


async def test_many_institutions_at_once_make_the_years_they_need(
    numbers: Numbers, database_url: str
) -> None:
    other = connect(database_url)
    requests = []
    for number in range(12):
        case_id = await numbers.batch(f"i{number}", f"{2018 + number % 4}Q1")
        day = numbers.request(case_id, "").first_day
        requests.append(await numbers.upload(case_id, csv_of([("x", str(day))]), id_=f"u{number}"))
    outcomes = await asyncio.gather(
        *(
            ingest(other if number % 2 else numbers.engine, request, quiet)
            for number, request in enumerate(requests)
        )
    )
    assert all(accepted(one, 1) for one in outcomes)
    years = await numbers.rows("SELECT tableoid::regclass::text FROM report_numbers GROUP BY 1")
    assert sorted(years) == [(f"report_numbers_{year}",) for year in range(2018, 2022)]
    await other.dispose()


# --- killed --------------------------------------------------------------------------------------

_CHILD = """
import asyncio, sys
from domain.numbers.report_numbers import IngestRequest
from services.numbers.ingest import ingest
from store.database import connect

async def main():
    engine = connect(sys.argv[1])
    print("ready", flush=True)
    await ingest(engine, IngestRequest.model_validate_json(sys.argv[2]), lambda rows: None)

asyncio.run(main())
"""


async def test_killed_at_ten_moments_and_done_again_it_is_as_if_undisturbed(
    numbers: Numbers, database_url: str
) -> None:
    rows = many(60_000)
    rows[777] = ("bad", "2023-01-01")
    rows[778] = rows[12]
    pattern = random.Random(7)
    results = []
    for name, kills in (("undisturbed", 0), ("killed", 10)):
        case_id = await numbers.batch(name)
        request = await numbers.upload(case_id, csv_of(rows), id_=name, accept="good")
        for _ in range(kills):
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _CHILD, database_url, request.model_dump_json(),
                stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()},
            )  # fmt: skip
            assert child.stdout is not None
            assert await child.stdout.readline() == b"ready\n"
            await asyncio.sleep(pattern.uniform(0, 0.6))
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
            await child.wait()
        outcome = await ingest(numbers.engine, request, quiet)
        seen = await numbers.seen(name)
        results.append(
            (
                outcome.model_dump(exclude={"upload"}),
                await numbers.on_record(name),
                await numbers.problems(name),
                (seen.stage, seen.rows, seen.bad, seen.accepted, seen.visible_from),
            )
        )
    assert results[0] == results[1]
    assert results[0][0]["numbers"] == 59_998
    assert await numbers.value("SELECT count(*) FROM upload_pieces") == 0


async def test_a_failing_database_leaves_nothing_and_the_next_try_succeeds(
    numbers: Numbers,
) -> None:
    request = await numbers.upload(await numbers.batch("a"), csv_of(many(200_000)))
    running = asyncio.create_task(ingest(numbers.engine, request, quiet))
    await asyncio.sleep(0.5)
    await numbers.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    (failure,) = await asyncio.gather(running, return_exceptions=True)
    if isinstance(failure, Exception):
        assert await numbers.value("SELECT count(*) FROM report_numbers") == 0
    assert accepted(await ingest(numbers.engine, request, quiet), 200_000)
    assert len(await numbers.on_record("a")) == 200_000
