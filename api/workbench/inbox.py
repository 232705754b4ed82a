"""The inbox on pages: what waits for an authority, narrowed, kept as a view, done in bulk."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from api.campaigns.duties import authority_with_duties
from api.door.asking import Told, ask
from api.door.operations import Call
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import ROLES, Right
from api.workbench.acts import put_down
from api.workbench.pages import CURSOR, asked_of, page_of, said_at_once, text_parameter
from domain.clock import BEIJING
from domain.filing.kind import FILING
from services.campaigns.duties import DutyTask

_INBOX = ("claimed", "kind", "name", "region", "due_by", "sort")
_ROWS = "20"
"""So many stand on a page of the inbox."""

_SOON = timedelta(days=3)
"""What is due within that counts as pressing on the page."""


async def inbox(call: Call) -> Response:
    """What waits for the authority, narrowed and sorted."""
    return await _inbox(call, None)


async def _inbox(call: Call, told: Told | None) -> Response:
    asked = asked_of(call, *_INBOX, "cursor")
    found: dict[str, Any] = {"items": [], "next": None}
    try:
        found = (await ask(call, "GET", "/api/tasks", query={"size": _ROWS, **asked})).body
    except Told as refused:
        told = told or refused
    counts = (await ask(call, "GET", "/api/tasks/counts")).body
    soon = (parts_of(call.request).clock() + _SOON).astimezone(BEIJING).replace(microsecond=0)
    view = {name: text for name, text in asked.items() if name != "cursor"}
    if told is not None and call.body is not None:
        ticked = frozenset(call.body.get("id", ()))
    else:
        ticked = frozenset()
    values = {
        "found": found,
        "counts": counts,
        "asked": asked,
        "view": view,
        "views": _views(counts, soon.isoformat()),
        "saved": await parts_of(call.request).saved_views.of(call.actor.subject),
        "kinds": [(one["kind"], one["label"]) for one in counts["kinds"]],
        "bulk": any(one["kind"] == FILING.name for one in found["items"]),
        "me_subject": call.actor.subject,
        "ticked": ticked,
        "place_of": _place_of,
        "duties": await _duties(call),
    }
    return said_at_once(call, "inbox.html", values, told)


async def _duties(call: Call) -> Sequence[DutyTask]:
    """The duties of the reader's authority as of late, none for whoever has to do with none."""
    actor = call.actor
    if actor.role not in ROLES[Right.SEE_DUTIES]:
        return []
    return await parts_of(call.request).duties.lately(authority_with_duties(actor), actor.role)


def _views(counts: Mapping[str, Any], soon: str) -> list[tuple[str, dict[str, str], int | None]]:
    """Ways to look at an inbox that everybody has: the name, the filter, how many. Pure."""
    return [
        ("全部", {}, counts["total"]),
        ("本人领取的", {"claimed": "mine"}, counts["mine"]),
        ("无人领取的", {"claimed": "nobody"}, counts["unclaimed"]),
        ("三日内到期的", {"due_by": soon}, None),
        ("等得最久的", {"sort": "age"}, None),
        *((one["label"], {"kind": one["kind"]}, one["total"]) for one in counts["kinds"]),
    ]


def _place_of(case_id: str) -> str:
    """The address of a case's page, "" for a kind that has none."""
    kind, _, rest = case_id.partition("/")
    names = {
        "filing": "filings",
        "report-numbers": "report-batches",
        "certificate": "certificates",
        "complaint": "complaints",
        "enforcement": "enforcement",
    }
    return f"/work/{names[kind]}/{rest}" if kind in names else ""


async def save_view(call: Call) -> Response:
    """Keeps the filter under a name, or forgets one."""
    form = call.body
    wanted = {name: text for name in _INBOX if (text := form.text(name).strip())}
    address, body = "/api/me/views", dict[str, Any](name=form.text("forget"))
    if form.text("forget"):
        address += "/forget"
    else:
        body = {"name": " ".join(form.text("called").split()), "wanted": wanted}
    try:
        await ask(call, "POST", address, body, idempotency_key=form.text("key"))
    except Told as told:
        return await _inbox(call, told)
    here = f"/work/tasks?{urlencode(wanted)}" if wanted else "/work/tasks"
    return RedirectResponse(here, status_code=303)


_MANY = ("claim", "release", "hand_over")


async def act_on_many(call: Call) -> Response:
    """Claims, gives up or hands over what was ticked, one by one, as a job."""
    form = call.body
    ids, action = form.get("id", []), form.text("what")
    body: dict[str, Any] = {
        "action": action if action in _MANY else "claim",
        # without a choice all of a campaign would be meant
        "selection": {"ids": ids} if ids else {},
    }
    if action == "hand_over":
        body |= {"person": form.text("person").strip() or None}
    if reason := form.text("reason").strip():
        body["reason"] = reason
    try:
        job = await ask(call, "POST", "/api/jobs", body, idempotency_key=form.text("key"))
    except Told as told:
        return put_down(told) or await _inbox(call, told)
    return RedirectResponse(f"/work/jobs/{job.body['id']}", status_code=303)


async def next_task(call: Call) -> Response:
    """Leads to the most pressing case that nobody else has, or back to the inbox."""
    last = query(call.request, "after", str, "")
    tasks = (await ask(call, "GET", "/api/tasks", query={"size": "50"})).body["items"]
    places = [
        place
        for one in tasks
        if one["id"] != last
        and one["claimed_by"] in ("", call.actor.subject)
        and (place := _place_of(one["id"]))
    ]
    return RedirectResponse(places[0] if places else "/work/tasks", status_code=303)


PAGES = [
    page_of(
        "GET",
        "/work/tasks",
        inbox,
        "待办",
        parameters=(*(text_parameter(name, name) for name in _INBOX), CURSOR),
    ),
    page_of("POST", "/work/tasks", act_on_many, "批办待办", unhurried=True),
    page_of("POST", "/work/tasks/views", save_view, "保存一个筛选"),
    page_of(
        "GET",
        "/work/tasks/next",
        next_task,
        "下一件",
        parameters=(text_parameter("after", "刚办的一件"),),
    ),
]
