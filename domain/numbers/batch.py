"""A batch of report numbers (报告编号季度报送) as a kind of case: its state, events and timers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case import transitions as t
from domain.case.commands import Role
from domain.case.events import Event, EventName
from domain.case.kind import CaseKind, EventRule, anybody, changes_nothing, commands, rule
from domain.case.plan import FOREVER, CasePlan
from domain.case.reminders import (
    REMINDER_EVENTS,
    SERVE_REMINDER,
    SERVED_EVENTS,
    reminder_timers,
)
from domain.case.state import Timer, closing, status_due, status_timers, took_part
from domain.case.status import EDITABLE, ENDED, Status
from domain.complaints import tell_outcome
from domain.messages import closing_time, local_time
from domain.numbers import commands as n
from domain.numbers import transitions as of_numbers
from domain.numbers.commands import NumberEvent
from domain.numbers.report_numbers import BATCH_WORKFLOW
from domain.numbers.state import Batch, BatchFindings, BatchState, PendingUpload, awaits_numbers

# --- what events change ---------------------------------------------------------------------------


def _without(pending: tuple[PendingUpload, ...], *uploads: str) -> tuple[PendingUpload, ...]:
    return tuple(upload for upload in pending if upload.upload not in uploads)


def _upload_received(s: Batch, event: Event) -> Mapping[str, Any]:
    waiting = (*s.own.uploads_waiting, PendingUpload.model_validate(event.body))
    return {**s.own_with(uploads_waiting=waiting), **took_part(s, event.actor)}


def _numbers_accepted(s: Batch, event: Event) -> Mapping[str, Any]:
    own, body = s.own, event.body
    return {
        **s.own_with(
            uploads_waiting=_without(own.uploads_waiting, body["upload"]),
            unpublished=(*own.unpublished, PendingUpload.model_validate(body)),
            numbers=own.numbers + body["numbers"],
        ),
        "revision": s.revision + 1,
        "late": s.late or body["late"],
    }


def _upload_rejected(s: Batch, event: Event) -> Mapping[str, Any]:
    return s.own_with(uploads_waiting=_without(s.own.uploads_waiting, event.body["upload"]))


def _numbers_published(s: Batch, event: Event) -> Mapping[str, Any]:
    return s.own_with(unpublished=_without(s.own.unpublished, *event.body["uploads"]))


def _numbers_withdrawn(s: Batch, event: Event) -> Mapping[str, Any]:
    left = s.own_with(numbers=s.own.numbers - event.body["count"])
    return {**left, "revision": s.revision + 1, **took_part(s, event.actor)}


def _numbers_corrected(s: Batch, event: Event) -> Mapping[str, Any]:
    corrected = PendingUpload(upload=event.body["change"], visible_from=event.body["visible_from"])
    changed = s.own_with(unpublished=(*s.own.unpublished, corrected))
    return {**changed, "revision": s.revision + 1, **took_part(s, event.actor)}


def _overdue(s: Batch, _: Event) -> Mapping[str, Any]:
    return s.own_with(overdue=True)


# --- what timelines tell --------------------------------------------------------------------------


def _tell_declared(body: Mapping[str, Any]) -> str:
    return f"声明共 {body['total']} 个编号{'，补报' if body['late'] else ''}"


def _tell_received(body: Mapping[str, Any]) -> str:
    return f"上传 {body['upload'][:8]}，{body['size']} 字节，SHA-256 {body['sha256'][:12]}"


def _tell_accepted(body: Mapping[str, Any]) -> str:
    visible = local_time(datetime.fromisoformat(body["visible_from"]))
    late = "，逾期补报" if body["late"] else ""
    left_out = f"，{body['bad']} 行有错未收" if body["bad"] else ""
    return f"收下 {body['numbers']} 个{left_out}{late}，{visible} 起可查"


def _tell_rejected(body: Mapping[str, Any]) -> str:
    return f"{body['rows']} 行中 {body['bad']} 行有错，一个也没有收下"


def _tell_count(body: Mapping[str, Any]) -> str:
    return f"{body['count']} 个"


def _tell_published(body: Mapping[str, Any]) -> str:
    return f"{len(body['uploads'])} 次上传的编号"


def _tell_overdue(body: Mapping[str, Any]) -> str:
    return f"补报至 {closing_time(datetime.fromisoformat(body['until']))}"


# --- what time brings -----------------------------------------------------------------------------


def _status_timers(s: Batch, p: CasePlan) -> list[Timer]:
    if s.own.uploads_waiting and s.status in (Status.DRAFT, Status.RETURNED):
        # what came in time is in time, however long it takes to be read
        return []
    return status_timers(s, p)


def _timers(s: Batch, p: CasePlan) -> list[Timer]:
    publications = [Timer(upload.visible_from, n.Publish) for upload in s.own.unpublished]
    timers = [*_status_timers(s, p), *publications]
    if not awaits_numbers(s):
        return timers
    due = closing(p.fill, s)
    timers += reminder_timers(s.own, (reminder for reminder in p.reminders if reminder.at < due))
    if p.supplement is not None and not s.own.overdue:
        timers.append(Timer(due, n.MarkOverdue))
    return timers


def _due(s: Batch, p: CasePlan) -> datetime | None:
    if not _status_timers(s, p):
        return None
    due = status_due(s, p)
    if due is None or due >= FOREVER or s.status is not Status.DRAFT or s.own.overdue:
        return due
    return min(closing(p.fill, s), due)


_COMPLETED = frozenset({Status.COMPLETED})
_WHENEVER = frozenset(ENDED)

BATCH = CaseKind(
    name="report-numbers",
    label="报告编号季度报送",
    workflow=BATCH_WORKFLOW,
    own=BatchState,
    findings=BatchFindings,
    commands={
        **t.REVIEW_COMMANDS,
        **commands(
            rule(c.Open, t.open_, {Role.SYSTEM}),
            rule(c.Lapse, of_numbers.lapse, {Role.SYSTEM}),
            rule(c.Remind, of_numbers.remind, {Role.SYSTEM}),
            SERVE_REMINDER,
            rule(n.MarkOverdue, of_numbers.mark_overdue, {Role.SYSTEM}),
            rule(n.ReceiveUpload, of_numbers.receive_upload, {Role.FILER}, _COMPLETED),
            rule(n.Declare, of_numbers.declare, {Role.FILER}),
            # what was uploaded lives on, and the public is told the truth
            rule(n.FinishUpload, of_numbers.finish_upload, {Role.SYSTEM}, _WHENEVER),
            rule(n.Publish, of_numbers.publish, {Role.SYSTEM}, _WHENEVER),
            rule(n.NoteComplaint, of_numbers.note_complaint, {Role.SYSTEM}, _WHENEVER),
            rule(
                n.ChangeNumbers,
                of_numbers.change_numbers,
                {Role.FILER},
                {Status.COMPLETED, Status.LAPSED},
            ),
        ),
    },
    events={
        **t.SHARED_EVENTS,
        **t.OF_CAMPAIGNS,
        **REMINDER_EVENTS,
        **SERVED_EVENTS,
        EventName.SUBMITTED: EventRule("提交", t.submitted, _tell_declared),
        NumberEvent.UPLOAD_RECEIVED: EventRule("收到上传的文件", _upload_received, _tell_received),
        NumberEvent.NUMBERS_ACCEPTED: EventRule("收下报告编号", _numbers_accepted, _tell_accepted),
        NumberEvent.UPLOAD_REJECTED: EventRule(
            "上传的文件未收下", _upload_rejected, _tell_rejected
        ),
        NumberEvent.NUMBERS_PUBLISHED: EventRule(
            "报告编号开放查询", _numbers_published, _tell_published
        ),
        NumberEvent.NUMBERS_WITHDRAWN: EventRule("撤回报告编号", _numbers_withdrawn, _tell_count),
        NumberEvent.NUMBERS_CORRECTED: EventRule("更正报告编号", _numbers_corrected, _tell_count),
        NumberEvent.OVERDUE: EventRule("逾期未报", _overdue, _tell_overdue),
        NumberEvent.COMPLAINT_NOTED: EventRule("登记投诉结果", changes_nothing, tell_outcome),
    },
    prepares=frozenset({n.ReceiveUpload.name(), n.ChangeNumbers.name()}),
    timers=_timers,
    due=_due,
    admits=anybody,
    editable=frozenset(EDITABLE),
)
