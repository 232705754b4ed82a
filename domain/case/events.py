"""Accepted steps: events of a case, the journal rows they become, and their hash chain.

What has happened is named by a word; the words and what each of them changes stand in the table
of the kind of case (see `domain.case.kind`). `EventName` holds those that kinds share.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import Field

from domain.canonical import sha256_of
from domain.case.commands import Actor
from domain.case.status import Status
from domain.citation import Citation
from domain.model import Recorded

GENESIS = "0" * 64
"""The previous hash of a case's first step."""


class EventName(StrEnum):
    """What has happened to a case, as far as several kinds of cases know it."""

    SCHEDULED = "scheduled"
    OPENED = "opened"
    SUBMITTED = "submitted"
    ASSIGNED = "assigned"
    REVIEW_STARTED = "review_started"
    WITHDRAWN = "withdrawn"
    CLAIMED = "claimed"
    RELEASED = "released"
    RETURNED = "returned"
    LEVEL_APPROVED = "level_approved"
    APPROVED = "approved"
    QUALITY_CHECK_STARTED = "quality_check_started"
    SAMPLED = "sampled"
    NOT_SAMPLED = "not_sampled"
    QUALITY_LEVEL_PASSED = "quality_level_passed"
    QUALITY_PASSED = "quality_passed"
    QUALITY_FAILED = "quality_failed"
    SENT_BACK = "sent_back"
    COMPLETED = "completed"
    TASK_ASSIGNED = "task_assigned"
    TASK_HANDED_OVER = "task_handed_over"
    EXTENDED = "extended"
    EXTENSION_SHORTENED = "extension_shortened"
    REOPENED = "reopened"
    REOPENING_EXPIRED = "reopening_expired"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"
    OPENED_AFTER_WINDOW = "opened_after_window"
    ANNULLED = "annulled"


class Position(Recorded):
    """Where the case stands after an event: what lists and inboxes show.

    ``level`` counts from 1 while in review, else 0; ``due`` is the instant at which the present
    status runs out, None when it does not.
    """

    status: Status
    level: int = 0
    authority: str = ""
    claimed_by: str = ""
    revision: int = 0
    due: datetime | None = None


class PendingEvent(NamedTuple):
    """What a command is to lead to, before it is known where the case stands after it."""

    name: str
    actor: Actor
    body: dict[str, Any] = {}  # noqa: RUF012  never changed in place
    cite: Citation | None = None


Decision = list[PendingEvent]
"""What a command leads to, in order."""


class Event(Recorded):
    """One thing that happened; ``at`` is None as long as it is not on record."""

    name: str
    actor: Actor
    position: Position
    cite: Citation | None = None
    body: dict[str, Any] = Field(default_factory=dict)
    at: datetime | None = None


class Step(Recorded):
    """One journal row. ``at`` is when it was decided, ``received_at`` when it reached the API.

    ``event`` is a word of the case's kind, or one of `domain.operator_events` for a campaign or a
    register, whose steps have no position.
    """

    case_id: str
    sequence: int
    event: str
    actor: Actor
    position: Position | None
    cite: Citation | None
    body: dict[str, Any]
    at: datetime
    received_at: datetime
    command_id: str
    command_sha256: str
    note_sha256: str
    previous_hash: str
    hash: str = ""


def event_of(step: Step) -> Event:
    """The event a case's step records."""
    assert step.position is not None
    return Event(
        name=step.event,
        actor=step.actor,
        position=step.position,
        cite=step.cite,
        body=step.body,
        at=step.at,
    )


def chained(step: Step) -> Step:
    """The step with its hash filled in."""
    return step.model_copy(update={"hash": hash_of(step)})


def hash_of(step: Step) -> str:
    """SHA-256 of a step's canonical JSON with its predecessor's hash in it."""
    return sha256_of(step.model_dump(mode="json", exclude={"hash"}))
