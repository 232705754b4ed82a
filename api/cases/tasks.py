"""A reviewer's or checker's inbox, from the read model: an act shows in it at once."""

from datetime import UTC, datetime
from typing import Any, Literal

from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from api.filings.filings import FilingPage, shown
from domain.case.commands import Role
from domain.case.status import Status
from store import cases

Claimed = Literal["mine", "nobody"]


async def list_tasks(call: Call) -> Response:
    """The cases the asker's authority has to act on, the most pressing first."""
    request, actor, parts = call.request, call.actor, parts_of(call.request)
    size = query(request, "size", cursors.PageSize, 50)
    claimed = query(request, "claimed", Claimed | None, None)
    after = _after(cursors.given(request, (str, str)))
    status = Status.IN_REVIEW if actor.role is Role.REVIEWER else Status.QUALITY_CHECK
    async with parts.engine.connect() as connection:
        found = await cases.inbox(
            connection,
            actor.scope,
            status,
            claimed_by={"mine": actor.subject, "nobody": "", None: None}[claimed],
            after=after,
            size=size + 1,
        )
    more = None
    if len(found) > size:
        last = found[size - 1]
        more = cursors.encode([last.due.isoformat() if last.due else "", last.case_id])
    page = FilingPage(items=tuple(shown(case, call) for case in found[:size]), next=more)
    return Response(page.model_dump_json(), media_type="application/json")


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
        FilingPage,
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
