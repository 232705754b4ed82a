"""Accepted steps: events of a case, the journal rows they become, and their hash chain."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.canonical import sha256_of
from domain.case.commands import Actor
from domain.case.status import Status
from domain.citation import Citation
from domain.model import Recorded

GENESIS = "0" * 64
"""The previous hash of a case's first step."""


class EventName(StrEnum):
    """What has happened to a case."""

    SCHEDULED = "scheduled"
    OPENED = "opened"
    SUBMITTED = "submitted"
    ASSIGNED = "assigned"
    REVIEW_STARTED = "review_started"
    WITHDRAWN = "withdrawn"
    CLAIMED = "claimed"
    RELEASED = "released"
    RETURNED = "returned"
    LEVEL_APPROVED = "level_approved"
    APPROVED = "approved"
    QUALITY_CHECK_STARTED = "quality_check_started"
    QUALITY_PASSED = "quality_passed"
    SENT_BACK = "sent_back"
    COMPLETED = "completed"
    EXTENDED = "extended"
    REOPENED = "reopened"
    REOPENING_EXPIRED = "reopening_expired"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    UPLOAD_RECEIVED = "upload_received"
    NUMBERS_ACCEPTED = "numbers_accepted"
    UPLOAD_REJECTED = "upload_rejected"
    NUMBERS_PUBLISHED = "numbers_published"
    NUMBERS_WITHDRAWN = "numbers_withdrawn"
    NUMBERS_CORRECTED = "numbers_corrected"
    REMINDED = "reminded"
    OVERDUE = "overdue"
    COMPLAINT_RECEIVED = "complaint_received"
    COMPLAINT_RESOLVED = "complaint_resolved"
    COMPLAINT_NOTED = "complaint_noted"
    APPLICATION_BEGUN = "application_begun"
    TAKEN_OVER = "taken_over"
    NUMBER_VOIDED = "number_voided"
    NUMBERED = "numbered"
    ISSUED = "issued"
    CERTIFICATE_CHANGED = "certificate_changed"
    CHANGE_ABANDONED = "change_abandoned"
    EXPIRED = "expired"
    CERTIFICATE_ENDED = "certificate_ended"
    SUPERSEDED = "superseded"
    PREDECESSOR_SUPERSEDED = "predecessor_superseded"


OPERATOR_EVENT_LABELS: dict[str, str] = {
    "campaign_opened": "开启年度统计工作",
    "filings_started": "为应填报机构建立填报",
    "stage_entered": "进入阶段",
    "campaign_ended": "年度统计工作结束",
    "roster_imported": "导入机构名录",
    "batches_started": "为应报送机构建立季度报送",
    "serials_set": "设定证书流水号起点",
    "certificates_signed": "补签证书",
    "import_begun": "开始批量导入证书",
    "certificates_imported": "证书批量导入办完",
    "register_imported": "导入有效证书清单",
    "client_registered": "登记联网系统",
    "client_secret_rotated": "轮换联网系统的密钥",
    "client_revoked": "停用联网系统",
    "institution_delivered": "随送达登记机构",
    "plan_received": "收到赋码系统对接方案",
}
"""Events of campaigns and registers, which have no review state machine."""

EVENT_LABELS: dict[EventName, str] = {
    EventName.SCHEDULED: "列入本年度填报",
    EventName.OPENED: "开放填报",
    EventName.SUBMITTED: "提交",
    EventName.ASSIGNED: "分派审核部门",
    EventName.REVIEW_STARTED: "转入审核",
    EventName.WITHDRAWN: "撤回",
    EventName.CLAIMED: "领取",
    EventName.RELEASED: "退领",
    EventName.RETURNED: "审核退回",
    EventName.LEVEL_APPROVED: "本级审核通过",
    EventName.APPROVED: "审核通过",
    EventName.QUALITY_CHECK_STARTED: "转入质量审查",
    EventName.QUALITY_PASSED: "质量审查通过",
    EventName.SENT_BACK: "质量审查退回",
    EventName.COMPLETED: "办结",
    EventName.EXTENDED: "延期",
    EventName.REOPENED: "重新开启",
    EventName.REOPENING_EXPIRED: "逾期未更正，维持原办结",
    EventName.CANCELLED: "取消",
    EventName.LAPSED: "逾期未完成",
    EventName.UPLOAD_RECEIVED: "收到上传的文件",
    EventName.NUMBERS_ACCEPTED: "收下报告编号",
    EventName.UPLOAD_REJECTED: "上传的文件未收下",
    EventName.NUMBERS_PUBLISHED: "报告编号开放查询",
    EventName.NUMBERS_WITHDRAWN: "撤回报告编号",
    EventName.NUMBERS_CORRECTED: "更正报告编号",
    EventName.REMINDED: "提醒报送",
    EventName.OVERDUE: "逾期未报",
    EventName.COMPLAINT_RECEIVED: "收到投诉",
    EventName.COMPLAINT_RESOLVED: "办结投诉",
    EventName.COMPLAINT_NOTED: "登记投诉结果",
    EventName.APPLICATION_BEGUN: "建立申请",
    EventName.TAKEN_OVER: "采集发证机关已作的决定",
    EventName.NUMBER_VOIDED: "原编号作废",
    EventName.NUMBERED: "编号赋码",
    EventName.ISSUED: "发证",
    EventName.CERTIFICATE_CHANGED: "证书变更生效",
    EventName.CHANGE_ABANDONED: "终止变更申请",
    EventName.EXPIRED: "有效期届满",
    EventName.CERTIFICATE_ENDED: "证书终止",
    EventName.SUPERSEDED: "已换发新证",
    EventName.PREDECESSOR_SUPERSEDED: "登记原证书已换发",
}


class Position(Recorded):
    """Where the case stands after an event: what lists and inboxes show.

    ``level`` counts from 1 while in review, else 0; ``due`` is the instant at which the present
    status runs out, None when it does not.
    """

    status: Status
    level: int = 0
    authority: str = ""
    claimed_by: str = ""
    revision: int = 0
    due: datetime | None = None


class Event(Recorded):
    """One thing that happened, decided by the state machine and not yet recorded."""

    name: EventName
    actor: Actor
    position: Position
    cite: Citation | None = None
    body: dict[str, Any] = Field(default_factory=dict)


class Step(Recorded):
    """One journal row. ``at`` is when it was decided, ``received_at`` when it reached the API.

    ``event`` is an `EventName`, or one of `OPERATOR_EVENT_LABELS` for a campaign or a register,
    whose steps have no position.
    """

    case_id: str
    sequence: int
    event: str
    actor: Actor
    position: Position | None
    cite: Citation | None
    body: dict[str, Any]
    at: datetime
    received_at: datetime
    command_id: str
    command_sha256: str
    note_sha256: str
    previous_hash: str
    hash: str = ""


def event_of(step: Step) -> Event:
    """The event a case's step records."""
    assert step.position is not None
    return Event(
        name=EventName(step.event),
        actor=step.actor,
        position=step.position,
        cite=step.cite,
        body=step.body,
    )


def chained(step: Step) -> Step:
    """The step with its hash filled in."""
    return step.model_copy(update={"hash": hash_of(step)})


def hash_of(step: Step) -> str:
    """SHA-256 of a step's canonical JSON with its predecessor's hash in it."""
    return sha256_of(step.model_dump(mode="json", exclude={"hash"}))
