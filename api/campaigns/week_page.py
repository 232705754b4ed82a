"""The operators' page: how a campaign has gone this week, refreshed by itself.

Whoever signs in gives the browser the token that they have; it is kept in a cookie that only pages
are asked with, that no script reads and no other site sends.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from pydantic import TypeAdapter, ValidationError
from starlette.responses import RedirectResponse, Response

from api.campaigns.campaigns import PeriodText, named, of_place
from api.door.identity import PAGES_COOKIE
from api.door.operations import Call, Operation
from api.door.pages import render, render_refused, words_of
from api.door.parts import parts_of
from api.door.rights import SCOPES, Right, Scope, region_in_sight
from domain.clock import BEIJING, day_of
from domain.ids import NATION, JurisdictionCode
from domain.refusals import Refused
from services.campaigns.progress import ActivityRow, Level

EVERY = 60
"""Seconds between two refreshes."""

_FORM = "application/x-www-form-urlencoded"
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
    return render("week.html", values, {"Cache-Control": "no-store"})


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _day(began: datetime) -> str:
    here = began.astimezone(BEIJING)
    return f"{here.month}月{here.day}日"


def _hour(began: datetime) -> str:
    hour = began.astimezone(BEIJING).hour
    return f"{hour}时" if hour % 6 == 0 else ""


async def sign_in_page(call: Call) -> Response:
    """The form."""
    return render("sign_in.html", _values(call), {"Cache-Control": "no-store"})


async def sign_in(call: Call) -> Response:
    """Keeps a token that holds in the browser, and leads to the page."""
    data: bytes = call.body
    try:
        form = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        form = {}
    given = {name: texts[-1].strip() for name, texts in form.items()}
    token = given.get("token", "")
    parts = parts_of(call.request)
    try:
        actor = parts.identity.identify(f"Bearer {token}")
    except Refused as refused:
        words = words_of(refused.refusal)
        words |= {"detail": "凭证无效或已过期。", "remedy": "请核对后重新填写。"}
        values = _values(call) | {"refused": words}
        return render_refused("sign_in.html", values, refused.refusal)
    own = actor.scope if SCOPES[actor.role] is Scope.JURISDICTION else NATION
    period = _as(PeriodText, given.get("period", ""), str(parts.clock().year - 1))
    jurisdiction = _as(JurisdictionCode, given.get("jurisdiction", ""), own)
    answer = RedirectResponse(f"/work/campaigns/{period}/{jurisdiction}", status_code=303)
    answer.set_cookie(
        PAGES_COOKIE,
        token,
        path="/work",
        httponly=True,
        samesite="strict",
        secure=call.request.url.scheme == "https",
    )
    return answer


def _as(kind: Any, text: str, otherwise: str) -> str:
    try:
        found: str = TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return otherwise
    return found if found.isascii() else otherwise


def _values(call: Call) -> dict[str, Any]:
    year = parts_of(call.request).clock().year - 1
    return {
        "refused": None,
        "request_id": call.request_id,
        "period": str(year),
        "jurisdiction": "",
    }


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
    Operation(
        "GET",
        "/work/sign-in",
        sign_in_page,
        "登录",
        "页面",
        Right.ANYONE,
        None,
        answer_media="text/html",
    ),
    Operation(
        "POST",
        "/work/sign-in",
        sign_in,
        "登录",
        "页面",
        Right.ANYONE,
        None,
        media=(_FORM,),
        largest=16 * 1024,
        answer_media="text/html",
    ),
]
