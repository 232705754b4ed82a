"""Batches of report numbers and complaints on the shared state machine."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.events import Event, EventName
from domain.case.kind import evolve, fold, next_timer, position
from domain.case.plan import FOREVER, CasePlan, NumberTerms, Reminder, Window
from domain.case.reminders import REMINDED
from domain.case.review import decide
from domain.case.status import ENDED, Status
from domain.citation import Citation
from domain.complaints import COMPLAINT, ComplaintOutcome
from domain.decision import GateDecision, Obligation, ReviewLevel, RuleSetRef
from domain.filing.kind import FILING, Submit
from domain.numbers import commands as n
from domain.numbers.batch import BATCH
from domain.numbers.commands import NumberEvent
from domain.numbers.quarters import Period, Quarter
from domain.numbers.report_numbers import IngestOutcome
from domain.numbers.state import Batch, BatchFindings, PendingUpload
from domain.numbers.transitions import MOST_WAITING, visible_from
from domain.refusals import Code, Refusal

CITE = Citation(document="测试文号", clause="一")
OTHER_CITE = Citation(document="测试文号", clause="二")
REF = RuleSetRef(id="test", revision=1, sha256="0" * 64)
START = datetime(2024, 9, 30, 16, tzinfo=UTC)
"""00:00 of 2024-10-01 in Beijing."""
FILER = Actor(subject="filer-1", role=Role.FILER, scope="lab")
REVIEWER = Actor(subject="reviewer-1", role=Role.REVIEWER, scope="samr")
SHA = "a" * 64


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def window(opens: float, closes: float | None) -> Window:
    closing = FOREVER if closes is None else day(closes)
    return Window(opens=day(opens), closes=closing, cite=CITE)


def plan(*, mandatory: bool = True, days_until_visible: int = 1, **changes: Any) -> CasePlan:
    """A batch of the third quarter: mandatory, due in October and late until the year's end."""
    values: dict[str, Any] = {
        "year": 2024,
        "jurisdiction": "000000",
        "ruleset": REF,
        "obligation": Obligation(
            outcome="must" if mandatory else "may", rule="certified", cite=CITE
        ),
        "fill": window(0, 31 if mandatory else None),
        "supplement": window(31, 92) if mandatory else None,
        "correct": window(0, 92 if mandatory else None),
        "review": window(0, None),
        "lapse_unapproved": False,
        "completion_cite": CITE,
        "reminders": (
            (
                Reminder(id="first", label="首次提醒", at=day(10), cite=CITE),
                Reminder(id="last", label="末次提醒", at=day(28), cite=CITE),
            )
            if mandatory
            else ()
        ),
        "numbers": NumberTerms(
            quarter="2024Q3",
            first_day=date(2024, 7, 1),
            last_day=date(2024, 9, 30),
            days_until_visible=days_until_visible,
            visible_cite=CITE,
            longest=64,
        ),
    }
    return CasePlan(**{**values, **changes})


def base(now: datetime, actor: Actor = FILER) -> dict[str, Any]:
    return {"id": "x", "actor": actor, "received_at": now, "note_sha256": "f" * 64}


def upload(number: int) -> str:
    return f"{number:032x}"


def receive(now: datetime, number: int = 1) -> n.ReceiveUpload:
    return n.ReceiveUpload(**base(now), upload=upload(number), sha256=SHA, size=10)


def finish(now: datetime, number: int = 1, numbers: int = 5, bad: int = 0) -> n.FinishUpload:
    outcome = IngestOutcome(
        upload=upload(number),
        accepted=numbers > 0,
        rows=numbers + bad,
        bad=bad,
        numbers=numbers,
        digest="0" * 16,
    )
    return n.FinishUpload(**base(now, SYSTEM), outcome=outcome)


def applied(state: Batch, case: CasePlan, command: c.Command, now: datetime) -> Batch:
    found = decide(BATCH, state, case, command, now)
    assert not isinstance(found, Refusal), found
    for event in found:
        state = evolve(BATCH, state, event)
    return state


def opened(case: CasePlan) -> Batch:
    return applied(BATCH.new(), case, c.Open(**base(day(0), SYSTEM)), day(0))


