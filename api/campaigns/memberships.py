"""Roles of people: who holds which, given and ended by administrators; links and sign-ins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.campaigns.jobs import JobId
from api.cases.acts import EARLIEST, LATEST
from api.door import cursors
from api.door.identity import wrong_part
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import Parts, parts_of
from api.door.requests import Plain, invalid, path, query
from api.door.rights import Right
from domain.case.commands import ROLE_LABELS, Actor, Person, Role
from domain.memberships import OF_AUTHORITY, Membership, holds
from domain.model import Value
from services.memberships import Wanted

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
    scope_name: str
    administers: bool
    starts: datetime
    ends: datetime | None
    given_by: str
    given_at: datetime
    ended_by: str
    ended_at: datetime | None
    open: bool


class MembershipList(Value):
    """Roles, the latest begun first; ``next`` is the cursor of the page after."""

    items: tuple[MembershipShown, ...]
    next: str | None


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


def membership_shown(held: Membership, scope_name: str, now: datetime) -> MembershipShown:
    """A membership as the API and the pages show it."""
    kept = set(MembershipShown.model_fields) - {"open", "role_label", "scope_name"}
    return MembershipShown(
        **held.model_dump(include=kept),
        role_label=ROLE_LABELS[held.role],
        scope_name=scope_name,
        open=holds(held, now),
    )


async def memberships_shown(parts: Parts, held: Sequence[Membership]) -> list[MembershipShown]:
    """Memberships as the API and the pages show them, with what their scopes are called."""
    institutions = await parts.memberships.institution_names(held)
    now = parts.clock()
    return [
        membership_shown(one, institutions.get(one.scope) or _scope_name(parts, one), now)
        for one in held
    ]


def _scope_name(parts: Parts, held: Membership) -> str:
    """What an authority or a jurisdiction is called, "" for an auditor's everything."""
    if held.role in OF_AUTHORITY:
        return parts.authority_name(held.scope)
    return parts.area_name(held.scope)


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
    [shown] = await memberships_shown(parts, [given])
    return json_of(shown, status_code=201)


async def end(call: Call) -> Response:
    """Ends a role."""
    parts = parts_of(call.request)
    id_: str = path(call.request, "membership", JobId)
    ended = await parts.memberships.end(id_, call.actor, call.body.reason)
    [shown] = await memberships_shown(parts, [ended])
    return json_of(shown)


async def list_memberships(call: Call) -> Response:
    """The roles that the asker may give and end."""
    parts, request = parts_of(call.request), call.request
    wanted = Wanted(
        person=query(request, "person", Person | Literal[""], ""),
        role=query(request, "role", _Role | Literal[""], ""),
        scope=query(request, "scope", ScopeText, ""),
        holding_at=parts.clock() if query(request, "open", bool, False) else None,
    )
    after = _after(cursors.given(request, (str, str)))
    found, more = await cursors.paged(
        request,
        lambda size: parts.memberships.in_sight(call.actor, wanted, after, size),
        lambda one: [one.membership.starts.isoformat(), one.membership.id],
    )
    now = parts.clock()
    items = tuple(
        membership_shown(one.membership, one.institution or _scope_name(parts, one.membership), now)
        for one in found
    )
    return json_of(MembershipList(items=items, next=more))


def _after(given: list[Any] | None) -> tuple[datetime, str] | None:
    if given is None:
        return None
    try:
        starts = datetime.fromisoformat(given[0])
    except ValueError:
        raise cursors.refused() from None
    if starts.tzinfo is None:
        raise cursors.refused()
    return starts, given[1]


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
        "所辖的身份",
        _TAG,
        Right.GIVE_ROLES,
        MembershipList,
        parameters=(
            Parameter("person", "账号"),
            Parameter("role", "身份", schema=schema_of(_Role)),
            Parameter("scope", "机构、部门或辖区", schema=schema_of(ScopeText)),
            Parameter("open", "只看现在有效的", schema={"type": "boolean"}),
            *PAGING,
        ),
        description="本人作为管理员可以给予和收回的全部身份，后开始的在前。",
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
