"""Campaigns: opening a year, or a quarter's report numbers, for a jurisdiction; how it goes."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.cases.acts import Cause
from api.cases.cases import NameGiven, Started
from api.confirmations.held import hold
from api.door import cursors
from api.door.files import FORMAT, table_file
from api.door.operations import PAGING, Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Text, path, query, wrong_parameter
from api.door.rights import Right, Target, region_in_sight, sees_campaign, sees_contacts
from domain.campaigns import CampaignStage
from domain.case.status import Status
from domain.clock import day_of
from domain.confirmations import ConfirmedAct
from domain.decision import RuleSetRef
from domain.ids import JurisdictionCode, campaign_id
from domain.jurisdictions import AuthorityId
from domain.model import Value
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from domain.text import name_key
from files.export import table
from services.campaigns.closing import Published, SummaryShown
from services.campaigns.duties import DutyRow
from services.campaigns.forecast import Forecast
from services.campaigns.progress import (
    NON_FILERS,
    UNFINISHED,
    ActivityRow,
    BacklogRow,
    By,
    Level,
    NonFilerRow,
    Progress,
    Unit,
    non_filer_cells,
)


def _known_period(text: str) -> str:
    Period.parse(text)
    return text


PeriodText = Annotated[str, Field(pattern=r"^2[0-9]{3}(Q[1-4])?$"), AfterValidator(_known_period)]


class CampaignShown(Value):
    """A campaign and its progress; ``quarter`` is 0 for a year's statistics.

    ``considered`` of ``total`` institutions have been gone through; ``started`` must file
    and are on record, ``launched`` have a process,
    ``voluntary`` may, ``outside`` are not in the statistics, ``without_rules`` have no rules,
    for ``uncomputable`` ones a condition of the rules comes to no result.
    ``late``: opened after its filing window, for the ``reason``; an annulled one says why it was.
    ``opening`` counts how often it was opened; ``closed_at`` is when its summary was sealed.
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
    launched: int
    late: bool
    reason: str
    annulled_at: datetime | None
    opening: int
    closed_at: datetime | None
    voluntary: int
    outside: int
    without_rules: int
    uncomputable: int
    elsewhere: int
    reported: int | None
    statuses: dict[Status, int]


class OpenBody(Value):
    """``after_window``: the filing window has closed, and it is opened all the same, for a reason.

    Nobody lapses by it: its filings are owed only once they are extended.
    """

    after_window: bool = False
    reason: Text | None = None


class AnnulledShown(Value):
    """A campaign that was annulled, and the job that annuls its filings; None without any."""

    id: str
    job: str | None


class CampaignList(Value):
    """All campaigns the asker may see, newest year first."""

    items: tuple[CampaignShown, ...]


async def of_jurisdiction(request: Request) -> Target:
    """The jurisdiction named by the path, whether it has a campaign or not."""
    return Target(region=named(request)[1], addressed=True)


async def of_campaign(request: Request) -> Target:
    """The campaign named by the path. Raises Refused when it has not been opened."""
    period, jurisdiction = named(request)
    if await parts_of(request).campaigns.find(period, jurisdiction) is None:
        params = {"year": str(period), "jurisdiction": jurisdiction}
        raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
    return Target(campaign=jurisdiction, addressed=True)


async def of_place(request: Request) -> Target:
    """The jurisdiction named by the path, whose filings may belong to a campaign above it."""
    return Target(campaign=named(request)[1], addressed=True)


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
    parts, body = parts_of(call.request), call.body
    await hold(call, ConfirmedAct.OPEN_CAMPAIGN)
    case_id = await parts.campaigns.open(
        period,
        jurisdiction,
        call.actor,
        call.command_id,
        after_window=body.after_window,
        reason=body.reason or "",
    )
    location = f"/api/campaigns/{period}/{jurisdiction}"
    return JSONResponse({"id": case_id}, status_code=202, headers={"Location": location})


async def foresee(call: Call) -> Response:
    """What opening a campaign would do now."""
    return json_of(await parts_of(call.request).campaigns.foresee(*named(call.request)))


