"""The pure review state machine of filings, batches and certificates.

`decide` says what a command leads to at an instant: events, or a refusal. `evolve` applies one
event to a state. A state is therefore always the fold of its events, in the journal as in the
workflow. Nothing here reads a clock, a database or a rule file.
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple, assert_never

from domain import commands as c
from domain.citation import Citation
from domain.commands import ACTION_LABELS, ALSO, ROLE_LABELS, ROLE_OF, SYSTEM, Actor, Command, Role
from domain.decision import ReviewerDecision, ReviewLevel
from domain.model import Recorded
from domain.plan import CasePlan, Window
from domain.refusals import Code, Refusal
from domain.status import EDITABLE, STATUS_LABELS, Status
from domain.steps import Event, EventName, Position


class CaseState(Recorded):
    """All that the state machine knows of a case.

    ``filers``, ``reviewers`` and ``checkers`` are the people who have acted as such.
    ``late`` says that the first submission came in the supplementary window (补报).
    ``lapsed_from`` is where an extension takes a lapsed case back to. ``completed_revision`` is
    what was approved last; a case ``reopened`` and not corrected in time goes back to it.
    """

    status: Status = Status.SCHEDULED
    levels: tuple[ReviewLevel, ...] = ()
    level: int = 0
    claimed_by: str = ""
    revision: int = 0
    filers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    checkers: tuple[str, ...] = ()
    extended_until: datetime | None = None
    submitted_before: bool = False
    late: bool = False
    lapsed_from: Status | None = None
    completed_revision: int = 0
    reopened: bool = False

    def authority(self, plan: CasePlan) -> str:
        """The authority whose turn it is; empty when it is the filer's or nobody's."""
        if self.status is Status.IN_REVIEW:
            return self.levels[self.level - 1].authority
        if self.status is Status.QUALITY_CHECK:
            return plan.checker or ""
        return ""


class Submission(Recorded):
    """What was found out about a submission before deciding on it.

    ``editors`` are all people who saved a revision of the content.
    """

    decision: ReviewerDecision | None = None
    editors: tuple[str, ...] = ()
    refusal: Refusal | None = None


class Timer(NamedTuple):
    """What happens at ``at`` if nothing else does before."""

    at: datetime
    action: Literal["open", "start_review", "start_quality_check", "lapse", "end"]


def closing(window: Window, state: CaseState) -> datetime:
    """When a window closes for this case, its extension included."""
    return max(window.closes, state.extended_until or window.closes)


def submission_closing(state: CaseState, plan: CasePlan) -> tuple[datetime, Citation]:
    """Until when the filer can submit, and the clause that says so."""
    if state.submitted_before:
        return closing(plan.correct, state), plan.correct.cite
    last = plan.supplement or plan.fill
    return closing(last, state), last.cite


def next_timer(state: CaseState, plan: CasePlan) -> Timer | None:
    """The one timer a case in this state keeps; None when only people can move it."""
    match state.status:
        case Status.SCHEDULED:
            return Timer(plan.fill.opens, "open")
        case Status.DRAFT | Status.RETURNED:
            return Timer(submission_closing(state, plan)[0], "lapse")
        case Status.WITHDRAWN:
            must = plan.obligation.outcome == "must" or state.reopened
            return Timer(submission_closing(state, plan)[0], "lapse" if must else "end")
        case Status.SUBMITTED:
            return Timer(plan.review.opens, "start_review")
        case Status.IN_REVIEW:
            return Timer(closing(plan.review, state), "lapse") if plan.lapse_unapproved else None
        case Status.APPROVED:
            return Timer(plan.quality.opens, "start_quality_check") if plan.quality else None
        case Status.QUALITY_CHECK | Status.COMPLETED | Status.LAPSED | Status.CANCELLED:
            return None
        case never:  # pragma: no cover
            assert_never(never)


def editable(here: Position, plan: CasePlan, now: datetime) -> Refusal | None:
    """Whether the filer may enter or change content now; the refusal if not.

    ``here.due`` is when the present status runs out; the timer that follows may lag behind it.
    """
    if now < plan.fill.opens:
        return _not_open(plan)
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
    found = _DECIDERS[command.kind](state, plan, command, now, submission or Submission())
    if isinstance(found, Refusal):
        return found
    for draft in found:
        state, event = _happened(state, plan, draft)
        events.append(event)
    return tuple(events)


def position(state: CaseState, plan: CasePlan) -> Position:
    """What lists show of a state."""
    timer = next_timer(state, plan)
    return Position(
        status=state.status,
        level=state.level if state.status is Status.IN_REVIEW else 0,
        authority=state.authority(plan),
        claimed_by=state.claimed_by,
        revision=state.revision,
        due=timer.at if timer else None,
    )


def evolve(state: CaseState, event: Event) -> CaseState:
    """The state after an event. Never refuses: what is recorded has happened."""
    return state.model_copy(update=_changes(state, event.name, event.actor, event.body))


def fold(events: list[Event]) -> CaseState:
    """The state a case's events lead to."""
    state = CaseState()
    for event in events:
        state = evolve(state, event)
    return state


