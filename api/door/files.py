"""Tables that come in and go out as files: their media types, and CSV that is safe to open."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door.operations import Call, Parameter, schema_of
from api.door.requests import Plain, media_type, query
from files.table import Format
from services.lists import ListReport, ListService

TABLES: dict[str, Literal["csv", "xlsx"]] = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
"""The kind of file by its media type."""

Accept = Literal["all", "good"]
"""What is done with a file that has errors: none of it is taken, or all that is good."""

Filename = Annotated[Plain, Field(max_length=200)]


FILENAME = Parameter("filename", "文件名，记入报告", schema=schema_of(Filename))

IMPORTING = (
    Parameter(
        "accept",
        "all：有一处错误即不导入（默认）；good：只导入无误的",
        schema=schema_of(Accept),
    ),
    Parameter(
        "dry_run",
        "true：只核对并报告会有哪些改动，什么都不写入；false：导入（默认）",
        schema=schema_of(bool),
    ),
    FILENAME,
)
"""What may be said about a list that is imported."""

Report = TypeVar("Report", bound=ListReport)


def filename_of(request: Request, name: str) -> str:
    """What a file is called that came in: as given where that fits its type, else ``name``."""
    kind = TABLES[media_type(request)]
    given = query(request, "filename", Filename, "")
    return given if given.lower().endswith(f".{kind}") else f"{name}.{kind}"


async def import_list(
    call: Call, service: ListService[Any, Report], name: str, complete: str = ""
) -> Report:
    """Imports the file that was sent, or with ``dry_run`` says what that would do."""
    return await service.load(
        call.body,
        filename_of(call.request, name),
        call.actor,
        call.command_id,
        accept_good_rows=query(call.request, "accept", Accept, "all") == "good",
        dry_run=query(call.request, "dry_run", bool, False),
        complete=complete,
    )


def template_of(table: Format, name: str) -> Response:
    """A file of a format to fill in, with generated example rows."""
    return csv_file(table.template(), f"{name}-template.csv")


FORMAT = Parameter("format", "csv（默认）或 xlsx", schema=schema_of(Literal["csv", "xlsx"]))
"""In what form a table goes out."""


def table_file(content: bytes, name: str) -> Response:
    """A table to be saved under a name, whose ending says what it is."""
    if name.endswith(".csv"):
        return csv_file(content, name)
    media = next(media for media, kind in TABLES.items() if kind == "xlsx")
    named = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media, headers=named)


def csv_file(content: bytes, name: str) -> Response:
    """A CSV file to be saved under a name."""
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
