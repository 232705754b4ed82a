"""What commands of enforcement lead to, and what time brings.

Nobody imposes alone: who proposes and who decides are two people, by their subjects. A decision is
the measure that was proposed, or none, so that no defence can make anything worse.
"""

from datetime import datetime
from typing import Any

from domain.case.checks import needs_note
from domain.case.commands import ROLE_LABELS, SYSTEM, Command, Role
from domain.case.events import Decision, PendingEvent
from domain.case.plan import CasePlan
from domain.case.state import LISTED_AS, Timer
from domain.citation import Citation
from domain.enforcement.commands import (
    STAGE_LABELS,
    STAGE_NEXT,
    AnswerObjection,
    CountedTerm,
    Cure,
    Decide,
    Ending,
    EnforcementFindings,
    GiveNotice,
    MakeStatement,
    NoteLateAnswer,
    Propose,
    RaiseObjection,
    Refer,
    ServeDecision,
    Stage,
    TakeEffect,
    TimeOut,
    WithdrawMeasure,
)
from domain.enforcement.consequences import MeasureTerms
from domain.enforcement.state import EnforcementEvent, State, chosen, terms_of
from domain.refusals import Code, Refusal

SEPARATE = Citation(
    document="中华人民共和国行政处罚法（2021年修订）",
    clause="第五十七条、第五十八条",
    assumption="处理决定由负责人审查后作出；提出的人和决定的人不是同一人，管理措施也照此办理",
)


# --- what commands are checked for ----------------------------------------------------------------


def _at(s: State, m: Command, *stages: Stage) -> Refusal | None:
    if s.own.stage in stages:
        return None
    return _not_now(s, m, STAGE_NEXT[s.own.stage])


def _not_now(s: State, m: Command, follows: str, cite: Citation | None = None) -> Refusal:
    params = {"status": STAGE_LABELS[s.own.stage], "action": m.label, "next": follows}
    return Refusal(code=Code.WRONG_STATUS, params=params, cite=cite)


def _of(m: Command, authority: str) -> Refusal | None:
    if m.actor.scope == authority:
        return None
    return Refusal(code=Code.NOT_YOUR_AUTHORITY, params={"authority": authority})


def _separate(s: State, m: Command) -> Refusal | None:
    """Who proposes, who decides and who answers for the institution are three different people."""
    for role in (Role.FILER, Role.OFFICER, Role.DECIDER):
        theirs = LISTED_AS[role]
        if theirs != LISTED_AS[m.actor.role] and m.actor.subject in getattr(s, theirs):
            params = {"role": ROLE_LABELS[role], "wanted": ROLE_LABELS[m.actor.role]}
            return Refusal(code=Code.SAME_PERSON, params=params, cite=SEPARATE)
    return None


def _entitled(s: State, m: Command, authority: str) -> Refusal | None:
    """Somebody of the authority whose act it is, who has had no other part in this case."""
    return _of(m, authority) or _separate(s, m)


def _in_time(s: State, p: CasePlan, now: datetime) -> Refusal | None:
    due = s.own.decision_due
    if due is None or now < due:
        return None
    measure = terms_of(p).measure(s.own.measure) or terms_of(p).measures[0]
    term = measure.terms.get("decision")
    return Refusal(code=Code.DECISION_OVERDUE, at=due, cite=term.cite if term else None)


def _due(counted: CountedTerm | None) -> dict[str, Any]:
    if counted is None:
        return {}
    return {
        "due": counted.due.isoformat(),
        "counted": [day.isoformat() for day in counted.days],
    }


# --- what commands lead to ------------------------------------------------------------------------


def propose(
    s: State, p: CasePlan, m: Propose, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.OPENED, Stage.PROPOSED) or _in_time(s, p, now)
    if refusal is not None:
        return refusal
    measure = terms_of(p).measure(m.measure)
    if measure is None:
        there = "、".join(f"{one.id}（{one.label}）" for one in terms_of(p).measures)
        params = {"measure": m.measure, "there": there}
        return Refusal(code=Code.UNKNOWN_MEASURE, params=params)
    refusal = _entitled(s, m, measure.proposes) or needs_note(m)
    if refusal is not None:
        return refusal
    if measure.open_wording and not m.wording_sha256:
        params = {"action": m.label, "field": "wording"}
        return Refusal(code=Code.REASON_REQUIRED, params=params, cite=measure.cite)
    body = {
        "measure": measure.id,
        "label": measure.label,
        "kind": measure.kind,
        "rule": measure.rule,
        "wording_sha256": m.wording_sha256 if measure.open_wording else "",
        "proposes": measure.proposes,
        "decides": measure.decides,
        "heard": "prior_notice" in measure.steps,
        "decision_due": _decision_due(p, measure.id),
    }
    return [PendingEvent(EnforcementEvent.PROPOSED, m.actor, body, measure.cite)]


