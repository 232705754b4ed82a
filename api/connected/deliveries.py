"""Connected mode: provincial approval systems deliver what they have decided, and get receipts."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, RootModel, ValidationError
from starlette.responses import JSONResponse, Response

from api.confirmations.held import DELIVERIES, hold_delivery, proposed_delivery
from api.connected.delivery_schema import delivery_schema
from api.door import cursors
from api.door.operations import PAGING, Call, Operation, json_of
from api.door.parts import parts_of
from api.door.problems import Problem, problem_body
from api.door.requests import InvalidFields, field_errors, invalid, parse_json, path
from api.door.rights import Right
from domain.confirmations import ConfirmationState, ProposedAct
from domain.connected import (
    ACTION_WORDS,
    Action,
    AnyDelivery,
    ApiClient,
    Delivery,
    DeliveryId,
    DeliveryReceipt,
    client_of,
)
from domain.messages import explain
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from domain.text import ENTERING
from services.confirmations import decided
from services.connected.deliveries import Delivered, Stage, WrongFields

LARGEST = 8 * 1024 * 1024
"""Bytes of one request; an annex of capabilities can be long."""

MOST = 100
"""Deliveries in one request."""


class _Anything(RootModel[dict[str, Any]]):
    """A JSON object, read further field by field."""


class _Batch(Value):
    deliveries: tuple[Any, ...] = Field(min_length=1, max_length=MOST)


class BatchBody(Value):
    """Up to a hundred deliveries, taken in their order, each for itself."""

    deliveries: tuple[Delivery, ...] = Field(min_length=1, max_length=MOST)


class Outcome(Value):
    """What became of one delivery of a batch: a receipt or a problem."""

    index: int
    delivery_id: str
    accepted: bool
    receipt: DeliveryReceipt | None
    problem: Problem | None


class Outcomes(Value):
    """The outcomes of a batch, in its order."""

    accepted: int
    refused: int
    outcomes: tuple[Outcome, ...]


class WhyRefused(Value):
    """Why a delivery was refused when it was carried out."""

    code: str
    title: str
    detail: str
    remedy: str


class DeliveryShown(Value):
    """A delivery on record. ``working``: not known to have ended; send it again to take it up.

    ``proposed``: it waits for a second person, under ``confirmation``; sent again, it is answered
    by what has become of it.
    """

    delivery_id: str
    action: Action
    action_label: str
    sandbox: bool
    client: str
    stage: Stage | Literal["proposed"]
    received_at: datetime
    answered_at: datetime | None
    receipt: DeliveryReceipt | None
    refusal: WhyRefused | None
    confirmation: str = ""


class DeliveryPage(Value):
    """A page of deliveries in the order they came; ``next`` is the cursor of the page after."""

    items: tuple[DeliveryShown, ...]
    next: str | None


class JsonSchema(RootModel[dict[str, Any]]):
    """A JSON Schema."""


# --- delivering -----------------------------------------------------------------------------------


async def deliver(call: Call) -> Response:
    """Takes one delivery; the same again is answered with the same receipt."""
    client = await _client(call)
    given = parse_json(call.body, _Anything)
    return json_of(await _taken(call, client, given.root))


async def deliver_many(call: Call) -> Response:
    """Takes deliveries one after the other; one that is refused keeps no other from being taken."""
    client = await _client(call)
    given = parse_json(call.body, _Batch)
    outcomes = [
        await _outcome(call, client, index, one) for index, one in enumerate(given.deliveries)
    ]
    accepted = sum(one.accepted for one in outcomes)
    return json_of(
        Outcomes(accepted=accepted, refused=len(outcomes) - accepted, outcomes=tuple(outcomes))
    )


async def _outcome(call: Call, client: ApiClient, index: int, given: Any) -> Outcome:
    named = given.get("delivery_id") if isinstance(given, dict) else None
    receipt, problem = None, None
    try:
        receipt = await _taken(call, client, given)
    except Refused as refused:
        errors = refused.errors if isinstance(refused, InvalidFields) else []
        problem = Problem.model_validate(problem_body(refused.refusal, call.request_id, errors))
    return Outcome(
        index=index,
        delivery_id=named[:100] if isinstance(named, str) else "",
        accepted=receipt is not None,
        receipt=receipt,
        problem=problem,
    )


async def _taken(call: Call, client: ApiClient, given: Any) -> DeliveryReceipt:
    parts = parts_of(call.request)
    parts.deliveries.count(client)
    delivery = _read(given)

    async def permit(hour: datetime, before: int) -> int | None:
        return await hold_delivery(call, client, delivery, hour, before)

    try:
        return await parts.deliveries.deliver(client, delivery, permit)
    except WrongFields as wrong:
        errors = [one.model_dump(exclude={"refusal"}) for one in wrong.wrong]
        raise invalid(errors, wrong.refusal) from None


def _read(given: Any) -> AnyDelivery:
    """The delivery that a JSON value is. Raises Refused with every field that is wrong."""
    try:
        return Delivery.model_validate_json(json.dumps(given), strict=True, context=ENTERING).root
    except ValidationError as failure:
        raise invalid([_placed(one) for one in field_errors(failure)]) from None


def _placed(error: dict[str, str]) -> dict[str, str]:
    """An error at its place in the delivery: the model's own way leads through the action."""
    if error["code"].startswith("union_tag"):
        return {**error, "pointer": "/action"}
    head, _, rest = error["pointer"].removeprefix("/").partition("/")
    return {**error, "pointer": f"/{rest}"} if head in ACTION_WORDS and rest else error


