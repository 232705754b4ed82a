"""A list of filings for a bulk job: one id a row, an institution's or a case's."""

from pathlib import Path

from domain.model import Value
from files.findings import RowProblem, Unusable
from files.table import Code, Column, Format

LONGEST = 60_000
"""How many cases a list may name: more than there are institutions."""

SELECTION = Format(
    "办件",
    (
        Column(
            "id",
            "机构编号",
            ("机构", "办件编号", "办件", "institution", "case_id"),
            Code(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,199}", "机构编号，或 filing/2024/机构编号"),
            True,
            "an institution's id, or a case's such as `filing/2024/…`",
        ),
    ),
    examples=({"id": "demo-000001"}, {"id": "filing/2024/demo-000002"}),
)


class SelectionReading(Value):
    """The ids of a file, each once and in its order, and what is wrong with it by row."""

    ids: tuple[str, ...]
    problems: tuple[RowProblem, ...]


def read_selection(file: Path | str | bytes, filename: str) -> SelectionReading:
    """Reads a list; ``filename`` tells its type. Never raises for any content."""
    try:
        table = SELECTION.read(file, filename, None)
        if len(table.rows) > LONGEST:
            what = f"名单超过 {LONGEST:,} 行"
            raise Unusable("too_many_rows", what, "请拆成几份，分别批办")
    except Unusable as bad:
        return SelectionReading(ids=(), problems=(bad.problem(),))
    ids = [str(row.values["id"]) for row in table.rows if row.values.get("id")]
    return SelectionReading(ids=tuple(dict.fromkeys(ids)), problems=tuple(table.log.listed()))
