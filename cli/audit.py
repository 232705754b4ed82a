"""``zhibao audit``: the auditor's commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from domain.case.timeline import Entry
    from services.reconciler import Behind

app = typer.Typer(no_args_is_help=True)
auditing.mount(app)


@app.callback()
def audit() -> None:
    """只读，不改变任何记录。"""


@app.command("timeline")
def show_timeline(
    case_id: Annotated[str, typer.Argument(help="如 filing/2024/<机构编号>")],
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """一件的经过：何人何时依何规则何条做了什么，包括被拒绝的操作。"""
    from sqlalchemy.exc import SQLAlchemyError

    from settings import SettingMissing

    try:
        entries = asyncio.run(_read(case_id, data))
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None
    except SQLAlchemyError:
        err.print("[red]连不上数据库。[/red]请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(NOT_IN_ORDER) from None
    if as_json:
        print_json({"case_id": case_id, "entries": entries})
    if not entries:
        err.print(f"没有 {escape(case_id)} 的记录。")
        raise typer.Exit(NOT_IN_ORDER)
    if not as_json:
        for entry in entries:
            _print(entry)


async def _read(case_id: str, data: Path) -> list[Entry]:
    from settings import of_system
    from store import timeline
    from store.database import connect

    logs_aside()
    engine = connect(of_system(data).database_url.get_secret_value(), pool_size=1)
    try:
        async with engine.connect() as connection:
            return await timeline.of_case(connection, case_id, with_notes=False)
    finally:
        await engine.dispose()


def _print(entry: Entry) -> None:
    from domain.messages import local_time

    number = f"{entry.sequence:>3}" if entry.sequence is not None else "  ✗"
    scope = f"@{entry.scope}" if entry.scope else ""
    who = f"{entry.role} {entry.subject}{scope}"
    state = f" → {entry.status_label}" if entry.status_label else ""
    style = "" if entry.sequence is not None else "red"
    out.print(
        f"{number}  {local_time(entry.at)}  {escape(entry.label)}{state}  [dim]{escape(who)}[/dim]",
        style=style,
        highlight=False,
    )
    for text in (_basis(entry), entry.detail, _note(entry)):
        if text:
            out.print(f"       [dim]{escape(text)}[/dim]", highlight=False)


def _basis(entry: Entry) -> str:
    place = f"{entry.document} {entry.clause}".strip()
    parts = [f"规则 {entry.rule}" if entry.rule else "", place]
    parts.append(f"“{entry.quote}”" if entry.quote else "")
    parts.append(f"推定：{entry.assumption}" if entry.assumption else "")
    return "  ".join(part for part in parts if part)


def _note(entry: Entry) -> str:
    return f"理由：{entry.note['reason']}" if entry.note else ""


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
    from engine.client import connect_engine
    from services.clock import system_clock
    from services.reconciler import Reconciler
    from services.rule_sets import PinnedRules
    from settings import of_system
    from store.database import connect

    logs_aside()
    settings = of_system(data)
    client = await connect_engine(settings.temporal_address, settings.temporal_namespace)
    engine = connect(settings.database_url.get_secret_value(), pool_size=4)
    try:
        comparing = Reconciler(client, engine, PinnedRules(engine), system_clock)
        return [one async for one in comparing.sweep(closely=True)]
    finally:
        await engine.dispose()
