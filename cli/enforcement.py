"""``zhibao enforcement``: what might be proposed, opening cases, what is in force."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.terminal import HERE, AsJson, Data, listing, out, print_json, print_listing

if TYPE_CHECKING:
    from cli.system import Services
    from services.enforcement.register import Measure

enforcement_app = typer.Typer(no_args_is_help=True)

About = Annotated[str, typer.Argument(help="针对哪一件，如 filing/2020/<机构编号>")]


@enforcement_app.command("consequences")
def foresee(about: About, data: Data = HERE, as_json: AsJson = False) -> None:
    """对一件填报，现在可以提出哪些措施；什么也不改变。"""
    from cli.system import run
    from rules.rendering import consequences_lines

    found = run(data, lambda services: services.enforcement.consequences(about))
    if as_json:
        print_json(found.model_dump())
        return
    for line in consequences_lines(found):
        typer.echo(line)


@enforcement_app.command("open")
def open_case(
    about: About,
    finding: Annotated[
        list[str] | None, typer.Option(help="承办人的认定：concealed、false、omitted，可多次")
    ] = None,
    evidence: Annotated[str, typer.Option(help="认定的证据，取自统计调查以外")] = "",
    key: Annotated[str, typer.Option(help="同一编号只立一件；不填为新的一件")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """立案。立案不等于采取措施：由承办人提出，由另一人决定。"""
    from cli.system import operator, run
    from domain.enforcement.consequences import Finding

    named = [Finding(one) for one in finding or [] if one in list(Finding)]
    if len(named) < len(finding or []):
        typer.echo("--finding 应是 concealed、false 或 omitted", err=True)
        raise typer.Exit(2)
    given = key or f"cli-{uuid.uuid4().hex}"
    id_ = run(
        data,
        lambda services: services.enforcement.open(about, operator(), given, named, evidence),
    )
    if as_json:
        print_json({"id": id_})
    else:
        out.print(f"已立案 {escape(id_)}", highlight=False)


@enforcement_app.command("register")
def show_register(
    region: Annotated[str, typer.Option(help="机构的监管区域，含其下级")] = "000000",
    measure: Annotated[str, typer.Option(help="哪一种措施")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="只看已经终止的；不填为生效的")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """措施登记簿：生效的，或者已经终止的。"""
    from cli.system import run
    from domain.ids import region_prefix

    async def ask(services: Services) -> list[Measure]:
        return await services.measures.page(
            None,
            1000,
            region_prefix=region_prefix(region),
            measure=measure or None,
            holds=not ended,
        )

    rows = run(data, ask)
    if as_json:
        print_json({"rows": [row.model_dump() for row in rows]})
        return
    table = listing("机构", "措施", "部门", "自", "办件")
    for row in rows:
        since = f"{row.effective_at:%Y-%m-%d}"
        table.add_row(row.institution_name, row.label, row.authority, since, row.case_id)
    print_listing(table)


@enforcement_app.command("figures")
def show_figures(
    year: Annotated[str, typer.Argument(help="统计年度，如 2020；季度如 2020Q3")],
    jurisdiction: Annotated[str, typer.Argument(help="六位辖区代码，全国为 000000")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一项统计工作的后续处理：各有多少件。"""
    from cli.system import run
    from domain.numbers.quarters import Period

    try:
        period = Period.parse(year)
    except ValueError:
        typer.echo(f"{year} 不是统计年度或季度，如 2020、2020Q3", err=True)
        raise typer.Exit(2) from None
    rows = run(
        data, lambda services: services.measures.figures(f"campaign/{period}/{jurisdiction}", "")
    )
    named = [
        {"status": status, "measure": measure, "ended_by": ended, "cases": cases}
        for status, measure, ended, cases in rows
    ]
    if as_json:
        print_json({"rows": named, "total": sum(row[3] for row in rows)})
        return
    table = listing("状态", "措施", "怎样结束", "件数")
    for one in named:
        table.add_row(*(str(value) for value in one.values()))
    print_listing(table)
