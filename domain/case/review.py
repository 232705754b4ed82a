"""The pure state machine that cases of every kind are decided by.

`decide` says what a command leads to at an instant: events, or a refusal. What a kind of case
takes, and what its events change, stands in its tables (`domain.case.kind`); what kinds share in
`domain.case.transitions`. Nothing here reads a clock, a database or a rule file.
"""

from datetime import datetime

from domain.case import commands as c
from domain.case.amending import ruled_by
from domain.case.checks import wrong_status
from domain.case.commands import ROLE_LABELS, SYSTEM, Command, Role, forbidden
from domain.case.events import Event, EventName, PendingEvent, Position
from domain.case.kind import CaseKind, CommandRule, evolve, position
from domain.case.plan import CasePlan
from domain.case.state import CaseState, Findings, closing, status_timer, submission_closing
from domain.case.status import ENDED, STATUS_LABELS, STATUS_NEXT, Status
from domain.case.transitions import not_open
from domain.refusals import Code, Refusal


def editable(kind: CaseKind, here: Position, plan: CasePlan, now: datetime) -> Refusal | None:
    """Whether the filer may enter or change content now; the refusal if not.

    ``here.due`` is when the present status runs out; the timer that follows may lag behind it.
    """
    if now < plan.fill.opens:
        return not_open(plan)
    if here.status is Status.SCHEDULED:
        # the window is open, only the timer lags behind
        here = here.model_copy(
            update={"status": Status.DRAFT, "due": (plan.supplement or plan.fill).closes}
        )
    if here.status not in kind.editable:
        params = {
            "status": STATUS_LABELS[here.status],
            "action": "修改内容",
            "next": _next(kind, here.status),
        }
        return Refusal(code=Code.WRONG_STATUS, params=params)
    if here.due is not None and now >= here.due:
        first = here.status is Status.DRAFT
        window = (plan.supplement or plan.fill) if first else plan.correct
        code = Code.FILL_CLOSED if first else Code.CORRECT_CLOSED
        return Refusal(code=code, cite=window.cite, at=here.due)
    return None


def check(
    kind: CaseKind, state: CaseState, plan: CasePlan, command: Command, now: datetime
) -> Refusal | None:
    """Whether a command can be accepted now, as far as the case itself can tell."""
    outcome = decide(kind, state, plan, command, now)
    return outcome if isinstance(outcome, Refusal) else None


def decide(
    kind: CaseKind,
    state: CaseState,
    plan: CasePlan,
    command: Command,
    now: datetime,
    findings: Findings | None = None,
) -> tuple[Event, ...] | Refusal:
    """What a command leads to: its events in order, or why it is refused.

    ``findings`` are needed for the commands that the kind prepares; without them the checks are
    made all the same, and what follows from findings is missing from the events.
    """
    rule = kind.commands.get(command.kind)
    if rule is None:
        return wrong_status(state, command.label)
    refusal = _may_be_given(kind, rule, state, plan, command)
    if refusal is not None:
        return refusal
    state, events = _caught_up(kind, rule, state, plan, now)
    outcome = rule.decide(state, plan, command, now, findings or kind.findings())
    if isinstance(outcome, Refusal):
        return outcome
    for pending in outcome:
        plan = ruled_by(plan, pending.name, pending.body)
        state, event = _happened(kind, state, plan, _on_behalf(command, pending))
        events.append(event)
    return tuple(events)


def lapsed(state: CaseState, plan: CasePlan) -> Refusal:
    """Which window it was that closed on a lapsed case, when, and under which clause."""
    if state.lapsed_from is Status.IN_REVIEW:
        return Refusal(
            code=Code.REVIEW_CLOSED, cite=plan.completion_cite, at=closing(plan.review, state)
        )
    closes, cite = submission_closing(state, plan)
    code = Code.CORRECT_CLOSED if state.submitted_before else Code.FILL_CLOSED
    return Refusal(code=code, cite=cite, at=closes)


# --- private steps --------------------------------------------------------------------------------


def _may_be_given(
    kind: CaseKind, rule: CommandRule, state: CaseState, plan: CasePlan, command: Command
) -> Refusal | None:
    """Role and ended cases: the same for every command."""
    if command.actor.role not in rule.roles:
        return forbidden(ROLE_LABELS[command.actor.role], rule.roles)
    if refusal := kind.admits(plan, command.actor):
        return refusal
    if state.status not in ENDED or state.status in rule.after_end:
        return None
    if state.status in (Status.LAPSED, Status.AFTER_WINDOW) and rule.command is not c.Lapse:
        closed = lapsed(state, plan)
        if command.actor.role is not Role.OPERATOR:
            return closed
        # whoever can extend it need not ask for that
        params = {"action": command.label}
        return closed.model_copy(update={"code": Code.CASE_LAPSED, "params": params})
    params = {
        "status": STATUS_LABELS[state.status],
        "action": command.label,
        "next": _next(kind, state.status),
    }
    return Refusal(code=Code.CASE_ENDED, params=params)


def _next(kind: CaseKind, status: Status) -> str:
    """What goes on from a status, where cases of the kind can be reopened as where they cannot."""
    if status is Status.COMPLETED and c.Reopen.name() in kind.commands:
        return "确需更正的，请经办人说明理由后重新开启（reopen）"
    return STATUS_NEXT[status]


def _caught_up(
    kind: CaseKind, rule: CommandRule, state: CaseState, plan: CasePlan, now: datetime
) -> tuple[CaseState, list[Event]]:
    """The state with what an opening window has brought about, though its timer may lag behind.

    At a midnight on which fifty thousand timers fire, nobody has to wait for their own.
    """
    events: list[Event] = []
    if Role.SYSTEM in rule.roles:
        return state, events
    opening = {
        c.Open: (EventName.OPENED, plan.fill.cite),
        c.StartReview: (EventName.REVIEW_STARTED, plan.review.cite),
        c.StartQualityCheck: (EventName.QUALITY_CHECK_STARTED, plan.checker_cite),
    }
    while (timer := status_timer(state, plan)) and timer.command in opening and timer.at <= now:
        name, cite = opening[timer.command]
        state, event = _happened(kind, state, plan, PendingEvent(name, SYSTEM, cite=cite))
        events.append(event)
    return state, events


def _on_behalf(command: Command, pending: PendingEvent) -> PendingEvent:
    """What a deputy does says for whom."""
    if not command.acting_for or pending.actor != command.actor:
        return pending
    return pending._replace(body={**pending.body, "on_behalf_of": command.acting_for})


def _happened(
    kind: CaseKind, state: CaseState, plan: CasePlan, pending: PendingEvent
) -> tuple[CaseState, Event]:
    bare = Event(
        name=pending.name,
        actor=pending.actor,
        position=Position(status=Status.SCHEDULED),
        cite=pending.cite,
        body=pending.body,
    )
    state = evolve(kind, state, bare)
    return state, bare.model_copy(update={"position": position(kind, state, plan)})
