"""Every move the state machine can make, found by trying: what docs/life-of-a-case.md must say."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Role
from domain.case.events import EventName
from domain.case.kind import evolve
from domain.case.plan import CasePlan, Window
from domain.case.review import decide
from domain.case.state import CaseState, closing
from domain.case.status import Status
from domain.citation import Citation
from domain.decision import Obligation, ReviewerDecision, ReviewLevel, RuleSetRef
from domain.filing.amending import AMENDING_COMMANDS
from domain.filing.attesting import ATTESTING_COMMANDS
from domain.filing.findings import FilingFindings
from domain.filing.kind import FILING, Submit
from domain.filing.questions import QUESTION_COMMANDS
from domain.filing.remarking import REMARKING_COMMANDS
from domain.filing.waiving import WAIVING_COMMANDS
from domain.ids import jurisdiction_of
from domain.refusals import Refusal
from domain.sampling import Sampling

_START = datetime(2025, 1, 1, tzinfo=UTC)
_CITE = Citation(document="测试文号", clause="一")
_REF = RuleSetRef(id="test", revision=1, sha256="0" * 64)
_LEVELS = tuple(ReviewLevel(id=name, authority=name) for name in ("amr-350100", "amr-350000"))
_DECISION = ReviewerDecision(
    reviewer="amr-350000",
    rule="any",
    levels=_LEVELS,
    cite=_CITE,
    ruleset=_REF,
    candidates=(),
)
_SHA = "a" * 64
_STANDING = (
    QUESTION_COMMANDS.keys()
    | ATTESTING_COMMANDS.keys()
    | WAIVING_COMMANDS.keys()
    | REMARKING_COMMANDS.keys()
    | AMENDING_COMMANDS.keys()
)
_CATCHING_UP = (EventName.OPENED, EventName.REVIEW_STARTED, EventName.QUALITY_CHECK_STARTED)


def _day(number: float) -> datetime:
    return _START + timedelta(days=number)


def _window(opens: float, closes: float) -> Window:
    return Window(opens=_day(opens), closes=_day(closes), cite=_CITE)


def _plan(**changes: Any) -> CasePlan:
    values: dict[str, Any] = {
        "year": 2024,
        "jurisdiction": "000000",
        "ruleset": _REF,
        "obligation": Obligation(outcome="must", rule="any", cite=_CITE),
        "fill": _window(1, 10),
        "correct": _window(1, 20),
        "review": _window(1, 20),
        "completion_cite": _CITE,
        "checker": "samr",
        "checker_cite": _CITE,
    }
    return CasePlan(**{**values, **changes})


_PLANS = (
    _plan(),
    _plan(review=_window(5, 20), quality=_window(12, 30)),
    _plan(checker=None, checker_cite=None, lapse_unapproved=False),
    _plan(
        quality=_window(12, 30),
        sample=Sampling(count=1, cite=_CITE),
        checks=tuple(ReviewLevel(id=name, authority="samr") for name in ("first", "second")),
    ),
    _plan(obligation=Obligation(outcome="may", rule="any", cite=_CITE), supplement=_window(10, 12)),
)
_DAYS = (0, 2, 9, 15, 25)


def _people(state: CaseState, plan: CasePlan) -> dict[Role, Actor]:
    authority = state.authority(plan) or "amr-350100"
    return {
        Role.FILER: Actor(subject="filer", role=Role.FILER, scope="lab"),
        Role.REVIEWER: Actor(subject="reviewer", role=Role.REVIEWER, scope=authority),
        # who passed one level does not pass the next
        Role.CHECKER: Actor(
            subject=f"checker-{len(state.passed_by)}", role=Role.CHECKER, scope="samr"
        ),
        Role.OPERATOR: Actor(
            subject="operator", role=Role.OPERATOR, scope=jurisdiction_of(authority)
        ),
        Role.CLERK: Actor(subject="clerk", role=Role.CLERK, scope=authority),
        Role.SYSTEM: SYSTEM,
    }


def _commands(state: CaseState, plan: CasePlan, now: datetime) -> Iterator[c.Command]:
    people = _people(state, plan)
    later = max(closing(plan.review, state), now) + timedelta(days=1)
    for kind, rule in FILING.commands.items():
        if kind in _STANDING:
            continue  # they move no status, and there may be any number of them
        for actor in (people[role] for role in sorted(rule.roles)):
            base: dict[str, Any] = {
                "id": "x",
                "actor": actor,
                "received_at": now,
                "note_sha256": _SHA,
            }
            if kind in ("extend", "reopen") and state.extended_until is not None:
                continue  # one extension is enough to see all that it does
            if kind == "draw":
                for drawn in (True, False):
                    yield c.Draw(**base, draw=1, drawn=drawn)
            elif kind == "submit":
                yield Submit(**base, revision=1, content_sha256=_SHA)
            elif kind == "extend":
                yield c.Extend(**base, until=later, extension="one")
            elif kind == "shorten":
                yield c.Shorten(**base, until=now, extension="one")
            elif kind in ("assign", "hand_over"):
                yield rule.command.model_validate({**base, "person": "colleague"})
            elif kind == "reopen":
                yield c.Reopen(**base, until=later)
            elif kind == "remind":
                yield c.Remind(**base, reminder="any")
            else:
                yield rule.command.model_validate(base)


@cache
def moves() -> dict[tuple[str, str], set[str]]:
    """Where each command can take a case from each status; catching up with windows left out."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for plan in _PLANS:
        late = FILING.new().model_copy(update={"status": Status.AFTER_WINDOW})
        # what is put on record late has no window before it
        seen = {(FILING.new(), 0), (late, len(_DAYS) - 1)}
        waiting = list(seen)
        while waiting:
            state, first = waiting.pop()
            for index in range(first, len(_DAYS)):
                now = _day(_DAYS[index])
                for command in _commands(state, plan, now):
                    events = decide(
                        FILING, state, plan, command, now, FilingFindings(decision=_DECISION)
                    )
                    if isinstance(events, Refusal):
                        continue
                    start, after = state.status, state
                    for number, event in enumerate(events):
                        after = evolve(FILING, after, event)
                        caught_up = Role.SYSTEM not in FILING.commands[command.kind].roles
                        if caught_up and event.name in _CATCHING_UP and _leads(events, number):
                            start = after.status
                    found[start.value, command.kind].add(after.status.value)
                    if (after, index) not in seen:
                        seen.add((after, index))
                        waiting.append((after, index))
    return dict(found)


def _leads(events: Any, number: int) -> bool:
    """Whether an event comes before anything that was asked for."""
    return all(event.name in _CATCHING_UP for event in events[: number + 1])