async def annul(call: Call) -> Response:
    """Has a campaign that was opened by mistake count for nothing, with all its filings."""
    period, jurisdiction = named(call.request)
    parts, reason = parts_of(call.request), call.body.reason
    await hold(call, ConfirmedAct.ANNUL_CAMPAIGN)
    annulled = await parts.campaigns.annul(
        period, jurisdiction, call.actor, call.command_id, reason
    )
    job = await parts.jobs.annul(annulled, call.actor, reason)
    shown = AnnulledShown(id=annulled.case_id, job=job.id if job is not None else None)
    return json_of(shown, status_code=202)


class CloseBody(Value):
    """``unfinished``: there are filings that have not ended, and it is closed all the same."""

    unfinished: bool = False
    reason: Text | None = None


async def close(call: Call) -> Response:
    """Seals the summary of a campaign that is over."""
    period, jurisdiction = named(call.request)
    summary = await parts_of(call.request).closing.close(
        period,
        jurisdiction,
        call.actor,
        call.command_id,
        unfinished=call.body.unfinished,
        reason=call.body.reason or "",
    )
    return json_of(summary)


async def summary(call: Call) -> Response:
    """The sealed summary, made again from the journal, and what has come since."""
    return json_of(await parts_of(call.request).closing.show(*named(call.request)))


async def published(call: Call) -> Response:
    """A closed campaign's totals, small ones withheld."""
    shown = await parts_of(call.request).closing.published(*named(call.request))
    return json_of(shown, headers={"Cache-Control": "public, max-age=300"})


async def rescan(call: Call) -> Response:
    """Goes through the register again, for institutions that came on record later."""
    period, jurisdiction = named(call.request)
    await parts_of(call.request).campaigns.rescan(period, jurisdiction, call.actor, call.command_id)
    return JSONResponse({"id": campaign_id(period, jurisdiction)}, status_code=202)


class NonFilerPage(Value):
    """A page of filings that are still with their filers, by their ids."""

    items: tuple[NonFilerRow, ...]
    next: str | None


async def get_progress(call: Call) -> Response:
    """The figures of a campaign, now or as they were."""
    request = call.request
    period, jurisdiction = named(request)
    return json_of(
        await parts_of(request).progress.figures(
            period,
            jurisdiction,
            query(request, "by", By, "region"),
            level=query(request, "level", Level | None, None),
            as_of=query(request, "as_of", AwareDatetime | None, None),
            within=region_in_sight(call.actor),
        )
    )


async def non_filers(call: Call) -> Response:
    """Who has not filed, and why: page by page."""
    request = call.request
    period, jurisdiction = named(request)
    status = query(request, "status", Status | None, None)
    if status is not None and status not in UNFINISHED:
        raise wrong_parameter("status", f"应是未完成的状态 {'、'.join(UNFINISHED)} 之一")
    region: str = query(request, "region", JurisdictionCode | None, None) or ""
    authority: str = query(request, "authority", AuthorityId | None, None) or ""
    name = name_key(query(request, "name", NameGiven, ""))
    as_of = query(request, "as_of", AwareDatetime | None, None)
    last = cursors.given(request, (str,))
    rows, following = await cursors.paged(
        request,
        lambda size: parts_of(request).progress.non_filers(
            period,
            jurisdiction,
            statuses=UNFINISHED if status is None else (status,),
            region=region,
            authority=authority,
            name=name,
            as_of=as_of,
            within=region_in_sight(call.actor),
            after=last[0] if last else "",
            size=size,
            reader=call.actor if sees_contacts(call.actor) else None,
        ),
        lambda row: [row.id],
    )
    return json_of(NonFilerPage(items=tuple(rows), next=following))


class BacklogShown(Value):
    """What waits for each authority, by status."""

    items: tuple[BacklogRow, ...]


class ActivityShown(Value):
    """What happened, by hour or day."""

    items: tuple[ActivityRow, ...]


async def get_backlog(call: Call) -> Response:
    """What waits for each authority, and how long."""
    rows = await parts_of(call.request).progress.backlog(
        *named(call.request),
        within=region_in_sight(call.actor),
        as_of=query(call.request, "as_of", AwareDatetime | None, None),
    )
    return json_of(BacklogShown(items=rows))


