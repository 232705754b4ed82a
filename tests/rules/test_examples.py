"""Every worked example in every rule file holds, each under its own name."""

from datetime import timedelta

import pytest

from domain.numbers.quarters import Quarter
from rules.check.examples import shortcomings
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary
from rules.file.schema import Example

SECOND = timedelta(seconds=1)
_LIBRARY = RuleLibrary()
_EXAMPLES = [
    pytest.param(name, example, id=f"{name}: {example.name}")
    for name in _LIBRARY.names
    for example in _LIBRARY.merged(name).rules.examples
]


@pytest.mark.parametrize(("name", "example"), _EXAMPLES)
def test_example_holds(name: str, example: Example, library: RuleLibrary) -> None:
    rules = CompiledRules(library.resolve_name(name).document)
    assert shortcomings(rules, example) == []


@pytest.mark.parametrize("name", _LIBRARY.names)
def test_every_reviewer_rule_has_an_example(name: str, library: RuleLibrary) -> None:
    rules = library.merged(name).rules
    shown = {example.expect.rule for example in rules.examples}
    assert {rule.id for rule in rules.filing.reviewers} - shown == set()


@pytest.mark.parametrize("name", [n for n in _LIBRARY.names if n != "2023/national"])
def test_both_sides_of_every_window_boundary_have_an_example(
    name: str, library: RuleLibrary
) -> None:
    rules = library.merged(name).rules
    compiled = CompiledRules(library.resolve_name(name).document)
    for window_name, window in compiled.windows.items():
        shown = {
            (example.at, side)
            for example in rules.examples
            for side in ("inside", "outside")
            if example.at is not None and window_name in (getattr(example.expect, side) or ())
        }
        assert (window.opens, "inside") in shown, f"{window_name} opens"
        assert (window.closes, "outside") in shown, f"{window_name} closes"
        before = [at for at, side in shown if side == "outside" and at < window.opens]
        last = [
            at
            for at, side in shown
            if side == "inside" and 0 < (window.closes - at).total_seconds() <= 1
        ]
        assert before, f"{window_name}: no example before it opens"
        assert last, f"{window_name}: no example in its last second"


@pytest.mark.parametrize("name", _LIBRARY.names)
def test_both_sides_of_every_boundary_of_a_batch_have_an_example(
    name: str, library: RuleLibrary
) -> None:
    merged = library.merged(name).rules
    numbers = CompiledRules(library.resolve_name(name).document).numbers
    assert numbers is not None
    asked = {one.quarter for one in merged.examples if one.quarter and one.at}
    section = merged.report_numbers
    assert section is not None
    needed = {"fill": True, "supplement": section.late is not None}
    seen: set[tuple[str, str]] = set()
    for quarter in asked:
        for window_name, window in numbers.windows(Quarter.parse(quarter)).items():
            for example in merged.examples:
                if example.quarter != quarter or example.at is None:
                    continue
                inside = window_name in (example.expect.batch_inside or ())
                outside = window_name in (example.expect.batch_outside or ())
                for edge, at, is_in in (
                    ("before", window.opens - SECOND, outside),
                    ("opens", window.opens, inside),
                    ("last second", window.closes - SECOND, inside),
                    ("closes", window.closes, outside),
                ):
                    if example.at == at and is_in:
                        seen.add((window_name, edge))
    edges = ["before", "opens"]
    if section.window.due_months is not None:
        edges += ["last second", "closes"]
    wanted = {(window, edge) for window, is_there in needed.items() if is_there for edge in edges}
    assert wanted - seen == set()


@pytest.mark.parametrize("name", _LIBRARY.names)
def test_every_outcome_about_numbers_has_an_example(name: str, library: RuleLibrary) -> None:
    rules = library.merged(name).rules
    section = rules.report_numbers
    assert section is not None
    expected = [example.expect for example in rules.examples]
    assert {one.batch for one in expected} >= {rule.outcome for rule in section.obligation}
    assert {one.upload for one in expected} >= {"allowed", *(rule.code for rule in section.gate)}
    assert {one.complaint_rule for one in expected} >= {rule.id for rule in section.complaints}
    assert {one.eligible for one in expected} >= {True, False}
    assert {one.visible for one in expected} >= {True, False}


def test_failing_example_says_expected_and_got(library: RuleLibrary) -> None:
    rules = CompiledRules(library.resolve(2024, "000000").document)
    example = Example.model_validate(
        {
            "name": "错的",
            "facts": {"institution": {"region": "350102"}},
            "expect": {"reviewer": "samr"},
        }
    )
    assert shortcomings(rules, example) == ["审核部门应为 samr，实为 （没有）"]
