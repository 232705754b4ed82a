"""The feed of events for downstream systems: read on from the last cursor, miss nothing."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door import cursors
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right, region_in_sight
from domain.model import Value
from services.case_records import OutgoingEvent


class EventPage(Value):
    """Events in order; ``next`` is always a cursor to ask again with, also when nothing is new."""

    items: tuple[OutgoingEvent, ...]
    next: str


_Size = Annotated[int, Field(ge=1, le=1000)]


async def list_events(call: Call) -> Response:
    """The events after a cursor."""
    request = call.request
    size = query(request, "size", _Size, 200)
    last = cursors.given(request, (int, int)) or [0, 0]
    records = parts_of(request).records
    events = await records.events_after(last[0], last[1], size, region_in_sight(call.actor))
    if events:
        last = [events[-1].transaction, events[-1].id]
    return json_of(EventPage(items=tuple(events), next=cursors.encode(last)))


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
