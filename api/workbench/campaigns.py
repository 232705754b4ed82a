"""A campaign on pages: how far it has come down to the county, who has not filed, and bulk jobs."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from starlette.responses import RedirectResponse, Response

from api.campaigns.campaigns import named
from api.campaigns.jobs import JobId
from api.door.asking import Told, ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    acts_shown,
    body_of,
    done_of,
    perform,
    put_down,
    summary_of,
)
from api.workbench.home import duties_of
from api.workbench.institutions import wrong_rows
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    if_shown,
    media_of,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Role
from domain.case.status import STATUS_LABELS
from domain.clock import day_of
from domain.ids import NATION
from domain.jurisdictions import known, lies_in
from services.campaigns.progress import UNFINISHED

_MOST_DAYS = 31
"""So many days the API counts at once."""

_SPANS = 4
"""The curve goes back so many times that."""

_WIDTH, _HEIGHT, _LEFT = 640, 220, 6

_COLUMNS = (
    ("", "名称"),
    ("must", "应填报"),
    ("submitted", "已提交"),
    ("share", "比例"),
    ("on_time", "按期"),
    ("late", "补报"),
    ("returned", "退回"),
    ("completed", "办结"),
    ("lapsed", "逾期"),
    ("not_filed", "从未提交"),
)
"""The columns of progress, each by which its lines can be sorted, and its heading."""

_FIGURES = frozenset(name for name, _ in _COLUMNS if name not in ("", "share"))

_UNTIL = Input("until", "延到什么时候", "instant", "北京时间；到这一时刻为止。")
_DOCUMENT = Input("document", "文号", required=False)
_RESCAN = Act("rescan", "重新核对名录", "已开始重新核对名录", hint="为后来登记的机构补建填报。")
_EXTEND = Act(
    "extensions", "延期", "已延期", (_UNTIL, REASON, _DOCUMENT), "本辖区尚未完成的，含以后登记的。"
)
_AMEND = Act(
    "amendments",
    "改按新发布的规则",
    "已开始修订",
    (REASON, _DOCUMENT),
    "正在办理的改按现在发布的规则；已经确定的事项不变。",
    grave=True,
)
_CLOSE = Act(
    "close",
    "关闭并封存汇总",
    "已关闭",
    (
        Input("unfinished", "还有没有办结的，也要关闭", "yes_no", preset="no"),
        Input("reason", "理由", "text", "还有没有办结的，要写。", required=False),
    ),
    grave=True,
)
_ANNUL = Act(
    "annul",
    "作废",
    "已开始作废",
    (REASON,),
    "误开的才作废：所有填报逐件作废，不能恢复。",
    grave=True,
)
_ACTS = (_EXTEND, _RESCAN, _AMEND, _CLOSE, _ANNUL)


# --- which there are ------------------------------------------------------------------------------


async def list_campaigns(call: Call) -> Response:
    """The campaigns that somebody sees, and for operators the way to open one."""
    return await _list(call, None)


async def _list(call: Call, told: Told | None) -> Response:
    asked = asked_of(call, "period", "jurisdiction")
    forecast = None
    if len(asked) == 2:
        try:
            address = f"/api/campaigns/{asked['period'][:6]}/{asked['jurisdiction'][:6]}/forecast"
            forecast = (await ask(call, "GET", address)).body
        except Told as refused:
            told = refused
    values = {
        "campaigns": (await ask(call, "GET", "/api/campaigns")).body["items"],
        "place_name": parts_of(call.request).progress.place_name,
        "asked": asked,
        "forecast": forecast,
        "opens": call.actor.role is Role.OPERATOR,
        "home": call.actor.scope if call.actor.role is Role.OPERATOR else NATION,
        "statuses": STATUS_LABELS,
        "duties": await duties_of(call),
    }
    return said_at_once(call, "campaigns.html", values, told)


async def open_campaign(call: Call) -> Response:
    """Opens a campaign."""
    form = call.body
    place = f"campaigns/{form.text('period')[:6]}/{form.text('jurisdiction')[:6]}"
    reason = form.text("reason").strip()
    late = {"after_window": True, "reason": reason} if reason else {}
    try:
        await ask(call, "POST", f"/api/{place}", late, idempotency_key=form.text("key"))
    except Told as told:
        return put_down(told) or await _list(call, told)
    return RedirectResponse(f"/work/{place}/progress", status_code=303)


# --- one ------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A line of the curve: its points as SVG has them, and where it ends."""

    name: str
    label: str
    points: str
    total: int


class Curve(NamedTuple):
    """How filings came in over time: ``most`` is the height, days from ``first`` to ``last``."""

    width: int
    height: int
    most: int
    first: date
    last: date
    lines: tuple[Line, ...]


