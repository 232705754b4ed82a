"""Whatever is asked of a certificate's case in whatever order, what it has promised holds."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import Event
from domain.case.review import check, decide
from domain.case.state import CaseState, Submission, evolve, fold, next_timer
from domain.case.status import Status
from domain.certificates.certificate import CertificateStatus
from domain.certificates.issuing import Allotment, Decided, Purpose
from domain.refusals import Refusal
from rules.certificates.certificates import current_certificate_rules
from rules.file.library import SHIPPED

RULES = current_certificate_rules(SHIPPED)
START = datetime(2026, 11, 20, 16, tzinfo=UTC)
PLAN = RULES.plan("amr-350000", START)
SHA = "a" * 64
ENDED_FOR_GOOD = {
    CertificateStatus.DEREGISTERED,
    CertificateStatus.REVOKED,
    CertificateStatus.RESCINDED,
}


def allotment(now: datetime) -> Allotment:
    issued = now.date()
    first, last = RULES.validity(issued)
    return Allotment(
        number="261301060001",
        code="C" * 26,
        issued_on=issued,
        valid_from=first,
        valid_to=last,
        reminders=tuple(RULES.reminders(last)),
    )


def actor(role: Role, name: str = "") -> Actor:
    scope = {Role.FILER: "lab", Role.OPERATOR: "000000"}.get(role, "amr-350000")
    return SYSTEM if role is Role.SYSTEM else Actor(subject=name or role, role=role, scope=scope)


def commands(now: datetime) -> list[Command]:
    def base(role: Role) -> dict[str, Any]:
        return {"id": "x", "actor": actor(role), "received_at": now, "note_sha256": SHA}

    asked = {"revision": 1, "content_sha256": SHA}
    decided = Decided(approved_on=now.date(), document="文号")
    return [
        *(c.Apply(**base(Role.FILER), purpose=purpose, **asked) for purpose in Purpose),
        c.Apply(**base(Role.CLERK), purpose=Purpose.ISSUE, decided=decided, **asked),
        c.Apply(**base(Role.CLERK), purpose=Purpose.CHANGE, decided=decided, **asked),
        c.Withdraw(**base(Role.FILER)),
        c.Claim(**base(Role.REVIEWER)),
        c.Claim(**base(Role.CHECKER)),
        c.Release(**base(Role.REVIEWER)),
        c.Return(**base(Role.REVIEWER)),
        c.Approve(**base(Role.REVIEWER)),
        c.Reject(**base(Role.REVIEWER)),
        c.PassQuality(**base(Role.CHECKER)),
        c.SendBack(**base(Role.CHECKER)),
        c.Cancel(**base(Role.OPERATOR)),
        c.EndCertificate(**base(Role.CLERK), ending="revoked", on=now.date(), document="文号"),
        c.Expire(**base(Role.SYSTEM)),
        c.Supersede(**base(Role.SYSTEM), by="D" * 26, on=now.date()),
        *(
            c.Remind(**base(Role.SYSTEM), reminder=one.id)
            for one in RULES.reminders(date(2032, 11, 19))
        ),
    ]


MOVES = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([0, 0, 0, 1, 300, 1500])),
    min_size=5,
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(MOVES)
def test_what_a_case_has_promised_holds_whatever_comes(moves: list[tuple[int, int]]) -> None:
    state, now, events = CaseState(status=Status.DRAFT), START, list[Event]()
    for choice, days in moves:
        now += timedelta(days=days)
        possible = commands(now)
        command = possible[choice % len(possible)]
        found = decide(state, PLAN, command, now, Submission(allotment=allotment(now)))
        tried = check(state, PLAN, command, now)
        assert isinstance(tried, Refusal) == isinstance(found, Refusal)
        if isinstance(found, Refusal):
            continue
        for event in found:
            before, state = state, evolve(state, event)
            events.append(event)
            held, had = state.certificate, before.certificate
            if had is None:
                continue
            assert held is not None
            # a number, a code and the days of a certificate are for ever
            names = ("number", "code", "issued_on", "valid_from", "valid_to")
            assert all(getattr(held, name) == getattr(had, name) for name in names)
            if had.status in ENDED_FOR_GOOD:
                assert held.status == had.status
            if held.revision != had.revision:
                assert event.name == "certificate_changed"
            assert not (had.status != "valid" and held.status == "valid")
            if held.status != "valid":
                assert state.status is Status.COMPLETED
        timer = next_timer(state, PLAN)
        if state.certificate is not None and state.certificate.status == "valid":
            assert timer is not None
            assert timer.at <= state.certificate.expires_at
        elif state.certificate is not None:
            assert timer is None
        filers, others = set(state.filers), {*state.reviewers, *state.checkers}
        assert not filers & others
    # the state is the fold of what is on record
    again = fold(events).model_copy(update={"status": state.status}) if events else None
    if again is not None:
        assert again.model_copy(update={"status": state.status}) == state


def test_the_first_reminder_comes_on_its_day_and_each_once() -> None:
    now = START + timedelta(days=1)
    state = CaseState(status=Status.DRAFT)
    asked: dict[str, Any] = {"revision": 1, "content_sha256": SHA}
    decided = Decided(approved_on=now.date(), document="文号")
    taken = c.Apply(
        id="x",
        actor=actor(Role.CLERK),
        received_at=now,
        note_sha256=SHA,
        purpose=Purpose.ISSUE,
        decided=decided,
        **asked,
    )
    found = decide(state, PLAN, taken, now, Submission(allotment=allotment(now)))
    assert not isinstance(found, Refusal)
    for event in found:
        state = evolve(state, event)
    seen = []
    for _ in range(10):
        timer = next_timer(state, PLAN)
        if timer is None or timer.action != "remind":
            break
        assert state.certificate is not None
        due = next(one for one in state.certificate.reminders if one.id not in state.reminded)
        assert timer.at == due.at
        command = c.Remind(id="r", actor=SYSTEM, received_at=timer.at, reminder=due.id)
        early = decide(state, PLAN, command, timer.at - timedelta(seconds=1))
        assert isinstance(early, Refusal)
        reminded = decide(state, PLAN, command, timer.at)
        assert not isinstance(reminded, Refusal)
        state = evolve(state, reminded[0])
        seen.append(due.id)
    assert seen == ["days-60", "days-30", "days-7"]
