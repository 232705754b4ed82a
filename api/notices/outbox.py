"""The outbox over HTTP: deliveries outside the system, and the addresses they go to."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.door import cursors
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query, wrong_parameter
from api.door.rights import Right, Target, check_found, knows_all, region_in_sight
from domain.ids import InstitutionId, jurisdiction_of
from domain.jurisdictions import AuthorityId, known
from domain.model import Value
from domain.notices import (
    CHANNEL_LABELS,
    DELIVERY_STATE_LABELS,
    NOTICE_KIND_LABELS,
    Channel,
    DeliveryState,
    NoticeKind,
)
from domain.refusals import Refused, unseen
from services.notices.outbox import Address, Delivery, Notice

DeliveryId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Outside = Literal[Channel.MAIL, Channel.WEBHOOK]
_Addressee = AuthorityId | InstitutionId
_Target = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]


class DeliveryShown(Value):
    """A notice on one channel outside the system; ``failure`` is why it has not arrived."""

    id: str
    notice: str
    case_id: str
    institution: str
    addressee: str
    kind: NoticeKind
    kind_label: str
    title: str
    channel: Channel
    channel_label: str
    state: DeliveryState
    state_label: str
    attempts: int
    attempted_at: datetime | None
    next_at: datetime | None
    delivered_at: datetime | None
    failure: str


class DeliveryPage(Value):
    """A page of deliveries."""

    items: tuple[DeliveryShown, ...]
    next: str | None


class AddressBody(Value):
    """An address of an authority or an institution: a mail address, or a webhook's https URL."""

    addressee: _Addressee
    channel: Outside
    target: _Target


class AddressShown(Value):
    """An address; ``secret`` stands there only in the answer that registers a webhook."""

    id: str
    addressee: str
    channel: Channel
    channel_label: str
    target: str
    active: bool
    registered_by: str
    registered_at: datetime
    ended_at: datetime | None
    secret: str


class AddressList(Value):
    """The addresses of one institution or authority, ended ones included."""

    items: tuple[AddressShown, ...]


def _shown(delivery: Delivery, notice: Notice) -> DeliveryShown:
    return DeliveryShown(
        id=delivery.id,
        notice=notice.id,
        case_id=notice.case_id,
        institution=notice.institution,
        addressee=notice.addressee,
        kind=notice.kind,
        kind_label=NOTICE_KIND_LABELS[notice.kind],
        title=notice.title,
        channel=delivery.channel,
        channel_label=CHANNEL_LABELS[delivery.channel],
        state=delivery.state,
        state_label=DELIVERY_STATE_LABELS[delivery.state],
        attempts=delivery.attempts,
        attempted_at=delivery.attempted_at,
        next_at=delivery.next_at,
        delivered_at=delivery.delivered_at,
        failure=delivery.failure,
    )


def _address_shown(address: Address, secret: str = "") -> AddressShown:
    label = CHANNEL_LABELS[address.channel]
    return AddressShown(**address.model_dump(), channel_label=label, secret=secret)


async def list_outbox(call: Call) -> Response:
    """Deliveries outside the system."""
    request = call.request
    state = query(request, "state", DeliveryState | None, None)
    channel = query(request, "channel", Outside | None, None)
    [after] = cursors.given(request, (str,)) or [""]
    rows, following = await cursors.paged(
        request,
        lambda size: parts_of(request).outbox.page(
            state=state,
            channel=channel,
            within=region_in_sight(call.actor),
            after=after,
            size=size,
        ),
        lambda row: [row[0].id],
    )
    return json_of(DeliveryPage(items=tuple(_shown(*row) for row in rows), next=following))


async def of_outbox(request: Request) -> Target:
    """The delivery in the address: for operators of its institution's region."""
    parts = parts_of(request)
    _, notice = await parts.outbox.find(path(request, "sending", DeliveryId))
    if not notice.institution:
        return Target(region=jurisdiction_of(notice.addressee))
    institution, _ = await parts.institutions.find(notice.institution)
    return Target(region=institution.facts.region)


