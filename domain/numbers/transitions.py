"""What only report numbers and complaints know: uploads, changes, publication, declaration.

Each decider takes state, plan, command, instant and what was found out before (`Submission`), and
returns the drafts of events or a refusal; `domain.case.review` puts them together.
"""

from datetime import datetime, time, timedelta
from typing import Any

from domain.case import commands as c
from domain.case.checks import (
    Draft,
    Found,
    expect,
    needs_note,
    person,
    submission_window,
    turn,
    wrong_status,
)
from domain.case.commands import ACTION_LABELS, SYSTEM
from domain.case.events import EventName
from domain.case.plan import FOREVER, CasePlan
from domain.case.state import (
    CaseState,
    Submission,
    awaits_numbers,
    closing,
    submission_closing,
)
from domain.case.status import EDITABLE, UPLOAD_STAGE_LABELS, Status, UploadStage
from domain.refusals import Code, Refusal

MOST_WAITING = 50
"""So many uploads of one batch may wait to be read."""

_AT_ANY_TIME = {"finish_upload", "change_numbers", "publish", "note_complaint"}
AFTER_THE_END: dict[Status, frozenset[str]] = {
    Status.COMPLETED: frozenset({"reopen", "receive_upload", *_AT_ANY_TIME}),
    Status.LAPSED: frozenset({"extend", *_AT_ANY_TIME}),
    Status.CANCELLED: frozenset(_AT_ANY_TIME - {"change_numbers"}),
}
"""What an ended batch still takes: what was uploaded lives on, and the public is told the truth."""


def visible_from(plan: CasePlan, now: datetime) -> datetime:
    """From when the public sees what is uploaded now: 00:00 of the day the rules name."""
    terms = plan.numbers
    assert terms is not None
    if terms.days_until_visible == 0:
        return now
    beijing = FOREVER.tzinfo
    day = now.astimezone(beijing).date() + timedelta(days=terms.days_until_visible)
    return datetime.combine(day, time.min, beijing)


def _receive(
    s: CaseState, p: CasePlan, m: c.ReceiveUpload, now: datetime, found: Submission
) -> Found:
    # a file counts from when it was there, not from when its turn has come
    now = min(now, m.received_at)
    refusal = (
        submission_window(s, p, now)
        or expect(s, m, *EDITABLE, Status.COMPLETED)
        or person(s, m.actor)
        or found.refusal
    )
    if refusal is not None:
        return refusal
    if any(one.upload == m.upload for one in (*s.uploads_waiting, *s.unpublished)):
        params = {"stage": UPLOAD_STAGE_LABELS[UploadStage.QUEUED], "action": "再次收齐"}
        return Refusal(code=Code.UPLOAD_CLOSED, params=params)
    if len(s.uploads_waiting) >= MOST_WAITING:
        return _under_way(s)
    gate = found.gate
    body = {
        "upload": m.upload,
        "sha256": m.sha256,
        "size": m.size,
        "visible_from": visible_from(p, now).isoformat(),
        "late": not s.submitted_before and not s.numbers and now >= closing(p.fill, s),
        "gate": gate.model_dump(mode="json") if gate is not None else None,
    }
    cite = gate.cite if gate is not None and gate.cite is not None else p.fill.cite
    return [Draft(EventName.UPLOAD_RECEIVED, m.actor, body, cite)]


def _finish(s: CaseState, p: CasePlan, m: c.FinishUpload, now: datetime, _: Submission) -> Found:
    outcome = m.outcome
    waiting = next((one for one in s.uploads_waiting if one.upload == outcome.upload), None)
    if waiting is None:
        return wrong_status(s, ACTION_LABELS[m.kind])
    body: dict[str, Any] = {
        "upload": outcome.upload,
        "rows": outcome.rows,
        "bad": outcome.bad,
        "numbers": outcome.numbers,
    }
    if not outcome.accepted:
        return [Draft(EventName.UPLOAD_REJECTED, m.actor, body)]
    assert p.numbers is not None
    body |= {
        "digest": outcome.digest,
        "visible_from": waiting.visible_from.isoformat(),
        "late": waiting.late,
    }
    drafts = [Draft(EventName.NUMBERS_ACCEPTED, m.actor, body, p.numbers.visible_cite)]
    if waiting.visible_from <= now:
        published = {"uploads": [outcome.upload], "at": waiting.visible_from.isoformat()}
        drafts.append(
            Draft(EventName.NUMBERS_PUBLISHED, m.actor, published, p.numbers.visible_cite)
        )
    return drafts


