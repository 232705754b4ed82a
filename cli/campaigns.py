"""``zhibao campaign`` and ``zhibao roster``: the operator's commands."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    AsJson,
    Data,
    err,
    listing,
    out,
    print_json,
    print_listing,
    read_instant,
)
from domain.case.status import STATUS_LABELS, Status
from domain.duties import CERTIFICATES
from domain.numbers.quarters import Period

if TYPE_CHECKING:
    from cli.system import Services
    from domain.notices import Channel
    from services.campaigns.amending import AmendmentForecast
    from services.campaigns.duties import DutyRow
    from services.campaigns.forecast import Forecast
    from services.campaigns.opening import CampaignService
    from services.campaigns.progress import By, Level, Unit
    from services.extensions import Extension
    from services.jobs import Job, Selection
    from services.lists import ListReport, ListService
    from services.roster import RosterReport
    from services.schedule import Action

Report = TypeVar("Report", bound="ListReport")

campaign_app = typer.Typer(no_args_is_help=True)
roster_app = typer.Typer(no_args_is_help=True)


def _period(text: str) -> Period:
    try:
        return Period.parse(text)
    except ValueError:
        raise typer.BadParameter("写作 2024（年度统计）或 2024Q3（季度报告编号）") from None


def _nation() -> str:
    from domain.ids import NATION

    return NATION


OfDuties = Annotated[
    str,
    typer.Argument(
        metavar="PERIOD",
        help="统计年度，如 2024；certificates 为资质认定证书的规则",
        parser=lambda text: text if text == CERTIFICATES else str(_period(text)),
    ),
]
Of = Annotated[
    Period,
    typer.Argument(help="统计年度，如 2024；季度报告编号，如 2024Q3", parser=_period),
]
Jurisdiction = Annotated[
    str,
    typer.Argument(
        help="辖区代码；不填为 000000，即全国", default_factory=_nation, show_default=False
    ),
]


AsOf = Annotated[
    Any,
    typer.Option(
        "--as-of", help="截至哪一时刻；不填为现在", parser=read_instant, metavar="INSTANT"
    ),
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV 或 XLSX 文件")]
GoodRows = Annotated[bool, typer.Option("--accept-good-rows", help="只导入没有错误的")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="只核对并报告会有哪些改动，什么都不写入")]


@roster_app.command("import")
def import_roster(
    file: File,
    accept_good_rows: GoodRows = False,
    dry_run: DryRun = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """导入机构名录；有一处错误即不导入，除非选择只导入无误的机构。空格和没有的列不改动原值。"""
    import_list(
        file,
        lambda services: services.roster,
        _roster_lines,
        data,
        as_json=as_json,
        accept_good_rows=accept_good_rows,
        dry_run=dry_run,
    )


@roster_app.command("review")
def review_register(
    period: Of,
    jurisdiction: Jurisdiction,
    since: Annotated[
        Any,
        typer.Option(
            "--since",
            help="从哪一时刻起的名录算数；不填为各区域最近一次名录",
            parser=read_instant,
            metavar="INSTANT",
        ),
    ] = None,
    by_region: Annotated[
        bool, typer.Option("--by-region", help="表格列各区域的数字，不列逐条问题")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="写入这一 CSV 文件")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="写入这一 XLSX 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """摸清底数：名录与证书对照，应填报多少家，缺谁，谁疑似重复。只查不改。"""
    from cli.system import run
    from services import review

    told = run(data, lambda services: services.review.review(period, jurisdiction, since))
    header = review.REGION_COLUMNS if by_region else review.FINDING_COLUMNS
    rows = review.region_rows(told) if by_region else review.finding_rows(told)
    export("摸清底数", list(header), rows, csv, xlsx)
    if as_json:
        print_json(told)
    elif csv is None and xlsx is None:
        table = listing(*header)
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        print_listing(table)
        out.print(
            f"机构 {told.total.institutions} 家，应填报 {told.total.must}，"
            f"可填报 {told.total.may}；问题 {len(told.findings)} 条",
            highlight=False,
        )


def import_list(
    file: Path,
    service: Callable[[Services], ListService[Any, Report]],
    lines: Callable[[Report], tuple[str, list[str]]],
    data: Path,
    *,
    as_json: bool,
    accept_good_rows: bool,
    dry_run: bool,
    complete: str = "",
) -> None:
    """Imports a file and prints its report: a summary, problems row by row, and ``lines`` more."""
    from cli.system import operator, run

    content = file.read_bytes()

    async def work(services: Services) -> Report:
        return await service(services).load(
            content,
            file.name,
            operator(),
            uuid.uuid4().hex,
            accept_good_rows=accept_good_rows,
            dry_run=dry_run,
            complete=complete,
        )

    report = run(data, work)
    if as_json:
        print_json(report)
    else:
        summary, more = lines(report)
        trial = "（试运行，没有写入）" if report.dry_run else ""
        out.print(f"{report.rows} 行，{summary}，{report.errors} 处错误{trial}", highlight=False)
        _show_first(
            f"{_place(problem.row, problem.column)}：{problem.message}；{problem.mend}"
            for problem in report.problems
        )
        _show_first(more)
    if report.errors:
        raise typer.Exit(NOT_IN_ORDER)


def _place(row: int, column: str) -> str:
    """Where something is wrong: row and column, or the file as a whole."""
    return " ".join(filter(None, (f"第 {row} 行", column))) if row else "整个文件"


def _roster_lines(report: RosterReport) -> tuple[str, list[str]]:
    again = "（此前已导入过，没有变化）" if report.repeated else ""
    summary = f"导入 {report.accepted} 家机构（新登记 {report.added}）{again}"
    return summary, [
        f"第 {change.row} 行 {change.institution} {change.column}："
        f"{change.old or '空'} → {change.new or '空'}"
        + (f"（{change.campaign} 正在进行）" if change.campaign else "")
        for change in report.changes
    ]


def _show_first(lines: Iterable[str]) -> None:
    """Prints the first lines, and how many there are more."""
    shown = list(lines)
    for line in shown[:50]:
        out.print(escape(line), highlight=False)
    if len(shown) > 50:
        out.print(f"……另有 {len(shown) - 50} 处，用 --json 查看全部")


@campaign_app.command("open")
def open_campaign(
    period: Of,
    jurisdiction: Jurisdiction,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只试算开启会怎样，什么都不写入")
    ] = False,
    after_window: Annotated[
        bool, typer.Option("--after-window", help="填报期限已过，仍要开启；须写 --reason")
    ] = False,
    reason: Annotated[str, typer.Option(help="期限过后开启的理由")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="不再询问，直接开启")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="等到应填报的都已建立")
    ] = True,
) -> None:
    """开启一个辖区的年度统计，或一个季度的报告编号报送。先试算，再询问。"""
    from cli.system import operator, run
    from domain.confirmations import ConfirmedAct

    if dry_run or (sys.stdin.isatty() and not yes):
        foreseen = run(data, lambda services: services.campaigns.foresee(period, jurisdiction))
        if as_json and dry_run:
            print_json(foreseen)
        else:
            _show_forecast(foreseen)
        if dry_run:
            return
        typer.confirm("现在开启？", abort=True, err=True)

    async def work(services: Services) -> dict[str, Any]:
        key, path = uuid.uuid4().hex, f"/api/campaigns/{period}/{jurisdiction}"
        body = {"after_window": after_window, **({"reason": reason} if reason else {})}
        await services.confirmations.hold(
            ConfirmedAct.OPEN_CAMPAIGN, 1, path, body, operator(), key
        )
        await services.campaigns.open(
            period,
            jurisdiction,
            operator(),
            key,
            after_window=after_window,
            reason=reason,
        )
        return await followed(services.campaigns, period, jurisdiction, wait=follow)

    _show(run(data, work), as_json)


_WINDOW_STATES = {"ahead": "未开放", "open": "正在开放", "closed": "已截止"}


def _show_forecast(foreseen: Forecast) -> None:
    """What opening would do, on the terminal's error side: it is not the command's answer."""
    from domain.case.plan import WINDOWS
    from domain.messages import closing_time, local_time

    err.print(
        f"名录 {foreseen.institutions} 家：应填报 {foreseen.must}，可填报 {foreseen.may}，"
        f"不在范围 {foreseen.outside}，无规则 {foreseen.without_rules}，"
        f"算不出 {foreseen.uncomputable}，在其他统计工作中填报 {foreseen.elsewhere}",
        highlight=False,
    )
    if foreseen.would_lapse:
        err.print(
            f"[red]其中 {foreseen.would_lapse} 家的填报期限已过[/red]：只能用 --after-window 开启，"
            "建立的填报不计应报、不算逾期，延期后才能填报",
            highlight=False,
        )
    for name, window in foreseen.windows.items():
        until = closing_time(window.closes) if window.closes else "不限"
        err.print(
            f"{WINDOWS[name].label}：{local_time(window.opens)} 至 {until}，"
            f"{_WINDOW_STATES[window.state]}",
            highlight=False,
        )
    table = listing(
        "辖区", "名称", "应填报", "可填报", "不在范围", "无规则", "算不出", "期限已过", "规则"
    )
    for place, counted in foreseen.by_jurisdiction.items():
        numbers = (
            counted.must,
            counted.may,
            counted.outside,
            counted.without_rules,
            counted.uncomputable,
            counted.would_lapse,
        )
        table.add_row(place, counted.name, *map(str, numbers), "、".join(counted.rule_sets))
    print_listing(table, to=err)


@campaign_app.command("amend")
def amend(
    period: Of,
    jurisdiction: Jurisdiction,
    reason: Annotated[str, typer.Option(help="修订的理由")] = "",
    document: Annotated[str, typer.Option(help="修订所依据的文件的文号")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只试算：哪些填报会怎样改变，什么都不写入")
    ] = False,
    key: Annotated[str, typer.Option(help="同一个键只办一次；不填为新的一次")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """正在办理的填报改按新发布的规则，逐件办理，每件各有结果；已经确定的事项不变。"""
    from cli.jobs import show_job
    from cli.system import operator, run

    if dry_run:
        _show_amendment(
            run(data, lambda services: services.amendments.foresee(period, jurisdiction)), as_json
        )
        return
    made = run(
        data,
        lambda services: services.amendments.amend(
            period, jurisdiction, operator(), key or uuid.uuid4().hex, reason, document
        ),
    )
    if as_json:
        print_json(made)
        return
    for place, revision in made.revisions.items():
        out.print(f"{place} 改按 {revision.after.id} 第 {revision.after.revision} 版")
    show_job(run(data, lambda services: services.jobs.find(made.id)), as_json=False)


def _show_amendment(foreseen: AmendmentForecast, as_json: bool) -> None:
    if as_json:
        print_json(foreseen)
        return
    for place, revision in foreseen.revisions.items():
        before = f"第 {revision.before.revision} 版" if revision.before else "（没有自己的规则）"
        after = f"{revision.after.id} 第 {revision.after.revision} 版"
        out.print(f"{place} {before} → {after}", highlight=False)
    out.print(
        f"正在办理 {foreseen.running} 件：会改变 {foreseen.would_change}，"
        f"已经确定、不改变 {foreseen.decided}，"
        f"不受影响 {foreseen.running - foreseen.would_change - foreseen.decided}",
        highlight=False,
    )
    for what, number in foreseen.changes.items():
        out.print(escape(f"{number} 件：{what}"), highlight=False)
    for row in foreseen.rows:
        if row.outcome == "decided":
            out.print(escape(f"{row.institution} {row.name}：{row.what}"), highlight=False)


@campaign_app.command("remind")
def remind(
    period: Of,
    jurisdiction: Jurisdiction,
    text: Annotated[str, typer.Option(help="催报的内容")],
    institution: Annotated[
        str, typer.Option(help="只催这一机构；不填为辖区内没有完成填报的各家，逐件办理")
    ] = "",
    status: Annotated[list[Status] | None, typer.Option(help="只催这些状态，可重复")] = None,
    region: Annotated[str, typer.Option(help="只催这一区域，如 350200")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--ids", exists=True, dir_okay=False, help="CSV 或 XLSX，一列机构编号"),
    ] = None,
    title: Annotated[str, typer.Option(help="只催一家时的标题；不填为“关于……的催报通知”")] = "",
    document: Annotated[str, typer.Option(help="所代替的函件的文号")] = "",
    channel: Annotated[
        list[str] | None, typer.Option(help="站内消息以外的渠道：mail、webhook；可多次")
    ] = None,
    key: Annotated[str, typer.Option(help="批办的键：同一个键只办一次；不填为新的一次")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """向没有填报的机构送达催报，记入每件的经过：谁、何时、以何渠道、何时查看。"""
    from domain.notices import Channel

    known = (Channel.MAIL.value, Channel.WEBHOOK.value)
    if any(one not in known for one in channel or ()):
        raise typer.BadParameter("应是 mail 或 webhook", param_hint="--channel")
    channels = tuple(map(Channel, channel or ["mail"]))
    key = key or uuid.uuid4().hex
    if institution:
        if status or region or file:
            raise typer.BadParameter("只催一家时不能再限定范围", param_hint="--institution")
        case_id = _case_id(period, institution)
        _remind_one(case_id, key, text, title, channels, document, data, as_json=as_json)
        return
    if title:
        raise typer.BadParameter("只能用于一家，须写 --institution", param_hint="--title")
    selection = _to_be_reminded(period, jurisdiction, status, _code(region), file)
    _remind_many(selection, key, text, channels, document, data, as_json=as_json)


def _to_be_reminded(
    period: Period, jurisdiction: str, status: list[Status] | None, region: str, file: Path | None
) -> Selection:
    from cli.jobs import ids_of
    from domain.case.reminders import OWING
    from domain.jurisdictions import lies_in
    from services.campaigns.opening import kind_of
    from services.jobs import Selection
    from services.starts import id_of

    if region and not lies_in(region, jurisdiction):
        raise typer.BadParameter(f"不在 {jurisdiction} 之内", param_hint="--region")
    ids = tuple(id_ if "/" in id_ else id_of(period, id_) for id_ in ids_of(file))
    return Selection(
        kind=kind_of(period),
        year=period.year,
        quarter=period.quarter,
        statuses=tuple(status or (() if ids else OWING)),
        region=region or jurisdiction,
        ids=ids,
    )


def _remind_many(
    selection: Selection,
    key: str,
    text: str,
    channels: tuple[Channel, ...],
    document: str,
    data: Path,
    *,
    as_json: bool,
) -> None:
    from cli.jobs import show_job
    from cli.system import operator, run
    from domain.jobs import JobAction

    details = {"channels": [channel.value for channel in channels], "document": document}
    job = run(
        data,
        lambda services: services.jobs.ask(
            JobAction.SERVE_REMINDER, selection, operator(), key, details=details, reason=text
        ),
    )
    show_job(job, as_json=as_json)


def _remind_one(
    case_id: str,
    key: str,
    text: str,
    title: str,
    channels: tuple[Channel, ...],
    document: str,
    data: Path,
    *,
    as_json: bool,
) -> None:
    from cli.system import operator, run
    from domain.messages import local_time

    receipt = run(
        data,
        lambda services: services.reminders.serve(
            case_id,
            operator(),
            key,
            text,
            title=title,
            channels=channels,
            document=document,
        ),
    )
    if as_json:
        print_json(receipt)
    else:
        out.print(f"已催报 {case_id}，{local_time(receipt.at)}，第 {receipt.sequence} 步")


@campaign_app.command("schedule")
def schedule(
    period: Of,
    jurisdiction: Jurisdiction,
    institution: Annotated[
        str, typer.Option(help="只看这一机构的填报；不填为整个统计工作，以件数表示")
    ] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """到时办理的事项：开放、提醒、逾期、公开、各项期限，各在何时、是否已办。"""
    from cli.system import run
    from domain.messages import local_time
    from domain.refusals import Code, Refusal, Refused

    async def work(services: Services) -> list[Action]:
        if institution:
            found = await services.records.find(_case_id(period, institution), "填报")
            return await services.schedule.of_case(found.case)
        campaign = await services.campaigns.find(period, jurisdiction)
        if campaign is None:
            params = {"year": str(period), "jurisdiction": jurisdiction}
            raise Refused(Refusal(code=Code.CAMPAIGN_NOT_FOUND, params=params))
        return await services.schedule.of_campaign(campaign, period)

    actions = run(data, work)
    if as_json:
        print_json({"rows": actions})
        return
    table = listing("时间", "事项", "状态", "件数", "办于", "说明")
    for one in actions:
        done_at = local_time(one.done_at) if one.done_at else ""
        table.add_row(
            local_time(one.at),
            one.label,
            one.state_label,
            str(one.count) if one.count else "",
            done_at,
            escape(one.detail),
        )
    print_listing(table)


def _case_id(period: Period, institution: str) -> str:
    from domain.ids import batch_id, filing_id

    if period.quarter:
        return batch_id(str(period), institution)
    return filing_id(period.year, institution)


@campaign_app.command("annul")
def annul(
    period: Of,
    jurisdiction: Jurisdiction,
    reason: Annotated[str, typer.Option(help="作废的理由")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """作废误开的年度统计工作：其填报逐件作废，不计入任何统计。"""
    from cli.jobs import show_job
    from cli.system import operator, run
    from domain.confirmations import ConfirmedAct

    async def work(services: Services) -> Job | None:
        actor, key = operator(), uuid.uuid4().hex
        path = f"/api/campaigns/{period}/{jurisdiction}/annul"
        await services.confirmations.hold(
            ConfirmedAct.ANNUL_CAMPAIGN, 1, path, {"reason": reason}, actor, key
        )
        case_id = await services.campaigns.annul(period, jurisdiction, actor, key, reason)
        return await services.jobs.annul(case_id, actor, reason)

    job = run(data, work)
    if job is None:
        print_json({"job": None}) if as_json else out.print("已作废；没有填报。")
    else:
        show_job(job, as_json=as_json)


@campaign_app.command("extend")
def extend(
    period: Of,
    jurisdiction: Jurisdiction,
    until: Annotated[
        Any,
        typer.Option(
            help="延至的时刻，如 2025-04-01T00:00:00+08:00", parser=read_instant, metavar="INSTANT"
        ),
    ],
    reason: Annotated[str, typer.Option(help="延期的理由")],
    document: Annotated[str, typer.Option(help="批准延期的文件")] = "",
    authorised_by: Annotated[str, typer.Option(help="批准人或批准机关；不填为经办人")] = "",
    region: Annotated[str, typer.Option(help="只限这一区域，如 350200")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--ids", exists=True, dir_okay=False, help="CSV 或 XLSX，一列机构编号"),
    ] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """为一个辖区、一个区域（后来列入的同样）或一份名单延期；逐件办理，到期自行恢复原定期限。"""
    from cli.jobs import ids_of
    from cli.system import operator, run
    from services.campaigns.opening import kind_of
    from services.extensions import UNFINISHED, ExtensionTerms
    from services.jobs import Selection
    from services.starts import id_of

    place = _code(region) or jurisdiction
    ids = tuple(id_ if "/" in id_ else id_of(period, id_) for id_ in ids_of(file))
    grant = ExtensionTerms(
        period=period,
        jurisdiction=place,
        standing=not ids,
        until=until,
        reason=reason,
        document=document,
        authorised_by=authorised_by,
    )
    selection = Selection(
        kind=kind_of(period),
        year=period.year,
        quarter=period.quarter,
        statuses=() if ids else UNFINISHED,
        region=place,
        ids=ids,
    )

    async def work(services: Services) -> tuple[Extension, dict[str, str]]:
        granted = await services.extensions.grant(grant, selection, operator(), uuid.uuid4().hex)
        return granted, await services.extensions.reasons([granted])

    _show_extensions(*_listed(run(data, work)), alone=True, as_json=as_json)


@campaign_app.command("extensions")
def extensions(
    period: Of, jurisdiction: Jurisdiction, data: Data = HERE, as_json: AsJson = False
) -> None:
    """一个辖区之内、以及对它有效的延期，新的在前。"""
    from cli.system import run

    async def work(services: Services) -> tuple[list[Extension], dict[str, str]]:
        listed = await services.extensions.newest_first(period, jurisdiction, None, 200)
        return listed, await services.extensions.reasons(listed)

    _show_extensions(*run(data, work), alone=False, as_json=as_json)


@campaign_app.command("shorten")
def shorten(
    extension: Annotated[str, typer.Argument(help="延期编号，见 zhibao campaign extensions")],
    reason: Annotated[str, typer.Option(help="缩短或收回的理由")],
    until: Annotated[
        Any,
        typer.Option(help="改至的时刻；不填即自现在起收回", parser=read_instant, metavar="INSTANT"),
    ] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """缩短或收回一项延期；原定期限已过、只靠延期的填报不受影响，逐件的结果见批办。"""
    from cli.system import operator, run

    async def work(services: Services) -> tuple[Extension, dict[str, str]]:
        changed = await services.extensions.shorten(
            extension, until, operator(), uuid.uuid4().hex, reason
        )
        return changed, await services.extensions.reasons([changed])

    _show_extensions(*_listed(run(data, work)), alone=True, as_json=as_json)


def _listed(found: tuple[Extension, dict[str, str]]) -> tuple[list[Extension], dict[str, str]]:
    return [found[0]], found[1]


def _show_extensions(
    listed: list[Extension], reasons: dict[str, str], *, alone: bool, as_json: bool
) -> None:
    from domain.messages import closing_time
    from services.clock import system_clock
    from services.extensions import shown

    rows = [shown(one, reasons, system_clock()) for one in listed]
    if as_json:
        print_json(rows[0] if alone else {"rows": [row.model_dump() for row in rows]})
        return
    table = listing("编号", "辖区", "范围", "至", "件数", "现行", "文件", "批准", "理由")
    for row in rows:
        whole = "整个辖区" if row.standing else "所列各件"
        until = closing_time(row.until) + ("" if row.open else "（已届满）")
        numbers = (str(row.total), str(row.extended))
        words = map(escape, (row.document, row.authorised_by, row.reason))
        table.add_row(row.id, row.jurisdiction, whole, until, *numbers, *words)
    print_listing(table)


def _code(region: str) -> str:
    if region and not re.fullmatch(r"[0-9]{6}", region):
        raise typer.BadParameter("写作六位代码，如 350200", param_hint="--region")
    return region


async def followed(
    campaigns: CampaignService, period: Period, jurisdiction: str, *, wait: bool
) -> dict[str, Any]:
    """A campaign's status once it is on record; with ``wait``, once everybody's filing exists."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("核对名录，建立填报", total=None)
        while True:
            campaign = await campaigns.find(period, jurisdiction)
            if campaign is not None:
                progress.update(task, total=campaign.total, completed=campaign.considered)
                # filings are on record a moment after they were started
                on_record = await campaigns.cases_on_record(campaign.case_id)
                if not wait or (campaign.started_at and on_record >= campaign.started):
                    return await campaigns.describe(campaign)
            await asyncio.sleep(0.3)