def _decision_due(p: CasePlan, measure: str) -> str | None:
    due = terms_of(p).decision_due.get(measure)
    return due.isoformat() if due is not None else None


def give_notice(
    s: State, p: CasePlan, m: GiveNotice, now: datetime, found: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.PROPOSED) or _in_time(s, p, now)
    if refusal is not None:
        return refusal
    measure = chosen(s, p)
    refusal = _entitled(s, m, measure.proposes) or found.refusal
    if refusal is not None:
        return refusal
    if "prior_notice" not in measure.steps:
        return _not_now(s, m, "这项措施不需要事先告知，由另一人决定", measure.cite)
    body = {"measure": measure.id, "label": measure.label, **_due(found.terms.get("statement"))}
    cite = measure.terms["statement"].cite
    return [PendingEvent(EnforcementEvent.NOTICED, m.actor, body, cite)]


def make_statement(
    s: State, p: CasePlan, m: MakeStatement, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.NOTICED) or _separate(s, m) or needs_note(m)
    if refusal is not None:
        return refusal
    cite = chosen(s, p).terms["statement"].cite
    due = s.own.statement_due
    if due is not None and now >= due:
        return Refusal(code=Code.STATEMENT_CLOSED, at=due, cite=cite)
    body = {"number": s.own.statements + 1}
    return [PendingEvent(EnforcementEvent.STATED, m.actor, body, cite)]


def decide(
    s: State, p: CasePlan, m: Decide, now: datetime, found: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.PROPOSED, Stage.NOTICED) or _in_time(s, p, now)
    if refusal is not None:
        return refusal
    measure = chosen(s, p)
    refusal = _entitled(s, m, measure.decides) or needs_note(m)
    if refusal is not None:
        return refusal
    if m.outcome == "impose":
        refusal = _may_impose(s, measure, m, now) or found.refusal
        if refusal is not None:
            return refusal
        if found.cured and "cured" in measure.ends:
            params = {"measure": measure.label}
            return Refusal(code=Code.CURED_MEANWHILE, params=params, cite=measure.cite)
    body = {"measure": measure.id, "label": measure.label, "outcome": m.outcome}
    if m.outcome == "dismiss":
        ended = {"by": Ending.DISMISSED.value, "measure": measure.id, "label": measure.label}
        return [
            PendingEvent(EnforcementEvent.DISMISSED, m.actor, body, measure.cite),
            PendingEvent(EnforcementEvent.ENDED, SYSTEM, ended, measure.cite),
        ]
    body |= _due(found.terms.get("service"))
    return [PendingEvent(EnforcementEvent.DECIDED, m.actor, body, measure.cite)]


def _may_impose(s: State, measure: MeasureTerms, m: Decide, now: datetime) -> Refusal | None:
    if "prior_notice" in measure.steps:
        cite = measure.terms["statement"].cite
        if s.own.stage is not Stage.NOTICED:
            return Refusal(code=Code.NOT_HEARD, params={"measure": measure.label}, cite=cite)
        due = s.own.statement_due
        if due is not None and now < due:
            return Refusal(code=Code.STATEMENT_RUNNING, at=due, cite=cite)
    if measure.kind == "penalty" and not m.basis_given:
        law = measure.laws[0].citation() if measure.laws else None
        return Refusal(code=Code.BASIS_REQUIRED, params={"measure": measure.label}, cite=law)
    return None


