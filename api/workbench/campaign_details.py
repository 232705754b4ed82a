"""What belongs to a campaign beside its progress: more time, rules, samples, what follows."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from api.campaigns.campaigns import named
from api.campaigns.jobs import JobId
from api.door.asking import Told, ask
from api.door.operations import Call
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
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    if_shown,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Role
from domain.case.status import STATUS_LABELS, Status
from domain.refusals import Code, Refusal, Refused


def _place(call: Call) -> tuple[str, dict[str, Any]]:
    """The campaign's address in the API, and what all its pages say."""
    period, jurisdiction = named(call.request)
    api, here = here_of(f"campaigns/{period}/{jurisdiction}")
    name = parts_of(call.request).progress.place_name(jurisdiction)
    return api, {"name": name, "period": str(period), "here": here}


# --- extensions -----------------------------------------------------------------------------------

_SHORTEN = Act(
    "shorten",
    "缩短或收回",
    "已缩短，逐件办理",
    (
        Input("until", "改到什么时候", "instant", "北京时间；留空即现在收回。", required=False),
        REASON,
    ),
    "原定期限已过、只靠这项延期的填报不受影响。",
    grave=True,
)


async def extensions_page(call: Call, failed: Failed | None = None) -> Response:
    """The extensions of a place, the newest first, each of which can be ended earlier."""
    api, common = _place(call)
    cursor = asked_of(call, "cursor")
    found = (await ask(call, "GET", f"{api}/extensions", query={"size": "50", **cursor})).body
    about = call.request.path_params.get("extension", "")
    operates = call.actor.role is Role.OPERATOR
    forms = {
        one["id"]: acts_shown([_SHORTEN], failed if one["id"] == about else None, one["id"])
        for one in found["items"]
        if operates and one["open"]
    }
    values = {
        **common,
        "found": found,
        "forms": forms,
        "done": done_of((_SHORTEN,), query(call.request, "done", str, "")),
        **summary_of(forms.get(about, []), failed),
    }
    return said_at_once(call, "extensions.html", values, failed.told if failed else None)


async def shorten(call: Call) -> Response:
    """Has an extension end earlier."""
    api, common = _place(call)
    id_: str = path(call.request, "extension", JobId)
    where = f"{api}/extensions/{id_}"
    return await perform(call, (_SHORTEN,), where, f"{common['here']}/extensions", extensions_page)


# --- amendments -----------------------------------------------------------------------------------

_AMEND = Act(
    "amendments",
    "改按新发布的规则",
    "已开始修订",
    (REASON, Input("document", "文号", required=False)),
    "正在办理的改按现在发布的规则；已经确定的事项不变，不能恢复。",
    grave=True,
)