# --- what each event changes -------------------------------------------------------------------


def _changes(
    state: CaseState, name: EventName, actor: Actor, body: dict[str, Any]
) -> dict[str, Any]:
    match name:
        case EventName.SCHEDULED:
            return {"status": Status.SCHEDULED}
        case EventName.OPENED:
            return {"status": Status.DRAFT}
        case EventName.SUBMITTED:
            return {
                "status": Status.SUBMITTED,
                "revision": body["revision"],
                "filers": _with(state.filers, actor.subject, *body["editors"]),
                "submitted_before": True,
                "late": state.late or body["late"],
                "level": 0,
                "levels": (),
                "claimed_by": "",
            }
        case EventName.ASSIGNED:
            levels = tuple(ReviewLevel.model_validate(level) for level in body["levels"])
            started = {"status": Status.IN_REVIEW, "level": 1} if body["review_open"] else {}
            return {"levels": levels, **started}
        case EventName.REVIEW_STARTED:
            return {"status": Status.IN_REVIEW, "level": 1}
        case EventName.WITHDRAWN:
            return {"status": Status.WITHDRAWN, "level": 0, "levels": (), "claimed_by": ""}
        case EventName.CLAIMED:
            return {"claimed_by": actor.subject, **_took_part(state, actor)}
        case EventName.RELEASED:
            return {"claimed_by": ""}
        case EventName.LEVEL_APPROVED:
            return {"level": state.level + 1, "claimed_by": "", **_took_part(state, actor)}
        case EventName.APPROVED:
            return {
                "status": Status.APPROVED,
                "level": 0,
                "claimed_by": "",
                **_took_part(state, actor),
            }
        case EventName.RETURNED | EventName.SENT_BACK:
            return {
                "status": Status.RETURNED,
                "level": 0,
                "claimed_by": "",
                **_took_part(state, actor),
            }
        case EventName.QUALITY_CHECK_STARTED:
            return {"status": Status.QUALITY_CHECK}
        case EventName.QUALITY_PASSED:
            return {"claimed_by": "", **_took_part(state, actor)}
        case EventName.COMPLETED:
            return {
                "status": Status.COMPLETED,
                "completed_revision": state.revision,
                "reopened": False,
            }
        case EventName.EXTENDED:
            restored = {"status": state.lapsed_from, "lapsed_from": None}
            until = datetime.fromisoformat(body["until"])
            return {"extended_until": until} | (
                restored if state.status is Status.LAPSED and state.lapsed_from else {}
            )
        case EventName.REOPENED:
            return {
                "status": Status.RETURNED,
                "extended_until": datetime.fromisoformat(body["until"]),
                "reopened": True,
            }
        case EventName.REOPENING_EXPIRED:
            return {
                "status": Status.COMPLETED,
                "revision": state.completed_revision,
                "reopened": False,
                "level": 0,
                "claimed_by": "",
            }
        case EventName.CANCELLED:
            return {"status": Status.CANCELLED, "level": 0, "claimed_by": ""}
        case EventName.LAPSED:
            return {"status": Status.LAPSED, "lapsed_from": state.status, "claimed_by": ""}
        case never:  # pragma: no cover
            assert_never(never)


def _with(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*people, *more)))


def _took_part(state: CaseState, actor: Actor) -> dict[str, Any]:
    if actor.role is Role.REVIEWER:
        return {"reviewers": _with(state.reviewers, actor.subject)}
    return {"checkers": _with(state.checkers, actor.subject)}


# --- what each command may do --------------------------------------------------------------------


class _Draft(NamedTuple):
    name: EventName
    actor: Actor
    body: dict[str, Any] = {}  # noqa: RUF012  never changed in place
    cite: Citation | None = None


_Found = list[_Draft] | Refusal


