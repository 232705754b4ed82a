"""Roles of people: who holds which, given and ended by administrators; links and sign-ins."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.campaigns.jobs import JobId
from api.cases.acts import EARLIEST, LATEST
from api.door.identity import wrong_part
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Plain, invalid, path, query
from api.door.rights import Right
from domain.case.commands import ROLE_LABELS, Actor, Person, Role
from domain.memberships import Membership, holds
from domain.model import Value

_Instant = Annotated[AwareDatetime, Field(gt=EARLIEST, lt=LATEST)]
_Role = Literal[
    "filer",
    "responsible",
    "reviewer",
    "checker",
    "clerk",
    "officer",
    "decider",
    "operator",
    "auditor",
]
ScopeText = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{0,64}$")]


class MembershipBody(Value):
    """Who is given which role, for what, from ``starts``, now by default, until before ``ends``.

    ``scope`` is an institution, an authority or a jurisdiction, as the role has it; "" for an
    auditor.
    """

    person: Person
    role: _Role
    scope: ScopeText
    administers: bool = False
    starts: _Instant | None = None
    ends: _Instant | None = None
    reason: Plain = Field(default="", max_length=2000)


class EndBody(Value):
    """Why a role is ended."""

    reason: Plain = Field(default="", max_length=2000)


class MembershipShown(Value):
    """A role that somebody holds, or held; ``open`` while they do."""

    id: str
    person: str
    role: str
    role_label: str
    scope: str
    administers: bool
    starts: datetime
    ends: datetime | None
    given_by: str
    given_at: datetime
    ended_by: str
    ended_at: datetime | None
    open: bool


class MembershipList(Value):
    """The roles for one scope, the latest first."""

    items: tuple[MembershipShown, ...]


class LinkMade(Value):
    """A one-time link: its path on this site, told to whoever asks for it, and to nobody else."""

    person: str
    path: str


class SessionShown(Value):
    """A browser that is signed in."""

    id: str
    agent: str
    began_at: datetime
    ends_at: datetime


class SessionList(Value):
    """Where somebody is signed in, the latest first."""

    items: tuple[SessionShown, ...]


def membership_shown(held: Membership, now: datetime) -> MembershipShown:
    """A membership as the API and the pages show it."""
    kept = set(MembershipShown.model_fields) - {"open", "role_label"}
    return MembershipShown(
        **held.model_dump(include=kept), role_label=ROLE_LABELS[held.role], open=holds(held, now)
    )


async def give(call: Call) -> Response:
    """Gives a role."""
    parts, body = parts_of(call.request), call.body
    wanted = Actor(subject=body.person, role=Role(body.role), scope=body.scope)
    if wrong_part(wanted) is not None:
        message = "范围与身份不符：机构编号、部门编号或六位辖区代码，依身份而定"
        raise invalid([{"pointer": "/scope", "code": "scope", "message": message}])
    given = await parts.memberships.give(
        body.person,
        wanted.role,
        body.scope,
        body.administers,
        body.starts,
        body.ends,
        call.actor,
        call.command_id,
        body.reason,
    )
    return json_of(membership_shown(given, parts.clock()), status_code=201)


async def end(call: Call) -> Response:
    """Ends a role."""
    parts = parts_of(call.request)
    id_: str = path(call.request, "membership", JobId)
    ended = await parts.memberships.end(id_, call.actor, call.body.reason)
    return json_of(membership_shown(ended, parts.clock()))


async def list_memberships(call: Call) -> Response:
    """The roles for one scope."""
    parts = parts_of(call.request)
    scope: str = query(call.request, "scope", ScopeText, call.actor.scope)
    held = await parts.memberships.held_for(scope, call.actor)
    now = parts.clock()
    return json_of(MembershipList(items=tuple(membership_shown(one, now) for one in held)))


async def make_link(call: Call) -> Response:
    """Makes a one-time link."""
    person: str = path(call.request, "person", Person)
    secret = await parts_of(call.request).memberships.link(person, call.actor, call.command_id)
    return json_of(LinkMade(person=person, path=f"/sign-in/link/{secret}"), status_code=201)


async def my_sessions(call: Call) -> Response:
    """Where the asker is signed in."""
    sessions = await parts_of(call.request).sign_in.sessions(call.actor.subject)
    return json_of(
        SessionList(
            items=tuple(
                SessionShown(
                    id=one.sha256, agent=one.agent, began_at=one.began_at, ends_at=one.ends_at
                )
                for one in sessions
            )
        )
    )


async def sign_out_everywhere(call: Call) -> Response:
    """Ends all sign-ins of the asker."""
    await parts_of(call.request).sign_in.sign_out(call.actor.subject)
    return json_of(SessionList(items=()))


_TAG = "人员"

OPERATIONS = [
    Operation(
        "POST",
        "/api/people/memberships",
        give,
        "给予身份",
        _TAG,
        Right.GIVE_ROLES,
        MembershipShown,
        body=MembershipBody,
        writes=True,
        status=201,
        example={
            "person": "zhang.san",
            "role": "reviewer",
            "scope": "amr-350200",
            "ends": "2026-01-01T00:00:00+08:00",
            "reason": "借调一年",
        },
        description="辖区的管理员给予辖区内的身份，机构的管理员给予本机构填报人的身份；即刻生效。",
    ),
    Operation(
        "GET",
        "/api/people/memberships",
        list_memberships,
        "一个机构、部门或辖区的身份",
        _TAG,
        Right.GIVE_ROLES,
        MembershipList,
        parameters=(
            Parameter("scope", "机构、部门或辖区；不填为本人的", schema=schema_of(ScopeText)),
        ),
    ),
    Operation(
        "POST",
        "/api/people/memberships/{membership}/end",
        end,
        "收回身份",
        _TAG,
        Right.GIVE_ROLES,
        MembershipShown,
        body=EndBody,
        body_optional=True,
        writes=True,
        example={"reason": "调离"},
        description="即刻生效：其已登录的浏览器和凭证不能再以这一身份办理。",
    ),
    Operation(
        "POST",
        "/api/people/accounts/{person}/link",
        make_link,
        "发出一次性链接",
        _TAG,
        Right.GIVE_ROLES,
        LinkMade,
        writes=True,
        status=201,
        description="本人由链接设定密码和动态口令，三天内有效，用过即失效；此前的链接随之失效。",
    ),
    Operation(
        "GET",
        "/api/me/sessions",
        my_sessions,
        "本人在哪里登录着",
        "身份",
        Right.SIGNED_IN,
        SessionList,
    ),
    Operation(
        "POST",
        "/api/me/sign-out",
        sign_out_everywhere,
        "在各处退出登录",
        "身份",
        Right.SIGNED_IN,
        SessionList,
        writes=True,
    ),
]