async def get_activity(call: Call) -> Response:
    """What happened on some days, by hour or day."""
    request = call.request
    today = day_of(parts_of(request).clock())
    days: int = query(request, "days", _Days, 1)
    rows = await parts_of(request).progress.activity(
        *named(request),
        query(request, "from", date, today - timedelta(days=days - 1)),
        days,
        query(request, "by", Unit, "hour"),
        region_in_sight(call.actor),
    )
    return json_of(ActivityShown(items=rows))


async def get_table(call: Call) -> Response:
    """The list of non-filers as a table, with full names."""
    request = call.request
    period, jurisdiction = named(request)
    status = query(request, "status", Status | None, None)
    rows = await parts_of(request).progress.all_non_filers(
        period,
        jurisdiction,
        statuses=UNFINISHED if status is None else (status,),
        region=query(request, "region", JurisdictionCode | None, None) or "",
        authority=query(request, "authority", AuthorityId | None, None) or "",
        name=name_key(query(request, "name", NameGiven, "")),
        as_of=query(request, "as_of", AwareDatetime | None, None),
        within=region_in_sight(call.actor),
        reader=call.actor if sees_contacts(call.actor) else None,
    )
    kind = query(request, "format", Literal["csv", "xlsx"], "csv")
    cells = list(map(non_filer_cells, rows))
    content = await asyncio.to_thread(table, kind, "未报机构名单", NON_FILERS, cells)
    return table_file(content, f"non-filers-{period}-{jurisdiction}.{kind}")


async def get_report(call: Call) -> Response:
    """The progress report of a place to the authority above it."""
    request = call.request
    period, jurisdiction = named(request)
    within = region_in_sight(call.actor)
    report = await parts_of(request).reports.of(period, jurisdiction, within)
    kind = query(request, "format", Literal["text", "xlsx"], "text")
    if kind == "text":
        return Response(report.text(), media_type="text/plain; charset=utf-8")
    content = await asyncio.to_thread(report.xlsx)
    return table_file(content, f"progress-{period}-{jurisdiction}.xlsx")


class DutiesShown(Value):
    """The duties of a campaign beside the filing itself, and the rules that name them."""

    ruleset: RuleSetRef | None
    items: tuple[DutyRow, ...]


async def get_duties(call: Call) -> Response:
    """Who has to do what by when under the rules of a place, and how far it has come."""
    period, jurisdiction = named(call.request)
    within = region_in_sight(call.actor)
    duties = parts_of(call.request).duties
    rows = await duties.of_place(period, jurisdiction, within)
    return json_of(DutiesShown(ruleset=await duties.ruleset(period, jurisdiction), items=rows))


