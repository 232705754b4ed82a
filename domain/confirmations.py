"""Acts that one person proposes and another confirms before they are done.

Which acts these are, from which number on, within what time and by whom they may be confirmed
stands in the rules (`rules.file.confirmations`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.canonical import sha256_of
from domain.case.commands import Actor
from domain.connected import client_of
from domain.jobs import JobAction
from domain.jurisdictions import lies_in
from domain.memberships import is_program
from domain.model import Value
from domain.refusals import Code, Refusal, unseen


class ConfirmedAct(StrEnum):
    """What can do harm for good. The bulk acts are named after what is done to each case."""

    PUBLISH_RULES = "publish_rules"
    OPEN_CAMPAIGN = "open_campaign"
    ANNUL_CAMPAIGN = "annul_campaign"
    ISSUE_CERTIFICATE = "issue_certificate"
    END_CERTIFICATE = "end_certificate"
    CORRECT_END = "correct_end"
    DESTROY_CONTENT = "destroy_content"
    BULK_ANNUL = "bulk_annul"
    BULK_CANCEL = "bulk_cancel"
    BULK_APPROVE = "bulk_approve"
    BULK_RETURN = "bulk_return"
    BULK_ISSUE = "bulk_issue"
    DELIVER_CERTIFICATES = "deliver_certificates"
    BULK_DELIVER = "bulk_deliver"


CONFIRMED_ACT_LABELS: dict[ConfirmedAct, str] = {
    ConfirmedAct.PUBLISH_RULES: "发布规则",
    ConfirmedAct.OPEN_CAMPAIGN: "开启年度统计工作",
    ConfirmedAct.ANNUL_CAMPAIGN: "统计工作作废",
    ConfirmedAct.ISSUE_CERTIFICATE: "按发证机关的决定直接发证",
    ConfirmedAct.END_CERTIFICATE: "终止证书",
    ConfirmedAct.CORRECT_END: "更正证书的终止",
    ConfirmedAct.DESTROY_CONTENT: "销毁内容",
    ConfirmedAct.BULK_ANNUL: "批量作废",
    ConfirmedAct.BULK_CANCEL: "批量取消",
    ConfirmedAct.BULK_APPROVE: "批量审核通过",
    ConfirmedAct.BULK_RETURN: "批量退回",
    ConfirmedAct.BULK_ISSUE: "批量导入证书",
    ConfirmedAct.DELIVER_CERTIFICATES: "联网送达证书",
    ConfirmedAct.BULK_DELIVER: "一小时内联网送达许多证书",
}

SENT_AGAIN: dict[ConfirmedAct, str] = {
    ConfirmedAct.BULK_ISSUE: "确认之后请再上传同一个文件，随即办理；",
    ConfirmedAct.BULK_DELIVER: "确认之后请再送达，随即办理；不确认的，下一小时再送达；",
}
"""What whoever proposed it sends again once it is confirmed: a file, or what is delivered. In
words, what is then to be done."""


BULK_ACTS: dict[JobAction, ConfirmedAct] = {
    JobAction.ANNUL: ConfirmedAct.BULK_ANNUL,
    JobAction.CANCEL: ConfirmedAct.BULK_CANCEL,
    JobAction.APPROVE: ConfirmedAct.BULK_APPROVE,
    JobAction.RETURN: ConfirmedAct.BULK_RETURN,
}
"""What is done to many cases at once and may need a second person."""


class ConfirmationState(StrEnum):
    """How far a proposed act has come. ``refused``: confirmed, and then not possible."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DONE = "done"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


CONFIRMATION_STATE_LABELS: dict[ConfirmationState, str] = {
    ConfirmationState.OPEN: "待另一人确认",
    ConfirmationState.CONFIRMED: "已确认，尚未办成",
    ConfirmationState.DONE: "已确认并办理",
    ConfirmationState.REFUSED: "已确认，但不能办理",
    ConfirmationState.DECLINED: "不予确认",
    ConfirmationState.WITHDRAWN: "提出人已撤回",
}


class ProposedAct(Value):
    """An act as it was asked for, and what became of it.

    ``path`` and ``body`` are the request that is made in the name of ``proposed_by`` once somebody
    else has confirmed it, under ``command_id``; ``number`` is how many cases it is about.
    """

    id: str
    act: ConfirmedAct
    number: int
    path: str
    body: dict[str, Any]
    body_sha256: str
    command_id: str
    proposed_by: Actor
    proposed_at: datetime
    ends_at: datetime
    state: ConfirmationState = ConfirmationState.OPEN
    decided_by: str = ""
    decided_at: datetime | None = None
    note_sha256: str = ""
    outcome: str = ""


def proposal_id(command_id: str) -> str:
    """The id that what is asked for under a command has as a proposed act."""
    return sha256_of({"proposed": command_id})[:32]


_AT_THE_TERMINAL = "cli."


def person_of(subject: str) -> str:
    """Who somebody is, at the terminal or signed in: one person, not two."""
    return subject.removeprefix(_AT_THE_TERMINAL)


def concerns(proposed: ProposedAct, actor: Actor) -> bool:
    """Whether a proposed act is that of somebody's own authority, or lies in its jurisdiction."""
    theirs = proposed.proposed_by.scope
    return theirs == actor.scope or (
        theirs.isdigit() and actor.scope.isdigit() and lies_in(theirs, actor.scope)
    )


def may_not_decide(
    proposed: ProposedAct, actor: Actor, roles: frozenset[str], named: str, now: datetime
) -> Refusal | None:
    """Why somebody may not confirm or decline an act; None where they may.

    ``roles`` may by the rules, ``named`` says which these are.
    """
    if not concerns(proposed, actor):
        return unseen()
    if person_of(actor.subject) == person_of(proposed.proposed_by.subject):
        return Refusal(code=Code.OWN_PROPOSAL, params={"person": actor.subject})
    # a program acts as it was told: it is no second person
    if actor.role not in roles or is_program(actor.subject) or client_of(actor):
        return Refusal(code=Code.NOT_TO_CONFIRM, params={"wanted": named})
    if proposed.state is ConfirmationState.OPEN and now >= proposed.ends_at:
        return Refusal(code=Code.CONFIRMATION_LATE, at=proposed.ends_at)
    return None
