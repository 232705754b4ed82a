"""What is known of a case, what each event changes of it, and what time will bring.

A state is always the fold of its events, in the journal as in the workflow.
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple, assert_never

from domain.case.commands import Actor, Role
from domain.case.events import Event, EventName, Position
from domain.case.plan import FOREVER, CasePlan, Window
from domain.case.status import Status
from domain.certificates.certificate import CertificateStatus
from domain.certificates.issuing import Allotment, HeldCertificate, Purpose
from domain.citation import Citation
from domain.decision import GateDecision, ReviewerDecision, ReviewLevel
from domain.model import Recorded
from domain.refusals import Refusal


class PendingUpload(Recorded):
    """An upload that is being read, or whose numbers the public cannot see yet.

    ``late``: it was the first of its quarter, and was received after the due date.
    """

    upload: str
    visible_from: datetime
    late: bool = False


class CaseState(Recorded):
    """All that the state machine knows of a case.

    ``filers``, ``reviewers`` and ``checkers`` are the people who have acted as such.
    ``late`` says that the first submission came in the supplementary window (补报).
    ``lapsed_from`` is where an extension takes a lapsed case back to. ``completed_revision`` is
    what was approved last; a case ``reopened`` and not corrected in time goes back to it.

    Of a batch of report numbers: ``uploads_waiting`` are being read, ``unpublished`` accepted and
    not visible yet; ``numbers`` are on record and not withdrawn; ``overdue`` says that the due
    date passed without any.

    Of a certificate: ``purpose`` and ``change`` say what is applied for, ``allotment`` is what was
    numbered and coded, ``certificate`` what has been issued. ``predecessor_told``: the certificate
    that it replaces has been marked so.
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
    uploads_waiting: tuple[PendingUpload, ...] = ()
    unpublished: tuple[PendingUpload, ...] = ()
    numbers: int = 0
    reminded: tuple[str, ...] = ()
    overdue: bool = False
    purpose: Purpose | None = None
    change: str = ""
    allotment: Allotment | None = None
    certificate: HeldCertificate | None = None
    predecessor_told: bool = False

    def authority(self, plan: CasePlan) -> str:
        """The authority whose turn it is; empty when it is the filer's or nobody's."""
        if self.status is Status.IN_REVIEW:
            return self.levels[self.level - 1].authority
        if self.status is Status.QUALITY_CHECK:
            return plan.checker or ""
        return ""


class Submission(Recorded):
    """What was found out about a submission before deciding on it.

    ``editors`` are all people who saved a revision of the content. ``visible_from`` is what was
    written with a correction that has been made. ``allotment`` is what a certificate is given
    when it is approved; ``late_renewal``: its renewal was applied for after the last day for that.
    """

    decision: ReviewerDecision | None = None
    gate: GateDecision | None = None
    editors: tuple[str, ...] = ()
    refusal: Refusal | None = None
    visible_from: datetime | None = None
    allotment: Allotment | None = None
    late_renewal: bool = False


class Timer(NamedTuple):
    """What happens at ``at`` if nothing else does before."""

    at: datetime
    action: Literal[
        "open",
        "start_review",
        "start_quality_check",
        "lapse",
        "end",
        "remind",
        "mark_overdue",
        "publish",
        "expire",
    ]


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
    ending = status_timer(state, plan)
    if state.certificate is not None:
        return min(certificate_timers(state), key=lambda timer: timer.at, default=None)
    if plan.numbers is None:
        return ending if ending is not None and ending.at < FOREVER else None
    timers = [ending, *_number_timers(state, plan)]
    waited_for = [timer for timer in timers if timer is not None and timer.at < FOREVER]
    return min(waited_for, key=lambda timer: timer.at, default=None)


def status_timer(state: CaseState, plan: CasePlan) -> Timer | None:
    """What ends the present status if nobody acts; None when nothing does."""
    match state.status:
        case Status.SCHEDULED:
            return Timer(plan.fill.opens, "open")
        case Status.DRAFT | Status.RETURNED:
            if state.uploads_waiting:
                # what came in time is in time, however long it takes to be read
                return None
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


def awaits_numbers(state: CaseState, plan: CasePlan) -> bool:
    """Whether a batch still lacks any report of its quarter: neither numbers nor a declaration."""
    return (
        plan.numbers is not None
        and state.status is Status.DRAFT
        and not state.submitted_before
        and not state.numbers
        and not state.uploads_waiting
    )


def _number_timers(state: CaseState, plan: CasePlan) -> list[Timer]:
    timers = [Timer(one.visible_from, "publish") for one in state.unpublished]
    if awaits_numbers(state, plan):
        due = closing(plan.fill, state)
        timers += [
            Timer(one.at, "remind")
            for one in plan.reminders
            if one.id not in state.reminded and one.at < due
        ]
        if plan.supplement is not None and not state.overdue:
            timers.append(Timer(due, "mark_overdue"))
    return timers


def certificate_timers(state: CaseState) -> list[Timer]:
    """What time brings to a certificate in force: reminders to renew it, and its end."""
    held = state.certificate
    if held is None or held.status is not CertificateStatus.VALID:
        return []
    waiting = [one for one in held.reminders if one.id not in state.reminded]
    return [Timer(held.expires_at, "expire"), *(Timer(one.at, "remind") for one in waiting)]