def refused(state: Batch, case: CasePlan, command: c.Command, now: datetime) -> Code:
    found = decide(BATCH, state, case, command, now)
    assert isinstance(found, Refusal), found
    return found.code


def passed(state: Batch, case: CasePlan, now: datetime) -> tuple[Batch, list[Event]]:
    """What timers do until ``now``."""
    happened: list[Event] = []
    while (timer := next_timer(BATCH, state, case)) is not None and timer.at <= now:
        if timer.command is None:
            break
        timed = timer.command.model_validate({**base(timer.at, SYSTEM), **timer.details})
        found = decide(BATCH, state, case, timed, timer.at)
        assert not isinstance(found, Refusal), (timer, found)
        for event in found:
            state = evolve(BATCH, state, event)
            happened.append(event)
    return state, happened


# --- lateness, reminders, lapse -----------------------------------------------------------


def test_a_silent_institution_is_reminded_then_overdue_then_lapses() -> None:
    state, events = passed(BATCH.new(), plan(), day(200))
    assert [event.name for event in events] == [
        EventName.OPENED,
        REMINDED,
        REMINDED,
        NumberEvent.OVERDUE,
        EventName.LAPSED,
    ]
    assert state.status is Status.LAPSED
    assert state.own.reminded == ("first", "last")


def test_who_has_uploaded_is_neither_reminded_nor_late_nor_lapses() -> None:
    case = plan()
    state = applied(opened(case), case, receive(day(5)), day(5))
    state = applied(state, case, finish(day(5)), day(5))
    state, events = passed(state, case, day(200))
    assert [event.name for event in events] == [NumberEvent.NUMBERS_PUBLISHED, EventName.COMPLETED]
    assert events[-1].body == {"undeclared": True}
    assert not state.late


@pytest.mark.parametrize(("moment", "late"), [(-0.000001, False), (0, True)])
def test_an_upload_is_late_from_the_first_instant_after_the_due_day(
    moment: float, late: bool
) -> None:
    case, at = plan(), day(31) + timedelta(seconds=moment)
    state, _ = passed(opened(case), case, at)
    state = applied(state, case, receive(at), at)
    # however long it takes to be read
    state = applied(state, case, finish(day(60)), day(60))
    assert state.late is late


def test_a_file_received_in_time_keeps_the_batch_from_lapsing_while_it_is_read() -> None:
    case, at = plan(), day(92) - timedelta(seconds=1)
    state, _ = passed(opened(case), case, at)
    state = applied(state, case, receive(at), at)
    assert next_timer(BATCH, state, case) is None
    state = applied(state, case, finish(day(93), numbers=0, bad=5), day(93))
    state, events = passed(state, case, day(93))
    assert [event.name for event in events] == [EventName.LAPSED]


def test_after_the_last_day_nothing_is_taken() -> None:
    case, last = plan(), day(92) - timedelta(seconds=1)
    state, _ = passed(opened(case), case, last)
    assert not isinstance(decide(BATCH, state, case, receive(last), last), Refusal)
    assert refused(state, case, receive(day(92)), day(92)) is Code.FILL_CLOSED
    lapsed, _ = passed(state, case, day(92))
    assert refused(lapsed, case, receive(day(92)), day(92)) is Code.FILL_CLOSED


def test_before_the_quarter_is_over_nothing_is_taken() -> None:
    case = plan()
    early = day(0) - timedelta(seconds=1)
    assert refused(BATCH.new(), case, receive(early), early) is Code.NOT_OPEN_YET
    # the first instant need not wait for its timer
    found = decide(BATCH, BATCH.new(), case, receive(day(0)), day(0))
    assert not isinstance(found, Refusal)
    assert [event.name for event in found] == [EventName.OPENED, NumberEvent.UPLOAD_RECEIVED]


def test_a_voluntary_batch_never_ends_by_itself() -> None:
    case = plan(mandatory=False)
    state = opened(case)
    assert next_timer(BATCH, state, case) is None
    assert position(BATCH, state, case).due is None
    assert not isinstance(decide(BATCH, state, case, receive(day(5000)), day(5000)), Refusal)


