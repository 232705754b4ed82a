"""A reviewer's or checker's inbox, from the read model: an act shows in it at once."""

from typing import Any, Literal

from pydantic import AwareDatetime
from starlette.responses import Response

from api.cases.cases import BY_NAME, BY_REGION, CasePage, Filter, instant_of, shown
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.case.commands import Actor, Role
from domain.case.status import Status
from domain.kinds import KINDS, KindName
from domain.model import Value
from services.case_records import Case


class TaskPage(CasePage):
    """A page of an inbox. ``to_confirm`` acts of others wait for somebody to confirm them."""

    to_confirm: int


Claimed = Literal["mine", "nobody"]
TaskOrder = Literal["due", "age"]

_NARROWING = (
    Filter(
        Parameter("kind", "哪一种办件", schema=schema_of(KindName)),
        KindName,
        lambda given: {"kind": given},
    ),
    BY_REGION,
    BY_NAME,
    Filter(
        Parameter("due_by", "期限到这一时刻为止的，含已过期限的", schema=schema_of(AwareDatetime)),
        AwareDatetime,
        lambda given: {"due_by": given},
    ),
)


class TaskCount(Value):
    """How much of one kind waits; ``mine`` are one's own and those one is the deputy for."""

    kind: KindName
    label: str
    total: int
    unclaimed: int
    mine: int
    overdue: int


class TaskCounts(Value):
    """An inbox in numbers: all of it, and by kind.

    ``waivers_asked`` filings, which are with their institutions, ask to do without a check.
    """

    total: int
    unclaimed: int
    mine: int
    overdue: int
    waivers_asked: int
    kinds: tuple[TaskCount, ...]


def _turn(actor: Actor) -> tuple[Status, int | None]:
    """The status in which cases wait for somebody, and the level of those that enforce."""
    status = Status.QUALITY_CHECK if actor.role is Role.CHECKER else Status.IN_REVIEW
    return status, {Role.OFFICER: 1, Role.DECIDER: 2}.get(actor.role)


async def list_tasks(call: Call) -> Response:
    """The cases the asker's authority has to act on, the most pressing first."""
    request, actor = call.request, call.actor
    records = parts_of(request).records
    claimed = query(request, "claimed", Claimed | None, None)
    by_age = query(request, "sort", TaskOrder, "due") == "age"
    narrowed: dict[str, Any] = {}
    if claimed == "mine":
        narrowed["claimed_by"] = await records.whose_claims(actor, parts_of(request).clock())
    elif claimed == "nobody":
        narrowed["claimed_by"] = [""]
    for one in _NARROWING:
        given = query(request, one.parameter.name, one.kind | None, None)
        if given is not None:
            narrowed |= one.narrowing(given)
    last = cursors.given(request, (str, str))
    after = None if last is None else (instant_of(last[0]), last[1])
    status, level = _turn(actor)
    rows, more = await cursors.paged(
        request,
        lambda size: records.inbox(actor.scope, status, level, by_age, after, size, **narrowed),
        lambda case: [_instant(case, by_age), case.case_id],
    )
    waiting = await parts_of(request).confirmations.waiting_for(actor)
    items = tuple([await shown(case, call) for case in rows])
    return json_of(TaskPage(items=items, next=more, to_confirm=waiting))


async def count_tasks(call: Call) -> Response:
    """The inbox of the asker's authority in numbers."""
    parts, actor = parts_of(call.request), call.actor
    rows = await parts.records.inbox_counts(actor, *_turn(actor), parts.clock())
    kinds = tuple(TaskCount(label=KINDS[row.kind].label, **row._asdict()) for row in rows)
    asked = 0
    if actor.role is Role.REVIEWER:
        asked = await parts.records.waivers_asked(actor.scope)
    return json_of(
        TaskCounts(
            total=sum(row.total for row in kinds),
            unclaimed=sum(row.unclaimed for row in kinds),
            mine=sum(row.mine for row in kinds),
            overdue=sum(row.overdue for row in kinds),
            waivers_asked=asked,
            kinds=kinds,
        )
    )


def _instant(case: Case, by_age: bool) -> str:
    instant = case.waiting_since if by_age else case.due
    return instant.isoformat() if instant else ""


OPERATIONS = [
    Operation(
        "GET",
        "/api/tasks",
        list_tasks,
        "待办",
        "待办",
        Right.SEE_TASKS,
        TaskPage,
        parameters=(
            Parameter(
                "claimed",
                "mine：本人已领取，含代办的；nobody：无人领取；不填：全部",
                schema=schema_of(Claimed),
            ),
            Parameter(
                "sort",
                "due：期限近的在前（默认）；age：等得久的在前",
                schema=schema_of(TaskOrder),
            ),
            *(one.parameter for one in _NARROWING),
            *PAGING,
        ),
    ),
    Operation(
        "GET",
        "/api/tasks/counts",
        count_tasks,
        "待办的件数",
        "待办",
        Right.SEE_TASKS,
        TaskCounts,
        description="total 全部，unclaimed 无人领取，mine 本人领取（含代办的），overdue 已过期限；"
        "waivers_asked 为申请豁免校验、等本部门答复的填报件数。",
    ),
]
