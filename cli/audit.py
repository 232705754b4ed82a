"""``zhibao audit``: the auditor's commands."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from domain.case.timeline import Entry
from domain.messages import local_time
from settings import SettingMissing, of_system
from store import timeline
from store.database import connect

app = typer.Typer(no_args_is_help=True)
out, err = Console(), Console(stderr=True)


@app.callback()
def audit() -> None:
    """只读，不改变任何记录。"""


@app.command("timeline")
def show_timeline(
    case_id: Annotated[str, typer.Argument(help="如 filing/2024/<机构编号>")],
    data: Annotated[Path, typer.Option("--data", help="单机系统的数据目录")] = Path(".zhibao"),
    as_json: Annotated[bool, typer.Option("--json", help="只打印一个 JSON 文档")] = False,
) -> None:
    """一件的经过：何人何时依何规则何条做了什么，包括被拒绝的操作。"""
    try:
        found = asyncio.run(_read(case_id, data))
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(2) from None
    except SQLAlchemyError:
        err.print("[red]连不上数据库。[/red]请先运行 zhibao up，或核对 --data。")
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(to_json({"case_id": case_id, "entries": found}).decode())
    if not found:
        err.print(f"没有 {escape(case_id)} 的记录。")
        raise typer.Exit(1)
    if not as_json:
        for entry in found:
            _print(entry)


async def _read(case_id: str, data: Path) -> list[Entry]:
    engine = connect(of_system(data).database_url.get_secret_value(), pool_size=1)
    try:
        async with engine.connect() as connection:
            return await timeline.of_case(connection, case_id, with_notes=False)
    finally:
        await engine.dispose()


def _print(entry: Entry) -> None:
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
