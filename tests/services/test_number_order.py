"""Rows of an upload in the order of the index: all of them, each once, wherever they waited."""

import tracemalloc
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files.numbers import Batch
from services.numbers import order
from services.numbers.order import Ordering, Stretch

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


class Ordered(NamedTuple):
    """What becomes of rows; ``dropped`` are those told when they came."""

    stretches: list[Stretch]
    dropped: dict[int, int]
    rows: int
    weight: int


def ordered(batches: Sequence[Sequence[Row]]) -> Ordered:
    dropped: dict[int, int] = {}
    with Ordering() as rows:
        for given_rows in batches:
            batch = Batch()
            for row, number, day, _ in given_rows:
                batch.add(row, 1, f"{number}\t{day}\n")
            hashes = np.array([one[3] for one in given_rows], np.int64).astype(">i8").tobytes()
            dropped |= rows.add(batch.runs, batch.text, hashes)
        return Ordered(list(rows.stretches()), dropped, rows.count, rows.weight)


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
@given(
    uploads(),
    st.sampled_from([1, 3, 25_000]),
    st.sampled_from([1, 60, 8_000_000]),
    st.sampled_from([1, 4, 1_000_000]),
)
def test_every_row_comes_once_and_in_order(
    batches: list[list[Row]], stretch: int, held: int, most: int
) -> None:
    """However much is in memory, however long stretches are, however many hashes begin alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_STRETCH", stretch)
        patch.setattr(order, "_HELD", held)
        patch.setattr(order, "_MOST", most)
        found = ordered(batches)
    given_rows = [row for batch in batches for row in batch]
    kept = [row for row in given_rows if row[0] not in found.dropped]
    assert sorted(rows_of(found.stretches)) == sorted(kept)
    hashes = [row[3] for row in rows_of(found.stretches)]
    assert hashes == sorted(hashes)
    assert found.rows == len(kept)
    days = [(hash_, (day - date(2000, 1, 1)).days) for _, _, day, hash_ in kept]
    assert (found.weight - sum(hash_ * (2 * day + 1) for hash_, day in days)) % 2**64 == 0
    assert (found.weight - sum(one.weight() for one in found.stretches)) % 2**64 == 0
    # a number that is repeated is told so each time but the first, with a row that has it
    repeated = dict(found.dropped)
    for one in found.stretches:
        repeated |= {int(one.rows[place]): first for place, first in one.repeated().items()}
    number_of = {row: number for row, number, *_ in given_rows}
    firsts: dict[str, int] = {}
    for row, number in number_of.items():
        firsts.setdefault(number, row)
    assert repeated.keys() == number_of.keys() - set(firsts.values())
    assert all(first < row for row, first in repeated.items())
    assert all(number_of[first] == number_of[row] for row, first in repeated.items())


def test_two_numbers_with_one_hash_are_two() -> None:
    batch = [[(2, "A-1", FIRST, 7), (3, "B-1", FIRST, 7), (4, "A-1", FIRST, 7)]]
    (stretch,) = ordered(batch).stretches
    assert {int(stretch.rows[place]): row for place, row in stretch.repeated().items()} == {4: 2}
    left = stretch.without(stretch.repeated())
    assert [left.number(place) for place in range(2)] == ["A-1", "B-1"]
    assert left.lines_ending_with(b"\t5\n") == b"A-1\t2024-07-01\t5\nB-1\t2024-07-01\t5\n"


@pytest.mark.parametrize("hashes", ["of all kinds", "all the same", "of one beginning"])
def test_memory_does_not_follow_the_number_of_rows(
    monkeypatch: pytest.MonkeyPatch, hashes: str
) -> None:
    """Also where all rows are one number, or numbers are chosen for hashes that begin alike."""
    monkeypatch.setattr(order, "_STRETCH", 1_000)
    monkeypatch.setattr(order, "_HELD", 200_000)
    monkeypatch.setattr(order, "_MOST", 5_000)

    def peak(batches: int) -> int:
        chance = np.random.default_rng(batches)
        dropped = 0
        tracemalloc.start()
        with Ordering() as rows:
            for n in range(batches):
                batch = Batch()
                same = hashes == "all the same"
                numbers = [f"JC-2024-{0 if same else n * 2_000 + i:08d}" for i in range(2_000)]
                lines = "".join([f"{number}\t2024-07-01\n" for number in numbers])
                batch.add(2 + n * 2_000, 2_000, lines)
                values = np.frombuffer(chance.bytes(16_000), ">i8").astype(np.int64)
                if hashes == "of one beginning":
                    values = values >> 9
                given_hashes = np.zeros_like(values) if same else values
                told = rows.add(batch.runs, batch.text, given_hashes.astype(">i8").tobytes())
                dropped += len(told)
            count = sum(len(one.lines) for one in rows.stretches())
        assert count + dropped == batches * 2_000
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(20), peak(80)
    assert many < few * 1.3