def serve(
    s: State, p: CasePlan, m: ServeDecision, now: datetime, found: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.DECIDED)
    if refusal is not None:
        return refusal
    measure = chosen(s, p)
    refusal = _entitled(s, m, measure.proposes)
    if refusal is not None:
        return refusal
    if "service" not in measure.steps:
        return _not_now(s, m, STAGE_NEXT[s.own.stage], measure.cite)
    cite = measure.terms["service"].cite
    due = s.own.service_due
    if due is not None and now >= due:
        return Refusal(code=Code.SERVICE_OVERDUE, at=due, cite=cite)
    if found.refusal is not None:
        return found.refusal
    body: dict[str, Any] = {"measure": measure.id, "label": measure.label}
    if "in_force" not in measure.steps:
        return [
            PendingEvent(EnforcementEvent.SERVED, m.actor, body, cite),
            _ended(s, p, Ending.DONE),
        ]
    correction, lasts = found.terms.get("correction"), found.terms.get("lasts")
    effective = correction.due if correction is not None else now
    body |= {
        **_due(correction),
        "effective_at": effective.isoformat(),
        "expires_at": lasts.due.isoformat() if lasts is not None else None,
    }
    events = [PendingEvent(EnforcementEvent.SERVED, m.actor, body, cite)]
    if effective <= now:
        events.append(_effect(measure, effective, lasts.due if lasts else None))
    return events


def _effect(measure: MeasureTerms, effective: datetime, expires: datetime | None) -> PendingEvent:
    body = {
        "measure": measure.id,
        "label": measure.label,
        "kind": measure.kind,
        "effects": list(measure.effects),
        "ends": list(measure.ends),
        "published": "publication" in measure.steps,
        "effective_at": effective.isoformat(),
        "expires_at": expires.isoformat() if expires is not None else None,
        "cure": measure.cure,
    }
    return PendingEvent(EnforcementEvent.TOOK_EFFECT, SYSTEM, body, measure.cite)


def take_effect(
    s: State, p: CasePlan, m: TakeEffect, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.SERVED)
    if refusal is not None:
        return refusal
    effective = s.own.effective_at
    assert effective is not None
    if now < effective:
        return Refusal(code=Code.NOT_OPEN_YET, at=effective)
    return [_effect(chosen(s, p), effective, s.own.expires_at)]


