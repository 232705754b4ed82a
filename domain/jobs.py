"""Bulk jobs: one act on many cases, each with an outcome of its own."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.case import commands as c
from domain.case.commands import Actor, Command, Role
from domain.filing.amending import Amend
from domain.model import Recorded
from domain.orders import Sent

JOB_WORKFLOW = "job"
WORK_THROUGH_JOB = "work_through_job"


class JobAction(StrEnum):
    """What can be done to many cases at once: the names of the commands that are given.

    `OPEN_ENFORCEMENT` is no command of theirs: it opens a case of enforcement about each.
    """

    CLAIM = "claim"
    RELEASE = "release"
    ASSIGN = "assign"
    HAND_OVER = "hand_over"
    RETURN = "return"
    APPROVE = "approve"
    EXTEND = "extend"
    SHORTEN = "shorten"
    CANCEL = "cancel"
    ANNUL = "annul"
    DRAW = "draw"
    SERVE_REMINDER = "serve_reminder"
    AMEND = "amend"
    OPEN_ENFORCEMENT = "open_enforcement"


_COMMANDS: dict[JobAction, type[Command]] = {
    JobAction.CLAIM: c.Claim,
    JobAction.RELEASE: c.Release,
    JobAction.ASSIGN: c.Assign,
    JobAction.HAND_OVER: c.HandOver,
    JobAction.RETURN: c.Return,
    JobAction.APPROVE: c.Approve,
    JobAction.EXTEND: c.Extend,
    JobAction.SHORTEN: c.Shorten,
    JobAction.CANCEL: c.Cancel,
    JobAction.ANNUL: c.Annul,
    JobAction.DRAW: c.Draw,
    JobAction.SERVE_REMINDER: c.ServeReminder,
    JobAction.AMEND: Amend,
}

JOB_ACTION_LABELS: dict[JobAction, str] = {
    **{action: command.label for action, command in _COMMANDS.items()},
    JobAction.OPEN_ENFORCEMENT: "后续处理立案",
}


class JobState(StrEnum):
    """Where a job stands. A stopped one goes on when somebody resumes it."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


JOB_STATE_LABELS: dict[JobState, str] = {
    JobState.RUNNING: "进行中",
    JobState.STOPPED: "已停止",
    JobState.DONE: "已办完",
}


class ItemOutcome(StrEnum):
    """What came of one case of a job; empty while it waits."""

    WAITING = ""
    DONE = "done"
    REFUSED = "refused"


class JobStart(Sent):
    """Input of a job's workflow; what it is about is in the database."""

    job_id: str


class JobOrder(Recorded):
    """What a job does to each of its cases. ``details`` are the command's own fields.

    ``note_sha256`` is the reason, or the words of a 催报, kept as a note; empty for none.
    """

    action: JobAction
    actor: Actor
    details: dict[str, Any] = Field(default_factory=dict)
    note_sha256: str = ""


def command_id(job_id: str, number: int) -> str:
    """By what a job's act on its case of a number is known: one act, however often it is tried."""
    return f"job:{job_id}:{number}"


def command_of(order: JobOrder, job_id: str, number: int, now: datetime) -> Command:
    """The command that a job gives its case of a number; the same however often it is asked.

    Not for `JobAction.OPEN_ENFORCEMENT`, which gives none.

    Raises pydantic's ValidationError for details that are not the command's.
    """
    return _COMMANDS[order.action].model_validate(
        {
            "id": command_id(job_id, number),
            "actor": order.actor,
            "received_at": now,
            "note_sha256": order.note_sha256,
            **order.details,
        }
    )


_WITH_REASON = frozenset(
    {
        JobAction.RETURN,
        JobAction.EXTEND,
        JobAction.SHORTEN,
        JobAction.CANCEL,
        JobAction.ANNUL,
        JobAction.SERVE_REMINDER,
        JobAction.AMEND,
    }
)


def needs_reason(action: JobAction, actor: Actor) -> bool:
    """Whether an act on many cases is refused without a reason, as it is on each of them."""
    if action is JobAction.RELEASE:
        return actor.role is Role.OPERATOR
    return action in _WITH_REASON