# --- visibility -----------------------------------------------------------


@pytest.mark.parametrize(
    ("uploaded", "visible"),
    [
        (day(5), day(6)),
        (day(6) - timedelta(microseconds=1), day(6)),
        (day(6), day(7)),
    ],
)
def test_numbers_are_visible_from_midnight_in_beijing_after_the_upload(
    uploaded: datetime, visible: datetime
) -> None:
    assert visible_from(plan(), uploaded) == visible
    assert visible_from(plan(days_until_visible=0), uploaded) == uploaded


def test_publication_is_recorded_once_at_its_instant() -> None:
    case = plan()
    state = applied(opened(case), case, receive(day(5.5)), day(5.5))
    state = applied(state, case, finish(day(5.6)), day(5.6))
    assert state.own.unpublished == (PendingUpload(upload=upload(1), visible_from=day(6)),)
    early = day(6) - timedelta(seconds=1)
    assert refused(state, case, n.Publish(**base(early, SYSTEM)), early) is Code.WRONG_STATUS
    state, events = passed(state, case, day(6))
    assert [event.name for event in events] == [NumberEvent.NUMBERS_PUBLISHED]
    assert state.own.unpublished == ()


def test_a_file_that_takes_past_midnight_to_be_read_is_published_with_its_result() -> None:
    case = plan()
    state = applied(opened(case), case, receive(day(5.99)), day(5.99))
    found = decide(BATCH, state, case, finish(day(6.01)), day(6.01))
    assert not isinstance(found, Refusal)
    assert [event.name for event in found] == [
        NumberEvent.NUMBERS_ACCEPTED,
        NumberEvent.NUMBERS_PUBLISHED,
    ]


# --- declaring, changing -----------------------------------------------------------


def test_declaring_that_there_were_none_completes_the_batch() -> None:
    case = plan()
    state = applied(opened(case), case, n.Declare(**base(day(3)), total=0), day(3))
    assert state.status is Status.COMPLETED
    assert not state.late


def test_a_declaration_must_name_what_is_on_record_and_wait_for_what_is_being_read() -> None:
    case = plan()
    state = applied(opened(case), case, receive(day(5)), day(5))
    declared = n.Declare(**base(day(5)), total=5)
    assert refused(state, case, declared, day(5)) is Code.UPLOADS_UNDER_WAY
    state = applied(state, case, finish(day(5)), day(5))
    wrong = n.Declare(**base(day(5)), total=4)
    assert refused(state, case, wrong, day(5)) is Code.TOTAL_DIFFERS
    assert applied(state, case, declared, day(5)).status is Status.COMPLETED


def test_where_rules_name_levels_a_declared_batch_is_reviewed() -> None:
    levels = (ReviewLevel(id="review", authority="samr"),)
    case = plan(levels=levels)
    state = applied(opened(case), case, n.Declare(**base(day(3)), total=0), day(3))
    assert (state.status, state.authority(case)) == (Status.IN_REVIEW, "samr")
    state = applied(state, case, c.Claim(**base(day(4), REVIEWER)), day(4))
    assert applied(state, case, c.Approve(**base(day(4), REVIEWER)), day(4)).status in (
        Status.APPROVED,
        Status.COMPLETED,
    )


def change(now: datetime, count: int = 1, action: Any = "withdrawn") -> n.ChangeNumbers:
    return n.ChangeNumbers(
        **base(now), change=upload(9), action=action, count=count, content_sha256=SHA
    )


@pytest.mark.parametrize("status", ["draft", "completed", "lapsed"])
def test_numbers_can_be_withdrawn_as_long_as_they_are_on_record(status: str) -> None:
    case = plan()
    state = applied(opened(case), case, receive(day(5)), day(5))
    state = applied(state, case, finish(day(5)), day(5))
    if status != "draft":
        state, _ = passed(state, case, day(500))
    if status == "lapsed":
        state = state.model_copy(update={"status": Status.LAPSED, "lapsed_from": Status.DRAFT})
    after = applied(state, case, change(day(500), 2), day(500))
    assert after.own.numbers == 3
    corrected = applied(state, case, change(day(500), 2, "corrected"), day(500))
    assert corrected.own.numbers == 5
    assert corrected.own.unpublished[-1].visible_from == day(501)


