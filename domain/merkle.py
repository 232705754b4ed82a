"""Merkle trees as RFC 6962 has them, built leaf by leaf: one hash for any number of rows. Pure.

The memory of a tree is one hash for each bit of the number of its leaves.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

EMPTY = hashlib.sha256(b"").hexdigest()
"""The root of a tree without leaves."""


class Beside(NamedTuple):
    """One hash on a leaf's way to the root, and on which side of the way it stands."""

    side: Literal["left", "right"]
    hash: str


def leaf_hash(row: bytes) -> bytes:
    """The hash of one leaf."""
    return hashlib.sha256(b"\x00" + row).digest()


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """Takes leaves one after the other. ``watched``: the place of a leaf whose way is kept."""

    def __init__(self, watched: int | None = None) -> None:
        self.count = 0
        self._watched = watched
        self._way: list[Beside] = []
        # full subtrees from left to right, the largest first: height, hash, holds the watched leaf
        self._full: list[tuple[int, bytes, bool]] = []

    def add(self, row: bytes) -> None:
        """Adds the leaf of a row."""
        height, hash_, holds = 0, leaf_hash(row), self.count == self._watched
        self.count += 1
        while self._full and self._full[-1][0] == height:
            _, left, left_holds = self._full.pop()
            self._note(left, hash_, left_holds, holds)
            height, hash_, holds = height + 1, _joined(left, hash_), holds or left_holds
        self._full.append((height, hash_, holds))

    def _note(self, left: bytes, right: bytes, left_holds: bool, right_holds: bool) -> None:
        if left_holds:
            self._way.append(Beside("right", right.hex()))
        if right_holds:
            self._way.append(Beside("left", left.hex()))

    def root(self) -> str:
        """The root over all leaves, lowercase hex; the tree takes no more leaves afterwards."""
        if not self._full:
            return EMPTY
        _, hash_, holds = self._full.pop()
        while self._full:
            _, left, left_holds = self._full.pop()
            self._note(left, hash_, left_holds, holds)
            hash_, holds = _joined(left, hash_), holds or left_holds
        self._full.append((0, hash_, holds))
        return hash_.hex()

    def way(self) -> list[Beside]:
        """The hashes beside the watched leaf's way to the root; to be asked after `root`."""
        return list(self._way)


def root_of(rows: Iterable[bytes]) -> str:
    """The root over rows, in their order."""
    tree = MerkleTree()
    for row in rows:
        tree.add(row)
    return tree.root()


def leads_to(row: bytes, way: Iterable[Beside]) -> str:
    """The root that a leaf's way leads to."""
    hash_ = leaf_hash(row)
    for side, beside in way:
        other = bytes.fromhex(beside)
        hash_ = _joined(other, hash_) if side == "left" else _joined(hash_, other)
    return hash_.hex()
