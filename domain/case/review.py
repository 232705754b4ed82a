"""The pure state machine of filings, batches of report numbers, complaints and certificates.

`decide` says what a command leads to at an instant: events, or a refusal. What the events change
stands in `domain.case.state`; what only report numbers and complaints know in
`domain.numbers.transitions`, what only certificates know in `domain.certificates.transitions`.
Nothing here reads a clock, a database or a rule file.
"""

from datetime import datetime
from typing import Any

from domain.case import commands as c
from domain.case.checks import (
    Draft,
    Found,
    expect,
    needs_note,
    person,
    quality_window,
    review_window,
    submission_window,
    turn,
    turn_window,
    wrong_status,
)
from domain.case.commands import (
    ACTION_LABELS,
    ALSO,
    COMMANDS_OF,
    ROLE_LABELS,
    ROLE_OF,
    SYSTEM,
    Command,
    Role,
)
from domain.case.events import Event, EventName, Position
from domain.case.plan import CasePlan
from domain.case.state import (
    CaseState,
    Submission,
    closing,
    evolve,
    position,
    status_timer,
    submission_closing,
)
from domain.case.status import EDITABLE, STATUS_LABELS, Kind, Status
from domain.certificates import transitions
from domain.citation import Citation
from domain.numbers import transitions as number_moves
from domain.refusals import Code, Refusal


def editable(here: Position, plan: CasePlan, now: datetime) -> Refusal | None:
    """Whether the filer may enter or change content now; the refusal if not.

    ``here.due`` is when the present status runs out; the timer that follows may lag behind it.
    """
    if now < plan.fill.opens:
        return _not_open(plan)
    if plan.kind == Kind.CERTIFICATE and here.status is Status.COMPLETED:
        # what is saved beside a certificate in force is a change that may be applied for
        return None
    if here.status is Status.SCHEDULED:
        # the window is open, only the timer lags behind
        here = here.model_copy(
            update={"status": Status.DRAFT, "due": (plan.supplement or plan.fill).closes}
        )
    if here.status not in EDITABLE:
        params = {"status": STATUS_LABELS[here.status], "action": "修改内容"}
        return Refusal(code=Code.WRONG_STATUS, params=params)
    if here.due is not None and now >= here.due:
        first = here.status is Status.DRAFT
        window = (plan.supplement or plan.fill) if first else plan.correct
        code = Code.FILL_CLOSED if first else Code.CORRECT_CLOSED
        return Refusal(code=code, cite=window.cite, at=here.due)
    return None


def check(state: CaseState, plan: CasePlan, command: Command, now: datetime) -> Refusal | None:
    """Whether a command can be accepted now, as far as the case itself can tell."""
    found = decide(state, plan, command, now, Submission())
    return found if isinstance(found, Refusal) else None


def decide(
    state: CaseState,
    plan: CasePlan,
    command: Command,
    now: datetime,
    submission: Submission | None = None,
) -> tuple[Event, ...] | Refusal:
    """What a command leads to: its events in order, or why it is refused.

    ``submission`` is needed for a `Submit` only; without its decision the checks are made all
    the same, and the events lack the assignment.
    """
    refusal = _common(state, plan, command)
    if refusal is not None:
        return refusal
    state, events = _caught_up(state, plan, command, now)
    submission = submission or Submission()
    certificate = plan.kind == Kind.CERTIFICATE
    deciders = _OF_CERTIFICATES if certificate else _DECIDERS
    found = deciders[command.kind](state, plan, command, now, submission)
    if isinstance(found, Refusal):
        return found
    if certificate:
        if submission.refusal is not None:
            return submission.refusal
        found = transitions.in_terms_of_certificates(found, state, submission)
    for draft in found:
        state, event = _happened(state, plan, draft)
        events.append(event)
    return tuple(events)


_AFTER_THE_END: dict[Status, frozenset[str]] = {
    Status.COMPLETED: frozenset({"reopen"}),
    Status.LAPSED: frozenset({"extend"}),
    Status.CANCELLED: frozenset(),
}
"""What an ended case still takes."""


_REVIVABLE = {
    Kind.REPORT_NUMBERS: number_moves.AFTER_THE_END,
    Kind.CERTIFICATE: transitions.AFTER_THE_END,
}


# --- private steps --------------------------------------------------------------------------------