@campaign_app.command("status")
def status(
    period: Of, jurisdiction: Jurisdiction, data: Data = HERE, as_json: AsJson = False
) -> None:
    """一项统计工作的进展。"""
    from cli.system import run

    _show(run(data, lambda services: services.campaigns.status(period, jurisdiction)), as_json)


def _show(progress: dict[str, Any], as_json: bool) -> None:
    from domain.messages import closing_time

    if as_json:
        print_json(progress)
        return
    stages = {stage["id"]: stage for stage in progress["stages"]}
    now = stages.get(progress["stage"])
    if now is not None:
        until = closing_time(now["closes"])
        out.print(f"阶段：{now['label']}（至 {until}）", highlight=False)
    out.print(
        f"名录 {progress['considered']}/{progress['total']} 家：应填报 {progress['started']}，"
        f"可填报 {progress['voluntary']}，不在范围 {progress['outside']}，"
        f"无规则 {progress['without_rules']}，"
        f"算不出 {progress['uncomputable']}，在其他统计工作中填报 {progress['elsewhere']}",
        highlight=False,
    )
    if progress["reported"] is not None:
        out.print(f"已报送 {progress['reported']} 家", highlight=False)
    table = listing("状态", "件数")
    for name, number in progress["statuses"].items():
        table.add_row(STATUS_LABELS[name], str(number))
    print_listing(table)