def position(state: CaseState, plan: CasePlan) -> Position:
    """What lists show of a state."""
    timer = status_timer(state, plan)
    due = timer.at if timer is not None and timer.at < FOREVER else None
    if plan.numbers is not None and state.status is Status.DRAFT and not state.overdue:
        due = min(closing(plan.fill, state), due) if due is not None else None
    return Position(
        status=state.status,
        level=state.level if state.status is Status.IN_REVIEW else 0,
        authority=state.authority(plan),
        claimed_by=state.claimed_by,
        revision=state.revision,
        due=due,
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
                **(_applied(state, actor, body) if "purpose" in body else {}),
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
        case _:
            return _number_changes(state, name, actor, body)


def _number_changes(
    state: CaseState, name: EventName, actor: Actor, body: dict[str, Any]
) -> dict[str, Any]:
    match name:
        case EventName.UPLOAD_RECEIVED:
            waiting = PendingUpload.model_validate(body)
            return {
                "uploads_waiting": (*state.uploads_waiting, waiting),
                "filers": _with(state.filers, actor.subject),
            }
        case EventName.NUMBERS_ACCEPTED:
            return {
                "uploads_waiting": _without(state.uploads_waiting, body["upload"]),
                "unpublished": (*state.unpublished, PendingUpload.model_validate(body)),
                "numbers": state.numbers + body["numbers"],
                "revision": state.revision + 1,
                "late": state.late or body["late"],
            }
        case EventName.UPLOAD_REJECTED:
            return {"uploads_waiting": _without(state.uploads_waiting, body["upload"])}
        case EventName.NUMBERS_PUBLISHED:
            return {"unpublished": _without(state.unpublished, *body["uploads"])}
        case EventName.NUMBERS_WITHDRAWN:
            return {
                "numbers": state.numbers - body["count"],
                "revision": state.revision + 1,
                "filers": _with(state.filers, actor.subject),
            }
        case EventName.NUMBERS_CORRECTED:
            corrected = PendingUpload(upload=body["change"], visible_from=body["visible_from"])
            return {
                "unpublished": (*state.unpublished, corrected),
                "revision": state.revision + 1,
                "filers": _with(state.filers, actor.subject),
            }
        case EventName.REMINDED:
            return {"reminded": (*state.reminded, body["reminder"])}
        case EventName.OVERDUE:
            return {"overdue": True}
        case EventName.COMPLAINT_RECEIVED:
            levels = tuple(ReviewLevel.model_validate(level) for level in body["levels"])
            return {"status": Status.IN_REVIEW, "level": 1, "levels": levels}
        case EventName.COMPLAINT_RESOLVED:
            return {"claimed_by": "", **_took_part(state, actor)}
        case EventName.COMPLAINT_NOTED:
            return {}
        case _:
            return _certificate_changes(state, name, body)


def _applied(state: CaseState, actor: Actor, body: dict[str, Any]) -> dict[str, Any]:
    """What an application for a certificate changes beside what every submission does."""
    asked = {"purpose": Purpose(body["purpose"]), "change": body["change"]}
    if state.status is not Status.COMPLETED:
        return asked
    # years may lie between: whoever dealt with the last application may deal with this one
    people = _with((), actor.subject, *body["editors"])
    return asked | {"filers": people, "reviewers": (), "checkers": ()}


_NOTHING_ASKED = {"purpose": None, "change": "", "level": 0, "claimed_by": ""}


def _certificate_changes(state: CaseState, name: EventName, body: dict[str, Any]) -> dict[str, Any]:
    held = state.certificate
    match name:
        case EventName.APPLICATION_BEGUN:
            return {"status": Status.DRAFT}
        case EventName.TAKEN_OVER:
            return {"status": Status.APPROVED}
        case EventName.NUMBER_VOIDED:
            return {"allotment": None}
        case EventName.NUMBERED:
            return {"allotment": Allotment.model_validate(body)}
        case EventName.ISSUED:
            issued = HeldCertificate.model_validate(body)
            completed = {"status": Status.COMPLETED, "completed_revision": issued.revision}
            return {"certificate": issued, **completed, **_NOTHING_ASKED}
        case EventName.CERTIFICATE_CHANGED:
            assert held is not None
            return {
                "certificate": held.model_copy(update={"revision": body["revision"]}),
                "status": Status.COMPLETED,
                "completed_revision": body["revision"],
                **_NOTHING_ASKED,
            }
        case EventName.CHANGE_ABANDONED:
            back = {"status": Status.COMPLETED, "revision": state.completed_revision, "levels": ()}
            return back | _NOTHING_ASKED
        case EventName.EXPIRED | EventName.CERTIFICATE_ENDED | EventName.SUPERSEDED:
            assert held is not None
            ended = HeldCertificate.model_validate({**held.model_dump(), **body})
            return {"certificate": ended}
        case EventName.PREDECESSOR_SUPERSEDED:
            return {"predecessor_told": True}
        case _:  # pragma: no cover
            raise AssertionError(name)


def _without(pending: tuple[PendingUpload, ...], *uploads: str) -> tuple[PendingUpload, ...]:
    return tuple(one for one in pending if one.upload not in uploads)


def _with(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*people, *more)))


def _took_part(state: CaseState, actor: Actor) -> dict[str, Any]:
    if actor.role is Role.REVIEWER:
        return {"reviewers": _with(state.reviewers, actor.subject)}
    return {"checkers": _with(state.checkers, actor.subject)}