def test_withdrawing_needs_a_reason() -> None:
    case = plan()
    bare = change(day(5)).model_copy(update={"note_sha256": ""})
    assert refused(opened(case), case, bare, day(5)) is Code.REASON_REQUIRED


def test_the_gate_decision_is_recorded_with_the_upload_and_its_refusal_refuses() -> None:
    case = plan()
    gate = GateDecision(allowed=True, rule="latest", ruleset=REF, cite=CITE)
    found = decide(BATCH, opened(case), case, receive(day(5)), day(5), BatchFindings(gate=gate))
    assert not isinstance(found, Refusal)
    assert found[-1].body["gate"]["rule"] == "latest"
    shut = BatchFindings(refusal=Refusal(code=Code.NOT_IN_REPORTING))
    assert decide(BATCH, opened(case), case, receive(day(5)), day(5), shut) == shut.refusal


def test_a_batch_takes_no_more_files_than_can_wait_and_none_twice() -> None:
    case, state = plan(), opened(plan())
    for number in range(MOST_WAITING):
        state = applied(state, case, receive(day(5), number), day(5))
    assert refused(state, case, receive(day(5), 7), day(5)) is Code.UPLOAD_CLOSED
    assert refused(state, case, receive(day(5), 999), day(5)) is Code.UPLOADS_UNDER_WAY


# --- whatever is asked -----------------------------------------------------------


ACTORS = st.sampled_from([FILER, REVIEWER, SYSTEM, Actor(subject="o", role=Role.OPERATOR)])


@st.composite
def moves(draw: st.DrawFn) -> tuple[float, Any]:
    hours = draw(st.sampled_from([0, 1, 24, 24 * 20]))
    number = draw(st.integers(1, 4))
    draw_numbers = draw(st.sampled_from([0, 5]))
    draw_total = draw(st.sampled_from([0, 5, 10]))
    draw_action = draw(st.sampled_from(["withdrawn", "corrected"]))
    makers: list[Any] = [
        lambda now: receive(now, number),
        lambda now: finish(now, number, draw_numbers),
        lambda now: n.Declare(**base(now), total=draw_total),
        lambda now: change(now, 1, draw_action),
        lambda now: c.Extend(
            **base(now, Actor(subject="o", role=Role.OPERATOR)), until=now + timedelta(days=9)
        ),
        lambda now: c.Reopen(
            **base(now, Actor(subject="o", role=Role.OPERATOR)), until=now + timedelta(days=9)
        ),
        lambda now: c.Cancel(**base(now, Actor(subject="o", role=Role.OPERATOR))),
        lambda now: n.NoteComplaint(
            **base(now, SYSTEM), complaint="complaint/1", outcome=ComplaintOutcome.SUBSTANTIATED
        ),
    ]
    return hours, draw(st.sampled_from(makers))


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(moves(), max_size=30))
def test_no_sequence_breaks_what_must_always_hold(
    mandatory: bool, told: list[tuple[float, Any]]
) -> None:
    case, now, state = plan(mandatory=mandatory), day(-5), BATCH.new()
    events: list[Event] = []
    on_record = 0
    for hours, maker in told:
        now += timedelta(hours=hours)
        state, happened = passed(state, case, now)
        events += happened
        command = maker(now)
        if command.kind == "change_numbers" and state.own.numbers < command.count:
            continue  # the activity has found them not to be on record
        before = state
        found = decide(BATCH, state, case, command, now)
        if isinstance(found, Refusal):
            continue
        for event in found:
            state = evolve(BATCH, state, event)
            events.append(event)
            on_record += event.body.get("numbers", 0)
            if event.name == NumberEvent.NUMBERS_WITHDRAWN:
                on_record -= event.body["count"]
        assert found[-1].position == position(BATCH, state, case)
        assert state.own.numbers == on_record >= 0
        if command.kind == "receive_upload":
            assert now >= case.fill.opens
            assert before.status not in (Status.LAPSED, Status.CANCELLED)
            assert state.own.uploads_waiting[-1].visible_from > now
        if state.status is Status.LAPSED:
            assert not state.own.numbers
            assert mandatory
    # the record alone leads to the same state
    assert fold(BATCH, events) == state
    waiting = [one.upload for one in state.own.uploads_waiting]
    assert len(waiting) == len(set(waiting))


