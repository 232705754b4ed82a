"""The statuses a case can be in, with the words people read."""

from enum import StrEnum


class Status(StrEnum):
    """Where a case stands (see docs/life-of-a-case.md)."""

    SCHEDULED = "scheduled"
    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    APPROVED = "approved"
    QUALITY_CHECK = "quality_check"
    COMPLETED = "completed"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


STATUS_LABELS: dict[Status, str] = {
    Status.SCHEDULED: "未开放",
    Status.DRAFT: "填报中",
    Status.SUBMITTED: "已提交，待审核",
    Status.IN_REVIEW: "审核中",
    Status.RETURNED: "已退回",
    Status.APPROVED: "审核通过",
    Status.QUALITY_CHECK: "质量审查中",
    Status.COMPLETED: "已办结",
    Status.LAPSED: "逾期未完成",
    Status.WITHDRAWN: "已撤回",
    Status.CANCELLED: "已取消",
}

EDITABLE = (Status.DRAFT, Status.RETURNED, Status.WITHDRAWN)
"""Statuses in which the filer may change the content."""

ENDED = (Status.COMPLETED, Status.LAPSED, Status.CANCELLED)
"""Statuses a case stays in until somebody reopens it for cause or grants an extension."""


class Kind(StrEnum):
    """What a case is about."""

    FILING = "filing"
    REPORT_NUMBERS = "report-numbers"
    COMPLAINT = "complaint"
    CERTIFICATE = "certificate"


KIND_LABELS: dict[Kind, str] = {
    Kind.FILING: "年度统计填报",
    Kind.REPORT_NUMBERS: "报告编号季度报送",
    Kind.COMPLAINT: "社会公众投诉",
    Kind.CERTIFICATE: "资质认定证书",
}


class UploadStage(StrEnum):
    """How far an upload of report numbers has come."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    READING = "reading"
    CHECKING = "checking"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REPEATED = "repeated"
    ABANDONED = "abandoned"


UPLOAD_STAGE_LABELS: dict[UploadStage, str] = {
    UploadStage.RECEIVING: "接收中",
    UploadStage.QUEUED: "已收齐，待核对",
    UploadStage.READING: "读取中",
    UploadStage.CHECKING: "核对并入库中",
    UploadStage.ACCEPTED: "已收下",
    UploadStage.REJECTED: "未收下",
    UploadStage.REPEATED: "与先前的文件相同",
    UploadStage.ABANDONED: "已放弃",
}
