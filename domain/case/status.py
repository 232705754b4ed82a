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
    AFTER_WINDOW = "after_window"
    ANNULLED = "annulled"
    IN_FORCE = "in_force"


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
    Status.AFTER_WINDOW: "期限过后建立，不计应报",
    Status.ANNULLED: "已作废",
    Status.IN_FORCE: "措施生效",
}

STATUS_NEXT: dict[Status, str] = {
    Status.SCHEDULED: "等到开放之后，由申报方填写提交",
    Status.DRAFT: "由申报方填写后提交",
    Status.SUBMITTED: "等到审核开始，由审核部门的人员领取；此前申报方可以撤回",
    Status.IN_REVIEW: "由审核部门的人员领取后，审核通过或退回",
    Status.RETURNED: "由申报方修改后重新提交",
    Status.APPROVED: "等到质量审查开始，由质量审查人办理",
    Status.QUALITY_CHECK: "由质量审查人通过或退回",
    Status.COMPLETED: "已办结的不再改动；有新的情况，请另行提出",
    Status.LAPSED: "确有原因的，由经办人延期后继续办理",
    Status.WITHDRAWN: "由申报方修改后重新提交",
    Status.CANCELLED: "已取消的不能恢复；仍需办理的，请联系主管部门另行处理",
    Status.AFTER_WINDOW: "需要填报的，由经办人延期后开始填报",
    Status.ANNULLED: "所属的统计工作已作废，不用办理，也不计入任何统计",
    Status.IN_FORCE: "补报并通过审核的，可以请求解除；否则到期满、更正或者撤回为止",
}
"""What goes on from each status, and by whom: for people who asked for something else."""

EDITABLE = (Status.DRAFT, Status.RETURNED, Status.WITHDRAWN)
"""Statuses in which the filer may change the content."""

ENDED = (
    Status.COMPLETED,
    Status.LAPSED,
    Status.CANCELLED,
    Status.AFTER_WINDOW,
    Status.ANNULLED,
)
"""Statuses a case stays in until somebody reopens it for cause or grants an extension."""
