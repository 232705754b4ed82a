"""``zhibao break-glass``: what somebody does as the database's superuser is on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.terminal import HERE, AsJson, Data, out, print_json

if TYPE_CHECKING:
    from cli.system import Credentials

break_glass_app = typer.Typer(no_args_is_help=True)

Statements = Annotated[
    Path,
    typer.Option(
        "--statements", exists=True, dir_okay=False, help="所执行的语句，一个文件；记下其 SHA-256"
    ),
]


@break_glass_app.command("begin")
def begin(
    reason: Annotated[str, typer.Option(help="为何只能这样办")],
    watched_by: Annotated[str, typer.Option("--watched-by", help="在场监督的另一个人")],
    statements: Statements,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """动手之前：谁、为何、谁在场、将执行什么，记入日志。"""
    from cli.system import operator, run_on_credentials

    async def work(services: Credentials) -> str:
        return await services.emergencies.begin(
            operator(), watched_by, reason, statements.read_bytes()
        )

    id_ = run_on_credentials(data, work)
    if as_json:
        print_json({"id": id_})
        return
    out.print(f"已记入 emergency/{id_}；办完后请运行 zhibao break-glass end {id_}", highlight=False)


@break_glass_app.command("end")
def end(
    id_: Annotated[str, typer.Argument(metavar="ID", help="begin 给出的编号")],
    outcome: Annotated[str, typer.Option(help="办了什么，结果如何")],
    statements: Statements,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """办完之后：实际执行了什么，结果如何，记入日志。"""
    from cli.system import operator, run_on_credentials

    async def work(services: Credentials) -> None:
        await services.emergencies.end(id_, operator(), outcome, statements.read_bytes())

    run_on_credentials(data, work)
    if as_json:
        print_json({"id": id_})
        return
    out.print(f"已记入 emergency/{id_}", highlight=False)
