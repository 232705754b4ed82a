"""Complaints on the shared state machine."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.events import Event
from domain.case.kind import evolve, next_timer, position
from domain.case.plan import FOREVER, CasePlan, Window
from domain.case.review import decide
from domain.case.state import CaseState
from domain.case.status import Status
from domain.citation import Citation
from domain.complaints import COMPLAINT, ComplaintEvent, ComplaintOutcome, Resolve
from domain.decision import Obligation, ReviewLevel, RuleSetRef
from domain.refusals import Code, Refusal

CITE = Citation(document="测试文号", clause="一")
NOW = datetime(2024, 10, 1, tzinfo=UTC)
ALWAYS = Window(opens=NOW, closes=FOREVER, cite=CITE)
LEVEL = ReviewLevel(id="follow-up", authority="samr", cite=CITE)
PLAN = CasePlan(
    year=2024,
    jurisdiction="000000",
    ruleset=RuleSetRef(id="test", revision=1, sha256="0" * 64),
    obligation=Obligation(outcome="may", rule="follow-up", cite=CITE),
    fill=ALWAYS,
    correct=ALWAYS,
    review=ALWAYS,
    lapse_unapproved=False,
    completion_cite=CITE,
    levels=(LEVEL,),
)
REVIEWER = Actor(subject="reviewer-1", role=Role.REVIEWER, scope="samr")
LATER = NOW + timedelta(days=5)


def base(actor: Actor) -> dict[str, Any]:
    return {"id": "x", "actor": actor, "received_at": LATER, "note_sha256": "f" * 64}


def received() -> CaseState:
    event = Event(
        name=ComplaintEvent.RECEIVED,
        actor=SYSTEM,
        position=position(COMPLAINT, COMPLAINT.new(), PLAN),
        body={"levels": [LEVEL.model_dump(mode="json")]},
    )
    return evolve(COMPLAINT, COMPLAINT.new(), event)


def applied(state: CaseState, command: c.Command) -> CaseState:
    events = decide(COMPLAINT, state, PLAN, command, LATER)
    assert not isinstance(events, Refusal), events
    for event in events:
        state = evolve(COMPLAINT, state, event)
    return state


def refused(state: CaseState, command: c.Command) -> Code:
    refusal = decide(COMPLAINT, state, PLAN, command, LATER)
    assert isinstance(refusal, Refusal), refusal
    return refusal.code


def test_a_complaint_is_with_its_authority_until_a_person_who_claimed_it_resolves_it() -> None:
    state = received()
    assert (state.status, state.authority(PLAN)) == (Status.IN_REVIEW, "samr")
    assert next_timer(COMPLAINT, state, PLAN) is None
    resolve = Resolve(
        **base(REVIEWER), outcome=ComplaintOutcome.SUBSTANTIATED, reply_sha256="a" * 64
    )
    assert refused(state, resolve) is Code.NOT_CLAIMED
    state = applied(state, c.Claim(**base(REVIEWER)))
    assert applied(state, resolve).status is Status.COMPLETED
    elsewhere = Actor(subject="r", role=Role.REVIEWER, scope="amr-350000")
    other = resolve.model_copy(update={"actor": elsewhere})
    assert refused(state, other) is Code.NOT_YOUR_AUTHORITY
