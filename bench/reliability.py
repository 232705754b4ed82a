"""The figures of ``docs/reliability.md``, of what long runs kept: ``python -m bench.reliability``.

``make chaos FIGURES=bench/figures`` runs them, and ``python -m bench.lapses --json`` that of
deadlines. Each run keeps one file there, and each file is one
table of the page, between two comments that name it.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "bench" / "figures"
PAGE = ROOT / "docs" / "reliability.md"

Seen = Mapping[str, Any]
Row = tuple[str, str]

_NAMES = {
    "worker": "worker",
    "api": "API",
    "up": "`zhibao up`",
    "temporal": "Temporal",
    "postmaster": "postmaster",
    "backend": "single backends",
    "postgres": "PostgreSQL",
}


def kills(seen: Seen) -> list[Row]:
    """Random kills of everything while people work."""
    each = ", ".join(f"{_NAMES[part]} {times}" for part, times in seen["kills"].items())
    return [
        (f"{sum(seen['kills'].values())} random kills in {seen['minutes']:.0f} minutes", each),
        (
            "work meanwhile",
            f"{seen['filings']:,} filings, {seen['files']:,} files of report numbers, "
            f"{seen['certificates']:,} certificates to their end",
        ),
        (
            "acknowledged acts and files",
            f"{seen['acknowledged']:,}, {seen['sent_again']:,} of all requests sent again",
        ),
        ("lost, doubled, stuck", f"{seen['lost']}, {seen['doubled']}, {seen['stuck']}"),
        ("ahead of their engine after two minutes", f"{seen['ahead']}"),
        (
            "chain, read model or outbox disagree",
            f"{seen['disagreeing']} of {seen['steps']:,} steps",
        ),
        ("engine and record agreed", f"{seen['agreed_after']:.0f} s after the last kill"),
        (
            "until people were answered",
            f"half within {seen['half_answered_within']} s, "
            f"the last after {seen['last_answered_after']:.0f} s",
        ),
    ]


def uploads(seen: Seen) -> list[Row]:
    """Files that were acknowledged while their workers died."""
    return [
        (
            f"{seen['files']} files of {seen['rows']:,} rows, the worker killed when each was "
            "acknowledged",
            f"read at the latest {seen['longest_asked_again']:.0f} s later where the client asked "
            f"again, {seen['longest_not_asked_again']:.0f} s where it did not",
        )
    ]


def frozen(seen: Seen) -> list[Row]:
    """Servers that stood still."""
    return [
        (
            f"{_NAMES[part]} frozen for {one['seconds']} s",
            f"{one['answers']} answers, {one['refused']} of them 503, the slowest after "
            f"{one['slowest']:.0f} s; each key once, {one['all_answered_after']:.0f} s after it "
            "went on",
        )
        for part, one in seen.items()
        if part in _NAMES
    ]


def restarts(seen: Seen) -> list[Row]:
    """Workers and APIs restarted one by one."""
    return [
        (
            "two workers and two APIs restarted one by one while people work",
            f"{seen['answers']:,} answers, {seen['not_answered']} errors; an API with a slow file "
            f"under way ended after {seen['api_ended_after']:.0f} s",
        )
    ]


def lapses(seen: Seen) -> list[Row]:
    """Filings that lapse at one instant, and people who act on others beside."""
    return [
        (
            f"{seen['lapses']:,} lapses at one instant, load {seen['load'][0]:.1f} at the end",
            f"on record within {seen['seconds']} s, 99 of 100 of {seen['acts']:,} acts of people "
            f"within {seen['p99']:.2f} s, half within {seen['p50']:.2f} s, {seen['failed']} not "
            "answered",
        ),
        ("bare timers of one instant, a second", f"{seen['bare_per_second']:.0f}"),
        (
            "processor time of a lapse",
            ", ".join(f"{name} {ms} ms" for name, ms in seen["cpu_ms"].items()),
        ),
    ]


TABLES: Mapping[str, Callable[[Seen], list[Row]]] = {
    one.__name__: one for one in (kills, uploads, frozen, restarts, lapses)
}


def rendered(page: str, figures: Path = FIGURES) -> str:
    """The page with its tables made anew."""

    def table(match: re.Match[str]) -> str:
        seen = json.loads((figures / f"{match[1]}.json").read_text())
        rows = TABLES[match[1]](seen)
        lines = [f"| tried | seen on {seen['day']} |", "|---|---|"]
        lines += [f"| {what} | {came} |" for what, came in rows]
        return "\n".join([f"<!-- figures: {match[1]} -->", *lines, "<!-- end of figures -->"])

    return re.sub(
        r"<!-- figures: (\w+) -->\n.*?<!-- end of figures -->", table, page, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