def _common(state: CaseState, plan: CasePlan, command: Command) -> Refusal | None:
    """Role and ended cases: the same for every command."""
    role = command.actor.role
    if role is not ROLE_OF[command.kind] and role not in ALSO.get(command.kind, ()):
        return Refusal(code=Code.FORBIDDEN, params={"role": ROLE_LABELS[role]})
    revivable = {
        Status.COMPLETED: ("reopen",),
        Status.LAPSED: ("extend",),
        Status.CANCELLED: (),
    }
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
        and (timer := next_timer(state, plan))
        and timer.action in opening
        and timer.at <= now
    ):
        name, cite = opening[timer.action]
        state, event = _happened(state, plan, _Draft(name, SYSTEM, cite=cite))
        events.append(event)
    return state, events


def _happened(state: CaseState, plan: CasePlan, draft: _Draft) -> tuple[CaseState, Event]:
    bare = Event(
        name=draft.name,
        actor=draft.actor,
        position=Position(status=Status.SCHEDULED),
        cite=draft.cite,
        body=draft.body,
    )
    state = evolve(state, bare)
    return state, bare.model_copy(update={"position": position(state, plan)})


def _wrong_status(state: CaseState, action: str) -> Refusal:
    return Refusal(
        code=Code.WRONG_STATUS, params={"status": STATUS_LABELS[state.status], "action": action}
    )


def _expect(state: CaseState, command: Command, *wanted: Status) -> Refusal | None:
    if state.status in wanted:
        return None
    return _wrong_status(state, ACTION_LABELS[command.kind])


def _submission_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if now < plan.fill.opens:
        return Refusal(code=Code.NOT_OPEN_YET, cite=plan.fill.cite, at=plan.fill.opens)
    closes, cite = submission_closing(state, plan)
    if now >= closes:
        code = Code.CORRECT_CLOSED if state.submitted_before else Code.FILL_CLOSED
        return Refusal(code=code, cite=cite, at=closes)
    return None


def _review_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if now < plan.review.opens:
        return Refusal(code=Code.REVIEW_NOT_OPEN, cite=plan.review.cite, at=plan.review.opens)
    if now >= closing(plan.review, state):
        return Refusal(
            code=Code.REVIEW_CLOSED, cite=plan.review.cite, at=closing(plan.review, state)
        )
    return None


def _quality_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if plan.quality is None:
        return None
    closes = closing(plan.quality, state)
    if now < plan.quality.opens:
        return Refusal(code=Code.QUALITY_CLOSED, cite=plan.quality.cite, at=plan.quality.opens)
    if now >= closes:
        return Refusal(code=Code.QUALITY_CLOSED, cite=plan.quality.cite, at=closes)
    return None


def _turn_window(state: CaseState, plan: CasePlan, now: datetime) -> Refusal | None:
    if state.status is Status.IN_REVIEW:
        return _review_window(state, plan, now)
    return _quality_window(state, plan, now)


def _person(state: CaseState, actor: Actor) -> Refusal | None:
    """Filer, reviewer and checker of one case are three different people."""
    parts = {
        Role.FILER: state.filers,
        Role.REVIEWER: state.reviewers,
        Role.CHECKER: state.checkers,
    }
    for role, people in parts.items():
        if role is not actor.role and actor.subject in people:
            return Refusal(
                code=Code.SAME_PERSON,
                params={"role": ROLE_LABELS[role], "wanted": ROLE_LABELS[actor.role]},
            )
    return None


def _turn(
    state: CaseState, plan: CasePlan, command: Command, *, claim_needed: bool
) -> Refusal | None:
    """Whether it is this person's turn: authority, separation of people, claim."""
    authority = state.authority(plan)
    wanted = Role.REVIEWER if state.status is Status.IN_REVIEW else Role.CHECKER
    if command.actor.scope != authority or command.actor.role is not wanted:
        return Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": authority})
    refusal = _person(state, command.actor)
    if refusal is not None:
        return refusal
    if claim_needed and not state.claimed_by:
        return Refusal(code=Code.NOT_CLAIMED)
    if state.claimed_by and state.claimed_by != command.actor.subject:
        return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": state.claimed_by})
    return None


def _needs_note(command: Command) -> Refusal | None:
    if command.note_sha256:
        return None
    return Refusal(code=Code.REASON_REQUIRED, params={"action": ACTION_LABELS[command.kind]})


