"""What time has brought to a case or a campaign, and will bring if nobody acts."""

from starlette.responses import Response

from api.campaigns.campaigns import named, of_campaign
from api.cases.acts import case_of
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.rights import Right
from api.filings.filings import of_filing
from api.numbers.named import of_batch
from domain.model import Value
from services.schedule import Action


class Schedule(Value):
    """Scheduled actions by instant: waiting, done, retrying or failed."""

    items: tuple[Action, ...]


async def of_a_case(call: Call) -> Response:
    """The scheduled actions of one case."""
    actions = await parts_of(call.request).schedule.of_case(case_of(call))
    return json_of(Schedule(items=tuple(actions)))


async def of_a_campaign(call: Call) -> Response:
    """The scheduled actions of a campaign, those of its cases in numbers."""
    parts = parts_of(call.request)
    period, jurisdiction = named(call.request)
    campaign = await parts.campaigns.find(period, jurisdiction)
    assert campaign is not None
    return json_of(Schedule(items=tuple(await parts.schedule.of_campaign(campaign, period))))


_SAYS = "由规则的时间、日志和送达情况得出：开放、提醒、逾期、公开和各项期限。"

OPERATIONS = [
    Operation(
        "GET",
        "/api/filings/{year}/{institution}/schedule",
        of_a_case,
        "到时办理的事项",
        "年度填报",
        Right.SEE_FILING,
        Schedule,
        target=of_filing,
        description=_SAYS,
    ),
    Operation(
        "GET",
        "/api/report-batches/{quarter}/{institution}/schedule",
        of_a_case,
        "到时办理的事项",
        "报告编号",
        Right.SEE_FILING,
        Schedule,
        target=of_batch,
        description=_SAYS,
    ),
    Operation(
        "GET",
        "/api/campaigns/{period}/{jurisdiction}/schedule",
        of_a_campaign,
        "到时办理的事项及其件数",
        "年度统计工作",
        Right.SEE_CAMPAIGNS,
        Schedule,
        target=of_campaign,
        unhurried=True,
        description=_SAYS,
    ),
]
