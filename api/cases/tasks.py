"""A reviewer's or checker's inbox, from the read model: an act shows in it at once."""

from typing import Literal

from starlette.responses import Response

from api.cases.cases import CasePage, instant_of, shown
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.case.commands import Role
from domain.case.status import Status
from services.case_records import Case


class TaskPage(CasePage):
    """A page of an inbox. ``to_confirm`` acts of others wait for somebody to confirm them."""

    to_confirm: int


Claimed = Literal["mine", "nobody"]
TaskOrder = Literal["due", "age"]


async def list_tasks(call: Call) -> Response:
    """The cases the asker's authority has to act on, the most pressing first."""
    request, actor = call.request, call.actor
    records = parts_of(request).records
    claimed = query(request, "claimed", Claimed | None, None)
    whose = {"mine": await records.whose_claims(actor, parts_of(request).clock()), "nobody": [""]}
    by_age = query(request, "sort", TaskOrder, "due") == "age"
    last = cursors.given(request, (str, str))
    after = None if last is None else (instant_of(last[0]), last[1])
    status = Status.QUALITY_CHECK if actor.role is Role.CHECKER else Status.IN_REVIEW
    level = {Role.OFFICER: 1, Role.DECIDER: 2}.get(actor.role)
    rows, more = await cursors.paged(
        request,
        lambda size: records.inbox(
            actor.scope, status, whose.get(claimed or ""), by_age, after, size, level
        ),
        lambda case: [_instant(case, by_age), case.case_id],
    )
    waiting = await parts_of(request).confirmations.waiting_for(actor)
    items = tuple([await shown(case, call) for case in rows])
    return json_of(TaskPage(items=items, next=more, to_confirm=waiting))


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
            *PAGING,
        ),
    )
]
