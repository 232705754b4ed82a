"""Rows of an upload in the order of the index: all of them, each once, wherever they waited."""

import tracemalloc
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities import number_order
from activities.number_file import Batch
from activities.number_order import Ordering, Stretch

FIRST = date(2024, 7, 1)
HASHES = st.one_of(
    st.sampled_from([-(2**63), -(2**56) - 1, -(2**56), -1, 0, 1, 2**56 - 1, 2**56, 2**63 - 1]),
    st.integers(-(2**63), 2**63 - 1),
)
Row = tuple[int, str, date, int]


@st.composite
def uploads(draw: st.DrawFn) -> list[list[Row]]:
    """Batches of rows: where they stand, number, day, and the hash of the number."""
    numbers = draw(st.lists(st.text('AB甲1-\\",', min_size=1, max_size=5), max_size=40))
    hash_of = {number: draw(HASHES) for number in numbers}
    row, rows = 1, []
    for number in numbers:
        row += draw(st.sampled_from([1, 1, 1, 5]))  # blank and bad rows lie between
        rows.append((row, number, FIRST + timedelta(draw(st.integers(0, 91))), hash_of[number]))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    return [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True) if a < b]


def ordered(batches: Sequence[Sequence[Row]]) -> tuple[list[Stretch], int, int]:
    """What becomes of them; also how many there are, and what they weigh."""
    with Ordering() as rows:
        for given_rows in batches:
            batch = Batch()
            for row, number, day, _ in given_rows:
                batch.add(row, 1, f"{number}\t{day}\n")
            hashes = np.array([one[3] for one in given_rows], np.int64).astype(">i8").tobytes()
            rows.add(batch.runs, batch.text, hashes)
        return list(rows.stretches()), rows.count, rows.weight


def rows_of(stretches: Sequence[Stretch]) -> list[Row]:
    return [
        (int(row), *_parts(line), int(hash_))
        for one in stretches
        for row, line, hash_ in zip(one.rows, one.lines, one.hashes, strict=True)
    ]


def _parts(line: bytes) -> tuple[str, date]:
    number, day = line.decode().split("\t")
    return number, date.fromisoformat(day)


@settings(deadline=None)
@given(uploads(), st.sampled_from([1, 3, 25_000]), st.sampled_from([1, 60, 8_000_000]))
def test_every_row_comes_once_and_in_order(
    batches: list[list[Row]], stretch: int, held: int
) -> None:
    """However much of it is in memory, and however long the stretches are."""
    given_rows = [row for batch in batches for row in batch]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_order, "_STRETCH", stretch)
        patch.setattr(number_order, "_HELD", held)
        stretches, count, weight = ordered(batches)
    assert sorted(rows_of(stretches)) == sorted(given_rows)
    hashes = [row[3] for row in rows_of(stretches)]
    assert hashes == sorted(hashes)
    assert count == len(given_rows)
    days = [(hash_, (day - date(2000, 1, 1)).days) for _, _, day, hash_ in given_rows]
    assert weight % 2**64 == sum(hash_ * (2 * day + 1) for hash_, day in days) % 2**64
    assert (weight - sum(one.weight() for one in stretches)) % 2**64 == 0
    # equal numbers have equal hashes, so they never lie in different stretches
    repeated = {
        int(one.rows[place]): first for one in stretches for place, first in one.repeated().items()
    }
    firsts: dict[str, int] = {}
    for row, number, *_ in given_rows:
        firsts.setdefault(number, row)
    assert repeated == {row: firsts[n] for row, n, *_ in given_rows if firsts[n] != row}


def test_two_numbers_with_one_hash_are_two() -> None:
    batch = [[(2, "A-1", FIRST, 7), (3, "B-1", FIRST, 7), (4, "A-1", FIRST, 7)]]
    (stretch,), *_ = ordered(batch)
    assert {int(stretch.rows[place]): row for place, row in stretch.repeated().items()} == {4: 2}
    left = stretch.without(stretch.repeated())
    assert [left.number(place) for place in range(2)] == ["A-1", "B-1"]
    assert left.lines_ending_with(b"\t5\n") == b"A-1\t2024-07-01\t5\nB-1\t2024-07-01\t5\n"


def test_memory_does_not_follow_the_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_order, "_STRETCH", 1_000)
    monkeypatch.setattr(number_order, "_HELD", 200_000)

    def peak(batches: int) -> int:
        chance = np.random.default_rng(batches)
        tracemalloc.start()
        with Ordering() as rows:
            for n in range(batches):
                batch = Batch()
                lines = "".join([f"JC-2024-{n:04d}-{i:06d}\t2024-07-01\n" for i in range(2_000)])
                batch.add(2 + n * 2_000, 2_000, lines)
                rows.add(batch.runs, batch.text, chance.bytes(16_000))
            count = sum(len(one.lines) for one in rows.stretches())
        assert count == batches * 2_000
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(20), peak(80)
    assert many < few * 1.2
