"""The state machine: what no sequence of commands can reach, and each boundary on both sides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.canonical import sha256_of
from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.events import EventName
from domain.case.kind import evolve, next_timer, position
from domain.case.plan import CasePlan, Window
from domain.case.review import decide, editable
from domain.case.state import CaseState, Timer, closing
from domain.case.status import Status
from domain.citation import Citation
from domain.decision import Candidate, Obligation, ReviewerDecision, ReviewLevel, RuleSetRef
from domain.filing.attesting import Attest
from domain.filing.findings import FilingFindings
from domain.filing.kind import FILING, Submit
from domain.filing.questions import QUESTION_COMMANDS
from domain.filing.waiving import AskWaiver
from domain.refusals import Code, Refusal
from domain.sampling import Sampling

START = datetime(2025, 1, 1, tzinfo=UTC)
CITE = Citation(document="测试文号", clause="一")
REF = RuleSetRef(id="test", revision=1, sha256="0" * 64)
SECOND = timedelta(seconds=1)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def window(opens: float, closes: float, clause: str = "一") -> Window:
    return Window(
        opens=day(opens), closes=day(closes), cite=Citation(document="测试文号", clause=clause)
    )


def plan(**changes: Any) -> CasePlan:
    values: dict[str, Any] = {
        "year": 2024,
        "jurisdiction": "000000",
        "ruleset": REF,
        "obligation": Obligation(outcome="must", rule="certified", cite=CITE),
        "parts": ("statistics",),
        "fill": window(1, 10, "填报"),
        "correct": window(1, 20, "修改"),
        "review": window(1, 20, "审核"),
        "completion_cite": CITE,
        "checker": "samr",
        "checker_cite": CITE,
    }
    return CasePlan(**{**values, **changes})


PLANS = {
    "approved inside one window": plan(correct=window(1, 10), review=window(1, 10)),
    "review after filling": plan(
        fill=window(1, 10), review=window(10, 20), correct=window(10, 20), lapse_unapproved=False
    ),
    "supplementary filing": plan(supplement=window(10, 14), lapse_unapproved=False),
    "quality check later": plan(quality=window(15, 30)),
    "a sample checked at two levels": plan(
        quality=window(1, 400),
        checks=tuple(ReviewLevel(id=name, authority="samr") for name in ("first", "second")),
        sample=Sampling(count=1, cite=CITE),
    ),
    "no quality check": plan(checker=None, checker_cite=None),
    "voluntary": plan(obligation=Obligation(outcome="may", rule="others", cite=CITE)),
}

LEVELS = ("amr-350102", "amr-350100", "amr-350000")


def decision(levels: int) -> ReviewerDecision:
    return ReviewerDecision(
        reviewer=LEVELS[levels - 1],
        rule="provincial-only",
        levels=tuple(ReviewLevel(id=a, authority=a) for a in LEVELS[:levels]),
        cite=CITE,
        ruleset=REF,
        candidates=(
            Candidate(rule="provincial-only", authority="amr-350000", verdict="chosen", because=""),
        ),
    )


def base(now: datetime, actor: Actor, note: bool = True) -> dict[str, Any]:
    return {
        "id": "x",
        "actor": actor,
        "received_at": now,
        "note_sha256": "f" * 64 if note else "",
    }


def filer(name: str = "filer-1") -> Actor:
    return Actor(subject=name, role=Role.FILER, scope="inst")


def reviewer(authority: str, name: str = "reviewer-1") -> Actor:
    return Actor(subject=name, role=Role.REVIEWER, scope=authority)


def responsible(name: str = "head-1") -> Actor:
    return Actor(subject=name, role=Role.RESPONSIBLE, scope="inst")


def checker(name: str = "checker-1") -> Actor:
    return Actor(subject=name, role=Role.CHECKER, scope="samr")


OPERATOR = Actor(subject="operator-1", role=Role.OPERATOR, scope="000000")
SHA = "a" * 64

people = st.sampled_from(["p1", "p2", "p3", "p4"])
BY_ROLE: dict[Role, st.SearchStrategy[Actor]] = {
    Role.FILER: st.builds(filer, people),
    Role.REVIEWER: st.builds(reviewer, st.sampled_from([*LEVELS, "amr-440000"]), people),
    Role.CHECKER: st.builds(checker, people),
    Role.OPERATOR: st.just(OPERATOR),
    Role.RESPONSIBLE: st.builds(responsible, people),
    Role.SYSTEM: st.just(SYSTEM),
}
actors = st.one_of(*BY_ROLE.values())


@st.composite
def moves(draw: st.DrawFn) -> tuple[float, str, Actor, bool, float]:
    """Some time passes, then somebody asks for something, right or wrong."""
    kind = draw(st.sampled_from(sorted(FILING.commands)))
    # mostly people who may ask for this at all, or nothing would ever happen
    fitting = st.one_of(*(BY_ROLE[role] for role in sorted(FILING.commands[kind].roles)))
    actor = draw(st.one_of(fitting, fitting, fitting, actors))
    hours = draw(st.sampled_from([0, 0, 1, 24, 100]))
    return hours, kind, actor, draw(st.booleans()), draw(st.sampled_from([0.0, 5.0, 60.0]))


def command(kind: str, actor: Actor, now: datetime, note: bool, extra: float) -> c.Command:
    values = base(now, actor, note)
    if kind == "submit":
        return Submit(**values, revision=1, content_sha256=SHA)
    if kind in ("extend", "reopen"):
        made = c.Extend if kind == "extend" else c.Reopen
        return made(**values, until=now + timedelta(days=extra))
    if kind in QUESTION_COMMANDS and kind != "ask_question":
        return FILING.commands[kind].command.model_validate({**values, "question": 1})
    if kind == "attest":
        return Attest(**values, revision=1, content_sha256=SHA)
    if kind == "ask_waiver":
        found = sha256_of([int(extra)])
        return AskWaiver(
            **values, part="statistics", check="c", pointer="/statistics/staff", finding=found
        )
    if kind in ("grant_waiver", "decline_waiver"):
        return FILING.commands[kind].command.model_validate({**values, "waiver": 1})
    if kind == "remind":
        return c.Remind(**values, reminder="due")
    if kind == "draw":
        return c.Draw(**values, draw=1, drawn=extra != 5)
    if kind == "amend":
        return FILING.commands[kind].command.model_validate({**values, "amendment": "a"})
    if kind == "shorten":
        return c.Shorten(**values, until=now + timedelta(days=extra), extension="")
    if kind in ("assign", "hand_over"):
        person = f"p{int(extra) % 4 + 1}"
        return FILING.commands[kind].command.model_validate({**values, "person": person})
    return FILING.commands[kind].command.model_validate({**values, "kind": kind})


def live(case: CasePlan, levels: int, told: list[tuple[float, str, Actor, bool, float]]) -> None:
    """Plays moves against the machine and checks after each what must always hold."""
    state, now = FILING.new(), day(0)
    history: list[tuple[str, CaseState, datetime]] = []
    for hours, kind, actor, note, extra in told:
        now += timedelta(hours=hours)
        timer = next_timer(FILING, state, case)
        while timer is not None and timer.at <= now and timer.command is not None:
            timed = timer.command.model_validate({**base(now, SYSTEM), **timer.details})
            found = decide(FILING, state, case, timed, timer.at)
            assert not isinstance(found, Refusal), (timer, found)
            for event in found:
                state = evolve(FILING, state, event)
                history.append((event.name, state, timer.at))
            timer = next_timer(FILING, state, case)
        before = state
        found = decide(
            FILING,
            state,
            case,
            command(kind, actor, now, note, extra),
            now,
            FilingFindings(decision=decision(levels), editors=(actor.subject,)),
        )
        if isinstance(found, Refusal):
            assert state == before
            continue
        assert actor.role in FILING.commands[kind].roles
        if not found:
            # an amendment that changes nothing of the filing
            assert (kind, state) == ("amend", before)
            continue
        for event in found:
            state = evolve(FILING, state, event)
            history.append((event.name, state, now))
        assert found[-1].position == position(FILING, state, case)
        check_always(state, case, history, kind, actor, before, now)


def check_always(
    state: CaseState,
    case: CasePlan,
    history: list[tuple[str, CaseState, datetime]],
    kind: str,
    actor: Actor,
    before: CaseState,
    now: datetime,
) -> None:
    people = [set(state.filers), set(state.reviewers), set(state.checkers)]
    assert not (people[0] & people[1])
    assert not (people[0] & people[2])
    assert not (people[1] & people[2])
    assert (state.level > 0) == (
        state.status is Status.IN_REVIEW or state.lapsed_from is Status.IN_REVIEW
    )
    assert state.level <= len(state.levels) or state.level == 0
    if state.status is Status.IN_REVIEW:
        assert state.levels
    if state.claimed_by:
        assert state.status in (Status.IN_REVIEW, Status.QUALITY_CHECK)
    if kind == "submit":
        assert now < closing(case.supplement or case.fill, state) or before.submitted_before
        assert now < closing(case.correct, state) or not before.submitted_before
        assert now >= case.fill.opens
    if kind in ("approve", "return", "claim") and before.status is Status.IN_REVIEW:
        assert case.review.opens <= now < closing(case.review, before)
        assert actor.scope == before.levels[before.level - 1].authority
    if kind in ("approve", "return"):
        assert before.claimed_by == actor.subject
    # approval has passed every level since the last submission, in order
    names = [name for name, _, _ in history]
    if state.status in (Status.APPROVED, Status.QUALITY_CHECK) and kind == "approve":
        last = len(names) - 1 - names[::-1].index(EventName.ASSIGNED)
        passed = [n for n in names[last:] if n in (EventName.LEVEL_APPROVED, EventName.APPROVED)]
        assert passed == [EventName.LEVEL_APPROVED] * (len(state.levels) - 1) + [EventName.APPROVED]
    if state.status is Status.COMPLETED and case.checker:
        assert names[-2:] == [EventName.QUALITY_PASSED, EventName.COMPLETED]


@pytest.mark.parametrize("name", PLANS)
@settings(max_examples=200, deadline=None)
@given(levels=st.integers(1, 3), told=st.lists(moves(), max_size=40))
def test_no_sequence_of_commands_breaks_what_must_always_hold(
    name: str, levels: int, told: list[tuple[float, str, Actor, bool, float]]
) -> None:
    live(PLANS[name], levels, told)


def opened(case: CasePlan) -> Any:
    found = decide(FILING, FILING.new(), case, c.Open(**base(day(1), SYSTEM)), day(1))
    assert not isinstance(found, Refusal)
    return found[0]


def draft(case: CasePlan) -> CaseState:
    return evolve(FILING, FILING.new(), opened(case))


def in_review(case: CasePlan, levels: int = 1, at: float = 2) -> CaseState:
    return played(draft(case), case, levels, ("submit", filer(), at))


def played(
    state: CaseState, case: CasePlan, levels: int, *told: tuple[str, Actor, float]
) -> CaseState:
    for kind, actor, at in told:
        found = decide(
            FILING,
            state,
            case,
            command(kind, actor, day(at), True, 60),
            day(at),
            FilingFindings(decision=decision(levels)),
        )
        assert not isinstance(found, Refusal), (kind, found)
        for event in found:
            state = evolve(FILING, state, event)
    return state


def refused(state: CaseState, case: CasePlan, asked: c.Command, now: datetime) -> Refusal:
    found = decide(FILING, state, case, asked, now, FilingFindings(decision=decision(1)))
    assert isinstance(found, Refusal), found
    return found


ONE = PLANS["approved inside one window"]


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (day(1) - SECOND, Code.NOT_OPEN_YET),
        (day(1), None),
        (day(10) - timedelta(microseconds=1), None),
        (day(10), Code.FILL_CLOSED),
    ],
)
def test_a_submission_is_taken_from_the_first_instant_of_the_window_to_its_last(
    at: datetime, code: Code | None
) -> None:
    state = draft(ONE)
    found = decide(
        FILING,
        state,
        ONE,
        command("submit", filer(), at, True, 0),
        at,
        FilingFindings(decision=decision(1)),
    )
    if code is None:
        assert not isinstance(found, Refusal)
    else:
        assert isinstance(found, Refusal)
        assert (found.code, found.cite) == (code, ONE.fill.cite)
        assert found.at == (day(1) if code is Code.NOT_OPEN_YET else day(10))


def test_an_approval_at_the_last_second_counts_and_one_second_later_does_not() -> None:
    state = played(in_review(ONE), ONE, 1, ("claim", reviewer("amr-350102"), 3))
    approve = command("approve", reviewer("amr-350102"), day(10), True, 0)
    assert not isinstance(decide(FILING, state, ONE, approve, day(10) - SECOND), Refusal)
    late = refused(state, ONE, approve, day(10))
    assert (late.code, late.at) == (Code.REVIEW_CLOSED, day(10))


def test_a_first_filing_in_the_supplementary_window_is_late_and_after_it_impossible() -> None:
    case = PLANS["supplementary filing"]
    assert played(draft(case), case, 1, ("submit", filer(), 9.9)).late is False
    assert played(draft(case), case, 1, ("submit", filer(), 10)).late is True
    gone = refused(draft(case), case, command("submit", filer(), day(14), True, 0), day(14))
    assert (gone.code, gone.at) == (Code.FILL_CLOSED, day(14))


def test_a_filing_waits_as_submitted_until_the_review_opens() -> None:
    case = PLANS["review after filling"]
    state = in_review(case)
    assert state.status is Status.SUBMITTED
    early = refused(state, case, command("claim", reviewer("amr-350102"), day(5), True, 0), day(5))
    assert (early.code, early.at) == (Code.REVIEW_NOT_OPEN, day(10))
    assert next_timer(FILING, state, case) == Timer(day(10), c.StartReview)
    assert played(state, case, 1, ("start_review", SYSTEM, 10)).status is Status.IN_REVIEW


def test_nobody_waits_for_a_timer_that_lags_behind_an_opening_window() -> None:
    case = PLANS["review after filling"]
    early = refused(
        FILING.new(), case, command("submit", filer(), day(1), True, 0), day(1) - SECOND
    )
    assert (early.code, early.at) == (Code.NOT_OPEN_YET, day(1))
    assert editable(FILING, position(FILING, FILING.new(), case), case, day(1)) is None
    state = played(FILING.new(), case, 1, ("submit", filer(), 1))
    assert state.status is Status.SUBMITTED
    taken = played(state, case, 1, ("claim", reviewer("amr-350102"), 10))
    assert (taken.status, taken.claimed_by) == (Status.IN_REVIEW, "reviewer-1")


def test_what_is_approved_waits_until_the_quality_check_opens() -> None:
    case = PLANS["quality check later"]
    state = played(
        in_review(case),
        case,
        1,
        ("claim", reviewer("amr-350102"), 3),
        ("approve", reviewer("amr-350102"), 3),
    )
    assert state.status is Status.APPROVED
    assert next_timer(FILING, state, case) == Timer(day(15), c.StartQualityCheck)


def test_levels_are_passed_one_by_one_each_by_its_own_authority() -> None:
    state = in_review(ONE, levels=3)
    for authority in LEVELS:
        other = reviewer("amr-440000", f"r-{authority}")
        wrong = refused(state, ONE, command("claim", other, day(3), True, 0), day(3))
        assert wrong.code is Code.NOT_YOUR_AUTHORITY
        mine = reviewer(authority, f"r-{authority}")
        state = played(state, ONE, 3, ("claim", mine, 3), ("approve", mine, 3))
    assert state.status is Status.QUALITY_CHECK


def test_whoever_filed_cannot_review_and_whoever_reviewed_cannot_check() -> None:
    state = in_review(ONE)
    own = refused(
        state, ONE, command("claim", reviewer("amr-350102", "filer-1"), day(3), True, 0), day(3)
    )
    assert own.code is Code.SAME_PERSON
    state = played(
        state,
        ONE,
        1,
        ("claim", reviewer("amr-350102"), 3),
        ("approve", reviewer("amr-350102"), 3),
    )
    same = refused(
        state, ONE, command("pass_quality", checker("reviewer-1"), day(4), True, 0), day(4)
    )
    assert same.code is Code.SAME_PERSON


def test_whoever_edited_the_content_counts_as_filer() -> None:
    found = decide(
        FILING,
        draft(ONE),
        ONE,
        command("submit", filer(), day(2), True, 0),
        day(2),
        FilingFindings(decision=decision(1), editors=("editor-1",)),
    )
    assert not isinstance(found, Refusal)
    state = draft(ONE)
    for event in found:
        state = evolve(FILING, state, event)
    own = refused(
        state, ONE, command("claim", reviewer("amr-350102", "editor-1"), day(3), True, 0), day(3)
    )
    assert own.code is Code.SAME_PERSON


@pytest.mark.parametrize("kind", ["return", "extend", "cancel"])
def test_what_hurts_somebody_needs_a_reason(kind: str) -> None:
    state = played(in_review(ONE), ONE, 1, ("claim", reviewer("amr-350102"), 3))
    actor = reviewer("amr-350102") if kind == "return" else OPERATOR
    found = refused(state, ONE, command(kind, actor, day(3), False, 60), day(3))
    assert found.code is Code.REASON_REQUIRED


def test_a_lapsed_case_says_which_window_closed_when_and_under_which_clause() -> None:
    state = played(draft(ONE), ONE, 1, ("lapse", SYSTEM, 10))
    late = refused(state, ONE, command("submit", filer(), day(11), True, 0), day(11))
    assert (late.code, late.at, late.cite) == (Code.FILL_CLOSED, day(10), ONE.fill.cite)
    state = played(in_review(ONE), ONE, 1, ("lapse", SYSTEM, 10))
    stuck = refused(state, ONE, command("claim", reviewer("amr-350102"), day(11), True, 0), day(11))
    assert (stuck.code, stuck.cite) == (Code.REVIEW_CLOSED, ONE.completion_cite)


def test_an_extension_takes_a_lapsed_case_back_to_where_it_was() -> None:
    state = played(in_review(ONE, 2), ONE, 2, ("lapse", SYSTEM, 10), ("extend", OPERATOR, 11))
    assert (state.status, state.level) == (Status.IN_REVIEW, 1)
    assert played(state, ONE, 2, ("claim", reviewer("amr-350102"), 12)).claimed_by == "reviewer-1"


def test_an_extension_must_reach_beyond_the_window_and_the_present() -> None:
    state = draft(ONE)
    for until in (day(2), day(10)):
        asked = c.Extend(**base(day(2), OPERATOR), until=until)
        assert refused(state, ONE, asked, day(2)).code is Code.EXTENSION_NOT_LATER
    longer = c.Extend(**base(day(2), OPERATOR), until=day(10) + SECOND)
    assert not isinstance(decide(FILING, state, ONE, longer, day(2)), Refusal)


def test_a_reviewer_does_not_lapse_the_filing_of_somebody_who_filed_in_time() -> None:
    case = PLANS["supplementary filing"]
    assert next_timer(FILING, in_review(case), case) is None
    assert next_timer(FILING, in_review(ONE), ONE) == Timer(day(10), c.Lapse)


def test_a_return_is_refused_when_the_filer_could_no_longer_answer_it() -> None:
    case = plan(correct=window(1, 15), review=window(1, 20))
    state = played(in_review(case), case, 1, ("claim", reviewer("amr-350102"), 3))
    back = command("return", reviewer("amr-350102"), day(15), True, 0)
    assert not isinstance(decide(FILING, state, case, back, day(15) - SECOND), Refusal)
    assert refused(state, case, back, day(15)).code is Code.CORRECT_CLOSED


def test_a_withdrawn_must_filing_can_be_submitted_again_and_lapses_otherwise() -> None:
    state = played(in_review(ONE), ONE, 1, ("withdraw", filer(), 3))
    assert state.status is Status.WITHDRAWN
    assert next_timer(FILING, state, ONE) == Timer(day(10), c.Lapse)
    assert played(state, ONE, 1, ("submit", filer(), 4)).status is Status.IN_REVIEW
    may = PLANS["voluntary"]
    gone = played(in_review(may), may, 1, ("withdraw", filer(), 3))
    assert next_timer(FILING, gone, may) == Timer(day(20), None)


def test_a_claimed_filing_cannot_be_withdrawn_behind_its_reviewers_back() -> None:
    state = played(in_review(ONE), ONE, 1, ("claim", reviewer("amr-350102"), 3))
    found = refused(state, ONE, command("withdraw", filer(), day(3), True, 0), day(3))
    assert found.code is Code.CLAIMED_BY_OTHER


def test_content_can_be_changed_only_while_the_filer_has_it_and_the_window_is_open() -> None:
    here = position(FILING, draft(ONE), ONE)
    assert editable(FILING, here, ONE, day(10) - SECOND) is None
    closed = editable(FILING, here, ONE, day(10))
    assert closed is not None
    assert closed.code is Code.FILL_CLOSED
    away = editable(FILING, position(FILING, in_review(ONE), ONE), ONE, day(3))
    assert away is not None
    assert away.code is Code.WRONG_STATUS
    early = editable(FILING, position(FILING, FILING.new(), ONE), ONE, day(0))
    assert early is not None
    assert early.code is Code.NOT_OPEN_YET


def test_a_claim_of_somebody_who_is_away_can_be_released_by_an_operator_with_a_reason() -> None:
    state = played(in_review(ONE), ONE, 1, ("claim", reviewer("amr-350102"), 3))
    bare = refused(state, ONE, command("release", OPERATOR, day(3), False, 0), day(3))
    assert bare.code is Code.REASON_REQUIRED
    assert played(state, ONE, 1, ("release", OPERATOR, 3)).claimed_by == ""
    nobody = refused(in_review(ONE), ONE, command("release", OPERATOR, day(3), True, 0), day(3))
    assert nobody.code is Code.NOT_CLAIMED


COUNTY = Actor(subject="operator-2", role=Role.OPERATOR, scope="350102")


def handing(person: str, by: Actor, note: bool = True) -> c.Command:
    made = c.Assign if by.role is Role.OPERATOR else c.HandOver
    return made(**base(day(3), by, note), person=person)


def test_an_operator_of_the_authority_gives_a_filing_to_one_of_its_people() -> None:
    state = in_review(ONE)
    for elsewhere in (OPERATOR, COUNTY.model_copy(update={"scope": "350100"})):
        found = refused(state, ONE, handing("r-2", elsewhere), day(3))
        assert found.code is Code.NOT_YOUR_AUTHORITY
    assert refused(state, ONE, handing("filer-1", COUNTY), day(3)).code is Code.PERSON_NOT_FIT
    done = decide(FILING, state, ONE, handing("r-2", COUNTY, note=False), day(3))
    assert not isinstance(done, Refusal)
    state = evolve(FILING, state, done[0])
    assert (state.claimed_by, done[0].body) == ("r-2", {"person": "r-2"})
    # whoever has it is told why not any more
    again = refused(state, ONE, handing("r-3", COUNTY, note=False), day(3))
    assert again.code is Code.REASON_REQUIRED
    assert refused(state, ONE, handing("r-2", COUNTY), day(3)).code is Code.WRONG_STATUS
    assert refused(state, ONE, handing("r-3", COUNTY), day(20)).code is Code.REVIEW_CLOSED
    # nobody has taken part by being given something
    assert state.reviewers == ()
    assert played(state, ONE, 1, ("approve", reviewer(LEVELS[0], "r-2"), 3)).reviewers == ("r-2",)


def test_only_the_claimant_hands_a_filing_over_and_only_to_somebody_fit() -> None:
    mine, other = reviewer(LEVELS[0]), reviewer(LEVELS[0], "r-2")
    state = in_review(ONE)
    assert refused(state, ONE, handing("r-2", mine), day(3)).code is Code.NOT_CLAIMED
    state = played(state, ONE, 1, ("claim", mine, 3))
    assert refused(state, ONE, handing("r-3", other), day(3)).code is Code.CLAIMED_BY_OTHER
    assert refused(state, ONE, handing("filer-1", mine), day(3)).code is Code.PERSON_NOT_FIT
    found = decide(FILING, state, ONE, handing("r-2", mine, note=False), day(3))
    assert not isinstance(found, Refusal)
    state = evolve(FILING, state, found[0])
    assert state.claimed_by == "r-2"
    late = refused(state, ONE, command("approve", mine, day(3), True, 0), day(3))
    assert late.code is Code.CLAIMED_BY_OTHER
    assert played(state, ONE, 1, ("approve", other, 3)).status is Status.QUALITY_CHECK


def test_a_deputy_acts_on_what_its_person_has_and_the_record_says_for_whom() -> None:
    mine, deputy = reviewer(LEVELS[0]), reviewer(LEVELS[0], "r-2")
    state = played(in_review(ONE), ONE, 1, ("claim", mine, 3))
    approve = command("approve", deputy, day(3), True, 0)
    assert refused(state, ONE, approve, day(3)).code is Code.CLAIMED_BY_OTHER
    wrong = approve.model_copy(update={"acting_for": "r-9"})
    assert refused(state, ONE, wrong, day(3)).code is Code.CLAIMED_BY_OTHER
    found = decide(
        FILING, state, ONE, approve.model_copy(update={"acting_for": "reviewer-1"}), day(3)
    )
    assert not isinstance(found, Refusal)
    assert [event.body.get("on_behalf_of") for event in found] == ["reviewer-1", None]
    for event in found:
        state = evolve(FILING, state, event)
    assert state.reviewers == ("reviewer-1", "r-2")
    # one who filed is nobody's deputy in it
    state = played(in_review(ONE), ONE, 1, ("claim", mine, 3))
    filed = command("approve", reviewer(LEVELS[0], "filer-1"), day(3), True, 0)
    found_ = refused(state, ONE, filed.model_copy(update={"acting_for": "reviewer-1"}), day(3))
    assert found_.code is Code.SAME_PERSON


def test_an_extension_ends_earlier_only_while_the_own_window_runs() -> None:
    def shorter(now: float, extension: str = "one") -> c.Shorten:
        return c.Shorten(**base(day(now), OPERATOR), until=day(now), extension=extension)

    grant = c.Extend(**base(day(2), OPERATOR), until=day(30), extension="one")
    found = decide(FILING, draft(ONE), ONE, grant, day(2))
    assert not isinstance(found, Refusal)
    state = evolve(FILING, draft(ONE), found[0])
    assert refused(state, ONE, shorter(9, "two"), day(9)).code is Code.EXTENSION_REPLACED
    last = day(10) - SECOND
    at_last = decide(FILING, state, ONE, shorter(9), last)
    assert not isinstance(at_last, Refusal)
    back = evolve(FILING, state, at_last[0])
    assert next_timer(FILING, back, ONE) == Timer(day(10), c.Lapse)
    relied = refused(state, ONE, shorter(10), day(10))
    assert (relied.code, relied.at) == (Code.EXTENSION_RELIED_ON, day(10))
    bare = shorter(9).model_copy(update={"note_sha256": ""})
    assert refused(state, ONE, bare, day(9)).code is Code.REASON_REQUIRED


def test_a_filer_can_be_given_time_that_ends_before_the_review_does() -> None:
    case = PLANS["review after filling"]
    grant = c.Extend(**base(day(9), OPERATOR), until=day(12))
    found = decide(FILING, draft(case), case, grant, day(9))
    assert not isinstance(found, Refusal)
    state = evolve(FILING, draft(case), found[0])
    assert next_timer(FILING, state, case) == Timer(day(12), c.Lapse)
    in_time = played(state, case, 1, ("submit", filer(), 11.9))
    assert in_time.late is False
    assert closing(case.review, in_time) == day(20)


def test_what_was_sent_back_is_remembered_until_something_is_completed() -> None:
    case, first = PLANS["no quality check"], reviewer(LEVELS[0])
    state = in_review(case)
    assert state.returned_revision == 0
    state = played(state, case, 1, ("claim", first, 3), ("return", first, 3))
    assert state.returned_revision == 1
    state = played(state, case, 1, ("submit", filer(), 4), ("withdraw", filer(), 4))
    assert state.returned_revision == 1
    state = played(
        state, case, 1, ("submit", filer(), 5), ("claim", first, 5), ("approve", first, 5)
    )
    assert (state.status, state.returned_revision) == (Status.COMPLETED, 0)
    state = played(state, case, 1, ("reopen", OPERATOR, 6))
    assert state.returned_revision == 1


def test_only_an_unchanged_submission_says_so_on_record() -> None:
    for unchanged in (False, True):
        found = decide(
            FILING,
            draft(ONE),
            ONE,
            command("submit", filer(), day(2), True, 0),
            day(2),
            FilingFindings(decision=decision(1), unchanged=unchanged),
        )
        assert not isinstance(found, Refusal)
        assert found[0].body.get("unchanged", False) is unchanged
        assert ("unchanged" in found[0].body) is unchanged
        assert ("没有修改" in FILING.events["submitted"].told(found[0].body)) is unchanged


def test_what_was_approved_stands_when_a_reopened_case_is_not_corrected_in_time() -> None:
    done = played(
        in_review(ONE),
        ONE,
        1,
        ("claim", reviewer("amr-350102"), 3),
        ("approve", reviewer("amr-350102"), 3),
        ("pass_quality", checker(), 4),
        ("reopen", OPERATOR, 11),
    )
    assert (done.status, done.reopened) == (Status.RETURNED, True)
    assert next_timer(FILING, done, ONE) == Timer(day(71), c.Lapse)
    back = played(done, ONE, 1, ("lapse", SYSTEM, 71))
    assert (back.status, back.revision, back.reopened) == (Status.COMPLETED, 1, False)


def test_nobody_who_may_file_lapses_for_not_having_filed() -> None:
    case = PLANS["voluntary"]
    gone = played(draft(case), case, 1, ("lapse", SYSTEM, 10))
    assert gone.status is Status.WITHDRAWN


# --- the quality check ---------------------------------------------------------------------------

INSTANT = timedelta(microseconds=1)


def in_quality_check(case: CasePlan) -> CaseState:
    reads = reviewer("amr-350102")
    state = played(in_review(case), case, 1, ("claim", reads, 3), ("approve", reads, 4))
    return state if case.sample is None else played(state, case, 1, ("draw", SYSTEM, 5))


def test_what_is_checked_is_sent_back_until_it_cannot_be_corrected_and_failed_from_then_on() -> (
    None
):
    case = PLANS["a sample checked at two levels"].model_copy(update={"checks": ()})
    checks = case.correct.closes
    state = in_quality_check(case.model_copy(update={"sample": None}))
    case = case.model_copy(update={"sample": None})
    last = checks - INSTANT
    sent = decide(FILING, state, case, command("send_back", checker(), last, True, 0), last)
    assert not isinstance(sent, Refusal)
    early = refused(state, case, command("fail_quality", checker(), last, True, 0), last)
    assert early.code == Code.WRONG_STATUS
    late = refused(state, case, command("send_back", checker(), checks, True, 0), checks)
    assert (late.code, late.at) == (Code.CORRECT_CLOSED, checks)
    failed = decide(
        FILING, state, case, command("fail_quality", checker(), checks, True, 0), checks
    )
    assert not isinstance(failed, Refusal)
    assert [event.name for event in failed] == [EventName.QUALITY_FAILED, EventName.COMPLETED]
    bare = refused(state, case, command("fail_quality", checker(), checks, False, 0), checks)
    assert bare.code == Code.REASON_REQUIRED


def test_a_verdict_is_taken_until_the_last_instant_of_the_quality_check() -> None:
    case = PLANS["quality check later"]
    assert case.quality is not None
    opens, closes = case.quality.opens, case.quality.closes
    reads = reviewer("amr-350102")
    approved = played(in_review(case), case, 1, ("claim", reads, 3), ("approve", reads, 4))
    for kind in ("pass_quality", "pass_with_remark", "fail_quality"):
        told = command(kind, checker(), closes - INSTANT, True, 0)
        assert not isinstance(decide(FILING, approved, case, told, closes - INSTANT), Refusal)
        gone = refused(approved, case, command(kind, checker(), closes, True, 0), closes)
        assert (gone.code, gone.at) == (Code.QUALITY_CLOSED, closes)
    early = command("pass_quality", checker(), opens - INSTANT, True, 0)
    assert refused(approved, case, early, opens - INSTANT).code == Code.WRONG_STATUS


def test_what_is_approved_waits_for_the_draw_and_for_nothing_else() -> None:
    case = PLANS["a sample checked at two levels"]
    reads = reviewer("amr-350102")
    state = played(in_review(case), case, 1, ("claim", reads, 3), ("approve", reads, 4))
    assert state.status is Status.APPROVED
    assert next_timer(FILING, state, case) is None
    check = refused(state, case, command("start_quality_check", SYSTEM, day(5), True, 0), day(5))
    assert check.code == Code.WRONG_STATUS
    drawn = played(state, case, 1, ("draw", SYSTEM, 5))
    assert (drawn.status, drawn.drawn) == (Status.QUALITY_CHECK, True)
    spared = decide(
        FILING, state, case, c.Draw(**base(day(5), SYSTEM), draw=1, drawn=False), day(5)
    )
    assert not isinstance(spared, Refusal)
    assert [event.name for event in spared] == [EventName.NOT_SAMPLED, EventName.COMPLETED]
    # it is drawn for once
    twice = refused(drawn, case, command("draw", SYSTEM, day(6), True, 0), day(6))
    assert twice.code == Code.WRONG_STATUS
