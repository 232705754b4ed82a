"""``zhibao audit``: the auditor's commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from cli import auditing
from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    WRONG_USAGE,
    AsJson,
    Data,
    err,
    logs_aside,
    out,
    print_json,
)

if TYPE_CHECKING:
    from services.reconciler import Behind

app = typer.Typer(no_args_is_help=True)
auditing.mount(app)


@app.callback()
def audit() -> None:
    """只读，不改变任何记录。"""


@app.command("reconcile")
def show_behind(data: Data = HERE, as_json: AsJson = False) -> None:
    """逐件对照日志与流程引擎，列出流程落后于记录的办件；只看不改，工作进程会自行续办。"""
    from sqlalchemy.exc import SQLAlchemyError
    from temporalio.service import RPCError

    from settings import SettingMissing

    try:
        behind = asyncio.run(_behind(data))
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None
    except (SQLAlchemyError, RPCError, RuntimeError):
        err.print("[red]连不上数据库或流程引擎。[/red]请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(NOT_IN_ORDER) from None
    if as_json:
        print_json({"behind": behind})
    else:
        for one in behind:
            known = one.engine if one.engine is not None else "—"
            out.print(
                f"{escape(one.case_id)}  记录 {one.record}  流程 {known}（{one.state}）",
                highlight=False,
            )
        out.print(f"落后 {len(behind)} 件。" + ("工作进程两分钟内续办。" if behind else ""))
    if behind:
        raise typer.Exit(NOT_IN_ORDER)


async def _behind(data: Path) -> list[Behind]:
    from services.clock import system_clock
    from services.doors import engine_of
    from services.reconciler import Reconciler
    from services.rule_sets import PinnedRules
    from settings import of_system
    from store.database import connect

    logs_aside()
    settings = of_system(data)
    client = await engine_of(settings)
    engine = connect(settings.database_url.get_secret_value(), pool_size=4)
    try:
        comparing = Reconciler(client, engine, PinnedRules(engine), system_clock)
        return [one async for one in comparing.sweep(closely=True)]
    finally:
        await engine.dispose()
