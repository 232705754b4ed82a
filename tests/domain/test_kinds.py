"""Every kind of case: its tables are complete, and random lives get everywhere they can.

What is asked at random is asked of every kind by the same search, so a kind that is added is
searched as soon as it says how a case of it begins and which statuses it can be in.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import Event, EventName
from domain.case.kind import CaseKind, commands, evolve, fold, next_timer, position
from domain.case.plan import FOREVER, CasePlan, NumberTerms, Reminder, Window
from domain.case.review import check, decide
from domain.case.state import LISTED_AS, CaseState
from domain.case.status import ENDED, STATUS_LABELS, Status
from domain.case.transitions import OF_CAMPAIGNS, OF_SAMPLES, REVIEW_COMMANDS, SHARED_EVENTS
from domain.certificates.commands import CertificateEvent
from domain.certificates.issuing import Allotment, Purpose
from domain.citation import Citation
from domain.complaints import ComplaintEvent, ComplaintOutcome
from domain.decision import Obligation, ReviewerDecision, ReviewLevel, RuleSetRef
from domain.enforcement.commands import CountedTerm
from domain.enforcement.consequences import EnforcementFacts
from domain.enforcement.state import EnforcementEvent
from domain.kinds import KINDS, kind_of
from domain.numbers.commands import NumberEvent
from domain.numbers.report_numbers import IngestOutcome
from domain.numbers.state import BatchState
from domain.refusals import Refusal
from domain.sampling import Sampling
from rules.certificates.certificates import current_certificate_rules
from rules.compiled import CompiledRules
from rules.file.library import SHIPPED, RuleLibrary

START = datetime(2025, 1, 1, tzinfo=UTC)
CITE = Citation(document="测试文号", clause="一")
REF = RuleSetRef(id="test", revision=1, sha256="0" * 64)
SHA = "a" * 64
MUST = Obligation(outcome="must", rule="certified", cite=CITE)
MAY = Obligation(outcome="may", rule="others", cite=CITE)
LEVELS = tuple(ReviewLevel(id=name, authority=name) for name in ("amr-350100", "amr-350000"))
_FACTS = EnforcementFacts.model_validate(
    {
        "institution": {"id": "lab", "region": "350102"},
        "filing": {
            "status": "lapsed",
            "obligation": "must",
            "due": START,
            "reminders_served": [START],
        },
    }
)
_PROPOSED = CompiledRules(RuleLibrary().resolve(2020, "000000").document).enforcement_plan(
    _FACTS, START + timedelta(days=1)
)
assert _PROPOSED.enforcement is not None
ENFORCEMENT_PLAN = _PROPOSED.model_copy(
    update={
        "enforcement": _PROPOSED.enforcement.model_copy(
            update={
                "decision_due": {
                    one.id: START + timedelta(days=91) for one in _PROPOSED.enforcement.measures
                }
            }
        )
    }
)
CERTIFICATE_RULES = current_certificate_rules(SHIPPED)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def window(opens: float, closes: float | None) -> Window:
    return Window(opens=day(opens), closes=FOREVER if closes is None else day(closes), cite=CITE)


def plan(**changes: Any) -> CasePlan:
    values: dict[str, Any] = {
        "year": 2024,
        "jurisdiction": "350000",
        "ruleset": REF,
        "obligation": MUST,
        "parts": ("statistics",),
        "fill": window(1, 10),
        "correct": window(1, 20),
        "review": window(1, 20),
        "completion_cite": CITE,
        "checker": "samr",
        "checker_cite": CITE,
    }
    return CasePlan(**{**values, **changes})


FILINGS = (
    plan(
        reminders=(
            Reminder(
                id="first", label="提醒", at=day(2), cite=CITE, anchor="fill.closing", days=-7
            ),
        )
    ),
    plan(fill=window(1, 10), review=window(10, 20), quality=window(15, 30)),
    plan(checker=None, checker_cite=None, lapse_unapproved=False, supplement=window(10, 14)),
    plan(obligation=MAY),
    plan(
        correct=window(1, 20),
        review=window(1, 300),
        quality=window(1, 400),
        checks=tuple(ReviewLevel(id=name, authority="samr") for name in ("first", "second")),
        sample=Sampling(count=1, cite=CITE),
    ),
)
_TERMS = NumberTerms(
    quarter="2024Q4",
    first_day=date(2024, 10, 1),
    last_day=date(2024, 12, 31),
    days_until_visible=1,
    visible_cite=CITE,
    longest=64,
)
BATCHES = tuple(
    plan(
        supplement=window(10, 20),
        review=window(1, None),
        lapse_unapproved=False,
        checker=None,
        checker_cite=None,
        levels=levels,
        numbers=_TERMS,
        reminders=(Reminder(id="first", label="提醒", at=day(5), cite=CITE),),
    )
    for levels in ((), LEVELS)
)
_ALWAYS = window(0, None)
COMPLAINTS = (
    plan(
        fill=_ALWAYS,
        correct=_ALWAYS,
        review=_ALWAYS,
        obligation=MAY,
        levels=LEVELS[:1],
        lapse_unapproved=False,
    ),
)


@dataclass(frozen=True)
class Search:
    """What a search of a kind's lives starts from, and where all of them together must come.

    The more has to happen in a row, the more ``seeds`` it takes to happen by chance.
    """

    plans: tuple[CasePlan, ...]
    begins: tuple[str, Callable[[CasePlan], dict[str, Any]]]
    reaches: frozenset[Status]
    seeds: int = 200


SEARCHES: dict[str, Search] = {
    "filing": Search(
        FILINGS,
        (EventName.SCHEDULED, lambda _: {}),
        frozenset(Status) - {Status.AFTER_WINDOW, Status.IN_FORCE},
    ),
    "report-numbers": Search(
        BATCHES,
        (EventName.SCHEDULED, lambda _: {}),
        frozenset(Status)
        - {
            Status.QUALITY_CHECK,
            Status.WITHDRAWN,
            Status.AFTER_WINDOW,
            Status.ANNULLED,
            Status.IN_FORCE,
        },
    ),
    "complaint": Search(
        COMPLAINTS,
        (
            ComplaintEvent.RECEIVED,
            lambda case: {"levels": [level.model_dump(mode="json") for level in case.levels]},
        ),
        frozenset({Status.IN_REVIEW, Status.COMPLETED, Status.CANCELLED}),
    ),
    "certificate": Search(
        (CERTIFICATE_RULES.plan("amr-350000", START),),
        (CertificateEvent.APPLICATION_BEGUN, lambda _: {}),
        frozenset(Status)
        - {
            Status.SCHEDULED,
            Status.LAPSED,
            Status.AFTER_WINDOW,
            Status.ANNULLED,
            Status.IN_FORCE,
        },
    ),
    "enforcement": Search(
        (ENFORCEMENT_PLAN,),
        (
            EnforcementEvent.OPENED,
            lambda case: {
                "level": LEVELS[1].model_dump(mode="json"),
                "opened_at": case.fill.opens.isoformat(),
                "decision_due": (case.fill.opens + timedelta(days=90)).isoformat(),
            },
        ),
        frozenset({Status.IN_REVIEW, Status.IN_FORCE, Status.COMPLETED}),
        seeds=900,
    ),
}

_MEASURES = [one.id for one in _PROPOSED.enforcement.measures]
_PEOPLE = ("p1", "p2", "p3", "p4", "p5")


def actor(rng: random.Random, role: Role, state: CaseState, case: CasePlan) -> Actor:
    """Somebody of a role: mostly of the authority whose turn it is, now and then of another."""
    if role is Role.SYSTEM:
        return SYSTEM
    authority = rng.choice([state.authority(case)] * 9 + ["amr-440000"]) or "amr-350000"
    scope = {
        Role.FILER: "lab",
        Role.RESPONSIBLE: "lab",
        Role.OPERATOR: "350000",
        Role.CLERK: "amr-350000",
    }
    subject = rng.choice([state.claimed_by or rng.choice(_PEOPLE), rng.choice(_PEOPLE)])
    return Actor(subject=subject, role=role, scope=scope.get(role, authority))


def fields(rng: random.Random, name: str, state: CaseState, now: datetime) -> dict[str, Any]:
    """The fields of a command beside those that all have. A new command is to be added here."""
    submitted = {"revision": state.revision + 1, "content_sha256": SHA}
    upload = f"{rng.randrange(3):032x}"
    until = {"until": now + timedelta(days=rng.choice([0, 5, 60]))}
    made: Mapping[str, Callable[[], dict[str, Any]]] = {
        "submit": lambda: submitted,
        "amend": lambda: {"amendment": "one"},
        "draw": lambda: {"draw": 1, "drawn": rng.random() < 0.6},
        "extend": lambda: {**until, "extension": "one"},
        "shorten": lambda: {**until, "extension": "one"},
        "assign": lambda: {"person": rng.choice(_PEOPLE)},
        "hand_over": lambda: {"person": rng.choice(_PEOPLE)},
        "reopen": lambda: until,
        "remind": lambda: {"reminder": rng.choice(["first", "days-60"])},
        **dict.fromkeys(
            ("answer_question", "close_question", "reopen_question"),
            lambda: {"question": rng.choice([1, 1, 2])},
        ),
        "attest": lambda: submitted,
        "ask_waiver": lambda: {
            "part": "statistics",
            "check": "c",
            "pointer": "/statistics/staff",
            "finding": rng.choice(["a", "b"]) * 64,
        },
        **dict.fromkeys(
            ("grant_waiver", "decline_waiver"), lambda: {"waiver": rng.choice([1, 1, 2])}
        ),
        "receive_upload": lambda: {"upload": upload, "sha256": SHA, "size": 1},
        "finish_upload": lambda: {
            "outcome": IngestOutcome(
                upload=upload,
                accepted=rng.random() < 0.7,
                rows=5,
                bad=0,
                numbers=5,
                digest="0" * 16,
            )
        },
        "declare": lambda: {"total": rng.choice([0, 5, 10])},
        "change_numbers": lambda: {
            "change": f"{rng.randrange(3):032x}",
            "action": rng.choice(["withdrawn", "corrected"]),
            "count": 1,
            "content_sha256": SHA,
        },
        "note_complaint": lambda: {
            "complaint": "complaint/1",
            "outcome": rng.choice(list(ComplaintOutcome)),
        },
        "pass_on": lambda: {"authority": rng.choice(["amr-350000", "amr-350200"])},
        "resolve": lambda: {"outcome": rng.choice(list(ComplaintOutcome)), "reply_sha256": SHA},
        "apply": lambda: {
            **submitted,
            "purpose": rng.choice(list(Purpose)),
            "decided": rng.choice(
                [None, None, None, {"approved_on": now.date(), "document": "文号"}]
            ),
        },
        "propose": lambda: {"measure": rng.choice([*_MEASURES[1:4] * 2, *_MEASURES])},
        "decide": lambda: {
            "outcome": rng.choice(["impose"] * 14 + ["dismiss"]),
            "basis_given": True,
        },
        "refer": lambda: {"agency": "统计局", "document": "文号"},
        "answer_objection": lambda: {"upheld": rng.random() < 0.5},
        "end_certificate": lambda: {"ending": "revoked", "on": now.date(), "document": "文号"},
        "correct_end": lambda: {
            "document": "文号",
            **rng.choice([{}, {"ending": "rescinded", "on": now.date()}]),
        },
        "supersede": lambda: {"by": "D" * 26, "on": now.date()},
        "note_predecessor": lambda: {"predecessor": "E" * 26},
    }
    return made.get(name, dict)()


def findings(
    kind: CaseKind, rng: random.Random, case: CasePlan, command: Command, now: datetime
) -> Any:
    """What a kind might find out for a command: whatever it can name that is in order."""
    first, last = CERTIFICATE_RULES.validity(now.date())
    known: dict[str, Any] = {
        # the same windows, so that a life goes on under its own plan
        "plan": case.model_copy(
            update={"ruleset": REF.model_copy(update={"sha256": f"{now.timestamp():064.0f}"})}
        ),
        "editors": () if command.kind == "attest" else (command.actor.subject,),
        "decision": ReviewerDecision(
            reviewer=LEVELS[-1].authority,
            rule="any",
            levels=LEVELS[: rng.choice([1, 1, 2])],
            cite=CITE,
            ruleset=REF,
            candidates=(),
        ),
        "terms": {
            name: CountedTerm(due=now + timedelta(days=days), days=(now.date(),))
            for name, days in (
                ("statement", 5),
                ("service", 7),
                ("correction", 10),
                ("objection", 15),
                ("lasts", 365),
            )
        },
        "cured": now.day % 3 == 0,
        "allotment": Allotment(
            number=f"26130106000{rng.randrange(2)}",
            code="C" * 26,
            issued_on=now.date(),
            valid_from=first,
            valid_to=last,
            reminders=tuple(CERTIFICATE_RULES.reminders(last)),
        ),
    }
    names = kind.findings.model_fields
    return kind.findings(**{name: value for name, value in known.items() if name in names})


@dataclass(frozen=True)
class Moment:
    """One event of a random life, with the state before and after it."""

    case: CasePlan
    event: Event
    before: CaseState
    after: CaseState


def lives(kind: CaseKind, seeds: range) -> Iterator[list[Moment]]:
    """Random lives: time passes, timers fire, somebody asks for something, right or wrong."""
    search = SEARCHES[kind.name]
    for seed in seeds:
        rng = random.Random(seed)
        case = rng.choice(search.plans)
        name, body = search.begins
        now = case.fill.opens - timedelta(days=rng.choice([0, 1]))
        state = kind.new()
        begun = Event(
            name=name, actor=SYSTEM, position=position(kind, state, case), body=body(case)
        )
        life = [Moment(case, begun, state, evolve(kind, state, begun))]
        often = [name for name in _OFTEN if name in kind.commands]
        for _ in range(rng.randrange(5, 50)):
            now += timedelta(hours=rng.choice(_HOURS))
            life += timed(kind, case, life[-1].after, now)
            state = life[-1].after
            # a few attempts, right or wrong, or nothing would ever happen
            for _ in range(8):
                name = rng.choice([*sorted(kind.commands), *often])
                command = command_of(rng, kind, name, state, case, now)
                refused = check(kind, state, case, command, now) is not None
                if not refused and (name not in _ENDING or rng.random() < 0.1):
                    break
            else:
                continue
            life += happened(
                kind, case, state, command, now, findings(kind, rng, case, command, now)
            )
        yield life


_HOURS = [0] * 24 + [1] * 6 + [24] * 6 + [100, 100, 24 * 400, 24 * 2200]
_OFTEN = ("claim", "ask_return", "decline_return") * 3
"""What is seldom to the point unless it is tried often."""

_ENDING = (
    "annul", "cancel", "reject", "end_certificate", "supersede", "withdraw_measure", "cure",
)  # fmt: skip


def command_of(
    rng: random.Random, kind: CaseKind, name: str, state: CaseState, case: CasePlan, now: datetime
) -> Command:
    rule = kind.commands[name]
    return rule.command.model_validate(
        {
            "id": "x",
            "actor": actor(rng, rng.choice(sorted(rule.roles)), state, case),
            "received_at": now,
            "note_sha256": rng.choice([SHA, SHA, ""]),
            **fields(rng, name, state, now),
        }
    )


def timed(kind: CaseKind, case: CasePlan, state: CaseState, now: datetime) -> list[Moment]:
    """What time brings until ``now``. Every timer leads to a command that the case takes."""
    moments: list[Moment] = []
    while (timer := next_timer(kind, state, case)) is not None and timer.at <= now:
        if timer.command is None:
            return moments
        assert kind.commands[timer.command.name()].command is timer.command
        command = timer.command.model_validate(
            {"id": "t", "actor": SYSTEM, "received_at": timer.at, **timer.details}
        )
        brought = happened(kind, case, state, command, timer.at, None)
        assert brought, timer
        moments += brought
        state = brought[-1].after
    return moments


def happened(
    kind: CaseKind,
    case: CasePlan,
    state: CaseState,
    command: Command,
    now: datetime,
    found_out: Any,
) -> list[Moment]:
    events = decide(kind, state, case, command, now, found_out)
    if isinstance(events, Refusal):
        return []
    assert check(kind, state, case, command, now) is None
    moments = []
    for event in events:
        after = evolve(kind, state, event)
        moments.append(Moment(case, event, state, after))
        state = after
    assert events[-1].position == position(kind, state, case)
    return moments


EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


@EACH
def test_random_lives_reach_every_status_and_event_and_no_other(kind: CaseKind) -> None:
    reached: set[Status] = set()
    happening: set[str] = set()
    for life in lives(kind, range(SEARCHES[kind.name].seeds)):
        reached |= {moment.after.status for moment in life}
        happening |= {str(moment.event.name) for moment in life}
    assert reached == SEARCHES[kind.name].reaches
    seldom = {**SHARED_EVENTS, **OF_CAMPAIGNS, **OF_SAMPLES}
    own = {str(name) for name in kind.events if name not in seldom}
    assert own <= happening


@EACH
def test_whatever_happens_can_be_told_and_is_the_fold_of_the_record(kind: CaseKind) -> None:
    for life in lives(kind, range(40)):
        state = fold(kind, (moment.event for moment in life))
        assert state == life[-1].after
        assert kind.state(state.model_dump(mode="json")) == state
        for moment in life:
            rule = kind.events[moment.event.name]
            if moment is not life[0]:
                assert isinstance(rule.told(moment.event.body), str)


@EACH
def test_people_stand_in_the_list_of_what_they_did_and_in_no_other(kind: CaseKind) -> None:
    for life in lives(kind, range(40)):
        for moment in life:
            lists = [set(getattr(moment.after, name)) for name in set(LISTED_AS.values())]
            assert sum(map(len, lists)) == len(set().union(*lists))
            if moment.event.name in ("claimed", "submitted", "level_approved", "approved"):
                acting = LISTED_AS[moment.event.actor.role]
                assert moment.event.actor.subject in getattr(moment.after, acting)


# --- tables ---------------------------------------------------------------------------------------


def every_command() -> set[type[Command]]:
    waiting, seen = [Command], set[type[Command]]()
    while waiting:
        below = waiting.pop().__subclasses__()
        seen |= {
            cls
            for cls in below
            if cls.__module__.startswith("domain.") and not cls.__name__.startswith("_")
        }
        waiting += below
    return seen


def test_every_command_has_one_rule_in_each_kind_that_takes_it_and_one_kind_at_least() -> None:
    taken = {rule.command for kind in KINDS.values() for rule in kind.commands.values()}
    assert taken == every_command()
    assert len({command.name() for command in taken}) == len(taken)
    with pytest.raises(ValueError, match="two rules"):
        commands(REVIEW_COMMANDS["claim"], REVIEW_COMMANDS["claim"])


@EACH
def test_the_rules_of_commands_are_in_order(kind: CaseKind) -> None:
    assert kind.prepares <= kind.commands.keys()
    for name, rule in kind.commands.items():
        assert rule.command.name() == name
        assert rule.command.label
        assert rule.roles
        # whoever takes part in a case is listed; operators and the system take no part in it
        assert rule.roles - {Role.SYSTEM, Role.OPERATOR} <= LISTED_AS.keys()
        assert rule.after_end <= set(ENDED)


def test_every_event_has_its_rule() -> None:
    alone = {EventName.SUBMITTED, EventName.ANNULLED, *OF_CAMPAIGNS, *OF_SAMPLES}
    assert SHARED_EVENTS.keys() == set(EventName) - alone
    for name, events in {
        "report-numbers": NumberEvent,
        "complaint": ComplaintEvent,
        "certificate": CertificateEvent,
    }.items():
        assert set(events) <= KINDS[name].events.keys()
    assert all(rule.label for kind in KINDS.values() for rule in kind.events.values())


def test_every_status_has_a_label_and_everybody_listed_a_list() -> None:
    assert set(STATUS_LABELS) == set(Status)
    assert set(LISTED_AS.values()) <= CaseState.model_fields.keys()


def test_a_case_is_of_the_kind_that_its_id_begins_with() -> None:
    assert {kind.name for kind in KINDS.values()} == KINDS.keys() == SEARCHES.keys()
    assert all(kind_of(f"{name}/2024/x") is kind for name, kind in KINDS.items())
    assert kind_of("campaign/2024/000000") is None
    assert kind_of("roster/000000") is None


def test_a_state_carried_before_kinds_had_their_own_is_still_read() -> None:
    kind = KINDS["report-numbers"]
    flat = {"status": "draft", "numbers": 5, "reminded": ["first"], "purpose": None}
    state = kind.state(flat)
    assert (state.status, state.own) == (Status.DRAFT, BatchState(numbers=5, reminded=("first",)))
    assert kind.state({}) == kind.new()