def _common(state: CaseState, plan: CasePlan, command: Command) -> Refusal | None:
    """Role and ended cases: the same for every command."""
    role = command.actor.role
    if command.kind not in COMMANDS_OF[Kind(plan.kind)]:
        return wrong_status(state, ACTION_LABELS[command.kind])
    if role is not ROLE_OF[command.kind] and role not in ALSO.get(command.kind, ()):
        return Refusal(code=Code.FORBIDDEN, params={"role": ROLE_LABELS[role]})
    if role is Role.CLERK and (refusal := transitions.not_the_issuers(plan, command)):
        return refusal
    revivable = _REVIVABLE.get(Kind(plan.kind), _AFTER_THE_END)
    if state.status in revivable and command.kind not in revivable[state.status]:
        if state.status is Status.LAPSED and command.kind != "lapse":
            return lapsed(state, plan)
        return Refusal(
            code=Code.CASE_ENDED,
            params={"status": STATUS_LABELS[state.status], "action": ACTION_LABELS[command.kind]},
        )
    return None


def lapsed(state: CaseState, plan: CasePlan) -> Refusal:
    """Which window it was that closed on a lapsed case, when, and under which clause."""
    if state.lapsed_from is Status.IN_REVIEW:
        return Refusal(
            code=Code.REVIEW_CLOSED, cite=plan.completion_cite, at=closing(plan.review, state)
        )
    closes, cite = submission_closing(state, plan)
    code = Code.CORRECT_CLOSED if state.submitted_before else Code.FILL_CLOSED
    return Refusal(code=code, cite=cite, at=closes)


def _caught_up(
    state: CaseState, plan: CasePlan, command: Command, now: datetime
) -> tuple[CaseState, list[Event]]:
    """The state with what an opening window has brought about, though its timer may lag behind.

    At a midnight on which fifty thousand timers fire, nobody has to wait for their own.
    """
    events: list[Event] = []
    opening = {
        "open": (EventName.OPENED, plan.fill.cite),
        "start_review": (EventName.REVIEW_STARTED, plan.review.cite),
        "start_quality_check": (EventName.QUALITY_CHECK_STARTED, plan.checker_cite),
    }
    while (
        ROLE_OF[command.kind] is not Role.SYSTEM
        and (timer := status_timer(state, plan))
        and timer.action in opening
        and timer.at <= now
    ):
        name, cite = opening[timer.action]
        state, event = _happened(state, plan, Draft(name, SYSTEM, cite=cite))
        events.append(event)
    return state, events


def _happened(state: CaseState, plan: CasePlan, draft: Draft) -> tuple[CaseState, Event]:
    bare = Event(
        name=draft.name,
        actor=draft.actor,
        position=Position(status=Status.SCHEDULED),
        cite=draft.cite,
        body=draft.body,
    )
    state = evolve(state, bare)
    return state, bare.model_copy(update={"position": position(state, plan)})


def _open(s: CaseState, p: CasePlan, m: c.Open, now: datetime, _: Submission) -> Found:
    if refusal := expect(s, m, Status.SCHEDULED):
        return refusal
    if now < p.fill.opens:
        return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)
    return [Draft(EventName.OPENED, m.actor, cite=p.fill.cite)]


def _submit(s: CaseState, p: CasePlan, m: c.Submit, now: datetime, submission: Submission) -> Found:
    refusal = (
        (_not_open(p) if s.status is Status.SCHEDULED else None)
        or expect(s, m, *EDITABLE)
        or submission_window(s, p, now)
        or person(s, m.actor)
        or submission.refusal
    )
    if refusal is not None:
        return refusal
    editor = next((e for e in submission.editors if e in (*s.reviewers, *s.checkers)), None)
    if editor is not None:
        return Refusal(
            code=Code.SAME_PERSON,
            params={"role": ROLE_LABELS[Role.REVIEWER], "wanted": ROLE_LABELS[Role.FILER]},
        )
    # an extension moves the end of filling for this case: what comes within it is not late
    late = not s.submitted_before and now >= closing(p.fill, s)
    body = {
        "revision": m.revision,
        "content_sha256": m.content_sha256,
        "choice": m.choice,
        "late": late,
        "editors": list(submission.editors),
    }
    cite = p.supplement.cite if late and p.supplement else p.fill.cite
    drafts = [Draft(EventName.SUBMITTED, m.actor, body, cite)]
    decision = submission.decision
    if decision is not None and decision.reviewer is not None:
        assigned = {**decision.model_dump(mode="json"), "review_open": now >= p.review.opens}
        drafts.append(Draft(EventName.ASSIGNED, SYSTEM, assigned, decision.cite))
    return drafts


