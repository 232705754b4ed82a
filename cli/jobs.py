"""``zhibao jobs``: bulk jobs, how far they have come and what came of each case."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

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
)
from domain.case.status import Status

if TYPE_CHECKING:
    from cli.system import Services
    from services.jobs import Job, JobItem

jobs_app = typer.Typer(no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="批办编号，见 zhibao jobs list")]


@jobs_app.command("ask")
def ask(
    action: Annotated[
        str,
        typer.Argument(help="claim、release、assign、hand_over、return、approve、cancel 或 annul"),
    ],
    campaign: Annotated[str, typer.Argument(help="年度和辖区，如 2024/350000")],
    reason: Annotated[str, typer.Option(help="理由")] = "",
    status: Annotated[list[Status] | None, typer.Option(help="只限这些状态，可重复")] = None,
    region: Annotated[str, typer.Option(help="只限这一区域，如 350200")] = "",
    authority: Annotated[str, typer.Option(help="只限现由这一部门办理的")] = "",
    name: Annotated[str, typer.Option(help="机构名称的一部分")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--ids", exists=True, dir_okay=False, help="CSV 或 XLSX，一列机构编号"),
    ] = None,
    person: Annotated[str, typer.Option(help="指派给谁")] = "",
    role: Annotated[str, typer.Option(help="以何身份：operator、reviewer 或 checker")] = "operator",
    scope: Annotated[str, typer.Option(help="辖区或部门；不填为全国")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """对许多填报做同一件事；逐件办理，每件各有结果。延期、催报用 campaign extend、remind。"""
    from cli.system import operator, run
    from domain.case.commands import Role
    from domain.confirmations import BULK_ACTS
    from domain.filing.kind import FILING
    from domain.jobs import JobAction
    from domain.numbers.quarters import Period
    from domain.text import name_key
    from services.jobs import Selection
    from services.starts import id_of

    try:
        wanted, capacity = JobAction(action), Role(role)
        period = Period.parse(campaign.partition("/")[0])
    except ValueError as failure:
        raise typer.BadParameter(str(failure)) from None
    if wanted in (JobAction.EXTEND, JobAction.SHORTEN):
        raise typer.BadParameter("延期用 zhibao campaign extend、shorten")
    if wanted is JobAction.AMEND:
        raise typer.BadParameter("修订用 zhibao campaign amend")
    if wanted is JobAction.SERVE_REMINDER:
        raise typer.BadParameter("催报用 zhibao campaign remind")
    ids = [id_ if "/" in id_ else id_of(period, id_) for id_ in ids_of(file)]
    actor = operator().model_copy(update={"role": capacity} | ({"scope": scope} if scope else {}))
    selection = Selection(
        kind=FILING.name,
        campaign=f"campaign/{campaign}",
        statuses=tuple(status or ()),
        region=region,
        authority=authority,
        name=name_key(name),
        ids=tuple(ids),
    )
    details = {"person": person} if person else {}

    async def work(services: Services) -> Job:
        key, act = uuid.uuid4().hex, BULK_ACTS.get(wanted)
        if act is not None:
            number = await services.jobs.count(wanted, selection, actor)
            chosen = selection.model_dump(
                mode="json", include={"statuses", "region", "authority", "name", "ids"}
            )
            body = {
                "action": wanted.value,
                "selection": {**chosen, "campaign": campaign},
                **({"reason": reason} if reason else {}),
            }
            await services.confirmations.hold(act, number, "/api/jobs", body, actor, key)
        return await services.jobs.ask(
            wanted, selection, actor, key, details=details, reason=reason
        )

    job = run(data, work)
    show_job(job, as_json=as_json)


def ids_of(file: Path | None) -> tuple[str, ...]:
    """The ids in a list. Ends the command where anything is wrong with it."""
    from files.selection import read_selection

    if file is None:
        return ()
    reading = read_selection(file, file.name)
    wrong = [problem for problem in reading.problems if problem.level == "error"]
    for problem in wrong[:50]:
        err.print(
            f"第 {problem.row} 行：{escape(problem.message)}；{escape(problem.mend)}",
            highlight=False,
        )
    if wrong:
        raise typer.Exit(NOT_IN_ORDER)
    return reading.ids


@jobs_app.command("list")
def list_jobs(data: Data = HERE, as_json: AsJson = False) -> None:
    """最近的批办。"""
    from cli.system import operator, run
    from services.jobs import job_shown

    listed = run(data, lambda services: services.jobs.newest_first(operator(), None, 50))
    if as_json:
        print_json({"rows": [job_shown(job).model_dump(mode="json") for job in listed]})
        return
    table = listing("编号", "事项", "状态", "总数", "已办", "未办", "发起人")
    for job in listed:
        told = job_shown(job)
        numbers = map(str, (told.total, told.done, told.refused))
        labels = (told.action_label, told.state_label)
        table.add_row(told.id, *labels, *numbers, told.requested_by)
    print_listing(table)


@jobs_app.command("show")
def show(
    job_id: JobId,
    csv: Annotated[Path | None, typer.Option(help="把每一件的结果写入这一 CSV 文件")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="把每一件的结果写入这一 XLSX 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一项批办的进展；--csv、--xlsx 另存每一件的结果。"""
    from cli.system import run
    from files import export

    async def work(services: Services) -> tuple[Job, list[JobItem]]:
        job = await services.jobs.find(job_id)
        kept = [item async for item in services.jobs.all_items(job_id)] if csv or xlsx else []
        return job, kept

    job, items = run(data, work)
    from services.jobs import REPORT, report_row

    if csv is not None:
        csv.write_bytes(export.csv_table(REPORT, map(report_row, items)))
    if xlsx is not None:
        xlsx.write_bytes(export.xlsx("批办结果", REPORT, map(report_row, items)))
    for file in filter(None, (csv, xlsx)):
        err.print(f"已写入 {escape(str(file))}，{len(items)} 件", highlight=False)
    show_job(job, as_json=as_json)


@jobs_app.command("stop")
def stop(job_id: JobId, data: Data = HERE, as_json: AsJson = False) -> None:
    """停止一项批办；已办的不受影响。"""
    from cli.system import operator, run

    show_job(run(data, lambda services: services.jobs.stop(job_id, operator())), as_json=as_json)


@jobs_app.command("resume")
def resume(job_id: JobId, data: Data = HERE, as_json: AsJson = False) -> None:
    """继续一项停下的批办。"""
    from cli.system import operator, run

    show_job(run(data, lambda services: services.jobs.resume(job_id, operator())), as_json=as_json)


def show_job(job: Job, *, as_json: bool) -> None:
    """Prints how far a job has come."""
    from services.jobs import job_shown

    told = job_shown(job)
    if as_json:
        print_json(told)
        return
    out.print(
        f"批办 {job.id} {told.action_label}，{told.state_label}："
        f"共 {job.total} 件，已办 {job.done}，未办 {job.refused}",
        highlight=False,
    )
    if job.refused:
        out.print(f"未办的原因：zhibao jobs show {job.id} --csv 文件", highlight=False)
