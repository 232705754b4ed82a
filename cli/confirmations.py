"""``zhibao confirmations``: what waits for a second person, and being that person."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from domain.case.commands import Actor

confirmations_app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="编号，见 zhibao confirmations list")]
As = Annotated[str, typer.Option("--role", help="以何身份：operator、clerk 或 reviewer")]
Scope = Annotated[str, typer.Option(help="辖区或部门；不填为全国")]
Asking = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def _api(data: Path, actor: Actor) -> AsyncIterator[Asking]:
    """The API of a system in this process: what is confirmed is done through its door."""
    from starlette.requests import Request

    from api.door.app import create_app
    from api.door.asking import ask
    from api.door.operations import Call
    from api.door.parts import build_parts
    from api.door.rights import Target
    from cli.terminal import logs_aside
    from services.doors import engine_of
    from settings import of_system
    from store.database import connect

    logs_aside()
    settings = of_system(data)
    engine = connect(settings.database_url.get_secret_value(), pool_size=4)
    app = create_app(build_parts(settings, await engine_of(settings), engine))
    scope = {"type": "http", "scheme": "http", "server": None, "app": app}
    call = Call(Request(scope), actor, Target(), None, "", "")

    async def asking(method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        address, key = f"/api/confirmations{path}", uuid.uuid4().hex
        answer = await ask(call, method, address, body, query=query, idempotency_key=key)
        told: dict[str, Any] = answer.body
        return told

    try:
        yield asking
    finally:
        await engine.dispose()


def _asked(
    data: Path, role: str, scope: str, method: str, path: str, body: Any = None, **query: str
) -> dict[str, Any]:
    from api.door.asking import Told
    from cli.system import operator, run_on
    from domain.case.commands import Role

    try:
        capacity = Role(role)
    except ValueError as failure:
        raise typer.BadParameter(str(failure)) from None
    actor = operator().model_copy(update={"role": capacity} | ({"scope": scope} if scope else {}))

    async def work(asking: Asking) -> dict[str, Any]:
        return await asking(method, path, body, **query)

    try:
        return run_on(_api(data, actor), work)
    except Told as told:
        problem = told.problem
        told_by = f"{escape(problem['detail'])}{escape(problem['remedy'])}"
        err.print(f"[red]{escape(problem['title'])}[/red]：{told_by}")
        raise typer.Exit(NOT_IN_ORDER) from None


@confirmations_app.command("list")
def list_confirmations(
    role: As = "operator",
    scope: Scope = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="只列现在可以确认的")] = False,
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """须由两个人办理的事项，新的在前。"""
    wanted = {"size": "200", **({"waiting": "true"} if waiting else {})}
    page = _asked(data, role, scope, "GET", "", **wanted)
    if as_json:
        print_json({"rows": page["items"]})
        return
    table = listing("编号", "事项", "件数", "地址", "提出人", "期限", "状态")
    for one in page["items"]:
        state = "已过期" if one["late"] else one["state_label"]
        table.add_row(
            one["id"],
            one["act_label"],
            str(one["number"]),
            one["path"],
            one["proposed_by"],
            one["ends_at"],
            state,
        )
    print_listing(table)


@confirmations_app.command("show")
def show(
    id_: Id, role: As = "operator", scope: Scope = "", data: Data = HERE, as_json: AsJson = False
) -> None:
    """一件事项所请求的全部内容，及其结果。"""
    _show(_asked(data, role, scope, "GET", f"/{id_}"), as_json=as_json)


@confirmations_app.command("confirm")
def confirm(
    id_: Id, role: As = "operator", scope: Scope = "", data: Data = HERE, as_json: AsJson = False
) -> None:
    """确认另一人提出的事项，随即以提出人的名义办理。"""
    _show(_asked(data, role, scope, "POST", f"/{id_}/confirm", {}), as_json=as_json)


@confirmations_app.command("decline")
def decline(
    id_: Id,
    reason: Annotated[str, typer.Option(help="不予确认的理由")],
    role: As = "operator",
    scope: Scope = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """不予确认另一人提出的事项；以后也不会办理。"""
    body = {"reason": reason}
    _show(_asked(data, role, scope, "POST", f"/{id_}/decline", body), as_json=as_json)


@confirmations_app.command("withdraw")
def withdraw(
    id_: Id, role: As = "operator", scope: Scope = "", data: Data = HERE, as_json: AsJson = False
) -> None:
    """撤回自己提出、还没有确认的事项。"""
    _show(_asked(data, role, scope, "POST", f"/{id_}/withdraw", {}), as_json=as_json)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    label = f"{told['act_label']}（{told['number']} 件）{told['path']}"
    out.print(f"{escape(label)}：{told['state_label']}", highlight=False)
    out.print(f"{told['proposed_by']} 提出，期限 {told['ends_at']}", highlight=False)
    out.print(escape(str(told["body"])), highlight=False)