def _not_open(p: CasePlan) -> Refusal:
    return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)


def _start_review(
    s: CaseState, p: CasePlan, m: c.StartReview, now: datetime, _: Submission
) -> Found:
    refusal = expect(s, m, Status.SUBMITTED)
    if refusal is None and now < p.review.opens:
        refusal = review_window(s, p, now)
    return refusal or [Draft(EventName.REVIEW_STARTED, m.actor, cite=p.review.cite)]


def _withdraw(s: CaseState, p: CasePlan, m: c.Withdraw, now: datetime, _: Submission) -> Found:
    voluntary_draft = s.status is Status.DRAFT and p.obligation.outcome == "may"
    if not voluntary_draft and (
        refusal := expect(s, m, Status.SUBMITTED, Status.IN_REVIEW) or _unclaimed(s)
    ):
        return refusal
    if refusal := submission_window(s, p, now):
        return refusal
    return [Draft(EventName.WITHDRAWN, m.actor, cite=p.fill.cite)]


def _unclaimed(s: CaseState) -> Refusal | None:
    if not s.claimed_by:
        return None
    # the filer is not told which person of the authority it is
    return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": "审核人"})


def _claim(s: CaseState, p: CasePlan, m: c.Claim, now: datetime, _: Submission) -> Found:
    refusal = (
        (review_window(s, p, now) if s.status is Status.SUBMITTED else None)
        or expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=False)
        or turn_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    if s.claimed_by:
        return wrong_status(s, "重复领取")
    return [Draft(EventName.CLAIMED, m.actor, cite=_level_cite(s, p))]


def _release(s: CaseState, p: CasePlan, m: c.Release, now: datetime, _: Submission) -> Found:
    refusal = expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
    if refusal is None and m.actor.role is Role.OPERATOR:
        refusal = needs_note(m) or (None if s.claimed_by else Refusal(code=Code.NOT_CLAIMED))
    elif refusal is None:
        refusal = turn(s, p, m, claim_needed=True)
    return refusal or [Draft(EventName.RELEASED, m.actor)]


def _return(s: CaseState, p: CasePlan, m: c.Return, now: datetime, _: Submission) -> Found:
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or needs_note(m)
        or review_window(s, p, now)
        or _time_to_correct(s, p, now)
    )
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id if s.level else ""}
    return refusal or [Draft(EventName.RETURNED, m.actor, body, _level_cite(s, p))]


def _time_to_correct(s: CaseState, p: CasePlan, now: datetime) -> Refusal | None:
    """A return is worth something only while the filer can still answer it."""
    closes = closing(p.correct, s)
    if now < closes:
        return None
    return Refusal(code=Code.CORRECT_CLOSED, cite=p.correct.cite, at=closes)


def _approve(s: CaseState, p: CasePlan, m: c.Approve, now: datetime, _: Submission) -> Found:
    refusal = (
        expect(s, m, Status.IN_REVIEW)
        or turn(s, p, m, claim_needed=True)
        or review_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id}
    cite = _level_cite(s, p)
    if s.level < len(s.levels):
        return [Draft(EventName.LEVEL_APPROVED, m.actor, body, cite)]
    drafts = [Draft(EventName.APPROVED, m.actor, body, cite)]
    if p.checker is None:
        drafts.append(Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite))
    elif p.quality is None or now >= p.quality.opens:
        drafts.append(Draft(EventName.QUALITY_CHECK_STARTED, SYSTEM, cite=p.checker_cite))
    return drafts


def _level_cite(s: CaseState, p: CasePlan) -> Citation | None:
    if s.status is Status.IN_REVIEW:
        return s.levels[s.level - 1].cite or p.review.cite
    return p.checker_cite


def _start_quality(
    s: CaseState, p: CasePlan, m: c.StartQualityCheck, now: datetime, _: Submission
) -> Found:
    refusal = expect(s, m, Status.APPROVED)
    if refusal is None and p.quality is not None and now < p.quality.opens:
        refusal = quality_window(s, p, now)
    return refusal or [Draft(EventName.QUALITY_CHECK_STARTED, m.actor, cite=p.checker_cite)]


