"""Campaigns: opening a year, or a quarter's report numbers, for a jurisdiction; how it goes."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.cases.cases import CasePage, Started, case_page
from api.door.operations import PAGING, Call, Operation, Parameter, json_of
from api.door.parts import parts_of
from api.door.requests import path, query, wrong_parameter
from api.door.rights import Right, Target, region_in_sight, sees_campaign
from domain.campaigns import CampaignStage
from domain.case.status import Status
from domain.ids import JurisdictionCode, campaign_id
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused


def _known_period(text: str) -> str:
    Period.parse(text)
    return text


PeriodText = Annotated[str, Field(pattern=r"^2[0-9]{3}(Q[1-4])?$"), AfterValidator(_known_period)]


class CampaignShown(Value):
    """A campaign and its progress; ``quarter`` is 0 for a year's statistics.

    ``considered`` of ``total`` institutions have been gone through; ``started`` must file,
    ``voluntary`` may, ``outside`` are not in the statistics, ``without_rules`` have no rules.
    ``reported``, of a quarter, have numbers on record or have declared that there are none.
    """

    case_id: str
    year: int
    quarter: int
    jurisdiction: str
    opened_by: str
    opened_at: datetime
    started_at: datetime | None
    rule_set: str
    rule_sets: dict[str, str]
    stage: str
    stages: tuple[CampaignStage, ...]
    total: int
    considered: int
    started: int
    voluntary: int
    outside: int
    without_rules: int
    elsewhere: int
    reported: int | None
    statuses: dict[Status, int]


class CampaignList(Value):
    """All campaigns the asker may see, newest year first."""

    items: tuple[CampaignShown, ...]


async def of_jurisdiction(request: Request) -> Target:
    """The jurisdiction named by the path, whether it has a campaign or not."""
    return Target(region=named(request)[1])


async def of_campaign(request: Request) -> Target:
    """The campaign named by the path. Raises Refused when it has not been opened."""
    period, jurisdiction = named(request)
    if await parts_of(request).campaigns.find(period, jurisdiction) is None:
        params = {"year": str(period), "jurisdiction": jurisdiction}
        raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
    return Target(campaign=jurisdiction)


def named(request: Request) -> tuple[Period, str]:
    """The period and jurisdiction in the path."""
    text: str = path(request, "period", PeriodText)
    jurisdiction: str = path(request, "jurisdiction", JurisdictionCode)
    return Period.parse(text), jurisdiction


async def list_campaigns(call: Call) -> Response:
    """All campaigns."""
    parts = parts_of(call.request)
    items = [
        CampaignShown(**await parts.campaigns.describe(campaign))
        for campaign in await parts.campaigns.newest_first()
        if sees_campaign(call.actor, campaign.jurisdiction)
    ]
    return json_of(CampaignList(items=tuple(items)))


async def get_campaign(call: Call) -> Response:
    """One campaign's progress."""
    status = await parts_of(call.request).campaigns.status(*named(call.request))
    return json_of(CampaignShown(**status))


async def open_campaign(call: Call) -> Response:
    """Opens a year's campaign under the published rules."""
    period, jurisdiction = named(call.request)
    parts = parts_of(call.request)
    case_id = await parts.campaigns.open(period, jurisdiction, call.actor, call.command_id)
    location = f"/api/campaigns/{period}/{jurisdiction}"
    return JSONResponse({"id": case_id}, status_code=202, headers={"Location": location})


async def rescan(call: Call) -> Response:
    """Goes through the register again, for institutions that came on record later."""
    period, jurisdiction = named(call.request)
    await parts_of(call.request).campaigns.rescan(period, jurisdiction, call.command_id)
    return JSONResponse({"id": campaign_id(period, jurisdiction)}, status_code=202)


_UNFINISHED = (Status.SCHEDULED, Status.DRAFT, Status.RETURNED, Status.WITHDRAWN, Status.LAPSED)


async def non_filers(call: Call) -> Response:
    """Who has not filed: every case of one unfinished status, page by page."""
    request, parts = call.request, parts_of(call.request)
    period, jurisdiction = named(request)
    status = query(request, "status", Status, Status.DRAFT)
    if status not in _UNFINISHED:
        raise wrong_parameter("status", f"应是未完成的状态 {'、'.join(_UNFINISHED)} 之一")
    prefix = region_in_sight(call.actor)
    return await case_page(
        call,
        lambda after, size: parts.campaigns.page(period, jurisdiction, status, prefix, after, size),
    )


_ONE = "/api/campaigns/{period}/{jurisdiction}"
_STARTED: dict[str, Any] = {"id": "campaign/2024/000000"}

OPERATIONS = [
    Operation(
        "GET",
        "/api/campaigns",
        list_campaigns,
        "年度统计工作列表",
        "年度统计工作",
        Right.SEE_CAMPAIGNS,
        CampaignList,
    ),
    Operation(
        "GET",
        _ONE,
        get_campaign,
        "年度统计工作的进展",
        "年度统计工作",
        Right.SEE_CAMPAIGNS,
        CampaignShown,
        target=of_campaign,
    ),
    Operation(
        "POST",
        _ONE,
        open_campaign,
        "开启年度统计工作",
        "年度统计工作",
        Right.OPERATE,
        Started,
        target=of_jurisdiction,
        writes=True,
        # all rules of the year are checked in full
        unhurried=True,
        status=202,
        answer_example=_STARTED,
        description="按已发布的规则开启；规则集按其 SHA-256 永久保存，每件填报固定所用的规则集。",
    ),
    Operation(
        "POST",
        f"{_ONE}/rescan",
        rescan,
        "重新核对名录",
        "年度统计工作",
        Right.OPERATE,
        Started,
        target=of_jurisdiction,
        writes=True,
        status=202,
        answer_example=_STARTED,
        description="为后来登记的机构补建填报；已有的填报不受影响。",
    ),
    Operation(
        "GET",
        f"{_ONE}/non-filers",
        non_filers,
        "未完成填报的机构",
        "年度统计工作",
        Right.SEE_REGISTER,
        CasePage,
        target=of_campaign,
        parameters=(
            Parameter("status", "状态", schema={"enum": [s.value for s in _UNFINISHED]}),
            *PAGING,
        ),
    ),
]
