"""A case's history in words: who did what, when, under which rule and clause."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import accumulate
from operator import itemgetter
from typing import Any, Protocol

from domain.case.commands import ROLE_LABELS, Role
from domain.case.events import Step
from domain.case.status import STATUS_LABELS
from domain.messages import explain
from domain.model import Value
from domain.refusals import Refusal


class RefusedAct(Value):
    """An act that was refused, as it stands on record."""

    action: str
    subject: str
    role: Role
    scope: str
    at: datetime
    refusal: Refusal


class Entry(Value):
    """One line of a timeline. ``sequence`` is None for a refused act, which is no step.

    ``rule`` is the id of the rule that decided, ``document`` and ``clause`` what it rests on.
    ``on_behalf_of`` is whose deputy acted, ``person`` to whom a case was given, ``confirmed_by``
    who has confirmed what the rules have done by two people.
    """

    sequence: int | None
    at: datetime
    received_at: datetime | None
    event: str
    label: str
    subject: str
    role: str
    scope: str
    on_behalf_of: str = ""
    person: str = ""
    confirmed_by: str = ""
    status: str
    status_label: str
    authority: str
    level: int
    rule: str
    document: str
    clause: str
    quote: str
    assumption: str
    detail: str
    note: dict[str, Any] | None
    hash: str


class Telling(Protocol):
    """What a timeline needs of an event: its Chinese label, and a sentence of its body."""

    @property
    def label(self) -> str: ...

    @property
    def told(self) -> Callable[[Mapping[str, Any]], str]: ...


def entries(
    events: Mapping[str, Telling],
    actions: Mapping[str, str],
    steps: list[Step],
    refused: list[RefusedAct],
    notes: dict[str, dict[str, Any]],
    confirmed: Mapping[str, str],
) -> list[Entry]:
    """The timeline of a case, steps in order of sequence, refused acts among them by time.

    ``events`` tell of its steps; ``actions`` are the Chinese labels of its commands; ``confirmed``
    says by command who has confirmed it.
    """

    def label_of(action: str) -> str:
        if action in actions:
            return actions[action]
        # what nobody asked for, as the opening of a campaign, is named by its event
        return events[action].label if action in events else action

    # the clocks of two workers differ: a step never stands before the one it follows
    in_order = sorted(steps, key=lambda step: step.sequence)
    reached = accumulate((step.at for step in in_order), max)
    timed = [
        *(
            (at, _step(events[step.event], step, notes, confirmed))
            for at, step in zip(reached, in_order, strict=True)
        ),
        *((act.at, _refused(label_of(act.action), act)) for act in refused),
    ]
    # Python's sort is stable
    return [entry for _, entry in sorted(timed, key=itemgetter(0))]


def _step(
    telling: Telling,
    step: Step,
    notes: dict[str, dict[str, Any]],
    confirmed: Mapping[str, str],
) -> Entry:
    position, cite = step.position, step.cite
    return Entry(
        sequence=step.sequence,
        at=step.at,
        received_at=step.received_at,
        event=step.event,
        label=telling.label,
        subject=step.actor.subject,
        role=ROLE_LABELS[step.actor.role],
        scope=step.actor.scope,
        on_behalf_of=str(step.body.get("on_behalf_of") or ""),
        person=str(step.body.get("person") or ""),
        confirmed_by=confirmed.get(step.command_id, ""),
        status=position.status if position else "",
        status_label=STATUS_LABELS[position.status] if position else "",
        authority=position.authority if position else "",
        level=position.level if position else 0,
        rule=str(step.body.get("rule") or ""),
        document=cite.document if cite else "",
        clause=cite.clause if cite else "",
        quote=cite.quote if cite else "",
        assumption=cite.assumption if cite else "",
        detail=telling.told(step.body),
        note=notes.get(step.note_sha256),
        hash=step.hash,
    )


def _refused(action: str, act: RefusedAct) -> Entry:
    words, cite = explain(act.refusal), act.refusal.cite
    return Entry(
        sequence=None,
        at=act.at,
        received_at=None,
        event="refused",
        label=f"{action}被拒绝：{words.title}",
        subject=act.subject,
        role=ROLE_LABELS[act.role],
        scope=act.scope,
        status="",
        status_label="",
        authority="",
        level=0,
        rule=act.refusal.code,
        document=cite.document if cite else "",
        clause=cite.clause if cite else "",
        quote=cite.quote if cite else "",
        assumption=cite.assumption if cite else "",
        detail=words.detail,
        note=None,
        hash="",
    )
