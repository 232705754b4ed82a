"""What people and timers can ask of a case. One union, `Command`, tagged by ``kind``.

Texts people write (reasons, notes) are stored beside the case under their SHA-256; a command
carries only ``note_sha256``, so that no text out of a form can reach an engine's history.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from domain.case.status import Kind
from domain.certificates.certificate import Ended
from domain.certificates.issuing import Decided, Purpose
from domain.ids import CommandId
from domain.model import Recorded
from domain.numbers.report_numbers import ComplaintOutcome, IngestOutcome


class Role(StrEnum):
    """In what capacity somebody acts."""

    FILER = "filer"
    REVIEWER = "reviewer"
    CHECKER = "checker"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    CLERK = "clerk"
    SYSTEM = "system"


ROLE_LABELS: dict[Role, str] = {
    Role.FILER: "填报人",
    Role.REVIEWER: "审核人",
    Role.CHECKER: "质量审查人",
    Role.OPERATOR: "经办人",
    Role.AUDITOR: "审计人",
    Role.CLERK: "发证经办人",
    Role.SYSTEM: "系统",
}


class Actor(Recorded):
    """Who acts. ``scope``: a filer's institution; a reviewer's, checker's or clerk's authority; an
    operator's jurisdiction; empty for the system."""

    subject: str
    role: Role
    scope: str = ""


SYSTEM = Actor(subject="system", role=Role.SYSTEM)


LATEST = datetime(2999, 1, 1, tzinfo=UTC)
"""No instant that people may name lies beyond this."""

Until = Annotated[AwareDatetime, Field(le=LATEST)]
Document = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UploadId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Base(Recorded):
    """``seen_sequence`` is how far the sender saw the case: a workflow that a crash has thrown
    behind its journal learns from it that it has to catch up."""

    id: CommandId
    actor: Actor
    received_at: datetime
    note_sha256: str = ""
    seen_sequence: int = 0


class Open(_Base):
    """The filling window has opened (a timer's command)."""

    kind: Literal["open"] = "open"


class Submit(_Base):
    """The filer submits a saved revision; ``choice`` is the authority it picks, if it may."""

    kind: Literal["submit"] = "submit"
    revision: int = Field(ge=1, le=2**31 - 1)
    content_sha256: Sha256
    choice: Annotated[str, Field(max_length=64)] | None = None


class StartReview(_Base):
    """The review window has opened for what was submitted before it (a timer's command)."""

    kind: Literal["start_review"] = "start_review"


class Withdraw(_Base):
    """The filer takes its submission back, or a voluntary filer its filing."""

    kind: Literal["withdraw"] = "withdraw"


class Claim(_Base):
    """A person of the assigned authority takes the case."""

    kind: Literal["claim"] = "claim"


class Release(_Base):
    """Whoever claimed the case gives it back; an operator does so for somebody who is away."""

    kind: Literal["release"] = "release"


class Return(_Base):
    """The reviewer sends the case back to the filer, with reasons."""

    kind: Literal["return"] = "return"


class Approve(_Base):
    """The reviewer approves at the present level."""

    kind: Literal["approve"] = "approve"


class StartQualityCheck(_Base):
    """The quality check's window has opened (a timer's command)."""

    kind: Literal["start_quality_check"] = "start_quality_check"


class PassQuality(_Base):
    """The checker finds the case in order."""

    kind: Literal["pass_quality"] = "pass_quality"


class SendBack(_Base):
    """The checker sends the case back to the filer, with reasons."""

    kind: Literal["send_back"] = "send_back"


class Extend(_Base):
    """An operator gives this case until ``until`` (first instant no longer inside)."""

    kind: Literal["extend"] = "extend"
    until: Until
    document: Document = ""


class Reopen(_Base):
    """An operator reopens a completed case for cause, to be corrected before ``until``."""

    kind: Literal["reopen"] = "reopen"
    until: Until
    document: Document = ""


class Cancel(_Base):
    """An operator ends a case that should not exist, with the reason."""

    kind: Literal["cancel"] = "cancel"


