"""People of authorities: deputies while somebody is away, and capacities that are taken away."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from api.campaigns.jobs import JobId
from api.cases.acts import EARLIEST, LATEST
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Plain, Text, path, query
from api.door.rights import Right
from domain.case.commands import Person
from domain.jurisdictions import AuthorityId
from domain.model import Value
from services.people import Deputy, Revocation, own_authority

_Instant = Annotated[AwareDatetime, Field(gt=EARLIEST, lt=LATEST)]


class DeputyBody(Value):
    """Who acts for ``person`` from ``starts``, now by default, until before ``ends``.

    ``authority`` is the asker's own by default.
    """

    person: Person
    deputy: Person
    starts: _Instant | None = None
    ends: _Instant
    authority: AuthorityId | None = None
    reason: Plain = Field(default="", max_length=2000)


class DeputyShown(Value):
    """Who acts for whom in an authority, and until when; ``open`` while they do."""

    id: str
    authority: str
    person: str
    deputy: str
    starts: datetime
    ends: datetime
    ended_at: datetime | None
    named_by: str
    open: bool


class DeputyList(Value):
    """The deputies of an authority, the latest first."""

    items: tuple[DeputyShown, ...]


class RevocationBody(Value):
    """Whose capacities in an authority are taken away, and why."""

    person: Person
    authority: AuthorityId
    reason: Text


class RevocationShown(Value):
    """A person's capacities in an authority, taken away; ``job`` releases what they had claimed."""

    id: str
    authority: str
    person: str
    revoked_by: str
    revoked_at: datetime
    restored_by: str
    restored_at: datetime | None
    job: str


class RevocationList(Value):
    """The revocations of an authority, the latest first."""

    items: tuple[RevocationShown, ...]


def _deputy(named: Deputy, now: datetime) -> DeputyShown:
    kept = set(DeputyShown.model_fields) - {"open"}
    going = named.ended_at is None and named.starts <= now < named.ends
    return DeputyShown(**named.model_dump(include=kept), open=going)


def _revocation(revocation: Revocation) -> RevocationShown:
    kept = set(RevocationShown.model_fields) - {"job"}
    return RevocationShown(**revocation.model_dump(include=kept), job=revocation.job_id)


async def name_deputy(call: Call) -> Response:
    """Names a deputy."""
    parts, body = parts_of(call.request), call.body
    now = parts.clock()
    named = await parts.people.name_deputy(
        body.authority or own_authority(call.actor),
        body.person,
        body.deputy,
        body.starts or now,
        body.ends,
        call.actor,
        call.command_id,
        body.reason,
    )
    return json_of(_deputy(named, now), status_code=201)


async def end_deputy(call: Call) -> Response:
    """Ends a deputy's time early."""
    parts = parts_of(call.request)
    ended = await parts.people.end_deputy(path(call.request, "deputy", JobId), call.actor)
    return json_of(_deputy(ended, parts.clock()))


async def list_deputies(call: Call) -> Response:
    """The deputies of an authority."""
    parts = parts_of(call.request)
    named = await parts.people.deputies(call.actor, _authority(call.request, call))
    now = parts.clock()
    return json_of(DeputyList(items=tuple(_deputy(one, now) for one in named)))


async def revoke(call: Call) -> Response:
    """Takes a person's capacities in an authority away."""
    body = call.body
    revocation = await parts_of(call.request).people.revoke(
        body.authority, body.person, call.actor, call.command_id, body.reason
    )
    return json_of(_revocation(revocation), status_code=201)


async def restore(call: Call) -> Response:
    """Gives them back."""
    id_: str = path(call.request, "revocation", JobId)
    return json_of(_revocation(await parts_of(call.request).people.restore(id_, call.actor)))


async def list_revocations(call: Call) -> Response:
    """The revocations of an authority."""
    authority = _authority(call.request, call)
    revoked = await parts_of(call.request).people.revocations(call.actor, authority)
    return json_of(RevocationList(items=tuple(map(_revocation, revoked))))


def _authority(request: Request, call: Call) -> str:
    authority: str | None = query(request, "authority", AuthorityId | None, None)
    return authority or own_authority(call.actor)


_TAG = "人员"
_AUTHORITY = Parameter("authority", "部门；不填为本部门", schema=schema_of(AuthorityId))

OPERATIONS = [
    Operation(
        "POST",
        "/api/people/deputies",
        name_deputy,
        "登记离岗和代办人",
        _TAG,
        Right.BULK,
        DeputyShown,
        body=DeputyBody,
        writes=True,
        status=201,
        example={
            "person": "reviewer-1",
            "deputy": "reviewer-2",
            "ends": "2025-04-01T00:00:00+08:00",
            "reason": "年休假",
        },
        description="本人登记自己的，或由该部门辖区的经办人登记；代办的每一步都记明代谁办理。",
    ),
    Operation(
        "GET",
        "/api/people/deputies",
        list_deputies,
        "离岗和代办",
        _TAG,
        Right.BULK,
        DeputyList,
        parameters=(_AUTHORITY,),
    ),
    Operation(
        "POST",
        "/api/people/deputies/{deputy}/end",
        end_deputy,
        "提前结束代办",
        _TAG,
        Right.BULK,
        DeputyShown,
        writes=True,
    ),
    Operation(
        "POST",
        "/api/people/revocations",
        revoke,
        "停用某人在某部门的身份",
        _TAG,
        Right.OPERATE,
        RevocationShown,
        body=RevocationBody,
        writes=True,
        status=201,
        example={"person": "reviewer-1", "authority": "amr-350200", "reason": "调离"},
        description="即刻起其凭证不能再为该部门办理，已领取的由批办退领。",
    ),
    Operation(
        "GET",
        "/api/people/revocations",
        list_revocations,
        "停用的身份",
        _TAG,
        Right.OPERATE,
        RevocationList,
        parameters=(_AUTHORITY,),
    ),
    Operation(
        "POST",
        "/api/people/revocations/{revocation}/restore",
        restore,
        "恢复停用的身份",
        _TAG,
        Right.OPERATE,
        RevocationShown,
        writes=True,
    ),
]
