"""Announcements, help, questions and answers on pages: read by whom they are for, published."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.announcements.announcements import AnnouncementId
from api.announcements.markdown import html_of
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.pages import page
from api.door.parts import parts_of
from api.door.requests import path, query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    Input,
    Options,
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
    here_of,
    if_shown,
    name_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.announcements import AUDIENCE_LABELS, PIECE_KIND_LABELS
from domain.case.commands import Role
from domain.clock import BEIJING
from services.announcements import ATTACHMENTS

_ALL = "/work/announcements"
_KINDS: Options = tuple((one.value, label) for one, label in PIECE_KIND_LABELS.items())
_AUDIENCES: Options = tuple((one.value, label) for one, label in AUDIENCE_LABELS.items())
_WITHDRAW = Act(
    "withdraw",
    "撤下",
    "已撤下",
    (REASON,),
    "撤下之后谁都看不到，不能恢复；各版都留在记录里。",
    grave=True,
)
_DONE = {"publish": "已发布", "change": "已更新", "attach": "已添加附件", "detach": "已移除附件"}


def _said(campaigns: Options, at: dict[str, str]) -> tuple[Input, ...]:
    """The blanks of what a piece says; ``at`` stands in them at first. Pure."""
    blanks = (
        Input("title", "标题"),
        Input("body", "正文", "text", "Markdown；不含 HTML 和图片。"),
        Input("audience", "给谁看", "ticks", "公众即所有人。", _AUDIENCES),
        Input(
            "campaign",
            "关系到哪一项统计工作",
            "choice",
            "选了的，只列在它的各件上。",
            campaigns,
            required=False,
        ),
        Input("shown_from", "自何时起", "instant", "北京时间；不填为现在。", required=False),
        Input("shown_until", "至何时止", "instant", "北京时间；不填为没有期限。", required=False),
    )
    return tuple(one._replace(preset=at.get(one.name, "")) for one in blanks)


async def _campaigns(call: Call) -> Options:
    items = (await ask(call, "GET", "/api/campaigns")).body["items"]
    return tuple((one["case_id"], one["case_id"]) for one in items)


async def _publish_act(call: Call) -> Act:
    kind = Input("kind", "哪一类", "choice", options=_KINDS)
    place = Input("jurisdiction", "哪个辖区", hint="六位代码。", preset=call.actor.scope)
    said = _said(await _campaigns(call), {"audience": "filer"})
    return Act("publish", "发布", _DONE["publish"], (kind, place, *said))


async def pieces_page(call: Call, failed: Failed | None = None) -> Response:
    """What is for the reader; for operators and auditors, all that was published where they are."""
    asked = asked_of(call, "kind", "cursor")
    told = failed.told if failed else None
    kind = {name: text for name, text in asked.items() if name == "kind"}
    mine: dict[str, Any] = {"items": [], "next": None}
    published = None
    try:
        mine = (await ask(call, "GET", "/api/announcements", query={"size": "50", **kind})).body
        looked = {"size": "50", **asked}
        published = await if_shown(call, "/api/announcements/published", looked)
    except Told as refused:
        told = told or refused
    publishes = call.actor.role is Role.OPERATOR
    forms = acts_shown((await _publish_act(call),) if publishes else (), failed)
    values = {
        "mine": mine,
        "published": published,
        "asked": asked,
        "narrowed": kind,
        "kinds": _KINDS,
        "place_name": parts_of(call.request).progress.place_name,
        "now": parts_of(call.request).clock().isoformat(),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "pieces.html", values, told)


async def publish(call: Call) -> Response:
    """Publishes a piece."""
    act, key = await _publish_act(call), call.body.text("key")
    try:
        made = await ask(
            call, "POST", "/api/announcements", body_of(act, call.body), idempotency_key=key
        )
    except Told as told:
        return await pieces_page(call, Failed(act, call.body, told))
    return RedirectResponse(f"{_ALL}/{made.body['id']}?done=publish", status_code=303)


# --- one ------------------------------------------------------------------------------------------


def _of(call: Call) -> tuple[str, str]:
    id_: str = path(call.request, "announcement", AnnouncementId)
    return here_of(f"announcements/{id_}")


def _local(at: str | None) -> str:
    """An instant as a blank for one has it, "" for none. Pure."""
    if not at:
        return ""
    return datetime.fromisoformat(at).astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M:%S")


async def _change_act(call: Call, newest: dict[str, Any]) -> Act:
    at = {
        **{name: newest[name] for name in ("title", "body", "campaign")},
        "audience": ",".join(newest["audience"]),
        "shown_from": _local(newest["shown_from"]),
        "shown_until": _local(newest["shown_until"]),
    }
    inputs = _said(await _campaigns(call), at)
    return Act("change", "发布下一版", _DONE["change"], inputs, "各版都保留。")


async def piece_page(call: Call, failed: Failed | None = None) -> Response:
    """One piece; for its publishers with its versions, files, and what can be done with it."""
    api, here = _of(call)
    told = await if_shown(call, f"{api}/versions")
    if told is None:
        return page(call, "piece_read.html", {"piece": (await ask(call, "GET", api)).body})
    newest = told["items"][-1]
    publishes = call.actor.role is Role.OPERATOR and not told["piece"]["withdrawn_at"]
    forms = acts_shown((await _change_act(call, newest), _WITHDRAW) if publishes else (), failed)
    done = query(call.request, "done", str, "")
    values = {
        "told": told,
        "piece": told["piece"],
        "newest": newest,
        "endings": list(_ENDINGS),
        "html": html_of(newest["body"]),
        "publishes": publishes,
        # a file is given to whom the piece is shown
        "readable": await if_shown(call, api) is not None,
        "place_name": parts_of(call.request).progress.place_name,
        "now": parts_of(call.request).clock().isoformat(),
        "here": here,
        "done": _DONE.get(done) or done_of((_WITHDRAW,), done),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "piece.html", values, failed.told if failed else None)


async def act_on_piece(call: Call) -> Response:
    """The next version of a piece, or its end."""
    api, here = _of(call)
    if call.request.path_params["act"] != "change":
        return await perform(call, (_WITHDRAW,), api, here, piece_page)
    newest = (await ask(call, "GET", f"{api}/versions")).body["items"][-1]
    act, key = await _change_act(call, newest), call.body.text("key")
    try:
        await ask(call, "POST", api, body_of(act, call.body), idempotency_key=key)
    except Told as told:
        return await piece_page(call, Failed(act, call.body, told))
    return RedirectResponse(f"{here}?done=change", status_code=303)


_ENDINGS = {ending: media for media, (ending, _) in ATTACHMENTS.items()}
_ATTACH = Act("attach", "添加附件", _DONE["attach"])


def _media(name: str) -> str:
    """What a file is by its name; the API says of any other what it takes. Pure."""
    ending = name.rpartition(".")[2].lower().replace("jpeg", "jpg")
    return _ENDINGS.get(ending, "application/octet-stream")


async def attach(call: Call) -> Response:
    """Puts a file beside a piece."""
    api, here = _of(call)
    name = name_of(call.body.file)
    try:
        await ask(
            call,
            "POST",
            f"{api}/files",
            query={"filename": name},
            file=call.body.file,
            content_type=_media(name),
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await piece_page(call, Failed(_ATTACH, call.body, told))
    return RedirectResponse(f"{here}?done=attach", status_code=303)


async def detach(call: Call) -> Response:
    """Takes a file off a piece."""
    api, here = _of(call)
    address = f"{api}/files/{quote(call.request.path_params['file'], safe='')}/remove"
    try:
        await ask(call, "POST", address, idempotency_key=call.body.text("key"))
    except Told as told:
        return await piece_page(call, Failed(_ATTACH, call.body, told))
    return RedirectResponse(f"{here}?done=detach", status_code=303)


_ONE = f"{_ALL}/{{announcement}}"

PAGES = [
    page_of(
        "GET",
        _ALL,
        pieces_page,
        "公告、帮助和常见问题",
        parameters=(text_parameter("kind", "哪一类"), CURSOR),
    ),
    page_of("POST", f"{_ALL}/act/publish", publish, "发布"),
    page_of("GET", _ONE, piece_page, "一则公告", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_piece, "更新或撤下"),
    page_of("POST", f"{_ONE}/files", attach, "添加附件", unhurried=True, with_file=True),
    page_of("POST", f"{_ONE}/files/{{file}}/remove", detach, "移除附件"),
]