class Lapse(_Base):
    """The last window that could save the case has closed (a timer's command)."""

    kind: Literal["lapse"] = "lapse"


class ReceiveUpload(_Base):
    """A file of report numbers has been received completely and is to be read."""

    kind: Literal["receive_upload"] = "receive_upload"
    upload: UploadId
    sha256: Sha256
    size: int = Field(ge=0)


class FinishUpload(_Base):
    """An upload has been read: what became of it (the system's command)."""

    kind: Literal["finish_upload"] = "finish_upload"
    outcome: IngestOutcome


class Declare(_Base):
    """The filer declares that all numbers of the quarter are in, ``total`` of them; 0 for none."""

    kind: Literal["declare"] = "declare"
    total: int = Field(ge=0)


class ChangeNumbers(_Base):
    """The filer withdraws or corrects numbers on record; the list is stored beside the case."""

    kind: Literal["change_numbers"] = "change_numbers"
    change: UploadId
    action: Literal["withdrawn", "corrected"]
    count: int = Field(ge=1)
    content_sha256: Sha256


class Publish(_Base):
    """The day has come from which accepted numbers are visible (a timer's command)."""

    kind: Literal["publish"] = "publish"


class Remind(_Base):
    """A reminder's day has come for a filer who has not submitted (a timer's command)."""

    kind: Literal["remind"] = "remind"
    reminder: str


class MarkOverdue(_Base):
    """The due date has passed without a submission (a timer's command)."""

    kind: Literal["mark_overdue"] = "mark_overdue"


class Resolve(_Base):
    """The reviewer ends a complaint with its outcome; the note is for the record."""

    kind: Literal["resolve"] = "resolve"
    outcome: ComplaintOutcome
    reply_sha256: Sha256


class NoteComplaint(_Base):
    """A complaint about a number of this batch has ended (the system's command)."""

    kind: Literal["note_complaint"] = "note_complaint"
    complaint: str
    outcome: ComplaintOutcome


class Apply(_Base):
    """Somebody applies with a saved revision: for a certificate, for a change, for more scope.

    ``change`` is the id of the rules' kind of change. ``decided`` is what the issuing authority
    has decided outside this system; only its clerk may say so, and the note names who decided.
    """

    kind: Literal["apply"] = "apply"
    purpose: Purpose
    change: Annotated[str, Field(max_length=64)] = ""
    revision: int = Field(ge=1, le=2**31 - 1)
    content_sha256: Sha256
    decided: Decided | None = None


class Reject(_Base):
    """The reviewer refuses what was applied for, with the reason."""

    kind: Literal["reject"] = "reject"


class EndCertificate(_Base):
    """The issuing authority ends a certificate; the note holds reason and authoriser."""

    kind: Literal["end_certificate"] = "end_certificate"
    ending: Ended
    on: date
    document: Annotated[Document, Field(min_length=1)]


class Expire(_Base):
    """The last day of a certificate is over (a timer's command)."""

    kind: Literal["expire"] = "expire"


class Supersede(_Base):
    """The certificate that takes this one's place has been issued (the system's command)."""

    kind: Literal["supersede"] = "supersede"
    by: str
    on: date


class NotePredecessor(_Base):
    """The certificate that this one replaces is marked as superseded (the system's command)."""

    kind: Literal["note_predecessor"] = "note_predecessor"
    predecessor: str


Command = Annotated[
    Open
    | Submit
    | StartReview
    | Withdraw
    | Claim
    | Release
    | Return
    | Approve
    | StartQualityCheck
    | PassQuality
    | SendBack
    | Extend
    | Reopen
    | Cancel
    | Lapse
    | ReceiveUpload
    | FinishUpload
    | Declare
    | ChangeNumbers
    | Publish
    | Remind
    | MarkOverdue
    | Resolve
    | NoteComplaint
    | Apply
    | Reject
    | EndCertificate
    | Expire
    | Supersede
    | NotePredecessor,
    Field(discriminator="kind"),
]

