"""The public lookup of report numbers, and how often it is used."""

from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query, wrong_parameter
from api.door.rights import Right, region_in_sight
from domain.clock import day_of
from domain.model import Value
from domain.numbers.lookup import LookupAnswer
from domain.numbers.report_numbers import LONGEST_NUMBER, Answer
from services.numbers.lookup import Found

MOST_DAYS = 366
"""Counts are shown for at most so many days at once."""

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]


class LookupDay(Value):
    """How often the lookup gave each answer about one province's institutions on one day.

    ``province`` is ``000000`` where no institution was found; ``answers`` leaves out what nobody
    was given.
    """

    day: date
    province: str
    answers: dict[Answer, int]


class LookupDays(Value):
    """Counts by day and province, oldest first; ``next`` is the cursor of the page after."""

    items: tuple[LookupDay, ...]
    next: str | None


def asked(request: Request) -> tuple[str, str]:
    """The number and the institution's name in the query, "" where there is none."""
    return query(request, "number", str, ""), query(request, "institution", str, "")


async def find(request: Request, number: str, institution: str) -> tuple[Found, str]:
    """The answer, and its ``Cache-Control``: for how long it may be kept. Raises Refused."""
    lookups = parts_of(request).lookups
    # without a client there is no network either: in-process callers count as one
    client = request.scope.get("client") or ("", 0)
    found, seconds = await lookups.look_up(number, institution, client[0])
    return found, f"public, max-age={seconds}"


class _Written(Response):
    """JSON that is written already. Its headers are few and known: nothing has to be looked for."""

    def __init__(self, body: bytes, cache_control: str) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-length", str(len(body)).encode()),
            (b"content-type", b"application/json"),
            (b"cache-control", cache_control.encode()),
        ]


async def look_up(call: Call) -> Response:
    """What is on record of a report number."""
    found, keep = await find(call.request, *asked(call.request))
    return _Written(found.json, keep)


async def lookup_counts(call: Call) -> Response:
    """How often the lookup was used, by day and province."""
    request = call.request
    today = day_of(parts_of(request).clock())
    last = query(request, "to", Day, today)
    first = query(request, "from", Day, last - timedelta(days=30))
    if not timedelta() <= last - first < timedelta(days=MOST_DAYS):
        raise wrong_parameter("from", f"须不晚于 to，且相距不超过 {MOST_DAYS} 天")
    given = cursors.given(request, (str, str))
    after = _after(given) if given else None
    lookups, within = parts_of(request).lookups, region_in_sight(call.actor)
    counted, more = await cursors.paged(
        request,
        lambda size: lookups.counts(first, last, within, after, size),
        lambda row: [row[0].isoformat(), row[1]],
        size=200,
    )
    items = tuple(LookupDay(day=day, province=where, answers=n) for day, where, n in counted)
    return json_of(LookupDays(items=items, next=more))


def _after(given: list[Any]) -> tuple[date, str]:
    try:
        return date.fromisoformat(given[0]), given[1]
    except ValueError:
        raise cursors.refused() from None


_ANSWER: dict[str, Any] = {
    "answer": "found",
    "title": "查到编号信息",
    "says": "机构已上传该编号。",
    "proves": "上传机构声明出具过使用该编号的检验检测报告。",
    "does_not_prove": "查询结果仅为编号信息，无报告完整信息，不能单独作为验证报告真伪的手段。",
    "next_step": "请向出具报告的机构核对报告内容。",
    "sources": [
        {
            "document": "市监检测函〔2024〕595号",
            "clause": "三（一）",
            "quote": "由上传机构对内容的真实性负责",
            "assumption": "",
        }
    ],
    "more": False,
    "entries": [
        {
            "answer": "found",
            "institution": "演示检测机构（生成）",
            "issued_on": "2025-03-18",
            "visible_from": None,
            "change": None,
        }
    ],
}

OPERATIONS = [
    Operation(
        "GET",
        "/public/report-numbers",
        look_up,
        "查询报告编号",
        "公众查询",
        Right.ANYONE,
        LookupAnswer,
        parameters=(
            Parameter(
                "number",
                "报告编号，全角字符按半角处理",
                required=True,
                schema={"type": "string", "minLength": 1, "maxLength": LONGEST_NUMBER},
            ),
            Parameter("institution", "机构名称，须完整"),
        ),
        answer_example=_ANSWER,
        description="按编号、也可按编号和机构名称查询；没有部分匹配；页面在查不到时提示只在大小写、连字符或空格上不同的编号。"
        "查询次数有上限，超过时为 429 too_many_lookups，Retry-After 指明须等待的秒数。",
    ),
    Operation(
        "GET",
        "/api/lookups/counts",
        lookup_counts,
        "公众查询次数",
        "公众查询",
        Right.SEE_REGISTER,
        LookupDays,
        parameters=(
            Parameter("from", "第一天，默认为 to 之前 30 天", schema=schema_of(Day)),
            Parameter("to", "最后一天，默认为今天", schema=schema_of(Day)),
            *PAGING,
        ),
        answer_example={
            "items": [
                {"day": "2025-03-22", "province": "350000", "answers": {"found": 120}},
                {"day": "2025-03-23", "province": "000000", "answers": {"not_found": 7}},
            ],
            "next": None,
        },
        description="按日、按机构所在省、按查询结果；不记录谁查询、查询了什么。"
        "没有查到机构的，省为 000000。经办人只看到本辖区各省。",
    ),
]
