"""Amendments of a campaign's rules: what one would do, making it, those that were made."""

from typing import Any

from pydantic import Field
from starlette.responses import Response

from api.campaigns.campaigns import named, of_campaign, of_jurisdiction
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Plain, Text
from api.door.rights import Right
from domain.model import Value
from services.campaigns.amending import AmendmentForecast, AmendmentShown


class AmendBody(Value):
    """Why filings under way come under the newly published rules, and by which document."""

    reason: Text
    document: Plain = Field(default="", max_length=200)


class AmendmentList(Value):
    """The amendments of a campaign, the newest first."""

    items: tuple[AmendmentShown, ...]


async def amend(call: Call) -> Response:
    """Brings a campaign's filings under way under what is published now."""
    period, jurisdiction = named(call.request)
    made = await parts_of(call.request).amendments.amend(
        period, jurisdiction, call.actor, call.command_id, call.body.reason, call.body.document
    )
    return json_of(made, status_code=202)


async def foresee(call: Call) -> Response:
    """What amending a campaign would do now."""
    return json_of(await parts_of(call.request).amendments.foresee(*named(call.request)))


async def list_amendments(call: Call) -> Response:
    """The amendments of a campaign."""
    listed = await parts_of(call.request).amendments.of_campaign(*named(call.request))
    return json_of(AmendmentList(items=listed))


_TAG = "年度统计工作"
_ALL = "/api/campaigns/{period}/{jurisdiction}/amendments"
_EXAMPLE: dict[str, Any] = {"reason": "填报期限延长三周", "document": "市监函〔2025〕×号（示例）"}

OPERATIONS = [
    Operation(
        "POST",
        _ALL,
        amend,
        "修订：正在办理的填报改按新发布的规则",
        _TAG,
        Right.OPERATE,
        AmendmentShown,
        target=of_jurisdiction,
        body=AmendBody,
        writes=True,
        status=202,
        example=_EXAMPLE,
        description="已经确定的事项不变；每一件的结果见同一编号的批办。",
    ),
    Operation(
        "GET",
        f"{_ALL}/forecast",
        foresee,
        "试算：现在修订会怎样",
        _TAG,
        Right.OPERATE,
        AmendmentForecast,
        target=of_jurisdiction,
        unhurried=True,
        description="逐件列出会有哪些改变，哪些已经确定、不受影响；什么都不写入。",
    ),
    Operation(
        "GET",
        _ALL,
        list_amendments,
        "修订列表",
        _TAG,
        Right.SEE_REGISTER,
        AmendmentList,
        target=of_campaign,
    ),
]
