"""``zhibao jobs``: bulk jobs, how far they have come and what came of each case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.terminal import HERE, AsJson, Data, err, listing, out, print_json, print_listing

if TYPE_CHECKING:
    from cli.system import Services
    from services.jobs import Job, JobItem

jobs_app = typer.Typer(no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="批办编号，见 zhibao jobs list")]


@jobs_app.command("list")
def list_jobs(data: Data = HERE, as_json: AsJson = False) -> None:
    """最近的批办。"""
    from cli.system import operator, run

    listed = run(data, lambda services: services.jobs.newest_first(operator(), None, 50))
    if as_json:
        print_json({"rows": [_told(job) for job in listed]})
        return
    table = listing("编号", "事项", "状态", "总数", "已办", "未办", "发起人")
    for job in listed:
        told = _told(job)
        numbers = map(str, (job.total, job.done, job.refused))
        words = (str(told[name]) for name in ("action_label", "state_label"))
        table.add_row(job.id, *words, *numbers, str(told["by"]))
    print_listing(table)


@jobs_app.command("show")
def show(
    job_id: JobId,
    csv: Annotated[Path | None, typer.Option(help="把每一件的结果写入这一 CSV 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一项批办的进展；--csv 另存每一件的结果。"""
    from cli.system import run
    from files.export import csv_table

    async def work(services: Services) -> tuple[Job, list[JobItem]]:
        job = await services.jobs.find(job_id)
        kept = [item async for item in services.jobs.all_items(job_id)] if csv else []
        return job, kept

    job, items = run(data, work)
    if csv is not None:
        from services.jobs import REPORT, report_row

        csv.write_bytes(csv_table(REPORT, map(report_row, items)))
        err.print(f"已写入 {escape(str(csv))}，{len(items)} 件", highlight=False)
    show_job(job, as_json=as_json)


@jobs_app.command("stop")
def stop(job_id: JobId, data: Data = HERE, as_json: AsJson = False) -> None:
    """停止一项批办；已办的不受影响。"""
    from cli.system import run

    show_job(run(data, lambda services: services.jobs.stop(job_id)), as_json=as_json)


@jobs_app.command("resume")
def resume(job_id: JobId, data: Data = HERE, as_json: AsJson = False) -> None:
    """继续一项停下的批办。"""
    from cli.system import run

    show_job(run(data, lambda services: services.jobs.resume(job_id)), as_json=as_json)


def show_job(job: Job, *, as_json: bool) -> None:
    """Prints how far a job has come."""
    told = _told(job)
    if as_json:
        print_json(told)
        return
    out.print(
        f"批办 {job.id} {told['action_label']}，{told['state_label']}："
        f"共 {job.total} 件，已办 {job.done}，未办 {job.refused}",
        highlight=False,
    )
    if job.refused:
        out.print(f"未办的原因：zhibao jobs show {job.id} --csv 文件", highlight=False)


def _told(job: Job) -> dict[str, str | int]:
    from domain.jobs import JOB_ACTION_LABELS, JOB_STATE_LABELS

    return {
        "id": job.id,
        "action": job.order.action.value,
        "action_label": JOB_ACTION_LABELS[job.order.action],
        "state": job.state.value,
        "state_label": JOB_STATE_LABELS[job.state],
        "by": job.order.actor.subject,
        "total": job.total,
        "done": job.done,
        "refused": job.refused,
        "waiting": job.total - job.done - job.refused,
    }
