"""Files that operators and issuing offices import: one way in for every format."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from starlette.responses import Response

from api.door.operations import Call, Parameter, schema_of
from api.door.requests import Plain, media_type, query
from files.table import Format
from services.lists import ListReport, ListService

MEDIA = {
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
Accept = Literal["all", "good"]
Filename = Annotated[Plain, Field(max_length=200)]
FILENAME = Parameter("filename", "文件名，记入报告", schema=schema_of(Filename))
PARAMETERS = (
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

Report = TypeVar("Report", bound=ListReport)


def filename_of(call: Call, name: str) -> str:
    """The name a file was sent under, with the ending of its media type."""
    kind = MEDIA[media_type(call.request)]
    given = query(call.request, "filename", Filename, "")
    return given if given.lower().endswith(f".{kind}") else f"{name}.{kind}"


async def import_list(
    call: Call, service: ListService[Any, Report], name: str, complete: str = ""
) -> Report:
    """Imports the file that was sent, or with ``dry_run`` says what that would do."""
    return await service.load(
        call.body,
        filename_of(call, name),
        call.actor,
        call.command_id,
        accept_good_rows=query(call.request, "accept", Accept, "all") == "good",
        dry_run=query(call.request, "dry_run", bool, False),
        complete=complete,
    )


def template_of(table: Format, name: str) -> Response:
    """A file of a format to fill in, with generated example rows."""
    return Response(
        table.template(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-template.csv"'},
    )
