"""``zhibao campaign sample``: the draw of the quality check."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.campaigns import Jurisdiction, Of
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

if TYPE_CHECKING:
    from cli.system import Services


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


def add_commands(app: typer.Typer) -> None:
    """Adds these commands to those of ``zhibao campaign``."""
    app.command("sample")(sample)
