"""The operators' page: how a campaign has gone this week, refreshed by itself."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from starlette.responses import Response

from api.campaigns.campaigns import named, of_place
from api.door.operations import Call, Operation
from api.door.pages import page
from api.door.parts import parts_of
from api.door.rights import Right, region_in_sight
from domain.clock import BEIJING, day_of
from domain.ids import NATION
from services.campaigns.progress import ActivityRow, Level

EVERY = 60
"""Seconds between two refreshes."""

_WIDTH, _FLOOR, _HEIGHT = 320, 100, 118


class Span(NamedTuple):
    """From where to where a part of a bar reaches, downwards."""

    y: float
    height: float


class Bar(NamedTuple):
    """One hour or day: what was submitted, on top of it what was refused."""

    x: float
    width: float
    good: Span
    bad: Span
    label: str


class Chart(NamedTuple):
    """Bars over a floor; ``most`` is what the highest stands for."""

    width: int
    height: int
    floor: int
    most: int
    bars: tuple[Bar, ...]


def chart(rows: tuple[ActivityRow, ...], labels: list[str]) -> Chart:
    """A picture of attempts to submit. Pure."""
    most = max((row.attempts for row in rows), default=0)
    room, each = _FLOOR - 14, _WIDTH / max(len(rows), 1)
    bars = []
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        good = round(room * row.submitted / most, 1) if most else 0.0
        bad = round(room * row.refused / most, 1) if most else 0.0
        bars.append(
            Bar(
                x=round(number * each + each * 0.15, 1),
                width=round(each * 0.7, 1),
                good=Span(round(_FLOOR - good, 1), good),
                bad=Span(round(_FLOOR - good - bad, 1), bad),
                label=label,
            )
        )
    return Chart(_WIDTH, _HEIGHT, _FLOOR, most, tuple(bars))


async def week_page(call: Call) -> Response:
    """The last seven days of a place's campaign."""
    request = call.request
    period, jurisdiction = named(request)
    parts, within = parts_of(request), region_in_sight(call.actor)
    level: Level = "province" if jurisdiction == NATION else "city"
    told = await parts.progress.figures(period, jurisdiction, level=level, within=within)
    today = day_of(told.as_of)
    week = await parts.progress.activity(
        period, jurisdiction, today - timedelta(days=6), 7, "day", within
    )
    hours = await parts.progress.activity(period, jurisdiction, today, 1, "hour", within)
    backlog = await parts.progress.backlog(period, jurisdiction, within)
    duties = await parts.duties.of_place(period, jurisdiction, within)
    total = told.total
    values: dict[str, Any] = {
        "name": parts.progress.place_name(jurisdiction),
        "period": str(period),
        "every": EVERY,
        "as_of": told.as_of,
        "totals": (
            ("应填报", total.must, ""),
            ("已提交", total.submitted, _share(total.submitted, total.must)),
            ("办结", total.completed, _share(total.completed, total.must)),
            ("退回", total.returned, ""),
            ("逾期", total.lapsed, ""),
            ("从未提交", total.not_filed, ""),
        ),
        "week": chart(week, [_day(row.began) for row in week]),
        "today": chart(hours, [_hour(row.began) for row in hours]),
        "days": [
            (
                _day(row.began),
                row.submitted,
                row.refused,
                row.returned,
                row.approved,
                row.completed,
                row.lapsed,
                row.extended,
            )
            for row in reversed(week)
        ],
        "ruleset": await parts.duties.ruleset(period, jurisdiction),
        "duties": [
            (
                one.label,
                "、".join(one.who),
                one.due or one.term,
                one.figure,
                {True: "是", False: "否", None: ""}[one.done],
                f"{one.done_by} / {len(one.authorities)}" if one.authorities else "",
                "是" if one.overdue else "",
            )
            for one in duties
        ],
        "backlog": [
            (
                row.name,
                row.status_label,
                row.waiting,
                row.unclaimed,
                row.oldest_days,
                row.median_days,
            )
            for row in backlog
        ],
        "places": [
            (
                row.name,
                row.must,
                row.submitted,
                row.returned,
                row.completed,
                row.lapsed,
                row.not_filed,
            )
            for row in told.rows
        ],
    }
    return page(call, "week.html", values)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _day(began: datetime) -> str:
    here = began.astimezone(BEIJING)
    return f"{here.month}月{here.day}日"


def _hour(began: datetime) -> str:
    hour = began.astimezone(BEIJING).hour
    return f"{hour}时" if hour % 6 == 0 else ""


PAGES = [
    Operation(
        "GET",
        "/work/campaigns/{period}/{jurisdiction}",
        week_page,
        "一周的填报进展",
        "页面",
        Right.SEE_REGISTER,
        None,
        target=of_place,
        answer_media="text/html",
    ),
]
