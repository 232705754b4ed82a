"""What refusals say: every one what it refuses and what to do, wherever in the code it is made."""

import ast
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.case.commands import ROLE_LABELS, Role, forbidden
from domain.case.status import STATUS_LABELS, STATUS_NEXT, Status
from domain.citation import Citation
from domain.messages import explain
from domain.refusals import Code, Refusal

ROOT = Path(__file__).parents[2]
SOURCES = [
    file
    for folder in ("activities", "api", "domain", "rules", "services", "workflows")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
AN_ACT = re.compile("请|由|等到|可以|不用办理|不能恢复|另行")
"""Every remedy asks for an act, names who acts, or says that nothing need be done."""


def needed(code: Code) -> set[str]:
    """The blanks in a code's words."""
    return {name for text in code.words for _, name, _, _ in string.Formatter().parse(text) if name}


def sample(code: Code) -> dict[str, str]:
    return {name: f"例{name}" for name in needed(code)} | {
        "next": STATUS_NEXT[Status.COMPLETED],
        "seconds": "7",
    }


@pytest.mark.parametrize("code", list(Code))
def test_every_refusal_says_what_to_do_with_nothing_left_blank(code: Code) -> None:
    cite = Citation(document="测试文号", clause="一", quote="原文")
    at = datetime(2025, 3, 21, 16, tzinfo=UTC)
    words = explain(Refusal(code=code, params=sample(code), cite=cite, at=at))
    assert not re.search(r"[{}—]", "".join(words)), words
    assert AN_ACT.search(words.remedy), words
    assert "测试文号" in words.detail
    assert "不再接受" not in words.detail


def test_every_status_says_what_goes_on_from_it() -> None:
    assert set(STATUS_NEXT) == set(STATUS_LABELS) == set(Status)
    for status, words in STATUS_NEXT.items():
        assert AN_ACT.search(words), status
        assert not words.endswith("。")


def test_who_may_do_it_is_named() -> None:
    refusal = forbidden(ROLE_LABELS[Role.FILER], {Role.OPERATOR, Role.REVIEWER, Role.SYSTEM})
    assert "填报人" in explain(refusal).detail
    assert "请由审核人、经办人办理" in explain(refusal).remedy
    assert "系统自动" in explain(forbidden("填报人", {Role.SYSTEM})).remedy


# --- where they are made --------------------------------------------------------------------------


def made(file: Path) -> Iterator[tuple[str, Code, set[str]]]:
    """Each refusal made of a code and parameters that stand there: place, code, what is given."""
    tree = ast.parse(file.read_text("utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        known: dict[str, list[tuple[int, set[str] | None]]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                keys = named(node.value, known, node.lineno)
                known.setdefault(node.targets[0].id, []).append((node.lineno, keys))
        for node in ast.walk(function):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal"):
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            code = given.get("code")
            if not (isinstance(code, ast.Attribute) and getattr(code.value, "id", "") == "Code"):
                continue
            names = named(given["params"], known, node.lineno) if "params" in given else set()
            if names is not None:
                place = f"{file.relative_to(ROOT)}:{node.lineno}"
                yield place, Code[code.attr], names | ({"at"} if "at" in given else set())


def named(
    node: ast.expr, known: dict[str, list[tuple[int, set[str] | None]]], line: int
) -> set[str] | None:
    """The keys of a dict that stands there, by its last assignment; None if it cannot be told."""
    if isinstance(node, ast.Name):
        before = [
            keys for at, keys in sorted(known.get(node.id, []), key=lambda one: one[0]) if at < line
        ]
        return before[-1] if before else None
    if not isinstance(node, ast.Dict):
        return None
    keys: set[str] = set()
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = named(value, known, line)
            if inner is None:
                return None
            keys |= inner
        elif isinstance(key, ast.Constant):
            keys.add(str(key.value))
    return keys


MADE = [refusal for file in SOURCES for refusal in made(file)]


def test_refusals_are_found_where_they_are_made() -> None:
    assert len(MADE) > 70
    assert len({code for _, code, _ in MADE}) > 50


@pytest.mark.parametrize(("place", "code", "given"), MADE, ids=[place for place, _, _ in MADE])
def test_a_refusal_is_made_with_all_that_its_words_name(
    place: str, code: Code, given: set[str]
) -> None:
    assert needed(code) <= given, place
