"""Tokens on record, and programs: secrets given and ended, short tokens got for them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from api.door.credentials import LONGEST_FORM, basic_credentials, credentials_form
from api.door.operations import Call, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right
from domain.case.commands import ROLE_LABELS, Person
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from services.programs import LONGEST_OVERLAP, TOKEN_LIFETIME
from services.tokens import Token

_TokenId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class TokenShown(Value):
    """A token that somebody has; the token itself is kept nowhere."""

    id: str
    person: str
    role: str
    role_label: str
    scope: str
    issued_by: str
    issued_at: datetime
    ends_at: datetime
    revoked_by: str
    revoked_at: datetime | None


class TokenList(Value):
    """The tokens that hold, the latest first."""

    items: tuple[TokenShown, ...]


class OverlapBody(Value):
    """For how many hours a program's former secrets hold beside the new one."""

    overlap_hours: int = Field(default=24, ge=0, le=int(LONGEST_OVERLAP / timedelta(hours=1)))


class SecretMade(Value):
    """A program's new secret, which is told once; "" when the request is sent again."""

    program: str
    secret: str


class ProgramToken(Value):
    """A token as OAuth 2.0 (RFC 6749) hands it out; ``scope`` is role and scope."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


def token_shown(token: Token) -> TokenShown:
    """A token as the API shows it."""
    return TokenShown(**token.model_dump(), role_label=ROLE_LABELS[token.role])


async def my_tokens(call: Call) -> Response:
    """The asker's own tokens."""
    found = await parts_of(call.request).tokens.mine(call.actor)
    return json_of(TokenList(items=tuple(map(token_shown, found))))


async def tokens_of(call: Call) -> Response:
    """The tokens of somebody whom the asker administers."""
    person: str = query(call.request, "person", Person, call.actor.subject)
    found = await parts_of(call.request).tokens.of_person(person, call.actor)
    return json_of(TokenList(items=tuple(map(token_shown, found))))


async def revoke_token(call: Call) -> Response:
    """Revokes a token."""
    id_: str = path(call.request, "token", _TokenId)
    return json_of(token_shown(await parts_of(call.request).tokens.revoke(id_, call.actor)))


async def new_secret(call: Call) -> Response:
    """Gives a program a new secret."""
    program: str = path(call.request, "program", Person)
    overlap = timedelta(hours=call.body.overlap_hours)
    _, secret = await parts_of(call.request).programs.new_secret(
        program, overlap, call.actor, call.command_id
    )
    return json_of(SecretMade(program=program, secret=secret), status_code=201)


async def end_secrets(call: Call) -> Response:
    """Ends all secrets of a program."""
    program: str = path(call.request, "program", Person)
    await parts_of(call.request).programs.end_secrets(program, call.actor)
    return json_of(SecretMade(program=program, secret=""))


async def program_token(call: Call) -> Response:
    """A short-lived token for a program that shows its name and secret."""
    parts, request = parts_of(call.request), call.request
    form = credentials_form(call.body)
    shown = basic_credentials(request)
    if shown is None:
        raise Refused(Refusal(code=Code.PROGRAM_REFUSED))
    program, secret = shown
    [wanted] = form.get("scope", [""])[:1]
    address = (request.scope.get("client") or ("", 0))[0]
    actor = await parts.programs.authenticate(program, secret, wanted, address)
    return json_of(
        ProgramToken(
            access_token=parts.identity.issue(actor, parts.clock(), TOKEN_LIFETIME),
            token_type="Bearer",  # noqa: S106 - a kind of token, no secret
            expires_in=int(TOKEN_LIFETIME.total_seconds()),
            scope=f"{actor.role.value}:{actor.scope}",
        )
    )


_TAG = "人员"

OPERATIONS = [
    Operation("GET", "/api/me/tokens", my_tokens, "本人的凭证", "身份", Right.SIGNED_IN, TokenList),
    Operation(
        "POST",
        "/api/me/tokens/{token}/revoke",
        revoke_token,
        "作废本人的凭证",
        "身份",
        Right.SIGNED_IN,
        TokenShown,
        writes=True,
        description="即刻生效，凭证的其余部分不变。",
    ),
    Operation(
        "GET",
        "/api/people/tokens",
        tokens_of,
        "某人的凭证",
        _TAG,
        Right.GIVE_ROLES,
        TokenList,
        parameters=(Parameter("person", "账号；不填为本人"),),
    ),
    Operation(
        "POST",
        "/api/people/tokens/{token}/revoke",
        revoke_token,
        "作废凭证",
        _TAG,
        Right.GIVE_ROLES,
        TokenShown,
        writes=True,
        description="管理其人全部身份的管理员可以作废；即刻生效。",
    ),
    Operation(
        "POST",
        "/api/people/programs/{program}/secrets",
        new_secret,
        "发给程序密钥",
        _TAG,
        Right.GIVE_ROLES,
        SecretMade,
        body=OverlapBody,
        body_optional=True,
        writes=True,
        status=201,
        example={"overlap_hours": 24},
        description="程序的账号以 program. 开头，身份与人员一样给予和收回；"
        "新旧密钥在 overlap_hours 小时内同时有效。",
    ),
    Operation(
        "POST",
        "/api/people/programs/{program}/secrets/end",
        end_secrets,
        "停用程序的密钥",
        _TAG,
        Right.GIVE_ROLES,
        SecretMade,
        writes=True,
    ),
    Operation(
        "POST",
        "/oauth/token",
        program_token,
        "程序取得凭证",
        "身份",
        Right.ANYONE,
        ProgramToken,
        media=("application/x-www-form-urlencoded",),
        largest=LONGEST_FORM,
        description="OAuth 2.0 客户端凭证：Authorization: Basic 为程序的账号和密钥，内容为 "
        "grant_type=client_credentials；有几个身份的，以 scope=身份:范围 指明。凭证十分钟有效。",
    ),
]
