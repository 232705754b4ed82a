"""The register gone through before a year begins: as JSON and as tables."""

from typing import Literal

from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from api.campaigns.campaigns import named, of_jurisdiction
from api.door.files import TABLES, csv_file
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from files import export
from services.review import (
    FINDING_COLUMNS,
    REGION_COLUMNS,
    Review,
    finding_rows,
    region_rows,
)

Listed = Literal["findings", "regions"]


async def _review(request: Request) -> Review:
    since = query(request, "since", AwareDatetime | None, None)
    period, jurisdiction = named(request)
    return await parts_of(request).review.review(period, jurisdiction, since)


async def get_review(call: Call) -> Response:
    """What is to be looked at in the register."""
    return json_of(await _review(call.request))


async def get_review_csv(call: Call) -> Response:
    """The findings, or the figures by region, as CSV."""
    header, rows = await _table(call.request)
    return csv_file(export.csv_table(header, rows), "register-review.csv")


async def get_review_xlsx(call: Call) -> Response:
    """The same as a workbook."""
    header, rows = await _table(call.request)
    return Response(
        export.xlsx("摸清底数", header, rows),
        media_type=_XLSX,
        headers={"Content-Disposition": 'attachment; filename="register-review.xlsx"'},
    )


async def _table(request: Request) -> tuple[tuple[str, ...], list[list[str | int]]]:
    listed: Listed = query(request, "list", Listed, "findings")
    review = await _review(request)
    if listed == "regions":
        return REGION_COLUMNS, region_rows(review)
    return FINDING_COLUMNS, finding_rows(review)


_XLSX = next(media for media, kind in TABLES.items() if kind == "xlsx")
_PATH = "/api/institutions/review/{period}/{jurisdiction}"
_SINCE = Parameter(
    "since",
    "从哪一时刻起的名录算数；不填为各区域最近一次名录",
    schema={"type": "string", "format": "date-time"},
)
_LIST = Parameter(
    "list", "findings：逐条问题（默认）；regions：各区域数字", schema=schema_of(Listed)
)

OPERATIONS = [
    Operation(
        "GET",
        _PATH,
        get_review,
        "摸清底数",
        "机构",
        Right.SEE_REGISTER,
        Review,
        target=of_jurisdiction,
        unhurried=True,
        parameters=(_SINCE,),
        description="应填报、可填报多少家；名录与证书互相缺少的、疑似重复的、一码多账号的机构。",
    ),
    Operation(
        "GET",
        f"{_PATH}/csv",
        get_review_csv,
        "摸清底数（CSV）",
        "机构",
        Right.SEE_REGISTER,
        None,
        target=of_jurisdiction,
        unhurried=True,
        parameters=(_LIST, _SINCE),
        answer_media="text/csv",
    ),
    Operation(
        "GET",
        f"{_PATH}/xlsx",
        get_review_xlsx,
        "摸清底数（XLSX）",
        "机构",
        Right.SEE_REGISTER,
        None,
        target=of_jurisdiction,
        unhurried=True,
        parameters=(_LIST, _SINCE),
        answer_media=_XLSX,
    ),
]
