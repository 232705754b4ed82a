"""Clients of connected mode: who may deliver, their secrets, and the tokens they get for them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from api.door import cursors
from api.door.credentials import LONGEST_FORM, basic_credentials, credentials_form
from api.door.operations import PAGING, Call, Operation, json_of
from api.door.parts import Parts, parts_of
from api.door.requests import Text, invalid, path
from api.door.rights import Right
from domain.connected import ApiClient, Said
from domain.ids import AuthorityId
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from services.connected.clients import TOKEN_LIFETIME


class ClientBody(Value):
    """A client to register: for which issuing authority, its name, and whether for trials only."""

    authority: AuthorityId
    name: Said
    sandbox: bool


class RotationBody(Value):
    """For how many hours the former secrets go on being good; 0: none is from now on."""

    overlap_hours: int = Field(ge=0, le=720)


class RevocationBody(Value):
    """Why a client is revoked."""

    reason: Text


class SecretShown(Value):
    """A secret as it is kept: when it was made and when it ends; never the secret itself."""

    created_at: datetime
    expires_at: datetime | None


class ClientShown(Value):
    """A client on record."""

    id: str
    authority: str
    name: str
    sandbox: bool
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    secrets: tuple[SecretShown, ...]


class ClientWithSecret(Value):
    """A client with its new secret, which is told once; "" when the request is sent again."""

    client: ClientShown
    secret: str


class ClientPage(Value):
    """A page of clients by their ids; ``next`` is the cursor of the page after."""

    items: tuple[ClientShown, ...]
    next: str | None


class TokenAnswer(Value):
    """A token as OAuth 2.0 (RFC 6749) hands it out; ``scope`` is the issuing authority."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    sandbox: bool


_ClientId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


async def register(call: Call) -> Response:
    """Registers a client; the answer holds its secret, this once."""
    body: ClientBody = call.body
    parts = parts_of(call.request)
    if body.authority not in parts.certificates.rules().document.names:
        message = "不是发证机关；请填 samr 或者省级部门，如 amr-350000"
        raise invalid([{"pointer": "/authority", "code": "no_issuer", "message": message}])
    client, secret = await parts.clients.register(
        body.authority, body.name, body.sandbox, call.actor, call.command_id
    )
    return json_of(
        ClientWithSecret(client=await _shown(parts, client), secret=secret), status_code=201
    )


async def rotate(call: Call) -> Response:
    """Gives a client a new secret; the former ones end after the overlap."""
    parts = parts_of(call.request)
    client, secret = await parts.clients.rotate(
        path(call.request, "client", _ClientId),
        timedelta(hours=call.body.overlap_hours),
        call.actor,
        call.command_id,
    )
    return json_of(ClientWithSecret(client=await _shown(parts, client), secret=secret))


async def revoke(call: Call) -> Response:
    """Revokes a client: from this moment neither its secrets nor its tokens are good."""
    parts = parts_of(call.request)
    id_: str = path(call.request, "client", _ClientId)
    client = await parts.clients.revoke(id_, call.body.reason, call.actor)
    return json_of(await _shown(parts, client))


async def list_clients(call: Call) -> Response:
    """All clients, revoked ones included."""
    parts = parts_of(call.request)
    [after] = cursors.given(call.request, (str,)) or [""]
    clients, more = await cursors.paged(
        call.request,
        lambda size: parts.clients.page(after, size),
        lambda client: [client.id],
    )
    items = [await _shown(parts, client) for client in clients]
    return json_of(ClientPage(items=tuple(items), next=more))


async def token(call: Call) -> Response:
    """A short-lived token for a client that shows its id and secret."""
    parts, request = parts_of(call.request), call.request
    credentials_form(call.body)
    shown = basic_credentials(request)
    if shown is None or not shown[0].isalnum():
        params = {"why": "缺少 Authorization: Basic，或者格式不对"}
        raise Refused(Refusal(code=Code.CLIENT_REFUSED, params=params))
    id_, secret = shown
    address = (request.scope.get("client") or ("", 0))[0]
    client = await parts.clients.authenticate(id_, secret, address)
    lifetime = TOKEN_LIFETIME
    return json_of(
        TokenAnswer(
            access_token=parts.identity.issue(client.actor, parts.clock(), lifetime),
            token_type="Bearer",  # noqa: S106 - a kind of token, no secret
            expires_in=int(lifetime.total_seconds()),
            scope=client.authority,
            sandbox=client.sandbox,
        )
    )


async def _shown(parts: Parts, client: ApiClient) -> ClientShown:
    secrets = await parts.clients.secrets_of(client)
    return ClientShown(
        **client.model_dump(),
        secrets=tuple(SecretShown(created_at=made, expires_at=ends) for made, ends in secrets),
    )


_TAG = "联网赋码"

OPERATIONS = [
    Operation(
        "GET",
        "/api/clients",
        list_clients,
        "联网系统列表",
        _TAG,
        Right.SEE_CLIENTS,
        ClientPage,
        parameters=PAGING,
    ),
    Operation(
        "POST",
        "/api/clients",
        register,
        "登记联网系统",
        _TAG,
        Right.MANAGE_CLIENTS,
        ClientWithSecret,
        body=ClientBody,
        writes=True,
        status=201,
        example={"authority": "amr-350000", "name": "示例省审批系统（示例）", "sandbox": True},
        description="密钥只在这一次的答复里；遗失的请轮换。",
    ),
    Operation(
        "POST",
        "/api/clients/{client}/rotate",
        rotate,
        "轮换密钥",
        _TAG,
        Right.MANAGE_CLIENTS,
        ClientWithSecret,
        body=RotationBody,
        writes=True,
        example={"overlap_hours": 24},
        description="新旧密钥在 overlap_hours 小时内同时有效。",
    ),
    Operation(
        "POST",
        "/api/clients/{client}/revoke",
        revoke,
        "停用联网系统",
        _TAG,
        Right.MANAGE_CLIENTS,
        ClientShown,
        body=RevocationBody,
        writes=True,
        example={"reason": "该系统已下线"},
    ),
    Operation(
        "POST",
        "/api/connected/token",
        token,
        "取得凭证",
        _TAG,
        Right.ANYONE,
        TokenAnswer,
        media=("application/x-www-form-urlencoded",),
        largest=LONGEST_FORM,
        description="OAuth 2.0 客户端凭证：Authorization: Basic 为客户端编号和密钥，"
        "内容为 grant_type=client_credentials。",
    ),
]
