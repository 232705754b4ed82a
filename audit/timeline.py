"""The whole record in the order of time, narrowed by person, action, rule and period."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import ROLE_LABELS
from domain.case.events import Step
from domain.kinds import kind_of
from domain.messages import local_time
from domain.model import Value
from domain.operator_events import OPERATOR_EVENTS
from store import auditing


class Told(Value):
    """One step, with its body, its hash and the receipt that its sender has."""

    case_id: str
    sequence: int
    at: datetime
    received_at: datetime
    event: str
    label: str
    subject: str
    role: str
    scope: str
    status: str
    rule: str
    document: str
    clause: str
    body: dict[str, Any]
    command_id: str
    previous_hash: str
    hash: str


async def whole_record(
    engine: AsyncEngine,
    person: str = "",
    action: str = "",
    rule: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    size: int | None = None,
) -> AsyncIterator[Told]:
    """The steps of all chains between two instants, the second no longer inside, by time."""
    asked: dict[str, Any] = {
        "person": person,
        "action": action,
        "rule": rule,
        "since": since,
        "until": until,
        "size": size,
    }
    async with auditing.snapshot(engine) as connection:
        async for row in auditing.rows(connection, auditing.WHOLE_RECORD, **asked):
            yield told(Step(**row["step"], hash=row["hash"]))


def told(step: Step) -> Told:
    """A step as an auditor reads it."""
    kind = kind_of(step.case_id)
    events: Any = OPERATOR_EVENTS if kind is None else kind.events
    cite, position = step.cite, step.position
    return Told(
        case_id=step.case_id,
        sequence=step.sequence,
        at=step.at,
        received_at=step.received_at,
        event=step.event,
        label=events[step.event].label if step.event in events else step.event,
        subject=step.actor.subject,
        role=ROLE_LABELS[step.actor.role],
        scope=step.actor.scope,
        status=position.status.value if position else "",
        rule=str(step.body.get("rule") or ""),
        document=cite.document if cite else "",
        clause=cite.clause if cite else "",
        body=step.body,
        command_id=step.command_id,
        previous_hash=step.previous_hash,
        hash=step.hash,
    )


COLUMNS = ("时间（北京）", "件", "步", "事项", "人员", "身份", "范围", "规则", "文号", "条", "哈希")


def csv_row(one: Told) -> tuple[str, ...]:
    """A step as a row of a table."""
    return (
        local_time(one.at),
        one.case_id,
        str(one.sequence),
        one.label,
        one.subject,
        one.role,
        one.scope,
        one.rule,
        one.document,
        one.clause,
        one.hash,
    )
