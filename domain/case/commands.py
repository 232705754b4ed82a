"""What people and timers can ask of a case: what every command says, and the shared commands.

What only one kind of case is asked stands with that kind.

Texts people write (reasons, notes) are stored beside the case under their SHA-256; a command
carries only ``note_sha256``, so that no text out of a form can reach an engine's history.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from domain.ids import CommandId
from domain.model import Recorded
from domain.refusals import Code, Refusal


class Role(StrEnum):
    """In what capacity somebody acts."""

    FILER = "filer"
    REVIEWER = "reviewer"
    CHECKER = "checker"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    CLERK = "clerk"
    OFFICER = "officer"
    DECIDER = "decider"
    RESPONSIBLE = "responsible"
    SYSTEM = "system"


ROLE_LABELS: dict[Role, str] = {
    Role.FILER: "填报人",
    Role.REVIEWER: "审核人",
    Role.CHECKER: "质量审查人",
    Role.OPERATOR: "经办人",
    Role.AUDITOR: "审计人",
    Role.CLERK: "发证经办人",
    Role.OFFICER: "承办人",
    Role.DECIDER: "决定人",
    Role.RESPONSIBLE: "单位负责人",
    Role.SYSTEM: "系统",
}


def forbidden(role: str, wanted: Iterable[Role]) -> Refusal:
    """The refusal of somebody whose capacity, as people call it, is none of those wanted."""
    people = sorted(set(wanted) - {Role.SYSTEM}, key=list(Role).index)
    named = "、".join(ROLE_LABELS[capacity] for capacity in people) or "系统自动"
    return Refusal(code=Code.FORBIDDEN, params={"role": role, "wanted": named})


class Actor(Recorded):
    """Who acts. ``scope``: a filer's or responsible person's institution; a reviewer's, checker's,
    clerk's, officer's or decider's authority; an operator's jurisdiction; empty for the system.
    """

    subject: str
    role: Role
    scope: str = ""


SYSTEM = Actor(subject="system", role=Role.SYSTEM)


LATEST = datetime(2999, 1, 1, tzinfo=UTC)
"""No instant that people may name lies beyond this."""

Until = Annotated[AwareDatetime, Field(le=LATEST)]
Document = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[int, Field(ge=1, le=2**31 - 1)]
Person = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._@-]{0,63}$")]
"""The subject of a token: who somebody is."""


class Command(Recorded):
    """What every command says; each kind of command is a class of its own.

    ``kind`` is its name and ``label`` what people read. ``seen_sequence`` is how far the sender
    saw the case: a workflow that a crash has thrown behind its journal learns from it that it has
    to catch up. ``acting_for`` is whose deputy the actor is, where it acts as one.
    ``unhurried``: when time gives it, nobody waits for its step to be on record.
    """

    label: ClassVar[str]
    unhurried: ClassVar[bool] = False

    kind: str
    id: CommandId
    actor: Actor
    received_at: datetime
    note_sha256: str = ""
    seen_sequence: int = 0
    acting_for: str = ""

    @classmethod
    def name(cls) -> str:
        """The name a command of this class goes by, its ``kind``."""
        return str(cls.model_fields["kind"].default)


class Open(Command):
    """The filling window has opened (a timer's command)."""

    kind: Literal["open"] = "open"
    label: ClassVar[str] = "开放"


class StartReview(Command):
    """The review window has opened for what was submitted before it (a timer's command)."""

    kind: Literal["start_review"] = "start_review"
    label: ClassVar[str] = "转入审核"


class Withdraw(Command):
    """The filer takes its submission back, or a voluntary filer its filing."""

    kind: Literal["withdraw"] = "withdraw"
    label: ClassVar[str] = "撤回"


class Claim(Command):
    """A person of the assigned authority takes the case."""

    kind: Literal["claim"] = "claim"
    label: ClassVar[str] = "领取"


class Release(Command):
    """Whoever claimed the case gives it back; an operator does so for somebody who is away."""

    kind: Literal["release"] = "release"
    label: ClassVar[str] = "退领"


class Assign(Command):
    """An operator of the authority gives the case to ``person``, who is one of its people."""

    kind: Literal["assign"] = "assign"
    label: ClassVar[str] = "指派"
    person: Person


class HandOver(Command):
    """Whoever claimed the case hands it to ``person``, a colleague."""

    kind: Literal["hand_over"] = "hand_over"
    label: ClassVar[str] = "移交"
    person: Person


class Return(Command):
    """The reviewer sends the case back to the filer, with reasons."""

    kind: Literal["return"] = "return"
    label: ClassVar[str] = "退回"


class Approve(Command):
    """The reviewer approves at the present level."""

    kind: Literal["approve"] = "approve"
    label: ClassVar[str] = "审核通过"


class StartQualityCheck(Command):
    """The quality check's window has opened (a timer's command)."""

    kind: Literal["start_quality_check"] = "start_quality_check"
    label: ClassVar[str] = "转入质量审查"


class Draw(Command):
    """A campaign's draw has come to this filing: it is in the sample, or not.

    ``draw`` is the draw's number in its campaign.
    """

    kind: Literal["draw"] = "draw"
    label: ClassVar[str] = "抽样"
    draw: int
    drawn: bool


class PassQuality(Command):
    """The checker finds the case in order."""

    kind: Literal["pass_quality"] = "pass_quality"
    label: ClassVar[str] = "质量审查通过"


class PassWithRemark(Command):
    """The checker finds the case in order, with something to be told of it."""

    kind: Literal["pass_with_remark"] = "pass_with_remark"
    label: ClassVar[str] = "质量审查通过并附意见"


class FailQuality(Command):
    """The checker finds faults, and the filing stands all the same: no time is left to correct."""

    kind: Literal["fail_quality"] = "fail_quality"
    label: ClassVar[str] = "质量审查不合格"


class SendBack(Command):
    """The checker sends the case back to the filer, with reasons."""

    kind: Literal["send_back"] = "send_back"
    label: ClassVar[str] = "质量审查退回"


class Extend(Command):
    """An operator gives this case until ``until`` (first instant no longer inside).

    ``extension`` is the id of the grant, which may be that of many cases.
    """

    kind: Literal["extend"] = "extend"
    label: ClassVar[str] = "延期"
    until: Until
    document: Document = ""
    extension: str = ""


class Shorten(Command):
    """An operator has an extension end at ``until``, where nobody depends on it yet."""

    kind: Literal["shorten"] = "shorten"
    label: ClassVar[str] = "缩短延期"
    until: Until
    extension: str


class Reopen(Command):
    """An operator reopens a completed case for cause, to be corrected before ``until``."""

    kind: Literal["reopen"] = "reopen"
    label: ClassVar[str] = "重新开启"
    until: Until
    document: Document = ""


class Cancel(Command):
    """An operator ends a case that should not exist, with the reason."""

    kind: Literal["cancel"] = "cancel"
    label: ClassVar[str] = "取消"


class Annul(Command):
    """An operator has a case of a campaign that was opened by mistake count for nothing."""

    kind: Literal["annul"] = "annul"
    label: ClassVar[str] = "作废"


class Lapse(Command):
    """The last window that could save the case has closed (a timer's command)."""

    kind: Literal["lapse"] = "lapse"
    label: ClassVar[str] = "逾期处理"
    unhurried: ClassVar[bool] = True


class ServeReminder(Command):
    """A 催报: an operator or a reviewer reminds a filer who has not filed, on record.

    Its words are the note. ``channels`` are those it is served over beside the message in the
    system; ``document`` is the number of the letter that it stands for.
    """

    kind: Literal["serve_reminder"] = "serve_reminder"
    label: ClassVar[str] = "催报"
    channels: tuple[str, ...] = ("mail",)
    document: Document = ""


class Remind(Command):
    """A reminder's day has come for a filer who has not submitted (a timer's command)."""

    kind: Literal["remind"] = "remind"
    label: ClassVar[str] = "提醒"
    unhurried: ClassVar[bool] = True
    reminder: str