def _pass_quality(
    s: CaseState, p: CasePlan, m: c.PassQuality, now: datetime, _: Submission
) -> Found:
    refusal = (
        expect(s, m, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=False)
        or quality_window(s, p, now)
    )
    return refusal or [
        Draft(EventName.QUALITY_PASSED, m.actor, cite=p.checker_cite),
        Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite),
    ]


def _send_back(s: CaseState, p: CasePlan, m: c.SendBack, now: datetime, _: Submission) -> Found:
    refusal = (
        expect(s, m, Status.QUALITY_CHECK)
        or turn(s, p, m, claim_needed=False)
        or needs_note(m)
        or quality_window(s, p, now)
        or _time_to_correct(s, p, now)
    )
    return refusal or [Draft(EventName.SENT_BACK, m.actor, cite=p.checker_cite)]


def _extend(s: CaseState, p: CasePlan, m: c.Extend, now: datetime, _: Submission) -> Found:
    refusal = needs_note(m) or _later(s, p, m.until, now)
    body = {"until": m.until.isoformat(), "document": m.document}
    return refusal or [Draft(EventName.EXTENDED, m.actor, body)]


def _later(s: CaseState, p: CasePlan, until: datetime, now: datetime) -> Refusal | None:
    """An extension must reach beyond what the case's present status depends on."""
    standing = s.lapsed_from or s.status
    if standing in (Status.SUBMITTED, Status.IN_REVIEW):
        present, cite = closing(p.review, s), p.review.cite
    else:
        present, cite = submission_closing(s, p)
    if until <= max(present, now):
        return Refusal(code=Code.EXTENSION_NOT_LATER, cite=cite, at=present)
    return None


def _reopen(s: CaseState, p: CasePlan, m: c.Reopen, now: datetime, _: Submission) -> Found:
    refusal = expect(s, m, Status.COMPLETED) or needs_note(m)
    if refusal is not None:
        return refusal
    if m.until <= now:
        return Refusal(code=Code.EXTENSION_NOT_LATER, cite=p.correct.cite, at=now)
    body = {"until": m.until.isoformat(), "document": m.document}
    return [Draft(EventName.REOPENED, m.actor, body, p.completion_cite)]


def _cancel(s: CaseState, p: CasePlan, m: c.Cancel, now: datetime, _: Submission) -> Found:
    return needs_note(m) or [Draft(EventName.CANCELLED, m.actor)]


def _lapse(s: CaseState, p: CasePlan, m: c.Lapse, now: datetime, _: Submission) -> Found:
    timer = status_timer(s, p)
    if timer is None or timer.action != "lapse":
        return wrong_status(s, ACTION_LABELS[m.kind])
    if now < timer.at:
        return Refusal(code=Code.NOT_OPEN_YET, at=timer.at)
    cite = p.completion_cite if s.status is Status.IN_REVIEW else submission_closing(s, p)[1]
    if s.numbers or (p.numbers is not None and s.reopened):
        # what was reported stands, though nobody declared that it is all
        return [Draft(EventName.COMPLETED, m.actor, {"undeclared": True}, cite)]
    if s.reopened:
        return [Draft(EventName.REOPENING_EXPIRED, m.actor, {"from": s.status.value}, cite)]
    if p.obligation.outcome == "may" and s.status in (Status.DRAFT, Status.RETURNED):
        # nobody who need not file is on record as having failed to
        return [Draft(EventName.WITHDRAWN, m.actor, cite=cite)]
    return [Draft(EventName.LAPSED, m.actor, {"from": s.status.value}, cite)]


_DECIDERS: dict[str, Any] = {
    "open": _open,
    "submit": _submit,
    "start_review": _start_review,
    "withdraw": _withdraw,
    "claim": _claim,
    "release": _release,
    "return": _return,
    "approve": _approve,
    "start_quality_check": _start_quality,
    "pass_quality": _pass_quality,
    "send_back": _send_back,
    "extend": _extend,
    "reopen": _reopen,
    "cancel": _cancel,
    "lapse": _lapse,
    **number_moves.DECIDERS,
}
_OF_CERTIFICATES: dict[str, Any] = {**_DECIDERS, **transitions.DECIDERS}