async def amendments_page(call: Call, failed: Failed | None = None) -> Response:
    """The amendments of a campaign; what another one would do now, filing by filing."""
    api, common = _place(call)
    told, forecast = failed.told if failed else None, None
    if query(call.request, "forecast", str, "") == "1" or failed:
        try:
            forecast = (await ask(call, "GET", f"{api}/amendments/forecast")).body
        except Told as refused:
            told = told or refused
    forms = acts_shown([_AMEND] if forecast and forecast["would_change"] else [], failed)
    values = {
        **common,
        "made": (await ask(call, "GET", f"{api}/amendments")).body["items"],
        "forecast": forecast,
        "statuses": STATUS_LABELS,
        "operates": call.actor.role is Role.OPERATOR,
        "done": done_of((_AMEND,), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "amendments.html", values, told)


async def amend(call: Call) -> Response:
    """Brings filings under way under what is published now."""
    api, common = _place(call)
    return await perform(call, (_AMEND,), api, f"{common['here']}/amendments", amendments_page)


# --- samples of the quality check -----------------------------------------------------------------

_DRAW = Act(
    "sample",
    "抽取样本",
    "已抽取",
    hint="从审核通过、尚未参加抽样的填报中按规则抽取；未抽中的随即办结，不能重来。",
    grave=True,
)


async def sample_page(call: Call, failed: Failed | None = None) -> Response:
    """The draws of a campaign; one of them drawn again by its seed."""
    api, common = _place(call)
    shown = (await ask(call, "GET", f"{api}/sample")).body
    number, told = query(call.request, "draw", str, ""), failed.told if failed else None
    again = None
    if number.isdecimal() and number.isascii() and len(number) < 5:
        again = (await ask(call, "GET", f"{api}/sample/{int(number)}")).body
    drawing = call.actor.role is Role.OPERATOR and shown["waiting"]
    forms = acts_shown([_DRAW] if drawing else [], failed)
    values = {
        **common,
        "shown": shown,
        "again": again,
        "done": done_of((_DRAW,), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "sample.html", values, told)


async def draw(call: Call) -> Response:
    """Draws a sample."""
    api, common = _place(call)
    return await perform(call, (_DRAW,), api, f"{common['here']}/sample", sample_page)


# --- what time brings -----------------------------------------------------------------------------


async def schedule_page(call: Call) -> Response:
    """What time has brought to a campaign and will bring if nobody acts."""
    api, common = _place(call)
    items = (await ask(call, "GET", f"{api}/schedule")).body["items"]
    timeline = await if_shown(call, f"{api}/timeline")
    values = {**common, "actions": items, "timeline": timeline}
    return said_at_once(call, "schedule.html", values, None)


# --- what follows for those who have not filed ----------------------------------------------------

_OPEN = Act(
    "open",
    "逐家立案",
    "",
    (Input("reason", "理由", "text"),),
    "对逾期的逐家立案，已立案的不重复；立案不等于采取措施：由承办人提出，由另一人决定。",
)


async def following_page(call: Call, failed: Failed | None = None) -> Response:
    """The enforcement of a campaign in figures, and opening cases about all who have lapsed."""
    api, common = _place(call)
    forms = acts_shown([] if named(call.request)[0].quarter else [_OPEN], failed)
    values = {
        **common,
        "figures": (await ask(call, "GET", f"{api}/enforcement")).body,
        "lapsed": (
            await ask(call, "GET", f"{api}/non-filers", query={"status": "lapsed", "size": "1"})
        ).body["items"],
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "following.html", values, failed.told if failed else None)


async def open_cases(call: Call) -> Response:
    """Begins a job that opens a case about each who has lapsed."""
    if call.request.path_params["act"] != _OPEN.name:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"}))
    period, jurisdiction = named(call.request)
    body = {
        **body_of(_OPEN, call.body),
        "action": "open_enforcement",
        "selection": {
            "campaign": f"{period}/{jurisdiction}",
            "statuses": [Status.LAPSED, Status.AFTER_WINDOW],
        },
    }
    try:
        job = await ask(call, "POST", "/api/jobs", body, idempotency_key=call.body.text("key"))
    except Told as told:
        return put_down(told) or await following_page(call, Failed(_OPEN, call.body, told))
    return RedirectResponse(f"/work/jobs/{job.body['id']}", status_code=303)


_ONE = "/work/campaigns/{period}/{jurisdiction}"

PAGES = [
    page_of("GET", f"{_ONE}/extensions", extensions_page, "延期", parameters=(DONE, CURSOR)),
    page_of(
        "POST", f"{_ONE}/extensions/{{extension}}/act/{{act}}", shorten, "缩短延期", unhurried=True
    ),
    page_of(
        "GET",
        f"{_ONE}/amendments",
        amendments_page,
        "规则的修订",
        parameters=(text_parameter("forecast", "1：试算"), DONE),
        unhurried=True,
    ),
    page_of("POST", f"{_ONE}/amendments/act/{{act}}", amend, "修订", unhurried=True),
    page_of(
        "GET",
        f"{_ONE}/sample",
        sample_page,
        "质量审查的抽样",
        parameters=(text_parameter("draw", "第几次"), DONE),
        unhurried=True,
    ),
    page_of("POST", f"{_ONE}/sample/act/{{act}}", draw, "抽取样本", unhurried=True),
    page_of("GET", f"{_ONE}/schedule", schedule_page, "到时办理的事项", unhurried=True),
    page_of("GET", f"{_ONE}/enforcement", following_page, "后续处理", unhurried=True),
    page_of("POST", f"{_ONE}/enforcement/act/{{act}}", open_cases, "逐家立案", unhurried=True),
]
