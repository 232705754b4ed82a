"""What everybody may know of a closed year: its totals and its figures, as JSON, table and page."""

import asyncio
from typing import Any, Literal

from starlette.responses import Response

from api.campaigns.campaigns import named
from api.door.files import FORMAT, table_file
from api.door.operations import Call, Operation, json_of
from api.door.pages import render, render_refused, words_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.refusals import Code, Refused
from files.export import table
from services.campaigns.published_figures import (
    HEADER,
    TOTAL_LABEL,
    WITHHELD,
    FiguresPublished,
)

_KEPT = {"Cache-Control": "public, max-age=300"}
_OUTCOMES = {
    "completed": "办结",
    "lapsed": "逾期未报",
    "unfinished": "未办结",
    "total": TOTAL_LABEL,
}


async def get_figures(call: Call) -> Response:
    """A closed year's figures added up, what would give anybody away withheld."""
    shown = await parts_of(call.request).published_figures.of(*named(call.request))
    return json_of(shown, headers=_KEPT)


async def get_table(call: Call) -> Response:
    """The same figures as a table, one line for each."""
    period, jurisdiction = named(call.request)
    shown = await parts_of(call.request).published_figures.of(period, jurisdiction)
    kind = query(call.request, "format", Literal["csv", "xlsx"], "csv")
    content = await asyncio.to_thread(table, kind, "统计结果", HEADER, shown.lines())
    return table_file(content, f"statistics-{period}-{jurisdiction}.{kind}")


async def statistics_page(call: Call) -> Response:
    """The page of a closed year: its totals, and its figures where the rules publish them."""
    request, parts = call.request, parts_of(call.request)
    values: dict[str, Any] = {
        "refused": None,
        "totals": None,
        "figures": None,
        "outcomes": _OUTCOMES,
        "total": TOTAL_LABEL,
        "withheld": WITHHELD,
        "request_id": call.request_id,
    }
    try:
        period, jurisdiction = named(request)
        values["totals"] = await parts.closing.published(period, jurisdiction)
    except Refused as refused:
        values["refused"] = words_of(refused.refusal)
        return render_refused("statistics.html", values, refused.refusal)
    try:
        values["figures"] = await parts.published_figures.of(period, jurisdiction)
    except Refused as refused:
        # the rules may publish totals and no figures
        if refused.refusal.code is not Code.CAMPAIGN_NOT_CLOSED:
            raise
    return render("statistics.html", values, _KEPT)


_FIGURES = "/public/statistics/{period}/{jurisdiction}/figures"
_WORDS = "已关闭的年度办结的填报，按区域与类别、区域与领域汇总；"
_LEFT = "家数过少、一家独大的数和能推出它们的数不公布。"

OPERATIONS = [
    Operation(
        "GET",
        _FIGURES,
        get_figures,
        "公布的统计数据",
        "公众查询",
        Right.ANYONE,
        FiguresPublished,
        unhurried=True,
        description=f"{_WORDS}{_LEFT}不公布的为 null。",
    ),
    Operation(
        "GET",
        f"{_FIGURES}/table",
        get_table,
        "公布的统计数据（CSV 或 XLSX）",
        "公众查询",
        Right.ANYONE,
        None,
        answer_media="text/csv",
        unhurried=True,
        parameters=(FORMAT,),
        description=f"{_WORDS}{_LEFT}",
    ),
]

PAGES = [
    Operation(
        "GET",
        "/statistics/{period}/{jurisdiction}",
        statistics_page,
        "公布的统计结果",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
        unhurried=True,
    ),
]