def _open(s: CaseState, p: CasePlan, m: c.Open, now: datetime, _: Submission) -> _Found:
    if refusal := _expect(s, m, Status.SCHEDULED):
        return refusal
    if now < p.fill.opens:
        return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)
    return [_Draft(EventName.OPENED, m.actor, cite=p.fill.cite)]


def _submit(
    s: CaseState, p: CasePlan, m: c.Submit, now: datetime, submission: Submission
) -> _Found:
    refusal = (
        (_not_open(p) if s.status is Status.SCHEDULED else None)
        or _expect(s, m, *EDITABLE)
        or _submission_window(s, p, now)
        or _person(s, m.actor)
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
    drafts = [_Draft(EventName.SUBMITTED, m.actor, body, cite)]
    decision = submission.decision
    if decision is not None and decision.reviewer is not None:
        assigned = {**decision.model_dump(mode="json"), "review_open": now >= p.review.opens}
        drafts.append(_Draft(EventName.ASSIGNED, SYSTEM, assigned, decision.cite))
    return drafts


def _not_open(p: CasePlan) -> Refusal:
    return Refusal(code=Code.NOT_OPEN_YET, cite=p.fill.cite, at=p.fill.opens)


def _start_review(
    s: CaseState, p: CasePlan, m: c.StartReview, now: datetime, _: Submission
) -> _Found:
    refusal = _expect(s, m, Status.SUBMITTED)
    if refusal is None and now < p.review.opens:
        refusal = _review_window(s, p, now)
    return refusal or [_Draft(EventName.REVIEW_STARTED, m.actor, cite=p.review.cite)]


def _withdraw(s: CaseState, p: CasePlan, m: c.Withdraw, now: datetime, _: Submission) -> _Found:
    voluntary_draft = s.status is Status.DRAFT and p.obligation.outcome == "may"
    if not voluntary_draft and (
        refusal := _expect(s, m, Status.SUBMITTED, Status.IN_REVIEW) or _unclaimed(s)
    ):
        return refusal
    if refusal := _submission_window(s, p, now):
        return refusal
    return [_Draft(EventName.WITHDRAWN, m.actor, cite=p.fill.cite)]


def _unclaimed(s: CaseState) -> Refusal | None:
    if not s.claimed_by:
        return None
    # the filer is not told which person of the authority it is
    return Refusal(code=Code.CLAIMED_BY_OTHER, params={"person": "审核人"})


def _claim(s: CaseState, p: CasePlan, m: c.Claim, now: datetime, _: Submission) -> _Found:
    refusal = (
        (_review_window(s, p, now) if s.status is Status.SUBMITTED else None)
        or _expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
        or _turn(s, p, m, claim_needed=False)
        or _turn_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    if s.claimed_by:
        return _wrong_status(s, "重复领取")
    return [_Draft(EventName.CLAIMED, m.actor, cite=_level_cite(s, p))]


def _release(s: CaseState, p: CasePlan, m: c.Release, now: datetime, _: Submission) -> _Found:
    refusal = _expect(s, m, Status.IN_REVIEW, Status.QUALITY_CHECK)
    if refusal is None and m.actor.role is Role.OPERATOR:
        refusal = _needs_note(m) or (None if s.claimed_by else Refusal(code=Code.NOT_CLAIMED))
    elif refusal is None:
        refusal = _turn(s, p, m, claim_needed=True)
    return refusal or [_Draft(EventName.RELEASED, m.actor)]


def _return(s: CaseState, p: CasePlan, m: c.Return, now: datetime, _: Submission) -> _Found:
    refusal = (
        _expect(s, m, Status.IN_REVIEW)
        or _turn(s, p, m, claim_needed=True)
        or _needs_note(m)
        or _review_window(s, p, now)
        or _time_to_correct(s, p, now)
    )
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id if s.level else ""}
    return refusal or [_Draft(EventName.RETURNED, m.actor, body, _level_cite(s, p))]


def _time_to_correct(s: CaseState, p: CasePlan, now: datetime) -> Refusal | None:
    """A return is worth something only while the filer can still answer it."""
    closes = closing(p.correct, s)
    if now < closes:
        return None
    return Refusal(code=Code.CORRECT_CLOSED, cite=p.correct.cite, at=closes)


def _approve(s: CaseState, p: CasePlan, m: c.Approve, now: datetime, _: Submission) -> _Found:
    refusal = (
        _expect(s, m, Status.IN_REVIEW)
        or _turn(s, p, m, claim_needed=True)
        or _review_window(s, p, now)
    )
    if refusal is not None:
        return refusal
    body = {"level": s.level, "level_id": s.levels[s.level - 1].id}
    cite = _level_cite(s, p)
    if s.level < len(s.levels):
        return [_Draft(EventName.LEVEL_APPROVED, m.actor, body, cite)]
    drafts = [_Draft(EventName.APPROVED, m.actor, body, cite)]
    if p.checker is None:
        drafts.append(_Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite))
    elif p.quality is None or now >= p.quality.opens:
        drafts.append(_Draft(EventName.QUALITY_CHECK_STARTED, SYSTEM, cite=p.checker_cite))
    return drafts