def curve(days: Sequence[dict[str, Any]], owed: int) -> Curve | None:
    """A picture of what has been submitted and completed by the end of each day. Pure."""
    if not days:
        return None
    lines, most = [], max(owed, 1)
    for name, label in (("submitted", "提交"), ("completed", "办结")):
        sums, so_far = [0], 0
        for one in days:
            so_far += one[name]
            sums.append(so_far)
        most = max(most, so_far)
        lines.append((name, label, sums))
    room, step = _HEIGHT - 2 * _LEFT, (_WIDTH - 2 * _LEFT) / len(days)
    return Curve(
        _WIDTH,
        _HEIGHT,
        most,
        date.fromisoformat(days[0]["began"][:10]),
        date.fromisoformat(days[-1]["began"][:10]),
        tuple(
            Line(
                name,
                label,
                " ".join(
                    f"{_LEFT + number * step:.1f},{_HEIGHT - _LEFT - room * total / most:.1f}"
                    for number, total in enumerate(sums)
                ),
                sums[-1],
            )
            for name, label, sums in lines
        ),
    )


def below(jurisdiction: str) -> str:
    """At which level the places within a jurisdiction are told."""
    here = known().tree.level(jurisdiction)
    return {"nation": "province", "province": "city"}.get(here, "county")


