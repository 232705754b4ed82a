"""How a case of a campaign begins: on the list, and open if its window is. Pure.

A whole page of institutions is put on record at once, before any of their processes exist; each
process then goes on from the steps that stand there, as one does after a crash.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.canonical import sha256_of
from domain.case import commands as c
from domain.case.commands import SYSTEM, Actor, Command
from domain.case.events import Event, EventName, Step, chained, event_of
from domain.case.kind import CaseKind, evolve, fold, position
from domain.case.plan import CasePlan
from domain.case.review import decide
from domain.case.state import CaseState, submission_closing
from domain.case.workflow_messages import CaseOpening, CaseStart, RecordRequest, command_sha256


def opening_command(requested_at: datetime, sequence: int = 0) -> Command:
    """The command that a case begins with, after step ``sequence`` when it begins anew."""
    id_ = f"open:{sequence}" if sequence else "open"
    return c.Open(id=id_, actor=SYSTEM, received_at=requested_at)


def beginning(
    kind: CaseKind,
    state: CaseState,
    plan: CasePlan,
    requested_by: Actor,
    command: Command,
    now: datetime,
    placed: Mapping[str, str],
) -> tuple[Event, ...]:
    """The events of a new case with a filling window: on the list, and open if that is.

    ``placed`` says to which campaign and region it belongs, so that the record does.
    """
    scheduled = Event(
        name=EventName.SCHEDULED,
        actor=requested_by,
        position=position(kind, state, plan),
        cite=plan.obligation.cite,
        body={
            "obligation": plan.obligation.outcome,
            "rule": plan.obligation.rule,
            "ruleset": plan.ruleset.model_dump(mode="json"),
            **placed,
        },
    )
    opened = decide(kind, state, plan, command, now)
    return (scheduled, *opened) if isinstance(opened, tuple) else (scheduled,)


def opening_sha256(opening: CaseOpening) -> str:
    """The hash of what the read model is told of a case as it opens.

    Of what is not as it is unless it is said, so that a newer field changes no hash.
    """
    return sha256_of(opening.model_dump(mode="json", exclude_defaults=True))


def vouched(start: CaseStart, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events that a case begins with; the first says what the case was opened with and by."""
    if not start.vouched:
        return events
    said: dict[str, Any] = {"opening_sha256": opening_sha256(start.opening)}
    if start.inputs:
        said["inputs"] = start.inputs
    if start.before is not None:
        # what the read model forgets as it takes the new plan: the steps before rest on it
        said["before"] = start.before.model_dump(mode="json", exclude_defaults=True)
    first = events[0].model_copy(update={"body": {**events[0].body, **said}})
    return (first, *events[1:])


def has_begun_anew(steps: Sequence[Step]) -> bool:
    """Whether a case has begun more than once: again after its year was annulled."""
    return any(step.sequence > 1 and step.event == EventName.SCHEDULED for step in steps)


def _after_window(kind: CaseKind, plan: CasePlan, scheduled: Event) -> tuple[Event, ...]:
    """The events of a new case whose filer never had a chance: it owes nothing until extended."""
    cite = submission_closing(kind.new(), plan)[1]
    missed = scheduled.model_copy(
        update={"name": EventName.OPENED_AFTER_WINDOW, "actor": SYSTEM, "cite": cite, "body": {}}
    )
    there = position(kind, evolve(kind, kind.new(), missed), plan)
    return scheduled, missed.model_copy(update={"position": there})


def opened_on_record(
    kind: CaseKind, start: CaseStart, now: datetime, standing: c.Extend | None = None
) -> RecordRequest:
    """The steps that put a new case on record at ``now``, with what the read model is to know.

    ``standing`` is the extension of the place that the case comes into; one that gives no more
    time than the case has is none.
    """
    plan, state = start.opening.plan, kind.new()
    command = opening_command(start.requested_at, start.carried.sequence)
    placed = start.opening.placed()
    events = beginning(kind, state, plan, start.requested_by, command, now, placed)
    if now >= submission_closing(state, plan)[0]:
        events = _after_window(kind, plan, events[0])
    events = vouched(start, events)
    steps = chain(start.case_id, start.carried.sequence, start.carried.head, command, events, now)
    if standing is not None:
        reached = fold(kind, map(event_of, steps))
        extended = decide(kind, reached, plan, standing, now)
        if isinstance(extended, tuple):
            last = steps[-1]
            steps += chain(start.case_id, last.sequence, last.hash, standing, extended, now)
    return RecordRequest(steps=steps, opening=start.opening)


def chain(
    case_id: str,
    sequence: int,
    head: str,
    command: Command,
    events: Sequence[Event],
    now: datetime,
) -> tuple[Step, ...]:
    """The steps of one command's events, following on step ``sequence`` with the hash ``head``."""
    steps: list[Step] = []
    for event in events:
        sequence += 1
        step = chained(
            Step(
                case_id=case_id,
                sequence=sequence,
                event=event.name,
                actor=event.actor,
                position=event.position,
                cite=event.cite,
                body=event.body,
                at=now,
                received_at=command.received_at,
                command_id=command.id,
                command_sha256=command_sha256(command),
                note_sha256=command.note_sha256,
                previous_hash=head,
            )
        )
        head = step.hash
        steps.append(step)
    return tuple(steps)
