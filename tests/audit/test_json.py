"""What the auditor's commands print for programs: each name, and what stands under it.

Other work reads these names; fields may be added, and none goes away or means something else.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.audit.test_commands import DONE, told

pytestmark = pytest.mark.anyio

NOTHING = type(None)
ANY = object
CITE = {"document": str, "clause": str}
DECISION = {
    "kind": str,
    "sequence": int,
    "recorded": ANY,
    "recomputed": ANY,
    "same": bool,
    "cite": (CITE, NOTHING),
}
BEIJING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+08:00")


def holds(value: Any, wanted: Any) -> bool:
    """Whether a JSON value has the shape: names with their types, lists of one, alternatives."""
    if wanted is ANY:
        return True
    if isinstance(wanted, tuple):
        return any(holds(value, one) for one in wanted)
    if isinstance(wanted, Mapping):
        return isinstance(value, dict) and all(
            name in value and holds(value[name], of_name) for name, of_name in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(holds(one, wanted[0]) for one in value)
    if wanted is datetime:
        return isinstance(value, str) and BEIJING.fullmatch(value) is not None
    # true and false are numbers to Python, not to JSON
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


FINDING = {
    "kind": str,
    "case_id": str,
    "sequence": (int, NOTHING),
    "table": str,
    "message": str,
}
SHAPES: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("verify", DONE),
        {"ok": bool, "checked": {"cases": int, "journal": int}, "findings": [FINDING]},
    ),
    (
        ("replay", DONE),
        {
            "case_id": str,
            "events": int,
            "differences": [{"event": int, "what": str, "recorded": ANY, "recomputed": ANY}],
        },
    ),
    (("recompute", DONE), {"decisions": [DECISION]}),
    (("counterfactual", DONE, "--rules", "2024/national"), {"decisions": [DECISION]}),
    (
        ("as-of", "filing/2023/returned", "2199-01-01T00:00:00+08:00"),
        {
            "status": str,
            "level": int,
            "authority": str,
            "due": datetime,
            "revision": int,
            "sequence": int,
        },
    ),
    (("as-of", DONE, "2199-01-01"), {"status": str, "due": (datetime, NOTHING), "sequence": int}),
    (
        ("reconcile",),
        {"behind": [{"case_id": str, "record": int, "engine": (int, NOTHING), "done": str}]},
    ),
    (("timeline", DONE), {"entries": [{"case_id": str, "at": datetime, "hash": str, "body": ANY}]}),
]


async def test_each_name_is_there_with_what_it_means(where: dict[str, str], tmp_path: Path) -> None:
    answers = await asyncio.gather(*(told(where, tmp_path, *words) for words, _ in SHAPES))
    for (words, shape), (code, found) in zip(SHAPES, answers, strict=True):
        # other tests of this record may have ended a process whose case is open
        expected = 1 if found.get("behind") else 0
        assert (words, code, holds(found, shape)) == (words, expected, True), found
        for name in ("decisions", "entries"):
            assert found.get(name) != []
    code, found = await told(where, tmp_path, "verify", "filing/2023/nobody")
    assert (code, holds(found["findings"], [FINDING]), found["ok"]) == (1, True, False)
    assert {one["kind"] for one in found["findings"]} == {"deleted"}


def test_a_shape_that_is_not_held_is_told() -> None:
    assert holds(FINDING | {"kind": "x"}, {"kind": str})
    for wrong in (
        {},
        {"due": "2025-01-01T00:00:00Z"},
        {"due": None},
        {"due": "2025-01-01"},
    ):
        assert not holds(wrong, {"due": datetime})
    assert not holds({"same": 1}, {"same": bool})
    assert not holds({"event": True}, {"event": int})
    assert not holds([{"a": 1}, {"b": 1}], [{"a": int}])