def _declare(s: CaseState, p: CasePlan, m: c.Declare, now: datetime, _: Submission) -> Found:
    refusal = submission_window(s, p, now) or expect(s, m, *EDITABLE) or person(s, m.actor)
    if refusal is not None:
        return refusal
    if s.uploads_waiting:
        return _under_way(s)
    if m.total != s.numbers:
        params = {"given": str(m.total), "latest": str(s.numbers)}
        return Refusal(code=Code.TOTAL_DIFFERS, params=params, cite=p.fill.cite)
    late = not s.numbers and not s.submitted_before and now >= closing(p.fill, s)
    body = {"revision": s.revision, "total": m.total, "late": late, "editors": []}
    cite = p.supplement.cite if late and p.supplement else p.fill.cite
    drafts = [Draft(EventName.SUBMITTED, m.actor, body, cite)]
    if p.levels:
        levels = [level.model_dump(mode="json") for level in p.levels]
        assigned = {"levels": levels, "review_open": now >= p.review.opens}
        return [*drafts, Draft(EventName.ASSIGNED, SYSTEM, assigned, p.levels[0].cite)]
    return [*drafts, Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite)]


def _under_way(s: CaseState) -> Refusal:
    return Refusal(code=Code.UPLOADS_UNDER_WAY, params={"count": str(len(s.uploads_waiting))})


def _change(
    s: CaseState, p: CasePlan, m: c.ChangeNumbers, now: datetime, found: Submission
) -> Found:
    refusal = person(s, m.actor) or needs_note(m) or found.refusal
    if refusal is not None:
        return refusal
    if s.uploads_waiting:
        # it might be about numbers that are just being read
        return _under_way(s)
    body: dict[str, Any] = {
        "change": m.change,
        "count": m.count,
        "content_sha256": m.content_sha256,
    }
    if m.action == "withdrawn":
        return [Draft(EventName.NUMBERS_WITHDRAWN, m.actor, body)]
    assert p.numbers is not None
    body["visible_from"] = (found.visible_from or visible_from(p, now)).isoformat()
    return [Draft(EventName.NUMBERS_CORRECTED, m.actor, body, p.numbers.visible_cite)]


def _publish(s: CaseState, p: CasePlan, m: c.Publish, now: datetime, _: Submission) -> Found:
    due = [one for one in s.unpublished if one.visible_from <= now]
    if not due or p.numbers is None:
        return wrong_status(s, ACTION_LABELS[m.kind])
    body = {
        "uploads": [one.upload for one in due],
        "at": max(one.visible_from for one in due).isoformat(),
    }
    return [Draft(EventName.NUMBERS_PUBLISHED, m.actor, body, p.numbers.visible_cite)]


def _remind(s: CaseState, p: CasePlan, m: c.Remind, now: datetime, _: Submission) -> Found:
    due = next((one for one in p.reminders if one.id == m.reminder), None)
    if due is None or due.id in s.reminded or now < due.at or not awaits_numbers(s, p):
        return wrong_status(s, ACTION_LABELS[m.kind])
    body = {"reminder": due.id, "label": due.label, "due": closing(p.fill, s).isoformat()}
    return [Draft(EventName.REMINDED, m.actor, body, due.cite)]


def _overdue(s: CaseState, p: CasePlan, m: c.MarkOverdue, now: datetime, _: Submission) -> Found:
    if s.overdue or now < closing(p.fill, s) or not awaits_numbers(s, p):
        return wrong_status(s, ACTION_LABELS[m.kind])
    body = {"due": closing(p.fill, s).isoformat(), "until": submission_closing(s, p)[0].isoformat()}
    return [Draft(EventName.OVERDUE, m.actor, body, p.fill.cite)]


def _resolve(s: CaseState, p: CasePlan, m: c.Resolve, now: datetime, _: Submission) -> Found:
    refusal = expect(s, m, Status.IN_REVIEW) or turn(s, p, m, claim_needed=True) or needs_note(m)
    if refusal is not None:
        return refusal
    body = {"outcome": m.outcome.value, "reply_sha256": m.reply_sha256}
    cite = s.levels[s.level - 1].cite
    return [
        Draft(EventName.COMPLAINT_RESOLVED, m.actor, body, cite),
        Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite),
    ]


def _note(s: CaseState, p: CasePlan, m: c.NoteComplaint, now: datetime, _: Submission) -> Found:
    body = {"complaint": m.complaint, "outcome": m.outcome.value}
    return [Draft(EventName.COMPLAINT_NOTED, m.actor, body)]


DECIDERS: dict[str, Any] = {
    "receive_upload": _receive,
    "finish_upload": _finish,
    "declare": _declare,
    "change_numbers": _change,
    "publish": _publish,
    "remind": _remind,
    "mark_overdue": _overdue,
    "resolve": _resolve,
    "note_complaint": _note,
}
