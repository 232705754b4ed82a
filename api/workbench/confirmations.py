"""Acts that wait for a second person, on pages: the list, one of them, confirming or not."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from api.door.asking import ask
from api.door.operations import Call, Parameter
from api.door.pages import page
from api.door.requests import query
from api.workbench.acts import (
    REASON,
    Act,
    Failed,
    acts_shown,
    done_of,
    perform,
    summary_of,
)
from api.workbench.pages import CURSOR, DONE, asked_of, here_of, page_of, said_at_once
from domain.case.commands import Role
from domain.certificates.certificate import CERTIFICATE_STATUS_LABELS
from domain.confirmations import ConfirmationState

_CONFIRM = Act(
    "confirm",
    "确认，随即办理",
    "已确认并办理",
    hint="核对上面要办的事和依据的文书；确认后以提出人的名义办理，两个人都记录在案。",
    grave=True,
)
_DECLINE = Act("decline", "不予确认", "已不予确认", (REASON,))
_WITHDRAW = Act("withdraw", "撤回", "已撤回")
_ACTS = (_CONFIRM, _DECLINE, _WITHDRAW)
_PROPOSED = Act("proposed", "提出", "已提出，由另一人确认后办理")
_GOES_ON = (ConfirmationState.OPEN, ConfirmationState.CONFIRMED)


def acts_now(shown: Mapping[str, Any], role: Role) -> list[Act]:
    """What the reader of a proposed act can think of now. Pure."""
    state = ConfirmationState(shown["state"])
    if role is Role.AUDITOR or state not in _GOES_ON or shown["late"]:
        return []
    if shown["own"]:
        return [_WITHDRAW] if state is ConfirmationState.OPEN else []
    return [_CONFIRM, _DECLINE] if state is ConfirmationState.OPEN else [_CONFIRM]


async def list_page(call: Call) -> Response:
    """What has been proposed where one answers for it, the newest first."""
    asked = asked_of(call, "waiting", "cursor")
    values = {
        "listed": (
            await ask(call, "GET", "/api/confirmations", query={"size": "50", **asked})
        ).body,
        "waiting": asked.get("waiting") == "true",
        "narrowed": {name: text for name, text in asked.items() if name != "cursor"},
    }
    return page(call, "confirmations.html", values)


async def confirmation_page(call: Call, failed: Failed | None = None) -> Response:
    """One proposed act, whole, and what became of it."""
    api, here = _named(call)
    shown = (await ask(call, "GET", api)).body
    forms = acts_shown(acts_now(shown, call.actor.role), failed)
    values = {
        "shown": shown,
        "here": here,
        "endings": CERTIFICATE_STATUS_LABELS,
        "about": f"/work/{shown['path'].removeprefix('/api/').rpartition('/')[0]}",
        "done": done_of((*_ACTS, _PROPOSED), query(call.request, "done", str, "")),
        "forms": forms,
        **summary_of(forms, failed),
    }
    return said_at_once(call, "confirmation.html", values, failed.told if failed else None)


async def act_on_confirmation(call: Call) -> Response:
    """Confirms, declines or withdraws; a form sent twice is one act."""
    api, here = _named(call)
    return await perform(call, _ACTS, api, here, confirmation_page)


def _named(call: Call) -> tuple[str, str]:
    return here_of(f"confirmations/{call.request.path_params['confirmation']}")


_ALL = "/work/confirmations"
_ONE = f"{_ALL}/{{confirmation}}"

PAGES = [
    page_of(
        "GET",
        _ALL,
        list_page,
        "须另一人确认的事项",
        parameters=(Parameter("waiting", "true：只列现在可以确认的"), CURSOR),
    ),
    page_of("GET", _ONE, confirmation_page, "一件须另一人确认的事项", parameters=(DONE,)),
    page_of("POST", f"{_ONE}/act/{{act}}", act_on_confirmation, "确认或不确认", unhurried=True),
]