def _level_cite(s: CaseState, p: CasePlan) -> Citation | None:
    if s.status is Status.IN_REVIEW:
        return s.levels[s.level - 1].cite or p.review.cite
    return p.checker_cite


def _start_quality(
    s: CaseState, p: CasePlan, m: c.StartQualityCheck, now: datetime, _: Submission
) -> _Found:
    refusal = _expect(s, m, Status.APPROVED)
    if refusal is None and p.quality is not None and now < p.quality.opens:
        refusal = _quality_window(s, p, now)
    return refusal or [_Draft(EventName.QUALITY_CHECK_STARTED, m.actor, cite=p.checker_cite)]


def _pass_quality(
    s: CaseState, p: CasePlan, m: c.PassQuality, now: datetime, _: Submission
) -> _Found:
    refusal = (
        _expect(s, m, Status.QUALITY_CHECK)
        or _turn(s, p, m, claim_needed=False)
        or _quality_window(s, p, now)
    )
    return refusal or [
        _Draft(EventName.QUALITY_PASSED, m.actor, cite=p.checker_cite),
        _Draft(EventName.COMPLETED, SYSTEM, cite=p.completion_cite),
    ]


def _send_back(s: CaseState, p: CasePlan, m: c.SendBack, now: datetime, _: Submission) -> _Found:
    refusal = (
        _expect(s, m, Status.QUALITY_CHECK)
        or _turn(s, p, m, claim_needed=False)
        or _needs_note(m)
        or _quality_window(s, p, now)
        or _time_to_correct(s, p, now)
    )
    return refusal or [_Draft(EventName.SENT_BACK, m.actor, cite=p.checker_cite)]


def _extend(s: CaseState, p: CasePlan, m: c.Extend, now: datetime, _: Submission) -> _Found:
    refusal = _needs_note(m) or _later(s, p, m.until, now)
    body = {"until": m.until.isoformat(), "document": m.document}
    return refusal or [_Draft(EventName.EXTENDED, m.actor, body)]


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


def _reopen(s: CaseState, p: CasePlan, m: c.Reopen, now: datetime, _: Submission) -> _Found:
    refusal = _expect(s, m, Status.COMPLETED) or _needs_note(m)
    if refusal is not None:
        return refusal
    if m.until <= now:
        return Refusal(code=Code.EXTENSION_NOT_LATER, cite=p.correct.cite, at=now)
    body = {"until": m.until.isoformat(), "document": m.document}
    return [_Draft(EventName.REOPENED, m.actor, body, p.completion_cite)]


def _cancel(s: CaseState, p: CasePlan, m: c.Cancel, now: datetime, _: Submission) -> _Found:
    return _needs_note(m) or [_Draft(EventName.CANCELLED, m.actor)]


def _lapse(s: CaseState, p: CasePlan, m: c.Lapse, now: datetime, _: Submission) -> _Found:
    timer = next_timer(s, p)
    if timer is None or timer.action != "lapse":
        return _wrong_status(s, ACTION_LABELS[m.kind])
    if now < timer.at:
        return Refusal(code=Code.NOT_OPEN_YET, at=timer.at)
    cite = p.completion_cite if s.status is Status.IN_REVIEW else submission_closing(s, p)[1]
    if s.reopened:
        return [_Draft(EventName.REOPENING_EXPIRED, m.actor, {"from": s.status.value}, cite)]
    if p.obligation.outcome == "may" and s.status in (Status.DRAFT, Status.RETURNED):
        # nobody who need not file is on record as having failed to
        return [_Draft(EventName.WITHDRAWN, m.actor, cite=cite)]
    return [_Draft(EventName.LAPSED, m.actor, {"from": s.status.value}, cite)]


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
}
