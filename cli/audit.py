"""``zhibao audit``: the auditor's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from cli import auditing
from cli.auditing import Auditor
from cli.terminal import HERE, NOT_IN_ORDER, AsJson, Data, out, print_json

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
    from services.clock import system_clock
    from services.reconciler import Reconciler
    from services.rule_sets import PinnedRules

    async def comparing(auditor: Auditor) -> list[Behind]:
        client, engine = auditing.client_of(auditor), auditor.engine
        looking = Reconciler(client, engine, PinnedRules(engine), system_clock)
        return [one async for one in looking.sweep(closely=True)]

    behind = auditing.run(data, "reconcile", comparing)
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
