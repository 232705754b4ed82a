"""A kind of case as a value: its commands, its events, its own state and what time brings.

The shared state machine (`domain.case.review`) is handed a `CaseKind` and asks it everything that
kinds differ in. A kind is made of tables whose entries have no defaults: what is forgotten does
not happen by itself. `domain.kinds` lists the kinds there are.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from domain.case.commands import SYSTEM, Actor, Command, Role
from domain.case.events import Decision, Event, Position
from domain.case.plan import FOREVER, CasePlan
from domain.case.state import CaseState, Findings, Own_co, Timer
from domain.case.status import Status
from domain.model import Recorded
from domain.refusals import Refusal

Asked = TypeVar("Asked", bound=Command)
Kept = TypeVar("Kept", bound=Recorded)


@dataclass(frozen=True, slots=True)
class CommandRule:
    """One command as one kind of case takes it.

    ``roles`` may give it; ``after_end`` are the ended statuses in which it is still taken.
    ``decide`` takes state, plan, command, instant and findings, and returns a decision or a
    refusal; `rule` sees to it that it is a decider of this very command.
    """

    command: type[Command]
    roles: frozenset[Role]
    after_end: frozenset[Status]
    decide: Callable[..., Decision | Refusal]


def rule(
    command: type[Asked],
    decide: Callable[[Any, CasePlan, Asked, datetime, Any], Decision | Refusal],
    roles: Iterable[Role],
    after_end: Iterable[Status] = (),
) -> CommandRule:
    """A command with its decider, who may give it, and in which ended statuses it is taken."""
    return CommandRule(command, frozenset(roles), frozenset(after_end), decide)


def commands(*rules: CommandRule) -> dict[str, CommandRule]:
    """Rules by the names of their commands. Raises ValueError for two of one name."""
    table = {one.command.name(): one for one in rules}
    if len(table) < len(rules):
        raise ValueError("two rules for one command")
    return table


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event of a kind of case: its Chinese label, what it changes, what a timeline tells.

    ``fold`` returns the fields of the state that change; ``told`` makes a sentence of its body.
    """

    label: str
    fold: Callable[[Any, Event], Mapping[str, Any]]
    told: Callable[[Mapping[str, Any]], str]


def nothing_more(_: Mapping[str, Any]) -> str:
    """For events whose label says all that there is to tell."""
    return ""


def changes_nothing(_: CaseState, __: Event) -> Mapping[str, Any]:
    """For events that are on record and leave the state as it is."""
    return {}


def anybody(_: CasePlan, __: Actor) -> Refusal | None:
    """For kinds in which a role says enough about who may give a command."""
    return None


@dataclass(frozen=True, slots=True, eq=False)
class CaseKind(Generic[Own_co]):
    """One kind of case. ``name`` is also the first word of its cases' ids.

    ``workflow`` is the name of the workflow that carries a case; ``own`` is the model of what
    only this kind knows of one, ``findings`` of what is found out for it. ``prepares`` are the
    commands for which that is done before they are decided. ``timers`` are all that time brings
    to a state, ``due`` what lists show as its end. ``admits`` refuses people whose role alone
    does not make it their case. ``editable`` are the statuses in which content may be changed.
    """

    name: str
    label: str
    workflow: str
    own: type[Own_co]
    findings: type[Findings]
    commands: Mapping[str, CommandRule]
    events: Mapping[str, EventRule]
    prepares: frozenset[str]
    timers: Callable[[Any, CasePlan], Sequence[Timer]]
    due: Callable[[Any, CasePlan], datetime | None]
    admits: Callable[[CasePlan, Actor], Refusal | None]
    editable: frozenset[Status]

    def new(self) -> CaseState[Own_co]:
        """The state of a case to which nothing has happened."""
        return CaseState(own=self.own())

    def state(self, recorded: Mapping[str, Any]) -> CaseState[Own_co]:
        """A state out of its JSON form; out of an empty one, a new case's."""
        # before kinds had states of their own, their fields stood among the others
        own = self.own.model_validate(recorded.get("own", recorded))
        return CaseState.model_validate({**recorded, "own": own})

    def command(self, sent: Mapping[str, Any]) -> Command | None:
        """A command out of its JSON form; None: not a command of this kind of case.

        Raises pydantic's ValidationError for one whose fields are not in order.
        """
        entry = self.commands.get(sent.get("kind", ""))
        return None if entry is None else entry.command.model_validate(sent)


def evolve(kind: CaseKind, state: CaseState[Kept], event: Event) -> CaseState[Kept]:
    """The state after an event. Never refuses: what is recorded has happened."""
    changed = state.model_copy(update=kind.events[event.name].fold(state, event))
    before, after = ((one.status, one.extended_until) for one in (state, changed))
    if event.at is None or before == after:
        return changed
    return changed.model_copy(update={"since": event.at})


def fold(kind: CaseKind[Kept], events: Iterable[Event]) -> CaseState[Kept]:
    """The state a case's events lead to."""
    state = kind.new()
    for event in events:
        state = evolve(kind, state, event)
    return state


def next_timer(kind: CaseKind, state: CaseState, plan: CasePlan) -> Timer | None:
    """The one timer a case in this state keeps; None when only people can move it."""
    waited_for = [timer for timer in kind.timers(state, plan) if timer.at < FOREVER]
    return min(waited_for, key=lambda timer: timer.at, default=None)


def timed(timer: Timer, sequence: int) -> Command | None:
    """The command that a timer gives to a case whose last step is ``sequence``; None for none."""
    if timer.command is None:
        return None
    return timer.command.model_validate(
        {
            "id": f"{timer.command.name()}@{sequence}",
            "actor": SYSTEM,
            "received_at": timer.at,
            **timer.details,
        }
    )


SPREAD = timedelta(minutes=20)
"""Over how long what time brings to many cases at one instant is spread, where nobody waits."""


def spread(case_id: str, timer: Timer) -> timedelta:
    """How much later than its instant a case's timer fires; the same for a case every time.

    Decisions compare instants, so that nothing is allowed for longer: only the record of it comes
    later. Without this, thousands of cases would stand before everybody who acts after a deadline.
    """
    if timer.command is None or not timer.command.unhurried:
        return timedelta()
    place = int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:4], "big")
    return SPREAD * (place / 2**32)


def position(kind: CaseKind, state: CaseState, plan: CasePlan) -> Position:
    """What lists show of a state."""
    due = kind.due(state, plan)
    return Position(
        status=state.status,
        level=state.level if state.status is Status.IN_REVIEW else 0,
        authority=state.authority(plan),
        claimed_by=state.claimed_by,
        revision=state.revision,
        due=due if due is not None and due < FOREVER else None,
    )
