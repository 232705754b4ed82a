"""One's own record: what one did, has seen of others, was given and lost as roles."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query, wrong_parameter
from api.door.rights import Right
from domain.clock import first_instant, first_instant_after
from domain.model import Value
from domain.own_record import OwnPart
from services.own_record import Narrowed

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]
_About = Annotated[str, Field(max_length=200, pattern=r"^[\x21-\x7e]*$")]
_ROWS = 50


class OwnStepShown(Value):
    """One step: what was done, about what, when; ``by`` is empty where one did it oneself."""

    label: str
    what: str
    record: str
    at: datetime
    by: str


class OwnRecordPage(Value):
    """A page of one's own record, the latest first."""

    items: tuple[OwnStepShown, ...]
    next: str | None


async def own_record_of(request: Request, person: str) -> OwnRecordPage:
    """What a request asks for of a person's own record. Raises Refused."""
    part = query(request, "what", OwnPart, OwnPart.DID)
    first: date | None = query(request, "from", Day, None)
    last: date | None = query(request, "to", Day, None)
    if first is not None and last is not None and last < first:
        raise wrong_parameter("to", "不能早于 from")
    narrowed = Narrowed(
        since=first_instant(first) if first is not None else None,
        until=first_instant_after(last) if last is not None else None,
        about=query(request, "about", _About, ""),
    )
    given = cursors.given(request, (str, str, int))
    after = _after(given) if given is not None else None
    service = parts_of(request).own_record
    steps, following = await cursors.paged(
        request,
        lambda size: service.of(person, part, narrowed, after, size),
        lambda one: [one.at.isoformat(), one.record, one.sequence],
        size=_ROWS,
    )
    items = tuple(
        OwnStepShown(label=one.label, what=one.what, record=one.record, at=one.at, by=one.by)
        for one in steps
    )
    return OwnRecordPage(items=items, next=following)


def _after(given: list[object]) -> tuple[datetime, str, int]:
    at, record, sequence = given
    assert isinstance(at, str)
    assert isinstance(record, str)
    assert isinstance(sequence, int)
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        raise cursors.refused() from None
    if instant.tzinfo is None:
        raise cursors.refused()
    return instant, record, sequence


async def my_record(call: Call) -> Response:
    """The asker's own record."""
    return json_of(await own_record_of(call.request, call.actor.subject))


PARAMETERS = (
    Parameter(
        "what",
        "did 办过的，seen 看过的内容和联系方式，given 身份和凭证的给予、收回",
        schema=schema_of(OwnPart),
    ),
    Parameter("from", "第一天", schema=schema_of(Day)),
    Parameter("to", "最后一天", schema=schema_of(Day)),
    Parameter("about", "记录编号的开头，如 filing/2024", schema=schema_of(_About)),
    *PAGING,
)

OPERATIONS = [
    Operation(
        "GET",
        "/api/me/record",
        my_record,
        "本人的记录",
        "身份",
        Right.SIGNED_IN,
        OwnRecordPage,
        parameters=PARAMETERS,
        answer_example={
            "items": [
                {
                    "label": "登录",
                    "what": "填报人 lab-1",
                    "record": "person/clerk-1",
                    "at": "2025-03-03T09:00:00+08:00",
                    "by": "",
                }
            ],
            "next": None,
        },
        description="办过的、看过的、身份的给予和收回分开列出，最近的在前。",
    )
]
