"""Connected mode on pages: the systems that deliver, their secrets, and how far provinces are."""

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.requests import path, query
from api.door.rights import Right, admit
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    acts_shown,
    body_of,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import CURSOR, DONE, asked_of, page_of, said_at_once
from domain.refusals import Refused

_CLIENTS, _PROVINCES = "/work/clients", "/work/certificates/provinces"
_ClientId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

_REGISTER = Act(
    "register",
    "登记联网系统",
    "已登记",
    (
        Input("authority", "替哪个发证机关送达", hint="部门编号，如 amr-350000。"),
        Input("name", "系统的名称"),
        Input(
            "sandbox",
            "只供联调",
            "yes_no",
            "联调的送达不进入证书登记；正式送达的另行登记一个。",
            preset="yes",
        ),
    ),
    "密钥只显示这一次，请交给系统的管理者。",
)
_ROTATE = Act(
    "rotate",
    "换发密钥",
    "已换发",
    (
        Input(
            "overlap_hours",
            "原有的密钥再用几小时",
            "number",
            "0 为即刻停用，至多 720 小时。",
            preset="24",
        ),
    ),
    "新的密钥只显示这一次。",
)
_REVOKE = Act(
    "revoke",
    "停用",
    "已停用，密钥和凭证即刻失效",
    (REASON,),
    "停用之后不能恢复；要再联网的另行登记。",
    grave=True,
)
_PLAN = Act(
    "plan",
    "登记对接方案",
    "已登记",
    (
        Input("received_on", "哪一天收到", "day"),
        Input("document", "文号"),
        Input(
            "mode",
            "采用哪种方式",
            "choice",
            options=(("connected", "联网赋码"), ("manual", "手工赋码")),
        ),
    ),
    "后登记的代替先登记的；各次都留在记录里。",
)


def _may(call: Call, right: Right) -> bool:
    """Whether the asker has a right at all, that of the whole nation where it takes that."""
    try:
        admit(right, call.actor)
    except Refused:
        return False
    return True


# --- the systems that deliver ---------------------------------------------------------------------


async def clients_page(call: Call, failed: Failed | None = None) -> Response:
    """The systems on record, each with its secrets' ends; a way to register one."""
    return await _clients(call, failed)


async def _clients(
    call: Call, failed: Failed | None, done: str = "", issued: Any = None
) -> Response:
    asked = asked_of(call, "cursor")
    found = (await ask(call, "GET", "/api/clients", query={"size": "50", **asked})).body
    manages = _may(call, Right.MANAGE_CLIENTS)
    about = call.request.path_params.get("client", "")
    acting = {
        one["id"]: acts_shown((_ROTATE, _REVOKE), failed if one["id"] == about else None, one["id"])
        for one in found["items"]
        if manages and not one["revoked_at"]
    }
    forms = acts_shown((_REGISTER,) if manages else (), None if about else failed)
    values = {
        "found": found,
        "acting": acting,
        "issued": issued,
        "forms": forms,
        "done": done or done_of((_REVOKE,), query(call.request, "done", str, "")),
        **summary_of(acting.get(about, []) if about else forms, failed),
    }
    return said_at_once(call, "clients.html", values, failed.told if failed else None)


async def register_client(call: Call) -> Response:
    """Registers a system, and shows its secret this once."""
    return await _with_secret(call, _REGISTER, "/api/clients")


async def act_on_client(call: Call) -> Response:
    """A new secret for a system, or its end."""
    id_: str = path(call.request, "client", _ClientId)
    api = f"/api/clients/{id_}"
    if call.request.path_params["act"] == _ROTATE.name:
        return await _with_secret(call, _ROTATE, f"{api}/rotate")
    return await perform(call, (_REVOKE,), api, _CLIENTS, clients_page)


async def _with_secret(call: Call, act: Act, api: str) -> Response:
    body, key = body_of(act, call.body), call.body.text("key")
    try:
        issued = (await ask(call, "POST", api, body, idempotency_key=key)).body
    except Told as told:
        return await _clients(call, Failed(act, call.body, told))
    return await _clients(call, None, act.done, issued)


# --- how far provinces are ------------------------------------------------------------------------


async def provinces_page(call: Call, failed: Failed | None = None) -> Response:
    """Mode, deadlines, plan, deliveries and certificates of every province in sight."""
    items = (await ask(call, "GET", "/api/certificates/provinces")).body["items"]
    manages = _may(call, Right.MANAGE_CLIENTS)
    forms = acts_shown([_plan_act(items)] if manages else [], failed)
    values = {
        "items": items,
        "clients": _may(call, Right.SEE_CLIENTS),
        "done": done_of((_PLAN,), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "provinces.html", values, failed.told if failed else None)


def _plan_act(items: list[Any]) -> Act:
    which = tuple((one["authority"], one["name"]) for one in items)
    province = Input("authority", "哪个省", "choice", options=which)
    return _PLAN._replace(inputs=(province, *_PLAN.inputs))


async def record_plan(call: Call) -> Response:
    """Puts a province's plan on record."""
    authority = quote(call.body.text("authority"), safe="")
    body, key = body_of(_PLAN, call.body), call.body.text("key")
    try:
        address = f"/api/certificates/provinces/{authority}/plan"
        await ask(call, "POST", address, body, idempotency_key=key)
    except Told as told:
        return await provinces_page(call, Failed(_PLAN, call.body, told))
    return RedirectResponse(f"{_PROVINCES}?done=plan#{authority}", status_code=303)


PAGES = [
    page_of("GET", _CLIENTS, clients_page, "联网系统", parameters=(DONE, CURSOR)),
    page_of("POST", f"{_CLIENTS}/act/register", register_client, "登记联网系统"),
    page_of("POST", f"{_CLIENTS}/{{client}}/act/{{act}}", act_on_client, "办理联网系统"),
    page_of("GET", _PROVINCES, provinces_page, "各省对接情况", parameters=(DONE,)),
    page_of("POST", f"{_PROVINCES}/act/plan", record_plan, "登记对接方案"),
]
