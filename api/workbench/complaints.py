"""Complaints on pages: those that the authority deals with, one of them, its answer."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from api.complaints.complaints import of_complaint
from api.door.asking import ask
from api.door.operations import Call
from api.door.pages import page
from api.door.requests import query
from api.workbench.acts import (
    ASSIGN,
    CANCEL,
    CLAIM,
    HAND_OVER,
    RELEASE,
    Act,
    Failed,
    Input,
    acts_shown,
    done_of,
    perform,
    shared_acts_now,
    summary_of,
)
from api.workbench.pages import (
    CURSOR,
    DONE,
    asked_of,
    here_of,
    page_of,
    said_at_once,
    text_parameter,
)
from domain.case.commands import Actor, Role
from domain.case.status import STATUS_LABELS, STATUS_NEXT, Status
from domain.complaints import COMPLAINT_OUTCOME_LABELS

_RESOLVE = Act(
    "resolve",
    "办结投诉",
    "已办结，投诉人凭回执看得到答复",
    (
        Input(
            "outcome",
            "结论",
            "choice",
            options=tuple((one.value, label) for one, label in COMPLAINT_OUTCOME_LABELS.items()),
        ),
        Input("reply", "给投诉人的答复", "text", "投诉人凭回执看到的就是这段话。"),
        Input("reason", "办理情况", "text", "留在案卷里，投诉人看不到。"),
    ),
    grave=True,
)
_PASS_ON = Act(
    "pass-on",
    "转交其他部门",
    "已转交，由那个部门办理",
    (
        Input("authority", "转交给哪个部门", hint="部门编号，如 amr-350200；总局为 samr。"),
        Input("reason", "理由", "text", "留在案卷里，投诉人看不到。"),
    ),
    "转交之后由那个部门领取和答复，本部门不再办理。",
    grave=True,
)
_ACTS = (CLAIM, _RESOLVE, HAND_OVER, _PASS_ON, ASSIGN, RELEASE, CANCEL)
_STATUSES = (Status.IN_REVIEW, Status.COMPLETED, Status.CANCELLED)


def acts_now(shown: Mapping[str, Any], actor: Actor, *, mine: bool) -> list[Act]:
    """What the reader of a complaint can think of now. Pure."""
    names = {act.name for act in shared_acts_now(shown, actor, mine=mine)}
    if actor.role is Role.REVIEWER and mine and shown["status"] == Status.IN_REVIEW:
        names |= {"resolve", "pass-on"}
    return [act for act in _ACTS if act.name in names]


async def list_complaints(call: Call) -> Response:
    """The complaints that somebody sees, those that wait longest first."""
    asked = asked_of(call, "status", "cursor")
    wanted = {"sort": "age", "size": "50", **asked}
    values = {
        "found": (await ask(call, "GET", "/api/complaints", query=wanted)).body,
        "asked": asked,
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
        "statuses": [(one.value, STATUS_LABELS[one]) for one in _STATUSES],
        "next_by": STATUS_NEXT,
    }
    return page(call, "complaints.html", values)


async def _named(call: Call) -> tuple[str, str]:
    await of_complaint(call.request)
    return here_of(f"complaints/{call.request.path_params['complaint']}")


async def complaint_page(call: Call, failed: Failed | None = None) -> Response:
    """One complaint: what it says, how far it has come, what can be done."""
    api, here = await _named(call)
    shown = (await ask(call, "GET", api)).body
    mine = shown["claimed_by"] == call.actor.subject
    forms = acts_shown(acts_now(shown, call.actor, mine=mine), failed)
    values = {
        "shown": shown,
        "outcomes": COMPLAINT_OUTCOME_LABELS,
        "timeline": (await ask(call, "GET", f"{api}/timeline")).body,
        "here": here,
        "next": STATUS_NEXT[Status(shown["status"])],
        "done": done_of(_ACTS, query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "complaint_case.html", values, failed.told if failed else None)


async def act_on_complaint(call: Call) -> Response:
    """One act on a complaint."""
    api, here = await _named(call)
    return await perform(call, _ACTS, api, here, complaint_page)


_ALL = "/work/complaints"
_ONE = f"{_ALL}/{{complaint}}"

PAGES = [
    page_of(
        "GET", _ALL, list_complaints, "投诉", parameters=(text_parameter("status", "状态"), CURSOR)
    ),
    page_of("GET", _ONE, complaint_page, "一件投诉", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_complaint, "办理", unhurried=True),
]
