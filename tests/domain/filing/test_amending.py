"""Amendments of a filing under way: what moves with them, what is decided and stays."""

from datetime import timedelta
from typing import Any

import pytest

from domain.case import commands as c
from domain.case.amending import AMENDED, differences, plan_before, ruled_by
from domain.case.commands import Actor, Role
from domain.case.events import Event, Step, event_of
from domain.case.kind import evolve, next_timer, position
from domain.case.opening import chain
from domain.case.plan import CasePlan, Reminder
from domain.case.review import check, decide
from domain.case.state import CaseState
from domain.case.status import Status
from domain.decision import RuleSetRef
from domain.filing.amending import Amend, tell_amended
from domain.filing.findings import FilingFindings
from domain.filing.kind import FILING
from domain.filing.state import FilingState
from domain.refusals import Code, Refusal
from tests.domain.filing.test_transitions import ONE, day

OPERATOR = Actor(subject="operator-1", role=Role.OPERATOR, scope="000000")
REF = RuleSetRef(id="amended", revision=2, sha256="b" * 64)


def later(plan: CasePlan, days: int, **others: Any) -> CasePlan:
    """The plan with all windows closing so many days later, under other rules."""
    moved = {
        name: window.model_copy(update={"closes": window.closes + timedelta(days=days)})
        for name, window in plan.stated().items()
    }
    return plan.model_copy(update={**moved, "ruleset": REF, **others})


def amend(state: CaseState, plan: CasePlan, new: CasePlan, now: Any) -> Event | Refusal:
    command = Amend(id="a", actor=OPERATOR, received_at=now, note_sha256="c" * 64, amendment="one")
    assert check(FILING, state, plan, command, now) is None or state.status is Status.LAPSED
    outcome = decide(FILING, state, plan, command, now, FilingFindings(plan=new))
    if isinstance(outcome, Refusal):
        return outcome
    (event,) = outcome
    return event


def standing(status: Status, **values: Any) -> CaseState[FilingState]:
    return CaseState(own=FilingState(), status=status, **values)


def taken(outcome: Event | Refusal) -> Event:
    assert isinstance(outcome, Event), outcome
    return outcome


def code(outcome: Event | Refusal) -> Code:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_windows_and_timers_move_and_the_plan_before_comes_out_again() -> None:
    state, new = standing(Status.DRAFT), later(ONE, 21)
    event = taken(amend(state, ONE, new, day(1)))
    plan = ruled_by(ONE, event.name, event.body)
    assert plan == new
    assert event.position.due == (ONE.supplement or ONE.fill).closes + timedelta(days=21)
    after = evolve(FILING, state, event)
    assert position(FILING, after, plan) == event.position
    timer = next_timer(FILING, after, plan)
    assert timer is not None
    assert timer.at == event.position.due
    command = c.Open(id="x", actor=OPERATOR, received_at=day(1))
    steps = chain("filing/2024/x", 0, "0" * 64, command, [event], day(1))
    assert plan_before(plan, steps) == ONE
    assert "改按 amended 第 2 版" in tell_amended(event.body)
    assert event_of(Step(**steps[0].model_dump())).body == event.body


def test_what_changes_nothing_is_told_so_and_a_reason_is_needed() -> None:
    state = standing(Status.DRAFT)
    same = ONE.model_copy(update={"parts": ("other",)})
    assert code(amend(state, ONE, same, day(1))) is Code.AMENDMENT_UNNEEDED
    bare = Amend(id="a", actor=OPERATOR, received_at=day(1), amendment="one")
    refused = check(FILING, state, ONE, bare, day(1))
    assert refused is not None
    assert refused.code is Code.REASON_REQUIRED
    filer = bare.model_copy(update={"actor": Actor(subject="f", role=Role.FILER, scope="x")})
    refused = check(FILING, state, ONE, filer, day(1))
    assert refused is not None
    assert refused.code is Code.FORBIDDEN


def test_what_the_first_submission_decided_stays() -> None:
    may = ONE.obligation.model_copy(update={"outcome": "may"})
    new = later(ONE, 21, obligation=may)
    begun = taken(amend(standing(Status.DRAFT), ONE, new, day(1)))
    assert ruled_by(ONE, AMENDED, begun.body).obligation == may
    state = standing(Status.RETURNED, submitted_before=True, revision=1)
    filed = taken(amend(state, ONE, new, day(1)))
    assert ruled_by(ONE, AMENDED, filed.body).obligation == ONE.obligation
    parts = later(ONE, 21, parts=(*ONE.parts, "another"))
    assert code(amend(state, ONE, parts, day(1))) is Code.AMENDMENT_DECIDED
    assert taken(amend(standing(Status.DRAFT), ONE, parts, day(1)))
    none = later(ONE, 21, obligation=may.model_copy(update={"outcome": "none"}))
    assert code(amend(standing(Status.DRAFT), ONE, none, day(1))) is Code.AMENDMENT_DECIDED


def test_who_checks_what_is_approved_stays() -> None:
    new = later(ONE, 21, checker="caiq")
    assert taken(amend(standing(Status.DRAFT), ONE, new, day(1)))
    checked = standing(Status.QUALITY_CHECK, submitted_before=True, revision=1)
    assert code(amend(checked, ONE, new, day(1))) is Code.AMENDMENT_DECIDED


def test_nobody_is_made_late_and_what_has_ended_is_not_touched() -> None:
    closes = (ONE.supplement or ONE.fill).closes
    now = closes - timedelta(days=2)
    state = standing(Status.DRAFT)
    assert taken(amend(state, ONE, later(ONE, -1), now))
    assert code(amend(state, ONE, later(ONE, -2), now)) is Code.AMENDMENT_DECIDED
    lapsed = standing(Status.LAPSED, lapsed_from=Status.DRAFT)
    assert code(amend(lapsed, ONE, later(ONE, 21), now)) is Code.CASE_LAPSED


@pytest.mark.parametrize(("days", "again"), [(5, ("kept",)), (-60, ("kept", "moved"))])
def test_a_reminder_that_moves_to_a_day_to_come_is_given_then(
    days: int, again: tuple[str, ...]
) -> None:
    def reminder(id_: str, at: Any) -> Reminder:
        return Reminder(id=id_, label="提醒", at=at, cite=ONE.fill.cite, anchor="fill.closing")

    now = day(3)
    plan = ONE.model_copy(
        update={"reminders": (reminder("moved", day(1)), reminder("kept", day(2)))}
    )
    moved = (reminder("moved", now + timedelta(days=days)), reminder("kept", day(2)))
    own = FilingState(reminded=("kept", "moved"))
    state: CaseState[FilingState] = CaseState(own=own, status=Status.DRAFT)
    event = taken(amend(state, plan, later(plan, 21, reminders=moved), now))
    assert evolve(FILING, state, event).own.reminded == again
    assert "reminders" in differences(plan, ruled_by(plan, AMENDED, event.body))