async def _client(call: Call) -> ApiClient:
    client = await parts_of(call.request).clients.acting(call.actor)
    if client is None:
        raise Refused(Refusal(code=Code.CLIENTS_ONLY))
    return client


# --- looking --------------------------------------------------------------------------------------


async def get_delivery(call: Call) -> Response:
    """One delivery of the asker's authority, with its receipt."""
    client = await _client(call)
    id_: str = path(call.request, "delivery", DeliveryId)
    try:
        return json_of(_shown(await parts_of(call.request).deliveries.find(client, id_)))
    except Refused:
        proposed = await proposed_delivery(call, client, id_)
        if proposed is None:
            raise
        return json_of(_proposed(proposed, id_, client))


async def list_deliveries(call: Call) -> Response:
    """The deliveries of the asker's authority; those of the sandbox for its sandbox clients."""
    client = await _client(call)
    [after] = cursors.given(call.request, (int,)) or [0]
    deliveries = parts_of(call.request).deliveries
    delivered, more = await cursors.paged(
        call.request,
        lambda size: deliveries.page(client, after, size),
        lambda one: [one.no],
    )
    return json_of(DeliveryPage(items=tuple(map(_shown, delivered)), next=more))


async def get_schema(call: Call) -> Response:
    """The published schema of a delivery, version 1."""
    return JSONResponse(_SCHEMA, headers={"Cache-Control": "public, max-age=86400"})


_SCHEMA = delivery_schema()


def _shown(one: Delivered) -> DeliveryShown:
    words = explain(one.refusal) if one.refusal is not None else None
    return DeliveryShown(
        delivery_id=one.delivery_id,
        action=one.action,
        action_label=ACTION_WORDS[one.action],
        sandbox=one.sandbox,
        client=one.client_id,
        stage=one.stage,
        received_at=one.received_at,
        answered_at=one.answered_at,
        receipt=one.receipt,
        refusal=WhyRefused(code=one.refusal.code.value, **words._asdict())
        if one.refusal is not None and words is not None
        else None,
    )


def _proposed(one: ProposedAct, id_: str, client: ApiClient) -> DeliveryShown:
    """A delivery that was not begun, as it waits for a second person, or was declined by one."""
    action: Action = one.body["action"]
    declined = one.state in (ConfirmationState.DECLINED, ConfirmationState.WITHDRAWN)
    words = explain(decided(one)) if declined else None
    return DeliveryShown(
        delivery_id=id_,
        action=action,
        action_label=ACTION_WORDS[action],
        sandbox=client.sandbox,
        client=client_of(one.proposed_by),
        stage="refused" if declined else "proposed",
        received_at=one.proposed_at,
        answered_at=one.decided_at,
        receipt=None,
        refusal=WhyRefused(code=Code.CONFIRMATION_DECIDED.value, **words._asdict())
        if words is not None
        else None,
        confirmation=one.id,
    )


# --- the operations -------------------------------------------------------------------------------

_TAG = "联网赋码"
_ALL = DELIVERIES
_JSON: Sequence[str] = ("application/json",)
EXAMPLE: dict[str, Any] = {
    "version": 1,
    "delivery_id": "FJ-2025-000123",
    "action": "issue",
    "content": {
        "institution": "91350100M0000A1B2C",
        "holder": "示例检测有限公司（示例）",
        "uscc": "91620102739638125B",
        "address": "示例市示例路1号",
        "level": "provincial",
        "issuer": "amr-350000",
        "field": "01",
        "industry": "06",
        "capabilities": [
            {"category": "混凝土", "item": "抗压强度", "standard": "GB/T 50081", "year": "2019"}
        ],
    },
    "decision": {
        "approved_on": "2025-03-21",
        "document": "示例市监许准〔2025〕1号（示例）",
        "approver": "示例批准人",
    },
    "institution": {"region": "350102", "legal_person": True},
}

OPERATIONS = [
    Operation(
        "GET",
        _ALL,
        list_deliveries,
        "本机关的送达",
        _TAG,
        Right.DELIVER,
        DeliveryPage,
        parameters=PAGING,
    ),
    Operation(
        "POST",
        _ALL,
        deliver,
        "送达一件",
        _TAG,
        Right.DELIVER,
        DeliveryReceipt,
        documented=Delivery,
        media=_JSON,
        unhurried=True,
        largest=LARGEST,
        example=EXAMPLE,
        description="delivery_id 即幂等键：同一编号、同一内容，答复同一回执；"
        "不用 Idempotency-Key。须另一人确认的答复 409 awaits_confirmation，确认之后重送即得回执。",
    ),
    Operation(
        "POST",
        f"{_ALL}/batch",
        deliver_many,
        "送达一批，至多 100 件",
        _TAG,
        Right.DELIVER,
        Outcomes,
        documented=BatchBody,
        media=_JSON,
        unhurried=True,
        largest=LARGEST,
        example={"deliveries": [EXAMPLE]},
        description="依次办理，每件各有结果；中断的整批重送即可。",
    ),
    Operation(
        "GET",
        f"{_ALL}/{{delivery}}",
        get_delivery,
        "一件送达及其回执",
        _TAG,
        Right.DELIVER,
        DeliveryShown,
    ),
    Operation(
        "GET",
        "/public/schemas/certificate-delivery/v1.json",
        get_schema,
        "送达内容的 JSON Schema，第 1 版",
        _TAG,
        Right.ANYONE,
        JsonSchema,
    ),
]
