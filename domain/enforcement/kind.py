"""Enforcement as a kind of case: proposed, heard, decided, served, in force, over."""

from domain.case.commands import Role
from domain.case.kind import CaseKind, EventRule, anybody, commands, rule
from domain.case.status import Status
from domain.enforcement import deciding as d
from domain.enforcement import happening as h
from domain.enforcement.commands import (
    ENFORCEMENT_WORKFLOW,
    AnswerObjection,
    Cure,
    Decide,
    EnforcementFindings,
    GiveNotice,
    MakeStatement,
    NoteLateAnswer,
    Propose,
    RaiseObjection,
    Refer,
    ServeDecision,
    TakeEffect,
    TimeOut,
    WithdrawMeasure,
)
from domain.enforcement.state import EnforcementEvent, EnforcementState

ENFORCEMENT: CaseKind[EnforcementState] = CaseKind(
    name="enforcement",
    label="后续处理",
    workflow=ENFORCEMENT_WORKFLOW,
    own=EnforcementState,
    findings=EnforcementFindings,
    commands=commands(
        rule(Propose, d.propose, {Role.OFFICER}),
        rule(GiveNotice, d.give_notice, {Role.OFFICER}),
        rule(MakeStatement, d.make_statement, {Role.FILER}),
        rule(Decide, d.decide, {Role.DECIDER}),
        rule(ServeDecision, d.serve, {Role.OFFICER}),
        rule(TakeEffect, d.take_effect, {Role.SYSTEM}),
        rule(Refer, d.refer, {Role.OFFICER}),
        rule(RaiseObjection, d.raise_objection, {Role.FILER}, after_end={Status.COMPLETED}),
        rule(AnswerObjection, d.answer_objection, {Role.DECIDER}, after_end={Status.COMPLETED}),
        rule(NoteLateAnswer, d.note_late_answer, {Role.SYSTEM}, after_end={Status.COMPLETED}),
        rule(WithdrawMeasure, d.withdraw, {Role.OFFICER, Role.DECIDER}),
        rule(Cure, d.cure, {Role.FILER, Role.OFFICER, Role.SYSTEM}),
        rule(TimeOut, d.time_out, {Role.SYSTEM}),
    ),
    events={
        EnforcementEvent.OPENED: EventRule("立案", h.opened, h.tell_opened),
        EnforcementEvent.PROPOSED: EventRule("提出措施", h.proposed, h.tell_measure),
        EnforcementEvent.NOTICED: EventRule("事先告知", h.noticed, h.tell_due),
        EnforcementEvent.STATED: EventRule("陈述、申辩", h.stated, h.tell_statement),
        EnforcementEvent.DECIDED: EventRule("决定采取措施", h.decided, h.tell_due),
        EnforcementEvent.DISMISSED: EventRule("决定不采取措施", h.dismissed, h.tell_measure),
        EnforcementEvent.SERVED: EventRule("送达决定", h.served, h.tell_due),
        EnforcementEvent.TOOK_EFFECT: EventRule("措施生效", h.took_effect, h.tell_effect),
        EnforcementEvent.HANDED_OVER: EventRule("移送", h.handed_over, h.tell_handed_over),
        EnforcementEvent.OBJECTED: EventRule("提出异议", h.objected, h.tell_due),
        EnforcementEvent.ANSWERED: EventRule("答复异议", h.answered, h.tell_answer),
        EnforcementEvent.ANSWER_LATE: EventRule("异议逾期未答复", h.answer_late, h.tell_late),
        EnforcementEvent.ENDED: EventRule("结束", h.ended, h.tell_ended),
    },
    prepares=frozenset({"give_notice", "decide", "serve_decision", "raise_objection", "cure"}),
    timers=d.timers,
    due=d.due,
    admits=anybody,
    editable=frozenset(),
)
