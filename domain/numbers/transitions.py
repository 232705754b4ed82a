"""What only report numbers know: uploads, changes, publication, declaration.

Deciders as in `domain.case.transitions`; `domain.numbers.batch` puts them together.
"""

from datetime import datetime, timedelta
from typing import Any

from domain.case import commands as c
from domain.case import transitions as t
from domain.case.checks import (
    expect,
    needs_note,
    person,
    submission_window,
    wrong_status,
)
from domain.case.commands import SYSTEM
from domain.case.events import Decision, EventName, PendingEvent
from domain.case.plan import CasePlan
from domain.case.reminders import REMINDED
from domain.case.state import closing, submission_closing
from domain.case.status import EDITABLE, Status
from domain.clock import day_of, first_instant
from domain.numbers import commands as n
from domain.numbers.commands import NumberEvent
from domain.numbers.report_numbers import UPLOAD_STAGE_LABELS, UploadStage
from domain.numbers.state import Batch, BatchFindings, awaits_numbers
from domain.refusals import Code, Refusal

MOST_WAITING = 50
"""So many uploads of one batch may wait to be read."""


def visible_from(plan: CasePlan, now: datetime) -> datetime:
    """From when the public sees what is uploaded now: 00:00 of the day the rules name."""
    terms = plan.numbers
    assert terms is not None
    if terms.days_until_visible == 0:
        return now
    return first_instant(day_of(now) + timedelta(days=terms.days_until_visible))


def receive_upload(
    s: Batch, p: CasePlan, m: n.ReceiveUpload, now: datetime, findings: BatchFindings
) -> Decision | Refusal:
    """A file has been received; it is in time if it was there in time."""
    # a file counts from when it was there, not from when its turn has come
    now = min(now, m.received_at)
    refusal = (
        submission_window(s, p, now)
        or expect(s, m, *EDITABLE, Status.COMPLETED)
        or person(s, m.actor)
        or findings.refusal
    )
    if refusal is not None:
        return refusal
    if any(known.upload == m.upload for known in (*s.own.uploads_waiting, *s.own.unpublished)):
        params = {"stage": UPLOAD_STAGE_LABELS[UploadStage.QUEUED], "action": "再次收齐"}
        return Refusal(code=Code.UPLOAD_CLOSED, params=params)
    if len(s.own.uploads_waiting) >= MOST_WAITING:
        return _under_way(s)
    gate = findings.gate
    body = {
        "upload": m.upload,
        "sha256": m.sha256,
        "size": m.size,
        "visible_from": visible_from(p, now).isoformat(),
        "late": not s.submitted_before and not s.own.numbers and now >= closing(p.fill, s),
        "gate": gate.model_dump(mode="json") if gate is not None else None,
    }
    cite = gate.cite if gate is not None and gate.cite is not None else p.fill.cite
    return [PendingEvent(NumberEvent.UPLOAD_RECEIVED, m.actor, body, cite)]