_Days = Annotated[int, Field(ge=1, le=31)]
_NARROWING = (
    Parameter(
        "status",
        "状态；不填为全部未完成的",
        schema={"enum": [status.value for status in UNFINISHED]},
    ),
    Parameter("region", "区域代码，如 350200", schema=schema_of(JurisdictionCode)),
    Parameter("authority", "审核部门；还没有分派的，为其上年度的", schema=schema_of(AuthorityId)),
    Parameter("name", "机构名称的一部分", schema=schema_of(NameGiven)),
)
_AS_OF = Parameter(
    "as_of",
    "截至哪一时刻，如 2025-03-01T00:00:00+08:00；不填为现在",
    schema={"type": "string", "format": "date-time"},
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
        body=OpenBody,
        body_optional=True,
        example={},
        answer_example=_STARTED,
        description="按已发布的规则开启；规则集按其 SHA-256 永久保存，每件填报固定所用的规则集。",
    ),
    Operation(
        "GET",
        f"{_ONE}/forecast",
        foresee,
        "试算：现在开启会怎样",
        "年度统计工作",
        Right.OPERATE,
        Forecast,
        target=of_jurisdiction,
        unhurried=True,
        description="应填报、可填报多少家，按辖区和规则；各期限开放与否；什么都不写入。",
    ),
    Operation(
        "POST",
        f"{_ONE}/annul",
        annul,
        "作废误开的年度统计工作",
        "年度统计工作",
        Right.OPERATE,
        AnnulledShown,
        target=of_jurisdiction,
        body=Cause,
        writes=True,
        status=202,
        example={"reason": "误选年度，应开启 2024 年度"},
        description="所有填报逐件作废（见批办），不计入应报、报告编号的条件和逾期。",
    ),
    Operation(
        "POST",
        f"{_ONE}/close",
        close,
        "关闭统计工作，封存汇总",
        "年度统计工作",
        Right.OPERATE,
        SummaryShown,
        target=of_jurisdiction,
        writes=True,
        unhurried=True,
        body=CloseBody,
        body_optional=True,
        example={},
        description="期限都过后关闭；汇总及每件填报日志的末尾哈希封存，其哈希记入日志。",
    ),
    Operation(
        "GET",
        f"{_ONE}/summary",
        summary,
        "封存的汇总",
        "年度统计工作",
        Right.SEE_REGISTER,
        SummaryShown,
        target=of_campaign,
        unhurried=True,
        description="汇总由日志重新算出并比较；since 为封存之后又有办理的填报。",
    ),
    Operation(
        "GET",
        "/public/statistics/{period}/{jurisdiction}",
        published,
        "公布的统计结果",
        "公众查询",
        Right.ANYONE,
        Published,
        unhurried=True,
        description="已关闭的年度统计按区域汇总的件数；过小的数和能推出它们的数不公布（null）。",
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
        f"{_ONE}/progress",
        get_progress,
        "填报进度",
        "年度统计工作",
        Right.SEE_REGISTER,
        Progress,
        target=of_place,
        parameters=(
            Parameter("by", "按什么分列", schema=schema_of(By)),
            Parameter("level", "按区域分列时归并到哪一级", schema=schema_of(Level)),
            _AS_OF,
        ),
        description="应填报、已提交、按期、补报、退回、通过、办结、逾期各多少；可查过去任一时刻。",
    ),
    Operation(
        "GET",
        f"{_ONE}/non-filers",
        non_filers,
        "未完成填报的机构及原因",
        "年度统计工作",
        Right.SEE_REGISTER,
        NonFilerPage,
        target=of_place,
        parameters=(*_NARROWING, _AS_OF, *PAGING),
    ),
    Operation(
        "GET",
        f"{_ONE}/non-filers/table",
        get_table,
        "未报机构名单（CSV 或 XLSX）",
        "年度统计工作",
        Right.SEE_REGISTER,
        None,
        target=of_place,
        answer_media="text/csv",
        unhurried=True,
        parameters=(*_NARROWING, _AS_OF, FORMAT),
    ),
    Operation(
        "GET",
        f"{_ONE}/backlog",
        get_backlog,
        "各部门的待办和等待时间",
        "年度统计工作",
        Right.SEE_REGISTER,
        BacklogShown,
        target=of_place,
        parameters=(_AS_OF,),
    ),
    Operation(
        "GET",
        f"{_ONE}/activity",
        get_activity,
        "逐时或逐日的提交（含未成功的）、退回、通过、办结",
        "年度统计工作",
        Right.SEE_REGISTER,
        ActivityShown,
        target=of_place,
        parameters=(
            Parameter("from", "自哪一天，北京时间；不填为到今天为止", schema=schema_of(date)),
            Parameter("days", "几天，1 至 31；不填为 1", schema=schema_of(_Days)),
            Parameter("by", "hour 逐时（默认），day 逐日", schema=schema_of(Unit)),
        ),
    ),
    Operation(
        "GET",
        f"{_ONE}/duties",
        get_duties,
        "填报以外的各项职责：谁、做什么、到哪一天、做到多少",
        "年度统计工作",
        Right.SEE_REGISTER,
        DutiesShown,
        target=of_place,
    ),
    Operation(
        "GET",
        f"{_ONE}/report",
        get_report,
        "向上级报送的工作进展（文字或 XLSX）",
        "年度统计工作",
        Right.SEE_REGISTER,
        None,
        target=of_place,
        answer_media="text/plain",
        unhurried=True,
        parameters=(
            Parameter(
                "format", "text 文字（默认），xlsx", schema=schema_of(Literal["text", "xlsx"])
            ),
        ),
    ),
]
