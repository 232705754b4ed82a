"""The samples of the quality check: drawing, and what anybody needs to draw again."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.campaigns.campaigns import named, of_campaign, of_jurisdiction
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import path
from api.door.rights import Right
from services.campaigns.sampling import DrawnAgain, SampleShown

_NUMBER = Annotated[int, Field(ge=1, le=9999)]


async def get_sample(call: Call) -> Response:
    """The draws of a campaign."""
    return json_of(await parts_of(call.request).samples.show(*named(call.request)))


async def draw(call: Call) -> Response:
    """Draws among the approved filings that wait for it."""
    period, jurisdiction = named(call.request)
    samples = parts_of(call.request).samples
    shown = await samples.draw(period, jurisdiction, call.actor, call.command_id)
    return json_of(shown, status_code=202)


async def get_draw(call: Call) -> Response:
    """One draw with all filings that took part in it."""
    period, jurisdiction = named(call.request)
    number: int = path(call.request, "draw", _NUMBER)
    return json_of(await parts_of(call.request).samples.again(period, jurisdiction, number))


_SAMPLE = "/api/campaigns/{period}/{jurisdiction}/sample"

OPERATIONS = [
    Operation(
        "GET",
        _SAMPLE,
        get_sample,
        "质量审查的抽样",
        "年度统计工作",
        Right.SEE_CAMPAIGNS,
        SampleShown,
        target=of_campaign,
        description="各次抽样的种子及其事先公布的哈希；种子在抽样之前保密。",
    ),
    Operation(
        "POST",
        _SAMPLE,
        draw,
        "抽取质量审查的样本",
        "年度统计工作",
        Right.OPERATE,
        SampleShown,
        target=of_jurisdiction,
        writes=True,
        unhurried=True,
        status=202,
        description="按规则从审核通过、尚未参加抽样的填报中抽取；未抽中的随即办结。",
    ),
    Operation(
        "GET",
        f"{_SAMPLE}/{{draw}}",
        get_draw,
        "一次抽样的全部填报",
        "年度统计工作",
        Right.SEE_CAMPAIGNS,
        DrawnAgain,
        target=of_campaign,
        unhurried=True,
        description="种子、规则和参加抽样的填报，任何人都可以据此重新抽取；same 为结果是否一致。",
    ),
]