ACTION_LABELS: dict[str, str] = {
    "open": "开放",
    "submit": "提交",
    "start_review": "转入审核",
    "withdraw": "撤回",
    "claim": "领取",
    "release": "退领",
    "return": "退回",
    "approve": "审核通过",
    "start_quality_check": "转入质量审查",
    "pass_quality": "质量审查通过",
    "send_back": "质量审查退回",
    "extend": "延期",
    "reopen": "重新开启",
    "cancel": "取消",
    "lapse": "逾期处理",
    "receive_upload": "上传报告编号",
    "finish_upload": "登记上传结果",
    "declare": "声明本季度已报齐",
    "change_numbers": "撤回或更正报告编号",
    "publish": "开放查询",
    "remind": "提醒",
    "mark_overdue": "登记逾期",
    "resolve": "办结投诉",
    "note_complaint": "登记投诉结果",
    "apply": "申请",
    "reject": "不予批准",
    "end_certificate": "终止证书",
    "expire": "登记届满",
    "supersede": "登记换发",
    "note_predecessor": "登记原证书已换发",
}

ROLE_OF: dict[str, Role] = {
    "open": Role.SYSTEM,
    "submit": Role.FILER,
    "start_review": Role.SYSTEM,
    "withdraw": Role.FILER,
    "claim": Role.REVIEWER,
    "release": Role.REVIEWER,
    "return": Role.REVIEWER,
    "approve": Role.REVIEWER,
    "start_quality_check": Role.SYSTEM,
    "pass_quality": Role.CHECKER,
    "send_back": Role.CHECKER,
    "extend": Role.OPERATOR,
    "reopen": Role.OPERATOR,
    "cancel": Role.OPERATOR,
    "lapse": Role.SYSTEM,
    "receive_upload": Role.FILER,
    "finish_upload": Role.SYSTEM,
    "declare": Role.FILER,
    "change_numbers": Role.FILER,
    "publish": Role.SYSTEM,
    "remind": Role.SYSTEM,
    "mark_overdue": Role.SYSTEM,
    "resolve": Role.REVIEWER,
    "note_complaint": Role.SYSTEM,
    "apply": Role.FILER,
    "reject": Role.REVIEWER,
    "end_certificate": Role.CLERK,
    "expire": Role.SYSTEM,
    "supersede": Role.SYSTEM,
    "note_predecessor": Role.SYSTEM,
}
"""The role each command needs; for claims and releases see also `ALSO`."""

ALSO: dict[str, frozenset[Role]] = {
    "claim": frozenset({Role.CHECKER}),
    "release": frozenset({Role.CHECKER, Role.OPERATOR}),
    "apply": frozenset({Role.CLERK}),
    "withdraw": frozenset({Role.CLERK}),
    "end_certificate": frozenset({Role.REVIEWER}),
}
"""Further roles that may give a command."""


_FOR_ALL = frozenset({"claim", "release", "return", "approve", "cancel", "extend", "reopen"})
_OF_FILINGS = _FOR_ALL | {
    "open",
    "submit",
    "start_review",
    "withdraw",
    "start_quality_check",
    "pass_quality",
    "send_back",
    "lapse",
}
COMMANDS_OF: dict[Kind, frozenset[str]] = {
    Kind.FILING: _OF_FILINGS,
    Kind.REPORT_NUMBERS: _FOR_ALL
    | {
        "open",
        "lapse",
        "receive_upload",
        "finish_upload",
        "declare",
        "change_numbers",
        "publish",
        "remind",
        "mark_overdue",
        "note_complaint",
    },
    Kind.COMPLAINT: frozenset({"claim", "release", "resolve", "cancel"}),
    Kind.CERTIFICATE: (_FOR_ALL - {"extend", "reopen"})
    | {
        "open",
        "apply",
        "withdraw",
        "reject",
        "pass_quality",
        "send_back",
        "remind",
        "end_certificate",
        "expire",
        "supersede",
        "note_predecessor",
    },
}
"""Which commands each kind of case takes."""
