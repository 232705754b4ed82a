"""The feed of events for downstream systems: read on from the last cursor, miss nothing."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door import cursors
from api.door.operations import Call, Operation, Parameter, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.case.commands import Role
from domain.ids import region_prefix
from domain.model import Value
from store import outbox
from store.outbox import OutgoingEvent


class EventPage(Value):
    """Events in order; ``next`` is always a cursor to ask again with, also when nothing is new."""

    items: tuple[OutgoingEvent, ...]
    next: str


_Size = Annotated[int, Field(ge=1, le=1000)]


async def list_events(call: Call) -> Response:
    """The events after a cursor."""
    request, actor = call.request, call.actor
    size = query(request, "size", _Size, 200)
    last = cursors.given(request, (int, int)) or [0, 0]
    prefix = region_prefix(actor.scope) if actor.role is Role.OPERATOR else ""
    async with parts_of(request).engine.connect() as connection:
        found = await outbox.after(connection, last[0], last[1], size, prefix)
    if found:
        last = [found[-1].transaction, found[-1].id]
    page = EventPage(items=tuple(found), next=cursors.encode(last))
    return Response(page.model_dump_json(), media_type="application/json")


OPERATIONS = [
    Operation(
        "GET",
        "/api/events",
        list_events,
        "事件流",
        "事件",
        Right.FOLLOW_EVENTS,
        EventPage,
        parameters=(
            Parameter("cursor", "上一次的 next；不填从头开始"),
            Parameter("size", "条数，1 至 1000", schema=schema_of(_Size)),
        ),
        description="供下游系统按序读取；同一游标再次读取结果相同，不会遗漏晚提交的事件。",
    )
]
