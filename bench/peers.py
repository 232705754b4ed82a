"""Robust ranges over a campaign's filings: ``python -m bench.peers``. Target: 10 s for 54,000.

Generated contents of the 2024 statistics, in three kinds and all fields, figures log-normal; one in
a thousand has typed yuan for 10,000 yuan. Beside it, the milliseconds of one form's whole check.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from rules.file.library import SHIPPED
from rules.filing.forms.checking import check_form
from rules.filing.forms.context import Context
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from rules.filing.forms.model import Form
from rules.filing.forms.peers import ranges

TARGET_SECONDS = 10.0
TARGET_CHECK_MS = 5.0


def contents(form: Form, count: int) -> Iterator[dict[str, Any]]:
    """Generated contents, each with what the comparison needs."""
    chance = random.Random(1)
    areas = form.fields["fields"].options
    for number in range(count):
        size = chance.lognormvariate(0, 1)
        wrong = 10_000 if number % 1000 == 999 else 1
        yield {
            "unit_nature": "企业",
            "fields": chance.sample(areas, 1 + number % 2),
            "staff_postgraduate": int(3 * size),
            "staff_bachelor": int(15 * size),
            "staff_other_education": int(12 * size),
            "reports_administrative": int(300 * size),
            "reports_commissioned": int(4000 * size),
            "reports_judicial": 0,
            "reports_other": int(100 * size),
            "testing_revenue": f"{700 * size * wrong:.2f}",
            "instruments_domestic_value": f"{600 * size:.2f}",
            "instruments_imported_value": f"{300 * size:.2f}",
        }


def main(count: int) -> dict[str, Any]:
    """Counts the ranges of a campaign, then finds those who lie outside."""
    form = FormLibrary(SHIPPED / "forms").get("statistics-2024")
    given = list(contents(form, count))
    started = time.process_time()
    found = ranges(form, given)
    seconds = time.process_time() - started
    example = blank_example(form)
    known = Context(year=2024, peers=found)
    rounds = 50
    began = time.process_time()
    for _ in range(rounds):
        check_form(form, example, complete=True, known=known)
    milliseconds = (time.process_time() - began) / rounds * 1000
    return {
        "filings": count,
        "groups": len(found),
        "seconds": round(seconds, 2),
        "check_ms": round(milliseconds, 2),
        "checks": len(form.checks),
        "met": seconds < TARGET_SECONDS and milliseconds < TARGET_CHECK_MS,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=54_000, help="filings")
    parser.add_argument("--short", action="store_true", help="a few: that it still runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the target")
    asked = parser.parse_args()
    result = main(2_000 if asked.short else asked.count)
    if asked.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:12}{value}")
    sys.exit(1 if asked.check and not result["met"] else 0)