def finish_upload(
    s: Batch, p: CasePlan, m: n.FinishUpload, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """A file has been read: its numbers are on record, or none of them is."""
    outcome = m.outcome
    waiting = next(
        (upload for upload in s.own.uploads_waiting if upload.upload == outcome.upload), None
    )
    if waiting is None:
        return wrong_status(s, m.label)
    body: dict[str, Any] = {
        "upload": outcome.upload,
        "rows": outcome.rows,
        "bad": outcome.bad,
        "numbers": outcome.numbers,
    }
    if not outcome.accepted:
        return [PendingEvent(NumberEvent.UPLOAD_REJECTED, m.actor, body)]
    assert p.numbers is not None
    body |= {
        "digest": outcome.digest,
        "visible_from": waiting.visible_from.isoformat(),
        "late": waiting.late,
    }
    pending = [PendingEvent(NumberEvent.NUMBERS_ACCEPTED, m.actor, body, p.numbers.visible_cite)]
    if waiting.visible_from <= now:
        published = {"uploads": [outcome.upload], "at": waiting.visible_from.isoformat()}
        pending.append(
            PendingEvent(NumberEvent.NUMBERS_PUBLISHED, m.actor, published, p.numbers.visible_cite)
        )
    return pending


def declare(
    s: Batch, p: CasePlan, m: n.Declare, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """The filer says that all numbers are in, and how many they are."""
    refusal = submission_window(s, p, now) or expect(s, m, *EDITABLE) or person(s, m.actor)
    if refusal is not None:
        return refusal
    if s.own.uploads_waiting:
        return _under_way(s)
    if m.total != s.own.numbers:
        params = {"given": str(m.total), "latest": str(s.own.numbers)}
        return Refusal(code=Code.TOTAL_DIFFERS, params=params, cite=p.fill.cite)
    late = not s.own.numbers and not s.submitted_before and now >= closing(p.fill, s)
    body = {"revision": s.revision, "total": m.total, "late": late, "editors": []}
    cite = p.supplement.cite if late and p.supplement else p.fill.cite
    pending = [PendingEvent(EventName.SUBMITTED, m.actor, body, cite)]
    if p.levels:
        levels = [level.model_dump(mode="json") for level in p.levels]
        assigned = {"levels": levels, "review_open": now >= p.review.opens}
        return [*pending, PendingEvent(EventName.ASSIGNED, SYSTEM, assigned, p.levels[0].cite)]
    return [*pending, PendingEvent(EventName.COMPLETED, SYSTEM, cite=p.completion_cite)]


def _under_way(s: Batch) -> Refusal:
    return Refusal(code=Code.UPLOADS_UNDER_WAY, params={"count": str(len(s.own.uploads_waiting))})


def change_numbers(
    s: Batch, p: CasePlan, m: n.ChangeNumbers, now: datetime, findings: BatchFindings
) -> Decision | Refusal:
    """The filer has withdrawn or corrected numbers on record."""
    refusal = person(s, m.actor) or needs_note(m) or findings.refusal
    if refusal is not None:
        return refusal
    if s.own.uploads_waiting:
        # it might be about numbers that are just being read
        return _under_way(s)
    body: dict[str, Any] = {
        "change": m.change,
        "count": m.count,
        "content_sha256": m.content_sha256,
    }
    if m.action == "withdrawn":
        return [PendingEvent(NumberEvent.NUMBERS_WITHDRAWN, m.actor, body)]
    assert p.numbers is not None
    body["visible_from"] = (findings.visible_from or visible_from(p, now)).isoformat()
    return [PendingEvent(NumberEvent.NUMBERS_CORRECTED, m.actor, body, p.numbers.visible_cite)]


def publish(
    s: Batch, p: CasePlan, m: n.Publish, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """The day has come for everything that waited for it."""
    due = [upload for upload in s.own.unpublished if upload.visible_from <= now]
    if not due or p.numbers is None:
        return wrong_status(s, m.label)
    body = {
        "uploads": [upload.upload for upload in due],
        "at": max(upload.visible_from for upload in due).isoformat(),
    }
    return [PendingEvent(NumberEvent.NUMBERS_PUBLISHED, m.actor, body, p.numbers.visible_cite)]


def remind(
    s: Batch, p: CasePlan, m: c.Remind, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """A reminder's day has come, and there is still no report of the quarter."""
    due = next((reminder for reminder in p.reminders if reminder.id == m.reminder), None)
    if due is None or due.id in s.own.reminded or now < due.at or not awaits_numbers(s):
        return wrong_status(s, m.label)
    body = {"reminder": due.id, "label": due.label, "due": closing(p.fill, s).isoformat()}
    return [PendingEvent(REMINDED, m.actor, body, due.cite)]


def mark_overdue(
    s: Batch, p: CasePlan, m: n.MarkOverdue, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """The due date has passed without any report of the quarter."""
    if s.own.overdue or now < closing(p.fill, s) or not awaits_numbers(s):
        return wrong_status(s, m.label)
    body = {"due": closing(p.fill, s).isoformat(), "until": submission_closing(s, p)[0].isoformat()}
    return [PendingEvent(NumberEvent.OVERDUE, m.actor, body, p.fill.cite)]


def note_complaint(
    s: Batch, p: CasePlan, m: n.NoteComplaint, now: datetime, _: BatchFindings
) -> Decision | Refusal:
    """A complaint about a number of the batch has ended."""
    body = {"complaint": m.complaint, "outcome": m.outcome.value}
    return [PendingEvent(NumberEvent.COMPLAINT_NOTED, m.actor, body)]


def lapse(
    s: Batch, p: CasePlan, m: c.Lapse, now: datetime, findings: BatchFindings
) -> Decision | Refusal:
    """As every case lapses, but never while a file is read, and what was reported stands."""
    if s.own.uploads_waiting:
        return wrong_status(s, m.label)
    outcome = t.lapse(s, p, m, now, findings)
    if isinstance(outcome, Refusal) or not (s.own.numbers or s.reopened):
        return outcome
    # though nobody declared that it is all
    return [PendingEvent(EventName.COMPLETED, m.actor, {"undeclared": True}, outcome[0].cite)]
