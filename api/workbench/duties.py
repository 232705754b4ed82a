"""The duties of an authority beside filing on pages: its tasks, and saying what was done."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.requests import query
from api.door.rights import ROLES, Right
from api.workbench.acts import REASON, Act, Failed, Input, acts_shown, body_of, summary_of
from api.workbench.pages import DONE, page_of, said_at_once
from domain.duties import SAID

_REPORT = Act(
    "report",
    "说明已经办好",
    "已记录",
    (REASON._replace(label="办了什么"), Input("document", "文号", required=False)),
    fixed={"done": True},
)
_TAKE_BACK = Act(
    "take-back",
    "收回说明：还没有办好",
    "已收回",
    (REASON,),
    fixed={"done": False},
)


def act_now(duty: Mapping[str, Any]) -> Act | None:
    """What an authority can say of a duty; None where what is on record tells. Pure."""
    if duty["measured"] not in SAID:
        return None
    return _TAKE_BACK if duty["done"] and duty["said_by"] else _REPORT


async def duties_page(call: Call) -> Response:
    """What the authority has to do beside filing, each with what it says of it."""
    return await _duties(call, None)


async def _duties(call: Call, failed: Failed | None) -> Response:
    given = call.request.path_params
    about = (given.get("period"), given.get("duty"))
    items = (await ask(call, "GET", "/api/duties")).body["items"]
    reports = call.actor.role in ROLES[Right.REPORT_DUTY]
    shown = []
    for one in items:
        act = act_now(one) if reports else None
        mine = failed if (one["period"], one["duty"]) == about else None
        # several forms of one page are told apart by what they are about
        forms = acts_shown([act] if act else [], mine, f"{one['period']}-{one['duty']}")
        shown.append((one, forms))
    values = {
        "duties": shown,
        "done": query(call.request, "done", str, "") == "1",
        **summary_of([form for _, forms in shown for form in forms], failed),
    }
    return said_at_once(call, "duties.html", values, failed.told if failed else None)


async def report(call: Call) -> Response:
    """Puts on record what the authority says of a duty."""
    given = call.request.path_params
    act = _TAKE_BACK if given["act"] == _TAKE_BACK.name else _REPORT
    api = f"/api/duties/{given['period']}/{given['duty']}"
    body = body_of(act, call.body)
    try:
        await ask(call, "POST", api, body, idempotency_key=call.body.text("key"))
    except Told as told:
        return await _duties(call, Failed(act, call.body, told))
    return RedirectResponse("/work/duties?done=1", status_code=303)


PAGES = [
    page_of("GET", "/work/duties", duties_page, "本部门的职责", parameters=(DONE,)),
    page_of("POST", "/work/duties/{period}/{duty}/act/{act}", report, "说明一项职责"),
]
