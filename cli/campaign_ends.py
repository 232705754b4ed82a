"""``zhibao campaign``: how a year ends, from the quality check's sample to the sealed summary."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.campaigns import Jurisdiction, Of, export
from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    AsJson,
    Data,
    listing,
    out,
    print_json,
    print_listing,
)
from domain.case.status import STATUS_LABELS, Status

if TYPE_CHECKING:
    from cli.system import Services
    from services.campaigns.closing import SummaryShown


def sample(
    period: Of,
    jurisdiction: Jurisdiction,
    draw: Annotated[bool, typer.Option("--draw", help="现在抽取")] = False,
    number: Annotated[
        int | None, typer.Option(help="列出第几次抽样的全部填报，并重新抽取核对", min=1)
    ] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """质量审查的抽样：抽取，查看，按种子重新抽取核对。"""
    from cli.system import operator, run

    async def work(services: Services) -> Any:
        if draw:
            key = uuid.uuid4().hex
            return await services.samples.draw(period, jurisdiction, operator(), key)
        if number is not None:
            return await services.samples.again(period, jurisdiction, number)
        return await services.samples.show(period, jurisdiction)

    told = run(data, work)
    if as_json:
        print_json(told)
    elif number is not None and not draw:
        table = listing("填报", "层", "抽中")
        for filing in told.filings:
            table.add_row(filing.case_id, filing.stratum or "全部", "是" if filing.drawn else "")
        print_listing(table)
        out.print(f"种子 {told.seed}", highlight=False)
        out.print("重新抽取，结果一致。" if told.same else "[red]重新抽取，结果不一致。[/red]")
    else:
        table = listing("次", "种子的哈希", "种子", "参加", "抽中")
        for one in told.draws:
            seed = one.seed or "抽样后公布"
            table.add_row(str(one.number), one.commitment, seed, str(one.filings), str(one.drawn))
        print_listing(table)
        out.print(f"等待抽样 {told.waiting} 件", highlight=False)
    if number is not None and not draw and not told.same:
        raise typer.Exit(NOT_IN_ORDER)


def close(
    period: Of,
    jurisdiction: Jurisdiction,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="有未办结的仍要关闭；须写 --reason")
    ] = False,
    reason: Annotated[str, typer.Option(help="有未办结的仍要关闭的理由")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """关闭期限已过的年度统计，封存汇总。"""
    from cli.system import operator, run

    told = run(
        data,
        lambda services: services.closing.close(
            period,
            jurisdiction,
            operator(),
            uuid.uuid4().hex,
            unfinished=unfinished,
            reason=reason,
        ),
    )
    _show_summary(told, as_json=as_json)


def summary(
    period: Of, jurisdiction: Jurisdiction, data: Data = HERE, as_json: AsJson = False
) -> None:
    """封存的汇总：由日志重新算出并比较，列出封存之后又有办理的填报。"""
    from cli.system import run

    told = run(data, lambda services: services.closing.show(period, jurisdiction))
    _show_summary(told, as_json=as_json)
    if not (told.intact and told.reproduced):
        raise typer.Exit(NOT_IN_ORDER)


_COUNTS = {
    "must": "应填报",
    "voluntary": "自愿",
    "submitted": "已提交",
    "late": "补报",
    "not_filed": "未提交",
    "extended": "延期",
    "reopened": "重新开启",
    "sampled": "抽中质审",
    "passed": "质审通过",
    "passed_with_remark": "附意见通过",
    "failed": "质审不合格",
    "completed": "办结",
    "lapsed": "逾期",
    "unfinished": "未办结",
}


def _show_summary(told: SummaryShown, *, as_json: bool) -> None:
    from domain.messages import local_time

    if as_json:
        print_json(told)
        return
    table = listing("项目", "件数")
    for name, label in _COUNTS.items():
        table.add_row(label, str(told.document["counts"][name]))
    print_listing(table)
    in_order = "与日志一致" if told.intact and told.reproduced else "[red]与日志不一致[/red]"
    out.print(f"{local_time(told.sealed_at)}封存，哈希 {told.sha256}，{in_order}", highlight=False)
    if told.checkpoint is None:
        out.print(
            "还没有签名的封存点包括这次封存：有密钥（ZHIBAO_AUDIT_KEYS）后再次关闭，"
            "或用 zhibao audit seal",
            highlight=False,
        )
    else:
        made = told.checkpoint
        out.print(f"第 {made.number} 个封存点（密钥 {made.key}）包括这次封存", highlight=False)
    for late in told.since:
        before = STATUS_LABELS[Status(late.sealed)] if late.sealed else "尚未列入"
        out.print(
            f"封存之后：{late.id} {before} → {STATUS_LABELS[Status(late.now)]}", highlight=False
        )


def published(
    period: Of, jurisdiction: Jurisdiction, data: Data = HERE, as_json: AsJson = False
) -> None:
    """公布的统计结果：按区域汇总，过小的数不公布。"""
    from cli.system import run

    told = run(data, lambda services: services.closing.published(period, jurisdiction))
    if as_json:
        print_json(told)
        return
    table = listing("区域", "名称", "办结", "逾期", "未办结", "合计")
    for area, row in told.rows.items():
        numbers = ("—" if row[one] is None else str(row[one]) for one in row)
        table.add_row(area, told.names.get(area, "合计"), *numbers)
    print_listing(table)
    out.print(f"1 至 {told.fewest - 1} 的数和能推出它们的数不公布，写作 —", highlight=False)


def figures(
    period: Of,
    jurisdiction: Jurisdiction,
    csv: Annotated[Path | None, typer.Option(help="写入这一 CSV 文件")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="写入这一 XLSX 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """公布的统计数据：办结的填报按区域与类别、区域与领域汇总，不公布的写作“不公布”。"""
    from cli.system import run
    from services.campaigns.published_figures import HEADER

    told = run(data, lambda services: services.published_figures.of(period, jurisdiction))
    rows = [list(line) for line in told.lines()]
    export("统计结果", list(HEADER), rows, csv, xlsx)
    if as_json:
        print_json(told)
    elif csv is None and xlsx is None:
        table = listing(*HEADER)
        for row in rows:
            table.add_row(*row)
        print_listing(table)
        out.print(
            f"少于 {told.fewest} 家的、一家占比过 {told.dominant}% 的和能推出它们的数不公布；"
            f"读不出的填报 {told.left_out} 件",
            highlight=False,
        )


def add_commands(app: typer.Typer) -> None:
    """Adds these commands to those of ``zhibao campaign``."""
    for command in (sample, close, summary, published, figures):
        app.command(command.__name__)(command)
