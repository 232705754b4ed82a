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
