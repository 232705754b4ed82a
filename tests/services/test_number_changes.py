"""Withdrawals and corrections: all of a change or nothing, once, with a tombstone."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.numbers.changes import NoSuchChange, apply_change
from services.numbers.ingest import ingest
from tests.number_uploads import VISIBLE, Numbers, accepted, csv_of, quiet

pytestmark = pytest.mark.anyio
DAY = date(2024, 7, 1)
ROWS = [("JC-1", "2024-07-01"), ("JC-2", "2024-07-01"), ("JC-3", "2024-07-01")]


@pytest.fixture
async def numbers(engine: AsyncEngine) -> Numbers:
    """An institution with three numbers on record."""
    made = Numbers(engine)
    request = await made.upload(await made.batch("a"), csv_of(ROWS))
    assert accepted(await ingest(engine, request, quiet), 3)
    return made


CASE = "report-numbers/2024Q3/a"


def corrections(*items: tuple[str, str, str]) -> dict[str, Any]:
    names = ("number", "to_number", "to_issued_on")
    return {"corrections": [dict(zip(names, item, strict=True)) for item in items]}


async def state(numbers: Numbers) -> list[tuple[Any, ...]]:
    return await numbers.rows(
        "SELECT number, issued_on, change_no IS NOT NULL FROM report_numbers ORDER BY 1, 2, 3"
    )


async def test_a_withdrawn_number_leaves_a_tombstone_and_is_free_again(numbers: Numbers) -> None:
    change = await numbers.change(CASE, "withdrawn", {"numbers": ["ＪＣ－１ ", "JC-3"]})
    outcome = await apply_change(numbers.engine, change)
    assert (outcome.made, outcome.numbers, outcome.problems) == (True, 2, ())
    assert await state(numbers) == [("JC-1", DAY, True), ("JC-2", DAY, False), ("JC-3", DAY, True)]
    request = await numbers.upload(CASE, csv_of([("JC-1", "2024-08-01")]), id_="u2")
    assert accepted(await ingest(numbers.engine, request, quiet), 1)
    assert (await numbers.on_record("a")) == {"JC-1": date(2024, 8, 1), "JC-2": DAY}


async def test_a_corrected_number_gives_way_to_another_from_the_day_given(
    numbers: Numbers,
) -> None:
    content = corrections(("JC-1", "JC-9", "2024-09-30"), ("JC-2", "JC-2", "2024-08-01"))
    outcome = await apply_change(numbers.engine, await numbers.change(CASE, "corrected", content))
    assert outcome.made
    assert await numbers.on_record("a") == {
        "JC-9": date(2024, 9, 30), "JC-2": date(2024, 8, 1), "JC-3": DAY,
    }  # fmt: skip
    (row,) = await numbers.rows(
        "SELECT u.media, u.stage, u.accepted, u.visible_from, u.digest <> '' FROM uploads u"
        " JOIN report_numbers r ON r.upload_no = u.no WHERE r.number = 'JC-9'"
    )
    assert row == ("correction", "accepted", 2, VISIBLE, True)


async def test_two_numbers_may_change_places(numbers: Numbers) -> None:
    content = corrections(("JC-1", "JC-2", "2024-07-02"), ("JC-2", "JC-1", "2024-07-03"))
    assert (
        await apply_change(numbers.engine, await numbers.change(CASE, "corrected", content))
    ).made
    assert await numbers.on_record("a") == {
        "JC-1": date(2024, 7, 3), "JC-2": date(2024, 7, 2), "JC-3": DAY,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("withdrawn", {"numbers": ["JC-1", "JC-4"]}, [(2, "not_on_record")]),
        ("withdrawn", {"numbers": ["JC-1", "JC-2", "JC-1"]}, [(3, "repeated_in_change")]),
        ("corrected", corrections(("JC-1", "JC-3", "2024-07-01")), [(1, "on_record")]),
        ("corrected", corrections(("JC-1", "JC-9", "2024-10-01")), [(1, "outside_quarter")]),
        ("corrected", corrections(("JC-1", "JC-9", "2024-06-30")), [(1, "outside_quarter")]),
        ("corrected", corrections(("JC-1", "JC-9", "2024-02-30")), [(1, "bad_date")]),
        ("corrected", corrections(("JC-1", " ", "2024-07-01")), [(1, "number_empty")]),
        ("corrected", corrections(("JC-1", "x" * 65, "2024-07-01")), [(1, "number_too_long")]),
        (
            "corrected",
            corrections(("JC-1", "JC-9", "2024-07-01"), ("JC-2", "JC-9", "2024-07-01")),
            [(2, "repeated_in_change")],
        ),
    ],
)
async def test_one_wrong_number_and_nothing_is_changed(
    numbers: Numbers, kind: str, content: dict[str, Any], told: list[tuple[int, str]]
) -> None:
    before = await state(numbers)
    outcome = await apply_change(numbers.engine, await numbers.change(CASE, kind, content))
    assert (outcome.made, outcome.numbers) == (False, 0)
    assert [(one.place, one.code) for one in outcome.problems] == told
    assert await state(numbers) == before
    assert await numbers.value("SELECT made_at FROM number_changes") is None


async def test_numbers_of_another_batch_or_institution_are_not_touched(numbers: Numbers) -> None:
    for name, quarter in (("a", "2024Q2"), ("b", "2024Q3")):
        case_id = await numbers.batch(name, quarter)
        change = await numbers.change(case_id, "withdrawn", {"numbers": ["JC-1"]}, id_=case_id)
        outcome = await apply_change(numbers.engine, change)
        assert [one.code for one in outcome.problems] == ["not_on_record"]
    assert len(await numbers.on_record("a")) == 3
    with pytest.raises(NoSuchChange):
        await apply_change(numbers.engine, change.model_copy(update={"change": "none"}))


async def test_a_change_asked_for_many_times_at_once_is_made_once(numbers: Numbers) -> None:
    content = corrections(("JC-1", "JC-9", "2024-07-01"))
    change = await numbers.change(CASE, "corrected", content)
    outcomes = await asyncio.gather(*(apply_change(numbers.engine, change) for _ in range(4)))
    # who comes while it is being made is asked to come again, and then told the same
    made = [one for one in outcomes if one.made]
    assert made
    assert all(one.busy for one in outcomes if not one.made)
    assert await apply_change(numbers.engine, change) == made[0]
    assert outcomes[0].made
    assert [row[0] for row in await state(numbers)] == ["JC-1", "JC-2", "JC-3", "JC-9"]
    assert sorted(await numbers.on_record("a")) == ["JC-2", "JC-3", "JC-9"]
