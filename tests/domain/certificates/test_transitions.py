"""Whatever is asked of a certificate's case in whatever order, what it has promised holds."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import Event
from domain.case.kind import evolve, fold, next_timer
from domain.case.review import check, decide
from domain.case.status import Status
from domain.certificates import commands as cert
from domain.certificates.certificate import CertificateStatus
from domain.certificates.issuing import Allotment, Decided, Purpose
from domain.certificates.kind import CERTIFICATE
from domain.certificates.state import CertificateFindings, Holding
from domain.refusals import Code, Refusal
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
        *(cert.Apply(**base(Role.FILER), purpose=purpose, **asked) for purpose in Purpose),
        cert.Apply(**base(Role.CLERK), purpose=Purpose.ISSUE, decided=decided, **asked),
        cert.Apply(**base(Role.CLERK), purpose=Purpose.CHANGE, decided=decided, **asked),
        c.Withdraw(**base(Role.FILER)),
        c.Claim(**base(Role.REVIEWER)),
        c.Claim(**base(Role.CHECKER)),
        c.Release(**base(Role.REVIEWER)),
        c.Return(**base(Role.REVIEWER)),
        c.Approve(**base(Role.REVIEWER)),
        cert.Reject(**base(Role.REVIEWER)),
        c.PassQuality(**base(Role.CHECKER)),
        c.SendBack(**base(Role.CHECKER)),
        c.Cancel(**base(Role.OPERATOR)),
        cert.EndCertificate(**base(Role.CLERK), ending="revoked", on=now.date(), document="文号"),
        cert.Expire(**base(Role.SYSTEM)),
        cert.Supersede(**base(Role.SYSTEM), by="D" * 26, on=now.date()),
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
    state, now, events = (
        CERTIFICATE.new().model_copy(update={"status": Status.DRAFT}),
        START,
        list[Event](),
    )
    for choice, days in moves:
        now += timedelta(days=days)
        possible = commands(now)
        command = possible[choice % len(possible)]
        found = decide(
            CERTIFICATE, state, PLAN, command, now, CertificateFindings(allotment=allotment(now))
        )
        tried = check(CERTIFICATE, state, PLAN, command, now)
        assert isinstance(tried, Refusal) == isinstance(found, Refusal)
        if isinstance(found, Refusal):
            continue
        for event in found:
            before, state = state, evolve(CERTIFICATE, state, event)
            events.append(event)
            held, had = state.own.certificate, before.own.certificate
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
        timer = next_timer(CERTIFICATE, state, PLAN)
        if state.own.certificate is not None and state.own.certificate.status == "valid":
            assert timer is not None
            assert timer.at <= state.own.certificate.expires_at
        elif state.own.certificate is not None:
            assert timer is None
        filers, others = set(state.filers), {*state.reviewers, *state.checkers}
        assert not filers & others
    # the state is the fold of what is on record
    again = (
        fold(CERTIFICATE, events).model_copy(update={"status": state.status}) if events else None
    )
    if again is not None:
        assert again.model_copy(update={"status": state.status}) == state


def test_the_first_reminder_comes_on_its_day_and_each_once() -> None:
    now = START + timedelta(days=1)
    state = CERTIFICATE.new().model_copy(update={"status": Status.DRAFT})
    asked: dict[str, Any] = {"revision": 1, "content_sha256": SHA}
    decided = Decided(approved_on=now.date(), document="文号")
    taken = cert.Apply(
        id="x",
        actor=actor(Role.CLERK),
        received_at=now,
        note_sha256=SHA,
        purpose=Purpose.ISSUE,
        decided=decided,
        **asked,
    )
    found = decide(
        CERTIFICATE, state, PLAN, taken, now, CertificateFindings(allotment=allotment(now))
    )
    assert not isinstance(found, Refusal)
    for event in found:
        state = evolve(CERTIFICATE, state, event)
    seen = []
    for _ in range(10):
        timer = next_timer(CERTIFICATE, state, PLAN)
        if timer is None or timer.command is not c.Remind:
            break
        assert state.own.certificate is not None
        due = next(
            one for one in state.own.certificate.reminders if one.id not in state.own.reminded
        )
        assert timer.at == due.at
        command = c.Remind(id="r", actor=SYSTEM, received_at=timer.at, reminder=due.id)
        early = decide(CERTIFICATE, state, PLAN, command, timer.at - timedelta(seconds=1))
        assert isinstance(early, Refusal)
        reminded = decide(CERTIFICATE, state, PLAN, command, timer.at)
        assert not isinstance(reminded, Refusal)
        state = evolve(CERTIFICATE, state, reminded[0])
        seen.append(due.id)
    assert seen == ["days-60", "days-30", "days-7"]


# --- single rules, both sides ---------------------------------------------------------------------


def applied(state: Holding, command: Command, now: datetime) -> Holding:
    found_out = CertificateFindings(allotment=allotment(now), editors=(command.actor.subject,))
    events = decide(CERTIFICATE, state, PLAN, command, now, found_out)
    assert not isinstance(events, Refusal), events
    for event in events:
        state = evolve(CERTIFICATE, state, event)
    return state


def refused(state: Holding, command: Command, now: datetime) -> Refusal:
    refusal = check(CERTIFICATE, state, PLAN, command, now)
    assert refusal is not None
    return refusal


def asked(kind: type[Command], role: Role, name: str = "", **fields: Any) -> Command:
    return kind.model_validate(
        {
            "id": "x",
            "actor": actor(role, name),
            "received_at": START,
            "note_sha256": SHA,
            **fields,
        }
    )


def application(role: Role, name: str, purpose: Purpose = Purpose.ISSUE) -> Command:
    fields: dict[str, Any] = {"purpose": purpose, "revision": 1, "content_sha256": SHA}
    return asked(cert.Apply, role, name, **fields)


def draft() -> Holding:
    return CERTIFICATE.new().model_copy(update={"status": Status.DRAFT})


def issued(now: datetime = START) -> Holding:
    """A certificate that p1 applied for, p2 reviewed and p3 checked."""
    state = applied(draft(), application(Role.FILER, "p1"), now)
    state = applied(state, asked(c.Claim, Role.REVIEWER, "p2"), now)
    state = applied(state, asked(c.Approve, Role.REVIEWER, "p2"), now)
    state = applied(state, asked(c.PassQuality, Role.CHECKER, "p3"), now)
    assert state.own.certificate is not None
    return state


def test_a_certificate_can_end_from_the_day_of_its_issue_until_today_and_on_no_other_day() -> None:
    # 00:00 of 2026-11-21 in Beijing, when it is still the 20th elsewhere
    state = issued()
    held = state.own.certificate
    assert held is not None
    state = state.model_copy(
        update=state.own_with(certificate=held.model_copy(update={"issued_on": date(2026, 11, 10)}))
    )

    def end(day: date) -> Command:
        fields: dict[str, Any] = {"ending": "revoked", "on": day, "document": "文号"}
        return asked(cert.EndCertificate, Role.CLERK, **fields)

    for inside in (date(2026, 11, 10), date(2026, 11, 21)):
        after = applied(state, end(inside), START).own.certificate
        assert after is not None
        assert (after.status, after.ended_on) == (CertificateStatus.REVOKED, inside)
    for outside in (date(2026, 11, 9), date(2026, 11, 22)):
        refusal = refused(state, end(outside), START)
        assert refusal.code is Code.ENDING_DAY_OUTSIDE
        assert refusal.params == {"first": "2026-11-10", "last": "2026-11-21"}


def test_a_further_application_counts_its_own_people_only() -> None:
    state = issued()
    assert (state.filers, state.reviewers, state.checkers) == (("p1",), ("p2",), ("p3",))
    # whoever reviewed the certificate may apply for a change, years later
    state = applied(state, application(Role.FILER, "p2", Purpose.CHANGE), START)
    assert (state.filers, state.reviewers, state.checkers) == (("p2",), (), ())
    # and whoever applied for the certificate may review the change, but not its own applicant
    own = refused(state, asked(c.Claim, Role.REVIEWER, "p2"), START)
    assert own.code is Code.SAME_PERSON
    state = applied(state, asked(c.Claim, Role.REVIEWER, "p1"), START)
    # an application that was returned is the same one: its reviewer cannot make it again
    state = applied(state, asked(c.Return, Role.REVIEWER, "p1"), START)
    again = refused(state, application(Role.FILER, "p1", Purpose.CHANGE), START)
    assert again.code is Code.SAME_PERSON
    state = applied(state, application(Role.FILER, "p4", Purpose.CHANGE), START)
    assert (state.filers, state.reviewers) == (("p2", "p4"), ("p1",))


def test_a_clerk_who_enters_an_application_has_filed_it() -> None:
    state = applied(draft(), application(Role.CLERK, "p1"), START)
    assert state.filers == ("p1",)
    own = refused(state, asked(c.Claim, Role.REVIEWER, "p1"), START)
    assert own.code is Code.SAME_PERSON
    assert own.params == {"role": "填报人", "wanted": "审核人"}
    state = applied(state, asked(c.Claim, Role.REVIEWER, "p2"), START)
    state = applied(state, asked(c.Return, Role.REVIEWER, "p2"), START)
    # who reviewed it cannot enter it; who entered or filed it before can do so again
    reviewed = refused(state, application(Role.CLERK, "p2"), START)
    assert reviewed.code is Code.SAME_PERSON
    assert reviewed.params == {"role": "审核人", "wanted": "发证经办人"}
    assert applied(state, application(Role.CLERK, "p1"), START).filers == ("p1",)
    assert applied(state, application(Role.FILER, "p1"), START).filers == ("p1",)


def test_a_clerk_acts_for_its_own_authority_only() -> None:
    state = draft()
    elsewhere = Actor(subject="p1", role=Role.CLERK, scope="amr-440000")
    command = application(Role.CLERK, "p1").model_copy(update={"actor": elsewhere})
    refusal = refused(state, command, START)
    assert refusal.code is Code.NOT_YOUR_AUTHORITY
    assert refusal.params == {"authority": "amr-350000"}
