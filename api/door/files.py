"""Tables that come in and go out as files: their media types, and CSV that is safe to open."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door.operations import Parameter, schema_of
from api.door.requests import Plain, media_type, query

TABLES: dict[str, Literal["csv", "xlsx"]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
"""The kind of file by its media type."""

Accept = Literal["all", "good"]
"""What is done with a file that has errors: none of it is taken, or all that is good."""

Filename = Annotated[Plain, Field(max_length=200)]


FILENAME = Parameter("filename", "文件名，记入报告", schema=schema_of(Filename))


def filename_of(request: Request, name: str) -> str:
    """What a file is called that came in: as given where that fits its type, else ``name``."""
    kind = TABLES[media_type(request)]
    given = query(request, "filename", Filename, "")
    return given if given.lower().endswith(f".{kind}") else f"{name}.{kind}"


def csv_file(content: bytes, name: str) -> Response:
    """A CSV file to be saved under a name."""
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def csv_line(cells: Sequence[str]) -> str:
    """A line of CSV that no spreadsheet takes for formulas."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(text: str) -> str:
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
