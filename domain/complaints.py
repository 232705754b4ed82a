"""A complaint from the public (社会公众投诉): its outcome, its command, its kind of case."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from domain.canonical import sha256_of
from domain.case import transitions as t
from domain.case.checks import expect, needs_note, turn, wrong_status
from domain.case.commands import SYSTEM, Command, Role, Sha256
from domain.case.events import Decision, Event, EventName, PendingEvent
from domain.case.kind import CaseKind, EventRule, anybody, commands, rule
from domain.case.plan import CasePlan
from domain.case.state import CaseState, Findings, status_due, status_timers
from domain.case.status import Status
from domain.model import Recorded
from domain.refusals import Refusal

COMPLAINT_WORKFLOW = "complaint"
SETTLE_COMPLAINT = "settle_complaint"


class ComplaintEvent(StrEnum):
    """What only happens to complaints."""

    RECEIVED = "complaint_received"
    PASSED_ON = "complaint_passed_on"
    RESOLVED = "complaint_resolved"


class ComplaintOutcome(StrEnum):
    """How a complaint ends."""

    SUBSTANTIATED = "substantiated"
    UNSUBSTANTIATED = "unsubstantiated"
    OUT_OF_SCOPE = "out_of_scope"


COMPLAINT_OUTCOME_LABELS: dict[ComplaintOutcome, str] = {
    ComplaintOutcome.SUBSTANTIATED: "情况属实",
    ComplaintOutcome.UNSUBSTANTIATED: "未发现所述情况",
    ComplaintOutcome.OUT_OF_SCOPE: "不属本部门办理，已告知办理途径",
}


class Resolve(Command):
    """The reviewer ends a complaint with its outcome; the note is for the record."""

    kind: Literal["resolve"] = "resolve"
    label: ClassVar[str] = "办结投诉"
    outcome: ComplaintOutcome
    reply_sha256: Sha256


class PassOn(Command):
    """The reviewer passes a complaint on to the authority that it is for; the note says why."""

    kind: Literal["pass_on"] = "pass_on"
    label: ClassVar[str] = "转交其他部门"
    authority: str


class NothingOwn(Recorded):
    """A complaint's state is what every case has; what it says is kept beside the case."""


class SettleComplaint(Recorded):
    """Asks for a resolved complaint to be told: to the complainant, and to the batches."""

    case_id: str


def complaint_sha256(**said: str) -> str:
    """The hash of what somebody complained of, receipt's hash included: nobody can guess it."""
    return sha256_of(said)


def _resolve(
    s: CaseState, p: CasePlan, m: Resolve, now: datetime, _: Findings
) -> Decision | Refusal:
    refusal = expect(s, m, Status.IN_REVIEW) or turn(s, p, m, claim_needed=True) or needs_note(m)
    if refusal is not None:
        return refusal
    body = {"outcome": m.outcome.value, "reply_sha256": m.reply_sha256}
    cite = s.levels[s.level - 1].cite
    return [
        PendingEvent(ComplaintEvent.RESOLVED, m.actor, body, cite),
        PendingEvent(EventName.COMPLETED, SYSTEM, cite=p.completion_cite),
    ]


def _pass_on(
    s: CaseState, p: CasePlan, m: PassOn, now: datetime, _: Findings
) -> Decision | Refusal:
    refusal = expect(s, m, Status.IN_REVIEW) or turn(s, p, m, claim_needed=True) or needs_note(m)
    if refusal is not None:
        return refusal
    level = s.levels[s.level - 1]
    if m.authority == level.authority:
        return wrong_status(s, m.label, "本件已由这个部门办理，可以直接办结")
    body = {
        "from": level.authority,
        "levels": [level.model_copy(update={"authority": m.authority}).model_dump(mode="json")],
    }
    return [PendingEvent(ComplaintEvent.PASSED_ON, m.actor, body, level.cite)]


def _passed_on(s: CaseState, event: Event) -> Mapping[str, Any]:
    return {"levels": t.levels_of(event), **t.reviewed(s, event)}


def _received(_: CaseState, event: Event) -> Mapping[str, Any]:
    return {"status": Status.IN_REVIEW, "level": 1, "levels": t.levels_of(event)}


def _tell_received(body: Mapping[str, Any]) -> str:
    return f"转交 {body['levels'][0]['authority']}"


def _tell_passed_on(body: Mapping[str, Any]) -> str:
    return f"由 {body['from']} 转交 {body['levels'][0]['authority']}"


def tell_outcome(body: Mapping[str, Any]) -> str:
    """How a complaint ended, for whoever reads of it."""
    return COMPLAINT_OUTCOME_LABELS[ComplaintOutcome(body["outcome"])]


_SHARED = ("claim", "release", "assign", "hand_over", "cancel")

COMPLAINT = CaseKind(
    name="complaint",
    label="社会公众投诉",
    workflow=COMPLAINT_WORKFLOW,
    own=NothingOwn,
    findings=Findings,
    commands={
        **{name: t.REVIEW_COMMANDS[name] for name in _SHARED},
        **commands(
            rule(Resolve, _resolve, {Role.REVIEWER}),
            rule(PassOn, _pass_on, {Role.REVIEWER}),
        ),
    },
    events={
        **{
            name: t.SHARED_EVENTS[name]
            for name in (
                EventName.CLAIMED,
                EventName.RELEASED,
                EventName.TASK_ASSIGNED,
                EventName.TASK_HANDED_OVER,
                EventName.COMPLETED,
                EventName.CANCELLED,
            )
        },
        ComplaintEvent.RECEIVED: EventRule("收到投诉", _received, _tell_received),
        ComplaintEvent.PASSED_ON: EventRule("转交其他部门", _passed_on, _tell_passed_on),
        ComplaintEvent.RESOLVED: EventRule("办结投诉", t.reviewed, tell_outcome),
    },
    prepares=frozenset(),
    timers=status_timers,
    due=status_due,
    admits=anybody,
    editable=frozenset(),
)
