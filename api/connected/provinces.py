"""The onboarding of provinces: what each has to have done, and the plans they send in."""

from datetime import date
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import invalid, path
from api.door.rights import Right
from domain.case.commands import Role
from domain.clock import day_of
from domain.connected import Said
from domain.ids import NATION
from domain.model import Value
from services.connected.provinces import PlannedMode, ProvincePlan, ProvinceShown


class PlanBody(Value):
    """A province's plan as it came in: when, under which document, for which mode."""

    received_on: Annotated[date, Field(ge=date(2019, 1, 1))]
    document: Said
    mode: PlannedMode


class Provinces(Value):
    """All provinces the asker may see."""

    items: tuple[ProvinceShown, ...]


_Authority = Annotated[str, Field(pattern=r"^amr-[0-9]{6}$")]


async def list_provinces(call: Call) -> Response:
    """Mode, deadlines, plan, deliveries and certificates of every province, as of today."""
    scope = call.actor.scope if call.actor.role is Role.OPERATOR else NATION
    found = await parts_of(call.request).provinces.overview(scope)
    body = Provinces(items=tuple(found))
    return json_of(body)


async def record_plan(call: Call) -> Response:
    """Records the plan of a province; a later one takes its place."""
    parts, body = parts_of(call.request), call.body
    if body.received_on > day_of(parts.clock()):
        message = "收到日期晚于今天；请核对"
        raise invalid([{"pointer": "/received_on", "code": "in_future", "message": message}])
    plan: ProvincePlan = await parts.provinces.record_plan(
        path(call.request, "authority", _Authority),
        body.received_on,
        body.document,
        body.mode,
        call.actor,
        call.command_id,
    )
    return json_of(plan)


_TAG = "联网赋码"

OPERATIONS = [
    Operation(
        "GET",
        "/api/certificates/provinces",
        list_provinces,
        "各省对接情况",
        _TAG,
        Right.SEE_REGISTER,
        Provinces,
    ),
    Operation(
        "POST",
        "/api/certificates/provinces/{authority}/plan",
        record_plan,
        "登记对接方案",
        _TAG,
        Right.MANAGE_CLIENTS,
        ProvincePlan,
        body=PlanBody,
        writes=True,
        example={
            "received_on": "2019-07-25",
            "document": "示例市监函〔2019〕1号（示例）",
            "mode": "connected",
        },
    ),
]