def refer(
    s: State, p: CasePlan, m: Refer, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    refusal = _at(s, m, Stage.DECIDED)
    if refusal is not None:
        return refusal
    measure = chosen(s, p)
    refusal = _entitled(s, m, measure.proposes)
    if refusal is not None:
        return refusal
    if "refer" not in measure.steps:
        return _not_now(s, m, STAGE_NEXT[s.own.stage], measure.cite)
    body = {"measure": measure.id, "agency": m.agency, "document": m.document}
    return [
        PendingEvent(EnforcementEvent.HANDED_OVER, m.actor, body, measure.cite),
        _ended(s, p, Ending.HANDED_OVER),
    ]


def raise_objection(
    s: State, p: CasePlan, m: RaiseObjection, now: datetime, found: EnforcementFindings
) -> Decision | Refusal:
    served = s.own.stage in (Stage.SERVED, Stage.IN_FORCE) or (
        s.own.stage is Stage.OVER and s.own.ended_by in (Ending.DONE, Ending.EXPIRED)
    )
    if not served:
        refusal = _at(s, m, Stage.SERVED, Stage.IN_FORCE)
        assert refusal is not None
        return refusal
    refusal = _separate(s, m) or needs_note(m) or found.refusal
    if refusal is not None:
        return refusal
    if s.own.objecting:
        params = {
            "status": "异议正在处理",
            "action": m.label,
            "next": "等待答复；有补充的，可以在答复之后再提出",
        }
        return Refusal(code=Code.WRONG_STATUS, params=params)
    measure = chosen(s, p)
    term = measure.terms.get("objection")
    body = {"measure": measure.id, **_due(found.terms.get("objection"))}
    cite = term.cite if term is not None else measure.cite
    return [PendingEvent(EnforcementEvent.OBJECTED, m.actor, body, cite)]


def answer_objection(
    s: State, p: CasePlan, m: AnswerObjection, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    if not s.own.objecting:
        params = {"status": "没有未答复的异议", "action": m.label, "next": "等机构提出异议"}
        return Refusal(code=Code.WRONG_STATUS, params=params)
    measure = chosen(s, p)
    refusal = _entitled(s, m, measure.decides) or needs_note(m)
    if refusal is not None:
        return refusal
    body = {"measure": measure.id, "upheld": m.upheld}
    events = [PendingEvent(EnforcementEvent.ANSWERED, m.actor, body, measure.cite)]
    return [*events, _ended(s, p, Ending.CORRECTED)] if m.upheld else events


def note_late_answer(
    s: State, p: CasePlan, m: NoteLateAnswer, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    due = s.own.objection_due
    if not s.own.objecting or due is None or now < due:
        return Refusal(code=Code.NOT_OPEN_YET, at=due)
    measure = chosen(s, p)
    term = measure.terms.get("objection")
    cite = term.cite if term is not None else measure.cite
    return [PendingEvent(EnforcementEvent.ANSWER_LATE, m.actor, {"measure": measure.id}, cite)]


def withdraw(
    s: State, p: CasePlan, m: WithdrawMeasure, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    before = (Stage.OPENED, Stage.PROPOSED, Stage.NOTICED)
    refusal = _at(s, m, *before, Stage.DECIDED, Stage.SERVED, Stage.IN_FORCE)
    if refusal is not None:
        return refusal
    measure = terms_of(p).measure(s.own.measure) or terms_of(p).measures[0]
    if m.actor.role is Role.DECIDER:
        refusal = _entitled(s, m, measure.decides)
    elif s.own.stage in before:
        refusal = _entitled(s, m, measure.proposes)
    else:
        params = {"role": "承办人", "wanted": "作出决定的部门的决定人"}
        refusal = Refusal(code=Code.FORBIDDEN, params=params)
    refusal = refusal or needs_note(m)
    return refusal or [_ended(s, p, Ending.WITHDRAWN, by=m)]


def cure(
    s: State, p: CasePlan, m: Cure, now: datetime, found: EnforcementFindings
) -> Decision | Refusal:
    decided = (Stage.DECIDED, Stage.SERVED, Stage.IN_FORCE)
    refusal = _at(s, m, Stage.PROPOSED, Stage.NOTICED, *decided)
    if refusal is not None:
        return refusal
    measure = chosen(s, p)
    if "cured" not in measure.ends:
        return Refusal(code=Code.NOT_CURABLE, params={"measure": measure.label}, cite=measure.cite)
    if found.refusal is not None:
        return found.refusal
    if found.cured is False:
        return Refusal(
            code=Code.NOT_CURED, params={"cure": measure.cure.rstrip("。")}, cite=measure.cite
        )
    return [_ended(s, p, Ending.CURED, by=m)]


def time_out(
    s: State, p: CasePlan, m: TimeOut, now: datetime, _: EnforcementFindings
) -> Decision | Refusal:
    timer = _own_timer(s)
    if timer is None or timer[0] > now:
        return Refusal(code=Code.NOT_OPEN_YET, at=timer[0] if timer else None)
    return [_ended(s, p, timer[1])]


def _ended(s: State, p: CasePlan, how: Ending, by: Command | None = None) -> PendingEvent:
    measure = terms_of(p).measure(s.own.measure)
    cite = (measure or terms_of(p).measures[0]).cite
    body = {
        "by": how.value,
        "measure": s.own.measure,
        "label": measure.label if measure is not None else "",
    }
    return PendingEvent(EnforcementEvent.ENDED, by.actor if by else SYSTEM, body, cite)


# --- what time brings -----------------------------------------------------------------------------


def _own_timer(s: State) -> tuple[datetime, Ending] | None:
    """When the case ends if nobody acts, and how."""
    own = s.own
    match own.stage:
        case Stage.OPENED | Stage.PROPOSED | Stage.NOTICED:
            return (own.decision_due, Ending.OUT_OF_TIME) if own.decision_due else None
        case Stage.DECIDED:
            return (own.service_due, Ending.NOT_SERVED) if own.service_due else None
        case Stage.IN_FORCE:
            return (own.expires_at, Ending.EXPIRED) if own.expires_at else None
        case Stage.SERVED | Stage.OVER:
            return None


def timers(s: State, _: CasePlan) -> list[Timer]:
    """The end of a term that nobody used, the beginning of an effect, a late answer."""
    found = []
    if (timer := _own_timer(s)) is not None:
        found.append(Timer(timer[0], TimeOut))
    if s.own.stage is Stage.SERVED and s.own.effective_at is not None:
        found.append(Timer(s.own.effective_at, TakeEffect))
    if s.own.objecting and not s.own.answer_late and s.own.objection_due is not None:
        found.append(Timer(s.own.objection_due, NoteLateAnswer))
    return found


def due(s: State, p: CasePlan) -> datetime | None:
    """The next end of a term, for lists."""
    return min((timer.at for timer in timers(s, p)), default=None)
