"""The whole record in the order of time, narrowed by case, person, action, rule and period."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.events import Step
from domain.case.timeline import Entry, RefusedAct, Telling, entries
from domain.kinds import kind_of
from domain.messages import local_time
from domain.operator_events import OPERATOR_EVENTS
from store import auditing


class Told(Entry):
    """One step, or one refused act, with its body and with what its sender's receipt says.

    ``place`` tells where it stands among what its case did at one instant.
    """

    case_id: str
    body: dict[str, Any]
    command_id: str
    previous_hash: str
    place: int


class Filter(NamedTuple):
    """Which steps are wanted; what is empty or None narrows nothing.

    ``rule`` is a rule's id, a refusal's code, or a document. ``until`` is no longer inside.
    ``after`` is where an earlier page ended: instant, case and place.
    """

    case_id: str = ""
    person: str = ""
    action: str = ""
    rule: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str, int] | None = None


async def whole_record(
    engine: AsyncEngine, wanted: Filter, size: int | None = None
) -> AsyncIterator[Told]:
    """The steps and refused acts of all chains that a filter leaves, by time."""
    asked: dict[str, Any] = {**wanted._asdict(), "size": size}
    at, case_id, place = asked.pop("after") or (None, "", 0)
    asked |= {"after_at": at, "after_case": case_id, "after_place": place}
    async with auditing.snapshot(engine) as connection:
        async for row in auditing.rows(connection, auditing.WHOLE_RECORD, **asked):
            yield _told(row)


def _told(row: Mapping[str, Any]) -> Told:
    kind = kind_of(row["case_id"])
    events: Mapping[str, Telling] = OPERATOR_EVENTS if kind is None else kind.events
    if row["step"] is None:
        act = RefusedAct(**{name: row["refused"][name] for name in RefusedAct.model_fields})
        commands = {} if kind is None else kind.commands
        actions = {name: rule.command.label for name, rule in commands.items()}
        (entry,) = entries(events, actions, [], [act], {}, {})
        body, more = row["refused"]["refusal"], row["refused"]
    else:
        step = Step(**row["step"], hash=row["hash"])
        note = auditing.opened(row["note"], "notes.note")[0] if row["note"] else None
        (entry,) = entries(events, {}, [step], [], {step.note_sha256: note} if note else {}, {})
        body, more = step.body, row["step"]
    return Told(
        **{**dict(entry), "hash": row["hash"]},
        case_id=row["case_id"],
        body=body,
        command_id=more["command_id"],
        previous_hash=more["previous_hash"],
        place=row["place"],
    )


COLUMNS = (
    "时间（北京）", "收到（北京）", "件", "步", "事项", "说明", "人员", "身份", "范围", "状态",
    "规则", "文号", "条", "内容", "命令", "前一哈希", "哈希",
)  # fmt: skip


def csv_row(one: Told) -> tuple[str, ...]:
    """A step or a refused act as a row of a table."""
    return (
        local_time(one.at),
        local_time(one.received_at) if one.received_at is not None else "",
        one.case_id,
        str(one.sequence or ""),
        one.label,
        one.detail,
        one.subject,
        one.role,
        one.scope,
        one.status_label,
        one.rule,
        one.document,
        one.clause,
        json.dumps(one.body, ensure_ascii=False),
        one.command_id,
        one.previous_hash,
        one.hash,
    )
