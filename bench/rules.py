"""Reviewers' decisions per second on one core: ``python -m bench.rules``. Target: 20,000.

Over a generated roster with all its special cases, under the 2024 national rules. Beside it, as
the bare limit of anything in this language: the same loop doing nothing, and Pydantic merely
reading the same facts. A form's whole check is timed as well.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from deploy.demo.roster import generate_roster
from domain.facts import Facts
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary
from rules.filing.forms.checking import check_form
from rules.filing.forms.example import blank_example

TARGET = 20_000
YEAR, NATION = 2024, "000000"


def roster(count: int) -> list[Facts]:
    """The facts of generated institutions; every fifth has picked one of its issuers."""
    return [
        Facts(
            institution=one.institution,
            certificates=one.certificates,
            choice=one.certificates[0].issuer if number % 5 == 0 and one.certificates else None,
            previous_reviewer=one.previous_reviewer,
        )
        for number, one in enumerate(generate_roster(count, seed=1))
    ]


def rate(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """How many items a second of CPU are worked through."""
    started = time.process_time()
    for item in items:
        work(item)
    return len(items) / (time.process_time() - started)


def main(count: int, rounds: int) -> dict[str, Any]:
    """Median rates, the loops in turns."""
    rules = CompiledRules(RuleLibrary(SHIPPED).resolve(YEAR, NATION).document)
    facts = roster(count)
    texts = [one.model_dump_json() for one in facts]
    forms = [rules.form(part.id) for part in rules.document.filing.parts]
    filled = [(form, blank_example(form)) for form in forms] * max(1, count // 20)
    loops: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "empty_loop": (lambda _: None, facts),
        "pydantic": (Facts.model_validate_json, texts),
        "decisions": (rules.route, facts),
        "form_checks": (lambda one: check_form(one[0], one[1], complete=True), filled),
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            found[name].append(rate(*loop))
    medians = {name: round(statistics.median(rates)) for name, rates in found.items()}
    decisions = medians["decisions"]
    return {
        **medians,
        "ratio": round(decisions / medians["pydantic"], 3),
        "target": TARGET,
        "met": decisions >= TARGET,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="institutions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="a few: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    given = parser.parse_args()
    result = main(*((500, 2) if given.short else (given.count, given.rounds)))
    if given.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:12}{value}")
    sys.exit(1 if given.check and not result["met"] else 0)
