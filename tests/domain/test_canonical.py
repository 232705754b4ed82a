"""What is hashed is written as RFC 8785 has it, whichever way is taken to write it."""

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.canonical import canonical_json
from domain.merkle import EMPTY, MerkleTree, leads_to, root_of

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400)
@given(VALUES)
@example({"\ufb33": 1, "\U0001f600": 2})
@example([1e16, 1.0, -0.0, 1e21, 5e-324, 0.1])
@example({"at": "2025-01-20T01:30:00.843412Z", "n": 10**15})
@example(1.0)
def test_everything_is_written_as_the_rfc_has_it(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


def test_the_rfcs_own_example() -> None:
    given = json.loads(
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
        '"literals":[null,true,false]}'
    )
    assert canonical_json(given).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({"a": object()})
    for number in (2**53, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            canonical_json({"a": [number]})


def _plain_root(rows: list[bytes]) -> bytes:
    """RFC 6962's own words: the largest power of two smaller than n goes left."""
    if not rows:
        return hashlib.sha256(b"").digest()
    if len(rows) == 1:
        return hashlib.sha256(b"\x00" + rows[0]).digest()
    split = 1 << (len(rows) - 1).bit_length() - 1
    halves = _plain_root(rows[:split]) + _plain_root(rows[split:])
    return hashlib.sha256(b"\x01" + halves).digest()


@given(st.lists(st.binary(max_size=8), max_size=40), st.data())
def test_a_tree_is_the_rfcs_and_each_leaf_finds_its_root(
    rows: list[bytes], data: st.DataObject
) -> None:
    root = _plain_root(rows).hex()
    assert root_of(rows) == root
    if not rows:
        assert root == EMPTY
        return
    place = data.draw(st.integers(0, len(rows) - 1))
    tree = MerkleTree(watched=place)
    for row in rows:
        tree.add(row)
    assert tree.root() == root
    assert leads_to(rows[place], tree.way()) == root
    assert leads_to(rows[place] + b"x", tree.way()) != root
