"""Replay over a campaign: in several processes, with progress, resumable, with a report."""

import asyncio
import csv
import html
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from audit.replay import Replayed, replay_campaign
from services.doors import engine_of
from settings import of_system
from store.database import connect

_AT_ONCE = 25
"""So many cases are given to a process at a time."""


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
    known = {one["case_id"]: one for one in _known(lines)}
    # what broke off in the middle of a line leaves no half of it
    lines.write_text("".join(_line(one) for one in known.values()), encoding="utf-8")
    left = [case_id for case_id in case_ids if case_id not in known]
    differing = sum(bool(one["differences"]) for one in known.values())
    done = len(case_ids) - len(left)
    portions = [left[at : at + _AT_ONCE] for at in range(0, len(left), _AT_ONCE)]
    with (
        lines.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        for portion in as_completed(pool.submit(_portion, data, one) for one in portions):
            for one in portion.result():
                file.write(_line(one))
                done, differing = done + 1, differing + bool(one["differences"])
            file.flush()
            tell(Progress(done, len(case_ids), differing))
    return _report(folder, what, [one for one in _known(lines) if one["case_id"] in set(case_ids)])


def _line(one: dict[str, Any]) -> str:
    return json.dumps(one, ensure_ascii=False) + "\n"


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


def _report(folder: Path, what: str, done: list[dict[str, Any]]) -> dict[str, Any]:
    """The report as JSON, CSV and a page; returns its summary."""
    differing = [one for one in done if one["differences"]]
    summary = {
        "what": what,
        "cases": len(done),
        "events": sum(one["events"] for one in done),
        "archived": sum(one["archived"] for one in done),
        "differing": len(differing),
    }
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
        f"<p>{len(done)} 件，{summary['events']} 个事件，不同 {len(differing)} 件。</p>"
        f"<table border=1><tr>{head}</tr>{cells}</table></html>"
    )
    return summary


_COLUMNS = ("件", "事件", "何处", "记录", "重演")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