@campaign_app.command("rescan")
def rescan(period: Of, jurisdiction: Jurisdiction, data: Data = HERE) -> None:
    """重新核对名录，为后来登记的机构补建填报。"""
    from cli.system import operator, run

    run(
        data,
        lambda services: services.campaigns.rescan(
            period, jurisdiction, operator(), uuid.uuid4().hex
        ),
    )
    out.print("已安排重新核对名录。")


@campaign_app.command("progress")
def progress(
    period: Of,
    jurisdiction: Jurisdiction,
    by: Annotated[str, typer.Option(help="按什么分列：region、authority 或 field")] = "region",
    level: Annotated[
        str, typer.Option(help="按区域分列时归并到哪一级：province、city 或 county")
    ] = "county",
    as_of: AsOf = None,
    csv: Annotated[Path | None, typer.Option(help="写入这一 CSV 文件")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="写入这一 XLSX 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """填报进度：应填报、已提交、按期、补报、退回、通过、办结、逾期各多少；可查过去任一时刻。"""
    from cli.system import run
    from services.campaigns.report import FIGURES

    if by not in ("region", "authority", "field"):
        raise typer.BadParameter("应是 region、authority 或 field", param_hint="--by")
    if level not in ("province", "city", "county"):
        raise typer.BadParameter("应是 province、city 或 county", param_hint="--level")
    told = run(
        data,
        lambda services: services.progress.figures(
            period, jurisdiction, cast("By", by), level=cast("Level", level), as_of=as_of
        ),
    )
    header = ["代码", "名称", *FIGURES.values()]
    rows = [[row.key, row.name, *(getattr(row, name) for name in FIGURES)] for row in told.rows]
    total = ["", "合计", *(getattr(told.total, name) for name in FIGURES)]
    export("填报进度", header, [*rows, total], csv, xlsx)
    if as_json:
        print_json(told)
    elif csv is None and xlsx is None:
        table = listing(*header)
        for row in [*rows, total]:
            table.add_row(*map(str, row))
        print_listing(table)


@campaign_app.command("report")
def report(
    period: Of,
    jurisdiction: Jurisdiction,
    xlsx: Annotated[Path | None, typer.Option(help="写入这一 XLSX 文件，附各表")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """向上级报送的工作进展：文字，--xlsx 另附各地进展、待办、延期和未报机构名单。"""
    from cli.system import run

    made = run(data, lambda services: services.reports.of(period, jurisdiction))
    if xlsx is not None:
        xlsx.write_bytes(made.xlsx())
        err.print(f"已写入 {escape(str(xlsx))}", highlight=False)
    if as_json:
        print_json(made)
    elif xlsx is None:
        typer.echo(made.text())


@campaign_app.command("duties")
def duties(
    period: OfDuties, jurisdiction: Jurisdiction, data: Data = HERE, as_json: AsJson = False
) -> None:
    """填报以外的职责：谁、到哪一天、做到了没有；用 duty 说明一项已经办好。"""
    from cli.system import run

    def listed(services: Services) -> Awaitable[tuple[DutyRow, ...]]:
        if period == CERTIFICATES:
            return services.duties.of_certificates(jurisdiction)
        return services.duties.of_place(Period.parse(period), jurisdiction)

    rows = run(data, listed)
    if as_json:
        print_json({"rows": [row.model_dump(mode="json") for row in rows]})
        return
    for row in rows:
        typer.echo(f"{row.id}  {row.text()}")
    if not rows:
        typer.echo("规则没有写明填报以外的职责")


@campaign_app.command("duty")
def duty(
    period: OfDuties,
    duty_id: Annotated[str, typer.Argument(metavar="DUTY", help="职责的编号，见 duties")],
    authority: Annotated[str, typer.Option(help="哪个部门的职责，如 amr-350000")],
    reason: Annotated[str, typer.Option(help="做了什么")],
    document: Annotated[str, typer.Option(help="依据的文件")] = "",
    undone: Annotated[bool, typer.Option("--undone", help="说错了：并没有办好")] = False,
    key: Annotated[str, typer.Option(help="同一个键只记一次；不填为新的一次")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """说明一个部门的一项职责已经办好，记录在案；由系统数据说明的职责不由人填写。"""
    from cli.system import operator, run

    if not reason.strip():
        raise typer.BadParameter("请写明做了什么", param_hint="--reason")
    task = run(
        data,
        lambda services: services.duties.report(
            period, duty_id, authority, operator(), key or uuid.uuid4().hex,
            reason.strip(), document, done=not undone,
        ),
    )  # fmt: skip
    if as_json:
        print_json(task)
        return
    state = "已办" if task.done else "未办"
    typer.echo(f"{task.name}：{task.label}，{state}（{task.said_by}，{task.said}）")


@campaign_app.command("backlog")
def backlog(
    period: Of,
    jurisdiction: Jurisdiction,
    as_of: AsOf = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """各部门的待办：多少件、无人领取的、最久等了几天。"""
    from cli.system import run

    rows = run(data, lambda services: services.progress.backlog(period, jurisdiction, as_of=as_of))
    if as_json:
        print_json({"rows": [row.model_dump() for row in rows]})
        return
    table = listing("部门", "名称", "状态", "件数", "未领取", "最久天数", "一半不足天数")
    for row in rows:
        numbers = (row.waiting, row.unclaimed, row.oldest_days, row.median_days)
        table.add_row(row.authority, row.name, row.status_label, *map(str, numbers))
    print_listing(table)


@campaign_app.command("activity")
def activity(
    period: Of,
    jurisdiction: Jurisdiction,
    first: Annotated[str, typer.Option("--from", help="自哪一天，如 2025-03-20；不填为今天")] = "",
    days: Annotated[int, typer.Option(min=1, max=31, help="几天")] = 1,
    by: Annotated[str, typer.Option(help="hour 逐时，day 逐日")] = "hour",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """逐时或逐日的提交（含未成功的）、退回、通过、办结。"""
    from datetime import date

    from cli.system import run
    from domain.clock import day_of
    from domain.messages import local_time
    from services.clock import system_clock

    if by not in ("hour", "day"):
        raise typer.BadParameter("应是 hour 或 day", param_hint="--by")
    try:
        start = date.fromisoformat(first) if first else day_of(system_clock())
    except ValueError:
        raise typer.BadParameter("写作 2025-03-20", param_hint="--from") from None
    rows = run(
        data,
        lambda services: services.progress.activity(
            period, jurisdiction, start, days, cast("Unit", by)
        ),
    )
    if as_json:
        print_json({"rows": [row.model_dump() for row in rows]})
        return
    table = listing("自", "提交", "未成功", "退回", "通过", "办结", "逾期", "延期")
    for row in rows:
        numbers = (row.submitted, row.refused, row.returned, row.approved)
        more = (row.completed, row.lapsed, row.extended)
        table.add_row(local_time(row.began), *map(str, (*numbers, *more)))
    print_listing(table)


def export(
    title: str,
    header: list[str],
    rows: list[list[Any]],
    csv: Path | None,
    xlsx: Path | None,
) -> None:
    """Writes a table to the files that are named, and says so."""
    from files.export import csv_table
    from files.export import xlsx as workbook

    if csv is not None:
        csv.write_bytes(csv_table(header, rows))
    if xlsx is not None:
        xlsx.write_bytes(workbook(title, header, rows))
    for file in filter(None, (csv, xlsx)):
        err.print(f"已写入 {escape(str(file))}，{len(rows)} 行", highlight=False)


@campaign_app.command("non-filers")
def non_filers(
    period: Of,
    jurisdiction: Jurisdiction,
    status: Annotated[Status | None, typer.Option(help="只列这一状态")] = None,
    region: Annotated[str, typer.Option(help="只列这一区域，如 350200")] = "",
    authority: Annotated[
        str, typer.Option(help="只列这一审核部门的；还没有分派的，看其上年度的")
    ] = "",
    name: Annotated[str, typer.Option(help="机构名称的一部分")] = "",
    as_of: AsOf = None,
    csv: Annotated[Path | None, typer.Option(help="写入这一 CSV 文件")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="写入这一 XLSX 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """逐件列出未完成填报的机构及其原因。"""
    from cli.system import operator, run
    from domain.text import name_key
    from services.campaigns.progress import NON_FILERS, UNFINISHED, non_filer_cells

    listed = run(
        data,
        lambda services: services.progress.all_non_filers(
            period,
            jurisdiction,
            statuses=UNFINISHED if status is None else (status,),
            region=_code(region),
            authority=authority,
            name=name_key(name),
            as_of=as_of,
            reader=operator(),
        ),
    )
    header = list(NON_FILERS)
    rows: list[list[Any]] = list(map(non_filer_cells, listed))
    export("未报机构名单", header, rows, csv, xlsx)
    if as_json:
        print_json({"rows": [row.model_dump() for row in listed]})
    elif csv is None and xlsx is None:
        table = listing(*header[:7])
        for row in rows:
            table.add_row(*map(escape, row[:7]))
        print_listing(table)
        out.print(f"共 {len(listed)} 家")