# --- whose commands these are ---------------------------------------------------------------------


def test_each_kind_of_case_refuses_the_other_kinds_commands() -> None:
    submitted = Submit(**base(day(5)), revision=1, content_sha256=SHA)
    assert refused(opened(plan()), plan(), submitted, day(5)) is Code.WRONG_STATUS
    filing = plan(numbers=None, supplement=None, reminders=())
    for kind in (FILING, COMPLAINT):
        found = decide(kind, kind.new(), filing, receive(day(5)), day(5))
        assert isinstance(found, Refusal)
        assert (found.code, found.params["action"]) == (Code.WRONG_STATUS, "上传报告编号")


# --- quarters -----------------------------------------------------------


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_every_day_lies_in_exactly_its_quarter(day_: date) -> None:
    quarter = Quarter.of(day_)
    assert quarter.first_day <= day_ <= quarter.last_day
    assert Quarter.parse(str(quarter)) == quarter
    following = quarter.last_day + timedelta(days=1)
    assert quarter.after(0) == following == Quarter.of(following).first_day
    assert quarter < Quarter.of(following)


@pytest.mark.parametrize(
    "text", ["2024", "2024Q0", "2024Q5", "2024q1", "２０２４Q1", "2024Q1 ", "1999Q4", "2101Q1"]
)
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quarter"):
        Quarter.parse(text)


def test_a_period_is_a_year_or_a_quarter() -> None:
    assert str(Period.parse("2024")) == "2024"
    assert Period.parse("2024Q3") == Period(2024, 3)
    for text in ("", "24", "2024Q", "abcd"):
        with pytest.raises(ValueError, match="not a quarter"):
            Period.parse(text)


def test_ended_batches_are_the_ones_that_have_ended() -> None:
    ended = {Status.COMPLETED, Status.LAPSED, Status.CANCELLED}
    assert set(ENDED) == ended | {Status.AFTER_WINDOW, Status.ANNULLED}


# --- the due instant ------------------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "late"), [(-0.000001, False), (0, True)])
def test_declaring_that_there_were_none_is_late_from_the_due_instant_on(
    moment: float, late: bool
) -> None:
    case, at = plan(), day(31) + timedelta(seconds=moment)
    case = case.model_copy(
        update={"supplement": Window(opens=day(31), closes=day(92), cite=OTHER_CITE)}
    )
    events = decide(BATCH, opened(case), case, n.Declare(**base(at), total=0), at)
    assert not isinstance(events, Refusal)
    submitted = events[0]
    assert submitted.name == EventName.SUBMITTED
    assert submitted.body["late"] is late
    assert submitted.cite == (OTHER_CITE if late else CITE)


def test_an_upload_received_in_time_is_judged_as_of_its_receipt_however_late_its_turn_comes() -> (
    None
):
    case = plan()
    last = day(31) - timedelta(seconds=1)
    on_time = decide(BATCH, opened(case), case, receive(last), day(40))
    assert not isinstance(on_time, Refusal)
    received = on_time[-1]
    assert received.body["late"] is False
    assert datetime.fromisoformat(received.body["visible_from"]) == day(31)
    # the last window too is kept by whoever was there before it closed
    end = day(92) - timedelta(seconds=1)
    assert not isinstance(decide(BATCH, opened(case), case, receive(end), day(93)), Refusal)
    assert refused(opened(case), case, receive(day(92)), day(93)) is Code.FILL_CLOSED
    # a clock of the door that runs ahead gives nobody more time
    ahead = decide(BATCH, opened(case), case, receive(day(31)), last)
    assert not isinstance(ahead, Refusal)
    assert ahead[-1].body["late"] is False
