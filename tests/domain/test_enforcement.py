"""What everybody may do in a case of enforcement, stage by stage, and each term on both sides."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import Event
from domain.case.kind import evolve, next_timer, position
from domain.case.plan import CasePlan
from domain.case.review import decide
from domain.case.state import CaseState
from domain.decision import ReviewLevel
from domain.enforcement import commands as e
from domain.enforcement.commands import CountedTerm, Ending, EnforcementFindings, Stage
from domain.enforcement.consequences import EnforcementFacts
from domain.enforcement.kind import ENFORCEMENT
from domain.enforcement.state import EnforcementEvent, EnforcementState, terms_of
from domain.refusals import Code, Refusal
from rules.compiled import CompiledRules
from rules.file.library import RuleLibrary

NOW = datetime(2021, 3, 1, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FUJIAN = "amr-350000"
PEOPLE = {
    role: Actor(subject=f"{role}-1", role=role, scope=scope)
    for role, scope in {
        Role.FILER: "lab",
        Role.OFFICER: FUJIAN,
        Role.DECIDER: FUJIAN,
        Role.OPERATOR: "000000",
        Role.REVIEWER: FUJIAN,
        Role.CHECKER: "samr",
        Role.AUDITOR: "",
    }.items()
} | {Role.SYSTEM: SYSTEM}
NOTE = "a" * 64


def later(days: float) -> datetime:
    return NOW + timedelta(days=days)


TERMS = {
    name: CountedTerm(due=later(days), days=())
    for name, days in {
        "statement": 7, "service": 20, "correction": 30, "lasts": 395, "objection": 60,
    }.items()
}  # fmt: skip


@cache
def _plan() -> CasePlan:
    """The plan of a case about a filing that lapsed under the rules of 2020, after a reminder."""
    certificate = {"number": "1", "level": "provincial", "issuer": FUJIAN, "scope": 1}
    facts = EnforcementFacts.model_validate(
        {
            "institution": {"id": "lab", "region": "350102"},
            "certificates": [{**certificate, "valid_to": "2030-01-01"}],
            "filing": {"status": "lapsed", "reminders_served": [NOW - timedelta(days=40)]},
        }
    )
    rules = CompiledRules(RuleLibrary().resolve(2020, "000000").document)
    plan = rules.enforcement_plan(facts, NOW)
    assert plan.enforcement is not None
    due = {measure.id: later(90) for measure in plan.enforcement.measures}
    terms = plan.enforcement.model_copy(update={"decision_due": due})
    return plan.model_copy(update={"enforcement": terms})


class Life:
    """A case, step by step."""

    def __init__(self) -> None:
        self.plan = _plan()
        self.state: CaseState[EnforcementState] = ENFORCEMENT.new()
        first = terms_of(self.plan).measures[0]
        level = ReviewLevel(id="proposes", authority=FUJIAN, label="承办", cite=first.cite)
        body = {
            "level": level.model_dump(mode="json"),
            "opened_at": NOW.isoformat(),
            "decision_due": later(90).isoformat(),
        }
        opened = Event(
            name=EnforcementEvent.OPENED,
            actor=PEOPLE[Role.OFFICER],
            position=position(ENFORCEMENT, self.state, self.plan),
            body=body,
        )
        self.state = evolve(ENFORCEMENT, self.state, opened)

    def ask(
        self, command: type[Command], by: Actor | Role, at: datetime = NOW, **given: Any
    ) -> Code | None:
        """What a command is refused for, None when it is carried out."""
        actor = by if isinstance(by, Actor) else PEOPLE[by]
        cured = given.pop("cured", False)
        asked = command(id="x", actor=actor, received_at=at, note_sha256=NOTE, **given)
        found = EnforcementFindings(terms=TERMS, cured=cured)
        outcome = decide(ENFORCEMENT, self.state, self.plan, asked, at, found)
        if isinstance(outcome, Refusal):
            return outcome.code
        for event in outcome:
            self.state = evolve(ENFORCEMENT, self.state, event.model_copy(update={"at": at}))
        return None

    def do(
        self, command: type[Command], by: Actor | Role, at: datetime = NOW, **given: Any
    ) -> None:
        refused = self.ask(command, by, at, **given)
        assert refused is None, refused

    def to(self, stage: Stage, measure: str = "listed-abnormal") -> "Life":
        """Brings a new case to a stage."""
        steps: list[tuple[Stage, Any]] = [
            (Stage.PROPOSED, lambda: self.do(e.Propose, Role.OFFICER, measure=measure)),
            (Stage.NOTICED, lambda: self.do(e.GiveNotice, Role.OFFICER)),
            (Stage.DECIDED, lambda: self.do(e.Decide, Role.DECIDER, later(7), outcome="impose")),
            (Stage.SERVED, lambda: self.do(e.ServeDecision, Role.OFFICER, later(8))),
            (Stage.IN_FORCE, lambda: self.do(e.TakeEffect, Role.SYSTEM, later(30))),
            (Stage.OVER, lambda: self.do(e.TimeOut, Role.SYSTEM, later(395))),
        ]
        for reached, step in steps:
            if self.state.own.stage is stage:
                break
            step()
            assert self.state.own.stage is reached
        return self


GIVEN: dict[type[Command], dict[str, Any]] = {
    e.Propose: {"measure": "warning"},
    e.Decide: {"outcome": "impose"},
    e.Refer: {"agency": "统计局", "document": "函"},
    e.AnswerObjection: {"upheld": True},
}


@pytest.mark.parametrize(
    "rule", ENFORCEMENT.commands.values(), ids=lambda rule: rule.command.__name__
)
@pytest.mark.parametrize("stage", Stage)
def test_an_act_is_refused_to_every_role_but_its_own(rule: Any, stage: Stage) -> None:
    life = Life().to(stage)
    for role in set(PEOPLE) - set(rule.roles):
        refused = life.ask(rule.command, role, later(8), **GIVEN.get(rule.command, {}))
        assert refused in (Code.FORBIDDEN, Code.CASE_ENDED), (role, refused)


def _elsewhere(role: Role) -> Actor:
    return PEOPLE[role].model_copy(update={"scope": "amr-430000", "subject": "elsewhere"})


def test_an_authority_elsewhere_neither_proposes_nor_notices_decides_serves_or_answers() -> None:
    wrong = Code.NOT_YOUR_AUTHORITY
    officer, decider = _elsewhere(Role.OFFICER), _elsewhere(Role.DECIDER)
    assert Life().ask(e.Propose, officer, measure="warning") is wrong
    assert Life().to(Stage.PROPOSED).ask(e.GiveNotice, officer) is wrong
    noticed = Life().to(Stage.NOTICED)
    assert noticed.ask(e.Decide, decider, later(7), outcome="impose") is wrong
    assert noticed.ask(e.WithdrawMeasure, officer, later(7)) is wrong
    decided = Life().to(Stage.DECIDED)
    assert decided.ask(e.ServeDecision, officer, later(8)) is wrong
    assert decided.ask(e.WithdrawMeasure, decider, later(8)) is wrong
    objected = Life().to(Stage.IN_FORCE)
    objected.do(e.RaiseObjection, Role.FILER, later(31))
    assert objected.ask(e.AnswerObjection, decider, later(32), upheld=True) is wrong


def test_one_person_in_two_parts_of_a_case_is_refused_whatever_the_order() -> None:
    def as_(role: Role, other: Role) -> Actor:
        return PEOPLE[role].model_copy(update={"subject": PEOPLE[other].subject})

    same = Code.SAME_PERSON
    noticed = Life().to(Stage.NOTICED)
    alone = as_(Role.DECIDER, Role.OFFICER)
    assert noticed.ask(e.Decide, alone, later(7), outcome="dismiss") is same
    assert noticed.ask(e.MakeStatement, as_(Role.FILER, Role.OFFICER)) is same
    noticed.do(e.MakeStatement, Role.FILER)
    party = as_(Role.DECIDER, Role.FILER)
    assert noticed.ask(e.Decide, party, later(7), outcome="dismiss") is same
    decided = Life().to(Stage.DECIDED)
    assert decided.ask(e.ServeDecision, as_(Role.OFFICER, Role.DECIDER), later(8)) is same


def test_each_term_on_both_sides_of_its_second() -> None:
    noticed = Life().to(Stage.NOTICED)
    impose = {"outcome": "impose"}
    assert (
        noticed.ask(e.Decide, Role.DECIDER, later(7) - SECOND, **impose) is Code.STATEMENT_RUNNING
    )
    noticed.do(e.MakeStatement, Role.FILER, later(7) - SECOND)
    assert noticed.ask(e.MakeStatement, Role.FILER, later(7)) is Code.STATEMENT_CLOSED
    assert noticed.ask(e.Decide, Role.DECIDER, later(90), **impose) is Code.DECISION_OVERDUE
    assert noticed.ask(e.TimeOut, Role.SYSTEM, later(90) - SECOND) is Code.NOT_OPEN_YET
    timely = Life().to(Stage.NOTICED)
    timely.do(e.Decide, Role.DECIDER, later(90) - SECOND, **impose)
    assert timely.ask(e.ServeDecision, Role.OFFICER, later(20)) is Code.SERVICE_OVERDUE
    assert timely.ask(e.TimeOut, Role.SYSTEM, later(20) - SECOND) is Code.NOT_OPEN_YET
    served = Life().to(Stage.DECIDED)
    served.do(e.ServeDecision, Role.OFFICER, later(20) - SECOND)
    assert served.ask(e.TakeEffect, Role.SYSTEM, later(30) - SECOND) is Code.NOT_OPEN_YET
    served.do(e.TakeEffect, Role.SYSTEM, later(30))
    assert served.ask(e.TimeOut, Role.SYSTEM, later(395) - SECOND) is Code.NOT_OPEN_YET
    served.do(e.RaiseObjection, Role.FILER, later(31))
    assert served.ask(e.NoteLateAnswer, Role.SYSTEM, later(60) - SECOND) is Code.NOT_OPEN_YET
    served.do(e.NoteLateAnswer, Role.SYSTEM, later(60))
    for ended, life, at in (
        (Ending.OUT_OF_TIME, noticed, later(90)),
        (Ending.NOT_SERVED, timely, later(20)),
        (Ending.EXPIRED, served, later(395)),
    ):
        life.do(e.TimeOut, Role.SYSTEM, at)
        assert life.state.own.ended_by is ended


@pytest.mark.parametrize(
    "stage", [Stage.PROPOSED, Stage.NOTICED, Stage.DECIDED, Stage.SERVED, Stage.IN_FORCE]
)
def test_what_is_made_good_ends_it_at_every_stage_and_before_it_takes_effect(stage: Stage) -> None:
    life = Life().to(stage)
    assert life.ask(e.Cure, Role.FILER, later(9), cured=False) is Code.NOT_CURED
    life.do(e.Cure, Role.FILER, later(9), cured=True)
    assert (life.state.own.stage, life.state.own.ended_by) == (Stage.OVER, Ending.CURED)
    assert next_timer(ENFORCEMENT, life.state, life.plan) is None
    # a warning is for what has happened, and nothing makes it good
    warned = Life().to(Stage.NOTICED, "warning")
    assert warned.ask(e.Cure, Role.FILER, cured=True) is Code.NOT_CURABLE


def test_a_defence_can_lead_to_the_measure_proposed_or_to_none_and_to_nothing_worse() -> None:
    life = Life().to(Stage.NOTICED, "public-notice")
    life.do(e.MakeStatement, Role.FILER)
    assert life.ask(e.Propose, Role.OFFICER, measure="listed-abnormal") is Code.WRONG_STATUS
    assert "measure" not in e.Decide.model_fields
    life.do(e.Decide, Role.DECIDER, later(7), outcome="impose")
    assert life.state.own.measure == "public-notice"


def test_a_penalty_needs_the_statute_that_gives_the_power_and_is_not_in_force_or_published() -> (
    None
):
    life = Life().to(Stage.NOTICED, "warning")
    impose = {"outcome": "impose"}
    assert life.ask(e.Decide, Role.DECIDER, later(7), **impose) is Code.BASIS_REQUIRED
    life.do(e.Decide, Role.DECIDER, later(7), **impose, basis_given=True)
    life.do(e.ServeDecision, Role.OFFICER, later(8))
    assert life.state.own.ended_by is Ending.DONE


def test_an_objection_outlives_its_measure_until_it_is_answered() -> None:
    life = Life().to(Stage.IN_FORCE)
    life.do(e.RaiseObjection, Role.FILER, later(31))
    life.do(e.Cure, Role.SYSTEM, later(32), cured=True)
    assert (life.state.own.stage, life.state.own.objecting) == (Stage.OVER, True)
    timer = next_timer(ENFORCEMENT, life.state, life.plan)
    assert timer is not None
    assert timer.at == later(60)
    life.do(e.AnswerObjection, Role.DECIDER, later(33), upheld=True)
    assert (life.state.own.ended_by, life.state.own.objecting) == (Ending.CORRECTED, False)


def test_before_it_is_decided_the_officer_withdraws_and_afterwards_the_decider() -> None:
    noticed = Life().to(Stage.NOTICED)
    noticed.do(e.WithdrawMeasure, Role.OFFICER)
    assert noticed.state.own.ended_by is Ending.WITHDRAWN
    for stage in (Stage.DECIDED, Stage.SERVED, Stage.IN_FORCE):
        life = Life().to(stage)
        assert life.ask(e.WithdrawMeasure, Role.OFFICER, later(31)) is Code.FORBIDDEN
        life.do(e.WithdrawMeasure, Role.DECIDER, later(31))
        assert life.state.own.ended_by is Ending.WITHDRAWN
    over = Life().to(Stage.OVER)
    assert over.ask(e.WithdrawMeasure, Role.DECIDER, later(400)) is Code.CASE_ENDED
