"""``zhibao campaign`` and ``zhibao roster``: the operator's commands."""

import asyncio
import getpass
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from domain.case.commands import Actor, Role
from domain.case.status import STATUS_LABELS, Status
from domain.ids import NATION
from domain.messages import explain, local_time
from domain.numbers.quarters import Period
from domain.refusals import Code, Refusal, Refused
from engine.client import connect_engine
from rules.file.catalogue import cached_catalogue
from services.campaigns import CampaignService
from services.certificates.register import RegisterService
from services.clock import system_clock
from services.lists import ListReport, ListService
from services.roster import RosterReport, RosterService, known_regions
from services.rule_sets import PinnedRules
from settings import SettingMissing, of_system
from store.database import connect

campaign_app = typer.Typer(no_args_is_help=True)
roster_app = typer.Typer(no_args_is_help=True)
out, err = Console(), Console(stderr=True)

Answer = TypeVar("Answer")
Report = TypeVar("Report", bound=ListReport)
Data = Annotated[Path, typer.Option("--data", help="单机系统的数据目录")]
AsJson = Annotated[bool, typer.Option("--json", help="只打印一个 JSON 文档")]


def _period(text: str) -> Period:
    try:
        return Period.parse(text)
    except ValueError:
        raise typer.BadParameter("写作 2024（年度统计）或 2024Q3（季度报告编号）") from None


Of = Annotated[
    Period,
    typer.Argument(help="统计年度，如 2024；季度报告编号，如 2024Q3", parser=_period),
]
Jurisdiction = Annotated[str, typer.Argument(help="辖区代码，000000 为全国")]
HERE = Path(".zhibao")


class Services(NamedTuple):
    """What an operator's command works with."""

    campaigns: CampaignService
    roster: RosterService
    register: RegisterService


@asynccontextmanager
async def connected(data: Path) -> AsyncIterator[Services]:
    """Services to the system that the environment or the data folder names."""
    settings = of_system(data)
    client = await connect_engine(settings.temporal_address, settings.temporal_namespace)
    engine = connect(settings.database_url.get_secret_value(), pool_size=2)
    catalogue = cached_catalogue(settings.rules)
    try:
        yield Services(
            CampaignService(client, engine, PinnedRules(engine), settings.rules, system_clock),
            RosterService(engine, known_regions(catalogue), system_clock),
            RegisterService(engine, settings.rules, system_clock),
        )
    finally:
        await engine.dispose()


def run(data: Path, work: Callable[[Services], Awaitable[Answer]]) -> Answer:
    """Runs an operator's command; a refusal or a missing system ends it with a sentence."""

    async def within() -> Answer:
        async with connected(data) as services:
            return await work(services)

    try:
        return asyncio.run(within())
    except Refused as refused:
        words = explain(refused.refusal)
        err.print(f"[red]{escape(words.title)}[/red]：{escape(words.detail)}{escape(words.remedy)}")
        raise typer.Exit(1) from None
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(2) from None
    except (SQLAlchemyError, RuntimeError, OSError):
        words = explain(Refusal(code=Code.UNAVAILABLE, params={"part": "数据库或流程引擎"}))
        err.print(f"[red]{words.title}[/red]：连不上系统。请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(1) from None


def operator() -> Actor:
    """Whoever is logged in at the terminal, with the nation as jurisdiction."""
    return Actor(subject=f"cli.{getpass.getuser()}", role=Role.OPERATOR, scope=NATION)


def print_json(value: Any) -> None:
    """Prints a value as one JSON document."""
    typer.echo(to_json(value).decode())


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
            f"第 {one.row} 行 {one.column}：{one.message}；{one.mend}" for one in report.problems
        )
        _show_first(more)
    if report.errors:
        raise typer.Exit(1)


def _roster_lines(report: RosterReport) -> tuple[str, list[str]]:
    again = "（此前已导入过，没有变化）" if report.repeated else ""
    summary = f"导入 {report.accepted} 家机构（新登记 {report.added}）{again}"
    return summary, [
        f"第 {one.row} 行 {one.institution} {one.column}：{one.old or '空'} → {one.new or '空'}"
        + (f"（{one.campaign} 正在进行）" if one.campaign else "")
        for one in report.changes
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
    jurisdiction: Jurisdiction = NATION,
    data: Data = HERE,
    as_json: AsJson = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="等到应填报的都已建立")
    ] = True,
) -> None:
    """开启一个辖区的年度统计，或一个季度的报告编号报送。"""

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
            row = await campaigns.find(period, jurisdiction)
            if row is not None:
                progress.update(task, total=row["total"], completed=row["considered"])
                # filings are on record a moment after they were started
                on_record = await campaigns.cases_on_record(row["case_id"])
                if not wait or (row["started_at"] and on_record >= row["started"]):
                    return await campaigns.describe(row)
            await asyncio.sleep(0.3)


@campaign_app.command("status")
def status(
    period: Of, jurisdiction: Jurisdiction = NATION, data: Data = HERE, as_json: AsJson = False
) -> None:
    """一项统计工作的进展。"""
    _show(run(data, lambda g: g.campaigns.status(period, jurisdiction)), as_json)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    stages = {stage["id"]: stage for stage in found["stages"]}
    now = stages.get(found["stage"])
    if now is not None:
        until = local_time(now["closes"])
        out.print(f"阶段：{now['label']}（至 {until}）", highlight=False)
    out.print(
        f"名录 {found['considered']}/{found['total']} 家：应填报 {found['started']}，"
        f"可填报 {found['voluntary']}，不在范围 {found['outside']}，"
        f"无规则 {found['without_rules']}，在其他统计工作中填报 {found['elsewhere']}",
        highlight=False,
    )
    if found["reported"] is not None:
        out.print(f"已报送 {found['reported']} 家", highlight=False)
    table = Table("状态", "件数")
    for name, number in found["statuses"].items():
        table.add_row(STATUS_LABELS[name], str(number))
    out.print(table)


@campaign_app.command("rescan")
def rescan(period: Of, jurisdiction: Jurisdiction = NATION, data: Data = HERE) -> None:
    """重新核对名录，为后来登记的机构补建填报。"""
    run(data, lambda g: g.campaigns.rescan(period, jurisdiction, uuid.uuid4().hex))
    out.print("已安排重新核对名录。")


@campaign_app.command("non-filers")
def non_filers(
    period: Of,
    jurisdiction: Jurisdiction = NATION,
    status: Annotated[Status, typer.Option(help="未完成的状态")] = Status.DRAFT,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """逐件列出未完成填报的机构。"""
    found = run(data, lambda g: g.campaigns.listed(period, jurisdiction, status))
    if as_json:
        rows = [case.model_dump(mode="json", exclude={"plan"}) for case in found]
        print_json(rows)
        return
    table = Table("机构", "名称", "区域", "状态", "期限")
    for case in found:
        due = local_time(case.due) if case.due else ""
        table.add_row(
            case.institution_id,
            escape(case.institution_name),
            case.region,
            STATUS_LABELS[case.status],
            due,
        )
    out.print(table)
    out.print(f"共 {len(found)} 家")