def in_order(rows: Sequence[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """The lines of a table by one of its figures, the largest first; as they come for none. Pure.

    ``share`` is what has been submitted of what must be, the smallest first: who is behind.
    """
    if sort == "share":
        return sorted(rows, key=lambda row: row["submitted"] / row["must"] if row["must"] else 2)
    if sort in _FIGURES:
        return sorted(rows, key=lambda row: -row[sort])
    return list(rows)


async def _days(call: Call, api: str, since: date, today: date) -> list[dict[str, Any]]:
    first = max(since, today - timedelta(days=_SPANS * _MOST_DAYS - 1))
    days: list[dict[str, Any]] = []
    while first <= today:
        count = min(_MOST_DAYS, (today - first).days + 1)
        asked = {"from": first.isoformat(), "days": str(count), "by": "day"}
        days += (await ask(call, "GET", f"{api}/activity", query=asked)).body["items"]
        first += timedelta(days=count)
    return days


async def progress_page(call: Call, failed: Failed | None = None) -> Response:
    """A place's campaign: figures, the curve, the places within, what waits, what can be done."""
    period, jurisdiction = named(call.request)
    api, here = here_of(f"campaigns/{period}/{jurisdiction}")
    by = query(call.request, "by", str, "region")
    asked = {"by": by, **({"level": below(jurisdiction)} if by == "region" else {})}
    told = (await ask(call, "GET", f"{api}/progress", query=asked)).body
    sort = query(call.request, "sort", str, "")
    told["rows"] = in_order(told["rows"], sort)
    campaigns = (await ask(call, "GET", "/api/campaigns")).body["items"]
    over = [
        one
        for one in campaigns
        if (one["year"], one["quarter"]) == period and lies_in(jurisdiction, one["jurisdiction"])
    ]
    campaign = next((one for one in over if one["jurisdiction"] == jurisdiction), None)
    today = day_of(parts_of(call.request).clock())
    began = min((date.fromisoformat(one["opened_at"][:10]) for one in over), default=today)
    operates = call.actor.role is Role.OPERATOR
    forms = acts_shown(_now(campaign) if operates else [], failed)
    values = {
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "period": str(period),
        "jurisdiction": jurisdiction,
        "told": told,
        "by": by,
        "sort": sort,
        "columns": _COLUMNS,
        "campaign": campaign,
        "curve": curve(await _days(call, api, began, today), told["total"]["must"]),
        "backlog": (await ask(call, "GET", f"{api}/backlog")).body["items"],
        "duties": await if_shown(call, f"{api}/duties"),
        "here": here,
        "details": _details(campaign, operates=operates),
        "county": below(jurisdiction) == "county",
        "done": done_of(_ACTS, query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "progress.html", values, failed.told if failed else None)


def _details(campaign: dict[str, Any] | None, *, operates: bool) -> list[tuple[str, str]]:
    """The pages that belong to a place's campaign; some only where it is a campaign's own."""
    own = [("amendments", "规则的修订"), ("sample", "抽样"), ("schedule", "到时办理的")]
    following = [("enforcement", "后续处理")] if operates else []
    return [("extensions", "延期"), *([*own, *following] if campaign else [])]


def _now(campaign: dict[str, Any] | None) -> list[Act]:
    """The acts on a place, and on its campaign if it is one's own. Pure."""
    if campaign is None:
        return [_EXTEND]
    if campaign["annulled_at"] or campaign["closed_at"]:
        return []
    return list(_ACTS)


async def act_on_campaign(call: Call) -> Response:
    """One act on a campaign."""
    period, jurisdiction = named(call.request)
    api, here = here_of(f"campaigns/{period}/{jurisdiction}")
    return await perform(call, _ACTS, api, f"{here}/progress", progress_page)


# --- who has not filed ----------------------------------------------------------------------------

_NARROWING = ("status", "region", "authority", "name")
_REMIND = Act(
    "remind",
    "催报",
    "已开始催报",
    (
        Input("reason", "催报的内容", "text"),
        Input("document", "文号", required=False),
    ),
)
_MORE_TIME = Act("extend", "延期", "已开始延期", (_UNTIL, REASON, _DOCUMENT))
_BULK = (_REMIND, _MORE_TIME)


async def non_filers_page(call: Call) -> Response:
    """Who has not filed, why, whom to reach; many at once reminded or given more time."""
    return await _non_filers(call, None)


async def _non_filers(call: Call, failed: Failed | None) -> Response:
    period, jurisdiction = named(call.request)
    api, here = here_of(f"campaigns/{period}/{jurisdiction}")
    asked = asked_of(call, *_NARROWING, "cursor")
    found = (await ask(call, "GET", f"{api}/non-filers", query={"size": "100", **asked})).body
    bulk = call.actor.role is Role.OPERATOR and not period.quarter
    forms = acts_shown(_BULK if bulk else (), failed)
    values = {
        "name": parts_of(call.request).progress.place_name(jurisdiction),
        "period": str(period),
        "found": found,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "statuses": [(one.value, STATUS_LABELS[one]) for one in UNFINISHED],
        "here": here,
        "ticked": frozenset(failed.form.get("id", ())) if failed else frozenset(),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "non_filers.html", values, failed.told if failed else None)


async def act_on_many(call: Call) -> Response:
    """Begins a job over those that were ticked, or over all of the page."""
    period, _ = named(call.request)
    form = call.body
    act = next((one for one in _BULK if one.name == form.text("what")), _REMIND)
    ids = form.get("every" if form.text("which") == "page" else "id", [])
    campaign = f"{period}/{form.text('campaign') or NATION}"
    inputs: dict[str, Any] = {"reason": form.text("reason").strip() or None}
    if act is _REMIND:
        inputs["action"] = "serve_reminder"
    else:
        until = form.text("until").strip()
        inputs |= {"action": "extend", "until": f"{until}:00+08:00" if until else None}
    inputs["document"] = form.text("document").strip()
    inputs["selection"] = {"campaign": campaign, "ids": ids}
    if not ids:
        # without a choice all of the campaign would be meant
        inputs["selection"] = {}
    try:
        job = await ask(call, "POST", "/api/jobs", inputs, idempotency_key=form.text("key"))
    except Told as told:
        return put_down(told) or await _non_filers(call, Failed(act, form, told))
    return RedirectResponse(f"/work/jobs/{job.body['id']}", status_code=303)


# --- jobs -----------------------------------------------------------------------------------------

_STOP, _RESUME = Act("stop", "停止", "已停止"), Act("resume", "继续", "已继续")


async def jobs_page(call: Call) -> Response:
    """The bulk jobs that somebody sees."""
    cursor = asked_of(call, "cursor")
    found = (await ask(call, "GET", "/api/jobs", query={"size": "50", **cursor})).body
    return page(call, "jobs.html", {"found": found})


_BY_LIST = (
    ("claim", "领取", (Role.REVIEWER, Role.CHECKER)),
    ("release", "退领", (Role.REVIEWER, Role.CHECKER, Role.OPERATOR)),
    ("hand_over", "移交", (Role.REVIEWER, Role.CHECKER)),
    ("approve", "审核通过", (Role.REVIEWER,)),
    ("return", "退回", (Role.REVIEWER,)),
    ("assign", "指派", (Role.OPERATOR,)),
    ("serve_reminder", "催报", (Role.OPERATOR,)),
    ("extend", "延期", (Role.OPERATOR,)),
    ("cancel", "取消", (Role.OPERATOR,)),
    ("open_enforcement", "立案", (Role.OPERATOR,)),
)
"""What can be done to all filings of a list: its name in the API, in words, who does so."""


def _by_list(role: Role, campaigns: Sequence[dict[str, Any]]) -> Act:
    yearly = [one for one in campaigns if not one["quarter"] and not one["annulled_at"]]
    options = tuple((f"{one['year']}/{one['jurisdiction']}",) * 2 for one in yearly)
    return Act(
        "by-list",
        "开始批办",
        "",
        (
            Input(
                "action",
                "做什么",
                "choice",
                options=tuple((name, label) for name, label, roles in _BY_LIST if role in roles),
            ),
            Input("selection/campaign", "哪一项统计工作", "choice", options=options),
            Input("reason", "理由，或催报的内容", "text", "领取的不用写。", required=False),
            Input("person", "交给谁", hint="指派、移交的填写接手人的账号。", required=False),
            _UNTIL._replace(hint="延期的填写，北京时间；到这一时刻为止。", required=False),
            _DOCUMENT,
        ),
        grave=True,
    )


async def list_job_page(call: Call, failed: Failed | None = None) -> Response:
    """The form of a job over the filings of a list that is uploaded."""
    campaigns = (await ask(call, "GET", "/api/campaigns")).body["items"]
    forms = acts_shown([_by_list(call.actor.role, campaigns)], failed)
    wrong = [] if failed is None else wrong_rows(failed.told.problem["errors"])
    values = {
        "shown": forms[0],
        "wrong": [one for one in wrong if one["row"]],
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "list_job.html", values, failed.told if failed else None)


async def begin_list_job(call: Call) -> Response:
    """Keeps the list, and begins the job over what stands in it."""
    form, name = call.body, name_of(call.body.file)
    campaigns = (await ask(call, "GET", "/api/campaigns")).body["items"]
    act, key = _by_list(call.actor.role, campaigns), form.text("key")
    try:
        kept = await ask(
            call,
            "POST",
            "/api/jobs/lists",
            query={"filename": name} if name else {},
            file=form.file,
            content_type=media_of(name),
            idempotency_key=f"{key}.list",
        )
        body = body_of(act, form)
        body.setdefault("selection", {})["list"] = kept.body["id"]
        job = await ask(call, "POST", "/api/jobs", body, idempotency_key=key)
    except Told as told:
        return put_down(told) or await list_job_page(call, Failed(act, form, told))
    return RedirectResponse(f"/work/jobs/{job.body['id']}", status_code=303)


async def job_page(call: Call, failed: Failed | None = None) -> Response:
    """One job: how far it has come, and what was not done and why."""
    id_: str = path(call.request, "job", JobId)
    api, here = here_of(f"jobs/{id_}")
    job = (await ask(call, "GET", api)).body
    asked = {"outcome": "refused", "size": "100", **asked_of(call, "cursor")}
    under_way = job["ended_at"] is None
    forms = acts_shown(
        [_STOP if job["state"] != "stopped" else _RESUME] if under_way else [], failed
    )
    values = {
        "job": job,
        "under_way": under_way and job["state"] != "stopped",
        "refused_items": (await ask(call, "GET", f"{api}/items", query=asked)).body,
        "here": here,
        "done": done_of((_STOP, _RESUME), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "job.html", values, failed.told if failed else None)


async def act_on_job(call: Call) -> Response:
    """Stops a job, or has it go on."""
    id_: str = path(call.request, "job", JobId)
    api, here = here_of(f"jobs/{id_}")
    return await perform(call, (_STOP, _RESUME), api, here, job_page)


_ALL = "/work/campaigns"
_ONE = f"{_ALL}/{{period}}/{{jurisdiction}}"

PAGES = [
    page_of(
        "GET",
        _ALL,
        list_campaigns,
        "统计工作",
        parameters=(Parameter("period", "年度或季度"), Parameter("jurisdiction", "辖区")),
        unhurried=True,
    ),
    page_of("POST", _ALL, open_campaign, "开启统计工作", unhurried=True),
    page_of(
        "GET",
        f"{_ONE}/progress",
        progress_page,
        "统计工作的进展",
        parameters=(
            text_parameter("by", "按什么分列"),
            text_parameter("sort", "按哪一栏排列"),
            DONE,
        ),
    ),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_campaign, "办理", unhurried=True),
    page_of(
        "GET",
        f"{_ONE}/non-filers",
        non_filers_page,
        "未完成填报的机构",
        parameters=(*(text_parameter(name, name) for name in _NARROWING), CURSOR),
    ),
    page_of("POST", f"{_ONE}/non-filers", act_on_many, "批办", unhurried=True),
    page_of("GET", "/work/jobs", jobs_page, "批办", parameters=(CURSOR,)),
    page_of("GET", "/work/jobs/new", list_job_page, "按名单批办"),
    page_of("POST", "/work/jobs/new", begin_list_job, "按名单批办", unhurried=True, with_file=True),
    page_of("GET", "/work/jobs/{job}", job_page, "一项批办", parameters=(DONE, CURSOR)),
    page_of("POST", "/work/jobs/{job}/act/{act}", act_on_job, "办理", unhurried=True),
]
