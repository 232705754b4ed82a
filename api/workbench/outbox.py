"""What goes out of the system on pages: mail and webhooks, whether they arrived, where they go."""

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.requests import path, query
from api.workbench.acts import (
    Act,
    Failed,
    Input,
    acts_shown,
    body_of,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Role
from domain.notices import CHANNEL_LABELS, DELIVERY_STATE_LABELS, Channel, DeliveryState

_OUTBOX, _ADDRESSES = "/work/outbox", "/work/addresses"
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_OUTSIDE = tuple((one.value, CHANNEL_LABELS[one]) for one in (Channel.MAIL, Channel.WEBHOOK))
_STATES = tuple((one.value, label) for one, label in DELIVERY_STATE_LABELS.items())

_REPLAY = Act("replay", "重新送达", "已排队重新送达")
_REGISTER = Act(
    "register",
    "登记送达地址",
    "已登记",
    (
        Input("addressee", "谁的", hint="机构编号，或部门编号，如 amr-350000。"),
        Input("channel", "怎样送达", "choice", options=_OUTSIDE),
        Input("target", "送到哪里", hint="邮箱；网络推送的填 https 地址。"),
    ),
    "网络推送的密钥只显示这一次，用来核对签名。",
)
_END = Act("end", "停用", "已停用，不再往那里送达", grave=True)


# --- what went out --------------------------------------------------------------------------------


async def outbox_page(call: Call, failed: Failed | None = None) -> Response:
    """Deliveries outside the system, those that have not arrived with why, and a way to retry."""
    asked = asked_of(call, "state", "channel", "cursor")
    if failed is not None:
        asked = {"state": DeliveryState.FAILED.value}
    told = failed.told if failed else None
    found: dict[str, Any] = {"items": [], "next": None}
    try:
        found = (await ask(call, "GET", "/api/outbox", query={"size": "50", **asked})).body
    except Told as refused:
        told = told or refused
    about = call.request.path_params.get("sending", "")
    operates = call.actor.role is Role.OPERATOR
    acting = {
        one["id"]: acts_shown((_REPLAY,), failed if one["id"] == about else None, one["id"])
        for one in found["items"]
        if operates and one["state"] == DeliveryState.FAILED
    }
    values = {
        "found": found,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "states": _STATES,
        "channels": _OUTSIDE,
        "acting": acting,
        "operates": operates,
        "done": done_of((_REPLAY,), query(call.request, "done", str, "")),
        **summary_of(acting.get(about, []), failed),
    }
    return said_at_once(call, "outbox.html", values, told)


async def replay(call: Call) -> Response:
    """Has a delivery that was given up tried anew."""
    api = f"/api/outbox/{path(call.request, 'sending', _Id)}"
    return await perform(call, (_REPLAY,), api, _OUTBOX, outbox_page)


# --- where it goes --------------------------------------------------------------------------------


async def addresses_page(call: Call, failed: Failed | None = None) -> Response:
    """The addresses of one institution or authority; a way to register one and to end one."""
    return await _addresses(call, failed, asked_of(call, "addressee").get("addressee", ""))


async def _addresses(
    call: Call, failed: Failed | None, addressee: str, done: str = "", secret: str = ""
) -> Response:
    told = failed.told if failed else None
    items: list[dict[str, Any]] | None = None
    if addressee:
        try:
            wanted = {"addressee": addressee}
            items = (await ask(call, "GET", "/api/addresses", query=wanted)).body["items"]
        except Told as refused:
            told = told or refused
    about = call.request.path_params.get("address", "")
    acting = {
        one["id"]: acts_shown((_END,), failed if one["id"] == about else None, one["id"])
        for one in items or []
        if one["active"]
    }
    who = _REGISTER.inputs[0]._replace(preset=addressee)
    register = _REGISTER._replace(inputs=(who, *_REGISTER.inputs[1:]))
    forms = acts_shown((register,), None if about else failed)
    values = {
        "items": items,
        "addressee": addressee,
        "acting": acting,
        "secret": secret,
        "forms": forms,
        "done": done or done_of((_END,), query(call.request, "done", str, "")),
        **summary_of(acting.get(about, []) if about else forms, failed),
    }
    return said_at_once(call, "addresses.html", values, told)


async def register_address(call: Call) -> Response:
    """Registers an address, and shows the secret of a webhook this once."""
    body, key = body_of(_REGISTER, call.body), call.body.text("key")
    addressee = str(body.get("addressee", ""))
    try:
        made = (await ask(call, "POST", "/api/addresses", body, idempotency_key=key)).body
    except Told as told:
        return await _addresses(call, Failed(_REGISTER, call.body, told), "")
    return await _addresses(call, None, addressee, _REGISTER.done, made["secret"])


async def end_address(call: Call) -> Response:
    """Sends nothing to an address any more."""
    api = f"/api/addresses/{path(call.request, 'address', _Id)}"

    async def again(call: Call, failed: Failed | None) -> Response:
        return await _addresses(call, failed, call.body.text("addressee"))

    return await perform(call, (_END,), api, _ADDRESSES, again)


PAGES = [
    page_of(
        "GET",
        _OUTBOX,
        outbox_page,
        "系统以外的送达",
        parameters=(
            text_parameter("state", "状态"),
            text_parameter("channel", "渠道"),
            CURSOR,
            DONE,
        ),
    ),
    page_of("POST", f"{_OUTBOX}/{{sending}}/act/{{act}}", replay, "重新送达"),
    page_of(
        "GET",
        _ADDRESSES,
        addresses_page,
        "送达地址",
        parameters=(text_parameter("addressee", "机构或部门编号"), DONE),
    ),
    page_of("POST", f"{_ADDRESSES}/act/register", register_address, "登记送达地址"),
    page_of("POST", f"{_ADDRESSES}/{{address}}/act/{{act}}", end_address, "停用送达地址"),
]
