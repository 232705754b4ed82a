"""Replay over a campaign: in several processes, with progress, resumable, with a report."""

import asyncio
import csv
import html
import json
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from audit.replay import Replayed, replay_campaign
from rules.file.catalogue import put_in_use
from services.doors import engine_of
from settings import of_system
from store.database import connect
from store.hidden import hide_with, ring

_AT_ONCE = 50
"""So many cases are given to a process at a time, fewer where there are few: each connects anew."""
_PORTIONS = 4
"""Into so many portions for each process the cases are divided at least: none waits long at the
end for what another still has."""


class Progress(NamedTuple):
    """How far it is: cases replayed, of how many, and in how many there are differences."""

    done: int
    total: int
    differing: int


def replay_many(
    data: Path,
    what: str,
    case_ids: Sequence[str],
    processes: int,
    folder: Path,
    tell: Callable[[Progress], None],
) -> dict[str, Any]:
    """Replays cases and writes the report into a folder; what stands there is not done again.

    ``data`` is where the system is found, if the environment does not say so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "report.jsonl"
    known = _kept(lines, set(case_ids))
    left = [case_id for case_id in case_ids if case_id not in known]
    differing = sum(known.values())
    done = len(case_ids) - len(left)
    size = max(1, min(_AT_ONCE, len(left) // (processes * _PORTIONS)))
    portions = [left[at : at + size] for at in range(0, len(left), size)]
    with (
        lines.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=hide_with, initargs=(ring(),)
        ) as pool,
    ):
        for portion in as_completed(pool.submit(_portion, data, one) for one in portions):
            for one in portion.result():
                file.write(_line(one))
                done, differing = done + 1, differing + bool(one["differences"])
            file.flush()
            tell(Progress(done, len(case_ids), differing))
    return _report(folder, what, lines, set(case_ids))


def _line(one: dict[str, Any]) -> str:
    return json.dumps(one, ensure_ascii=False) + "\n"


def _kept(lines: Path, wanted: Set[str]) -> dict[str, bool]:
    """The cases that are done, and whether there are differences; of nothing else a line stays.

    What broke off in the middle of a line leaves no half of it.
    """
    kept: dict[str, bool] = {}
    again = lines.with_suffix(".again")
    with again.open("w", encoding="utf-8") as file:
        for one in _known(lines):
            if one["case_id"] in wanted and one["case_id"] not in kept:
                kept[one["case_id"]] = bool(one["differences"])
                file.write(_line(one))
    again.replace(lines)
    return kept


def _known(lines: Path) -> Iterator[dict[str, Any]]:
    if not lines.exists():
        return
    with lines.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                # broken off in the middle of a line: it is done again
                continue


def _portion(data: Path, case_ids: Sequence[str]) -> list[dict[str, Any]]:
    return asyncio.run(_replayed(data, case_ids))


async def _replayed(data: Path, case_ids: Sequence[str]) -> list[dict[str, Any]]:
    settings = of_system(data)
    put_in_use(settings.rules)
    try:
        client = await engine_of(settings)
    except RuntimeError:
        client = None
    engine = connect(settings.database_url.get_secret_value(), pool_size=2)
    try:
        done: list[Replayed] = [one async for one in replay_campaign(engine, client, case_ids)]
    finally:
        await engine.dispose()
    return [one.model_dump(mode="json") for one in done]


def _report(folder: Path, what: str, lines: Path, wanted: Set[str]) -> dict[str, Any]:
    """The report as JSON, CSV and a page; returns its summary. Only what differs is held."""
    differing = []
    summary: dict[str, Any] = {"what": what, "cases": 0, "events": 0, "archived": 0}
    for one in _known(lines):
        if one["case_id"] not in wanted:
            continue
        summary["cases"] += 1
        summary["events"] += one["events"]
        summary["archived"] += one["archived"]
        if one["differences"]:
            differing.append(one)
    summary["differing"] = len(differing)
    whole = {**summary, "differences": differing}
    (folder / "report.json").write_text(json.dumps(whole, ensure_ascii=False, indent=2))
    rows = [
        (one["case_id"], str(d["event"]), d["what"], _text(d["recorded"]), _text(d["recomputed"]))
        for one in differing
        for d in one["differences"]
    ]
    with (folder / "report.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    (folder / "report.html").write_text(
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>重演报告</title>'
        f"<h1>重演报告：{html.escape(what)}</h1>"
        f"<p>{summary['cases']} 件，{summary['events']} 个事件，不同 {len(differing)} 件。</p>"
        f"<table border=1><tr>{head}</tr>{cells}</table></html>"
    )
    return summary


_COLUMNS = ("件", "事件", "何处", "记录", "重演")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
