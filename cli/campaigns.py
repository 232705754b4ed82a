"""``zhibao campaign`` and ``zhibao roster``: the operator's commands."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cli.terminal import HERE, NOT_IN_ORDER, AsJson, Data, err, out, print_json
from domain.case.status import STATUS_LABELS, Status
from domain.numbers.quarters import Period

if TYPE_CHECKING:
    from cli.system import Services
    from services.campaigns import CampaignService
    from services.roster import RosterReport

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


@roster_app.command("import")
def import_roster(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV 或 XLSX 文件")],
    accept_good_rows: Annotated[
        bool, typer.Option("--accept-good-rows", help="只导入没有错误的机构")
    ] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """导入机构名录；有一处错误即不导入，除非选择只导入无误的机构。"""
    from cli.system import operator, run

    async def work(services: Services) -> RosterReport:
        return await services.roster.load(
            file.read_bytes(),
            file.name,
            operator(),
            uuid.uuid4().hex,
            accept_good_rows=accept_good_rows,
        )

    report = run(data, work)
    if as_json:
        print_json(report)
    else:
        _show_report(report)
    if report.errors:
        raise typer.Exit(NOT_IN_ORDER)


def _show_report(report: RosterReport) -> None:
    again = "（此前已导入过，没有变化）" if report.repeated else ""
    out.print(f"{report.rows} 行，导入 {report.accepted} 家机构，{report.errors} 处错误{again}")
    show_problems(report.problems)


def show_problems(problems: Sequence[dict[str, Any]]) -> None:
    """Prints the first problems of an import, row by row."""
    for problem in problems[:50]:
        line = (
            f"第 {problem['row']} 行 {problem['column']}：{problem['message']}；{problem['mend']}"
        )
        out.print(escape(line), highlight=False)
    if len(problems) > 50:
        out.print(f"……另有 {len(problems) - 50} 处，用 --json 查看全部")


@campaign_app.command("open")
def open_campaign(
    period: Of,
    jurisdiction: Jurisdiction,
    data: Data = HERE,
    as_json: AsJson = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="等到应填报的都已建立")
    ] = True,
) -> None:
    """开启一个辖区的年度统计，或一个季度的报告编号报送。"""
    from cli.system import operator, run

    async def work(services: Services) -> dict[str, Any]:
        await services.campaigns.open(period, jurisdiction, operator(), uuid.uuid4().hex)
        return await followed(services.campaigns, period, jurisdiction, wait=follow)

    _show(run(data, work), as_json)


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
    from domain.messages import local_time

    if as_json:
        print_json(progress)
        return
    stages = {stage["id"]: stage for stage in progress["stages"]}
    now = stages.get(progress["stage"])
    if now is not None:
        until = local_time(now["closes"])
        out.print(f"阶段：{now['label']}（至 {until}）", highlight=False)
    out.print(
        f"名录 {progress['considered']}/{progress['total']} 家：应填报 {progress['started']}，"
        f"可填报 {progress['voluntary']}，不在范围 {progress['outside']}，"
        f"无规则 {progress['without_rules']}，在其他统计工作中填报 {progress['elsewhere']}",
        highlight=False,
    )
    if progress["reported"] is not None:
        out.print(f"已报送 {progress['reported']} 家", highlight=False)
    table = Table("状态", "件数")
    for name, number in progress["statuses"].items():
        table.add_row(STATUS_LABELS[name], str(number))
    out.print(table, soft_wrap=False)


@campaign_app.command("rescan")
def rescan(period: Of, jurisdiction: Jurisdiction, data: Data = HERE) -> None:
    """重新核对名录，为后来登记的机构补建填报。"""
    from cli.system import run

    run(data, lambda services: services.campaigns.rescan(period, jurisdiction, uuid.uuid4().hex))
    out.print("已安排重新核对名录。")


@campaign_app.command("non-filers")
def non_filers(
    period: Of,
    jurisdiction: Jurisdiction,
    status: Annotated[Status, typer.Option(help="未完成的状态")] = Status.DRAFT,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """逐件列出未完成填报的机构。"""
    from cli.system import run
    from domain.messages import local_time

    cases = run(data, lambda services: services.campaigns.listed(period, jurisdiction, status))
    if as_json:
        rows = [case.model_dump(mode="json", exclude={"plan"}) for case in cases]
        print_json(rows)
        return
    table = Table("机构", "名称", "区域", "状态", "期限")
    for case in cases:
        due = local_time(case.due) if case.due else ""
        table.add_row(
            case.institution_id,
            escape(case.institution_name),
            case.region,
            STATUS_LABELS[case.status],
            due,
        )
    out.print(table, soft_wrap=False)
    out.print(f"共 {len(cases)} 家")