async def replay(call: Call) -> Response:
    """Has a delivery that was given up tried anew."""
    id_: str = path(call.request, "sending", DeliveryId)
    outbox = parts_of(call.request).outbox
    return json_of(_shown(*await outbox.replay(id_, call.actor, call.command_id)))


async def _region(request: Request, addressee: str) -> str:
    """The region that an addressee belongs to. Raises Refused for an unknown institution."""
    if addressee in known().authorities or addressee.startswith(("amr-", "group-")):
        return jurisdiction_of(addressee)
    institution, _ = await parts_of(request).institutions.find(addressee)
    return institution.facts.region


async def _check_addressee(call: Call, addressee: str) -> None:
    """Raises Refused for one that is not on record, or of another jurisdiction: alike."""
    try:
        region = await _region(call.request, addressee)
    except Refused:
        if knows_all(call.actor, None):
            raise
        raise Refused(unseen()) from None
    check_found(Right.OPERATE, call.actor, Target(region=region))


async def list_addresses(call: Call) -> Response:
    """The addresses of one addressee."""
    addressee: str = query(call.request, "addressee", _Addressee, "")
    if not addressee:
        raise wrong_parameter("addressee", "缺少这一项")
    await _check_addressee(call, addressee)
    known = await parts_of(call.request).outbox.addresses(addressee)
    return json_of(AddressList(items=tuple(map(_address_shown, known))))


async def register(call: Call) -> Response:
    """Registers an address."""
    body: AddressBody = call.body
    await _check_addressee(call, body.addressee)
    registered = await parts_of(call.request).outbox.register(
        body.addressee, Channel(body.channel), body.target, call.actor, call.command_id
    )
    return json_of(_address_shown(*registered), status_code=201)


async def of_address(request: Request) -> Target:
    """The address in the path: for operators of its addressee's region."""
    address = await parts_of(request).outbox.address(path(request, "address", DeliveryId))
    return Target(region=await _region(request, address.addressee))


async def end_address(call: Call) -> Response:
    """Sends nothing to an address any more."""
    id_: str = path(call.request, "address", DeliveryId)
    outbox = parts_of(call.request).outbox
    return json_of(_address_shown(await outbox.end(id_, call.actor, call.command_id)))


_TAG = "通知送达"

OPERATIONS = [
    Operation(
        "GET",
        "/api/outbox",
        list_outbox,
        "系统以外的送达",
        _TAG,
        Right.SEE_OUTBOX,
        DeliveryPage,
        parameters=(
            Parameter("state", "状态", schema={"enum": [one.value for one in DeliveryState]}),
            Parameter("channel", "渠道", schema=schema_of(Outside)),
            *PAGING,
        ),
        description="电子邮件和网络推送；未能送达的（failed）可以重新送达。",
    ),
    Operation(
        "POST",
        "/api/outbox/{sending}/replay",
        replay,
        "重新送达",
        _TAG,
        Right.OPERATE,
        DeliveryShown,
        target=of_outbox,
        writes=True,
    ),
    Operation(
        "GET",
        "/api/addresses",
        list_addresses,
        "送达地址",
        _TAG,
        Right.OPERATE,
        AddressList,
        parameters=(Parameter("addressee", "机构或部门编号", required=True),),
    ),
    Operation(
        "POST",
        "/api/addresses",
        register,
        "登记送达地址",
        _TAG,
        Right.OPERATE,
        AddressShown,
        body=AddressBody,
        writes=True,
        status=201,
        example={
            "addressee": "amr-350000",
            "channel": "webhook",
            "target": "https://example.org/zhibao",
        },
        description="推送用的密钥（secret）只在登记时给出；验证签名的方法见 docs/operations.md。",
    ),
    Operation(
        "POST",
        "/api/addresses/{address}/end",
        end_address,
        "停用送达地址",
        _TAG,
        Right.OPERATE,
        AddressShown,
        target=of_address,
        writes=True,
    ),
]
