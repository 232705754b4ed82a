"""A reviewer's or checker's inbox, from the read model: an act shows in it at once."""

from datetime import UTC, datetime
from typing import Any, Literal

from starlette.responses import Response

from api.cases.cases import CasePage, shown
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.case.commands import Role
from domain.case.status import Status

Claimed = Literal["mine", "nobody"]


async def list_tasks(call: Call) -> Response:
    """The cases the asker's authority has to act on, the most pressing first."""
    request, actor = call.request, call.actor
    records = parts_of(request).records
    claimed = query(request, "claimed", Claimed | None, None)
    claimed_by = {"mine": actor.subject, "nobody": "", None: None}[claimed]
    after = _after(cursors.given(request, (str, str)))
    status = Status.IN_REVIEW if actor.role is Role.REVIEWER else Status.QUALITY_CHECK
    rows, more = await cursors.paged(
        request,
        lambda size: records.inbox(actor.scope, status, claimed_by, after, size),
        lambda case: [case.due.isoformat() if case.due else "", case.case_id],
    )
    return json_of(CasePage(items=tuple([await shown(case, call) for case in rows]), next=more))


def _after(values: list[Any] | None) -> tuple[datetime | None, str] | None:
    if values is None:
        return None
    try:
        due = datetime.fromisoformat(values[0]).astimezone(UTC) if values[0] else None
    except (ValueError, OverflowError):
        raise cursors.refused() from None
    return due, values[1]


OPERATIONS = [
    Operation(
        "GET",
        "/api/tasks",
        list_tasks,
        "待办",
        "待办",
        Right.SEE_TASKS,
        CasePage,
        parameters=(
            Parameter(
                "claimed",
                "mine：本人已领取；nobody：无人领取；不填：全部",
                schema=schema_of(Claimed),
            ),
            *PAGING,
        ),
    )
]
