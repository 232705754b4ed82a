"""What can be done about a filing on its page, and what each form of it sends."""

from collections.abc import Callable, Mapping
from typing import Any

from api.door.requests import Form
from api.workbench.acts import REASON, SHARED, Act, Input, shared_acts_now
from api.workbench.filing_waivers import (
    answering_act,
    answering_forms,
    asking_act,
    asking_forms,
)
from domain.case.commands import Actor, Role
from domain.case.status import EDITABLE, Status

Body = Callable[[Form], dict[str, Any]]


def _version(form: Form) -> dict[str, Any]:
    revision = form.text("revision")
    return {
        "revision": int(revision) if revision.isdecimal() and len(revision) < 9 else 0,
        "sha256": form.text("sha256"),
        "files": list(form.get("files", ())),
    }


def _submitted(form: Form) -> dict[str, Any]:
    given = {name: form.text(name).strip() for name in ("choice", "correction", "reason")}
    return {**_version(form), **{name: text for name, text in given.items() if text}}


def _returned(form: Form) -> dict[str, Any]:
    part, _, field = form.text("place").partition("/")
    fields = [{"part": part, "field": field, "reason": form.text("remark")}] if part else []
    return {"reason": form.text("reason"), "fields": fields}


def _checked(form: Form) -> dict[str, Any]:
    return {"outcome": form.text("outcome"), "reason": form.text("reason")}


ACTS: dict[str, tuple[str, Body]] = {
    "submit": ("已提交", _submitted),
    "withdraw": ("已撤回", lambda form: {}),
    "attest": ("已确认", _version),
    "claim": ("已领取", lambda form: {}),
    "release": ("已退领", lambda form: {}),
    "approve": ("已通过", lambda form: {"note": form.text("note")}),
    "return": ("已退回", _returned),
    "quality": ("质量审查已办理", _checked),
}
"""What the page of a filing can do: what is then said, and the body that its form makes."""

_EXCUSE = Act(
    "excuse-signer",
    "准予免予确认",
    "已准予",
    (REASON, Input("document", "文号", required=False)),
    "机构请求不经单位负责人确认而提交。",
)
_DEMAND = Act("demand-signer", "不予免予确认", "已不予", (REASON,))
_UNSIGNED = Act(
    "ask-unsigned",
    "请求免予确认",
    "已请求",
    (REASON,),
    "单位负责人无法登录的，写明理由，由经办人决定。",
)
_ASK_RETURN = Act(
    "ask-return",
    "请求退回",
    "已请求，由审核人决定",
    (REASON,),
    "审核人已经领取，退回之后才能更正。",
)
_DECLINE_RETURN = Act("decline-return", "不予退回", "已不予退回", (REASON,))
_MORE = (
    *(act for act in SHARED if act.name not in ACTS),
    _EXCUSE,
    _DEMAND,
    _UNSIGNED,
    _ASK_RETURN,
    _DECLINE_RETURN,
)
"""What else can be done, by forms that are nothing but an act's own blanks."""


def named_acts(name: str, form: Form) -> list[Act]:
    """What else the form of a page does: what it names beside its own blanks is put into it."""
    answer = answering_act(name)
    return [answer] if answer else [*_MORE, asking_act(_version(form)["revision"])]


def more_now(
    filing: Mapping[str, Any],
    draft: Mapping[str, Any] | None,
    actor: Actor,
    code: str = "",
    *,
    mine: bool,
) -> list[Act]:
    """Of these, what the reader of a filing can think of now, after a refusal or none. Pure."""
    role, editable = actor.role, Status(filing["status"]) in EDITABLE
    if role is Role.FILER:
        under_review = filing["status"] == Status.IN_REVIEW and filing["claimed"]
        if under_review and not filing["return_asked"]:
            return [_ASK_RETURN]
        if draft is None or not editable or not draft["revision"]:
            return []
        attestation = draft["standing"]["attestation"]
        asks = attestation["required"] and not attestation["holds"] and not filing["signer_asked"]
        return [*asking_forms(draft, code), *([_UNSIGNED] if asks else [])]
    shared = [act for act in shared_acts_now(filing, actor, mine=mine) if act in _MORE]
    if role is Role.REVIEWER and draft is not None and editable:
        shared += answering_forms(draft, actor.scope)
    asked = role is Role.OPERATOR and filing["signer_asked"]
    returning = role is Role.REVIEWER and mine and filing["return_asked"]
    return [
        *((_EXCUSE, _DEMAND) if asked else ()),
        *((_DECLINE_RETURN,) if returning else ()),
        *shared,
    ]
