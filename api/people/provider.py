"""The provider of OpenID Connect beside the pages: whose account it is, and signing out there."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import parse_form, path
from api.door.rights import Right
from domain.case.commands import Person
from domain.model import Value
from services.provider import LARGEST

SUBJECT = r"^[\x21-\x7e]{1,255}$"


class SubjectBody(Value):
    """What the provider calls a person (``sub``)."""

    subject: Annotated[str, Field(pattern=SUBJECT)]


class IdentityShown(Value):
    """A person of the provider's, and the account they are tied to; "" for none."""

    issuer: str
    subject: str
    person: str


class SignedOut(Value):
    """That a word of signing out has been taken."""

    done: bool


async def tie(call: Call) -> Response:
    """Ties a person of the provider's to an account."""
    person: str = path(call.request, "person", Person)
    tied = await parts_of(call.request).provider.tie(person, call.body.subject, call.actor)
    shown = IdentityShown(issuer=tied.issuer, subject=tied.subject, person=tied.person)
    return json_of(shown, status_code=201)


async def untie(call: Call) -> Response:
    """Unties a person of the provider's."""
    person: str = path(call.request, "person", Person)
    provider = parts_of(call.request).provider
    issuer = await provider.untie(person, call.body.subject, call.actor)
    return json_of(IdentityShown(issuer=issuer, subject=call.body.subject, person=""))


async def signed_out(call: Call) -> Response:
    """Ends sign-ins here that have ended at the provider."""
    given = parse_form(call.body).text("logout_token")
    await parts_of(call.request).provider.signed_out(given)
    return json_of(SignedOut(done=True))


_TAG = "人员"

OPERATIONS = [
    Operation(
        "POST",
        "/api/people/accounts/{person}/identities",
        tie,
        "绑定统一身份认证",
        _TAG,
        Right.GIVE_ROLES,
        IdentityShown,
        body=SubjectBody,
        writes=True,
        status=201,
        example={"subject": "8f14e45f-ceea-467f"},
        description="本人也可以由一次性链接自行绑定。",
    ),
    Operation(
        "POST",
        "/api/people/accounts/{person}/identities/end",
        untie,
        "解除统一身份认证的绑定",
        _TAG,
        Right.GIVE_ROLES,
        IdentityShown,
        body=SubjectBody,
        writes=True,
        example={"subject": "8f14e45f-ceea-467f"},
        description="由它登录着的浏览器即刻退出。",
    ),
    Operation(
        "POST",
        "/sign-in/provider/logout",
        signed_out,
        "统一身份认证的退出通知",
        "身份",
        Right.ANYONE,
        SignedOut,
        media=("application/x-www-form-urlencoded",),
        largest=LARGEST,
        description="OpenID Connect Back-Channel Logout：内容为 logout_token。",
    ),
]
