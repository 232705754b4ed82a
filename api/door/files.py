"""Tables that come in and go out as files: their media types, and CSV that is safe to open."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from api.door.requests import Plain

TABLES: dict[str, Literal["csv", "xlsx"]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
"""The kind of file by its media type."""

Accept = Literal["all", "good"]
"""What is done with a file that has errors: none of it is taken, or all that is good."""

Filename = Annotated[Plain, Field(max_length=200)]


def csv_line(cells: Sequence[str]) -> str:
    """A line of CSV that no spreadsheet takes for formulas."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(text: str) -> str:
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
