"""The ``zhibao`` command."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.markup import escape

from cli import (
    announcements,
    audit,
    campaign_ends,
    campaigns,
    certificate_keys,
    certificates,
    confirmations,
    emergencies,
    enforcement,
    jobs,
    keys,
    outbox,
    people,
    register,
    retention,
    rules,
    rules_ahead,
    tokens,
)
from cli.terminal import HERE, NOT_IN_ORDER, WRONG_USAGE, Commands, Data, err, within

if TYPE_CHECKING:
    from settings import Settings

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="直报：检验检测统计直报、报告编号、资质认定证书赋码。",
)
rules.app.command("impact")(rules_ahead.impact)
rules.app.command("new")(rules_ahead.new)
app.command("simulate")(rules_ahead.simulate)
app.add_typer(rules.app, name="rules", help="规则：核对、查看、试算、比较。")
app.add_typer(campaigns.roster_app, name="roster", help="机构名录。")
campaign_ends.add_commands(campaigns.campaign_app)
app.add_typer(announcements.announcements_app, name="announcements", help="公告、帮助和常见问题。")
app.add_typer(register.institutions_app, name="institutions", help="机构：联系人、登记和变更。")
app.add_typer(campaigns.campaign_app, name="campaign", help="年度统计工作。")
app.add_typer(people.people_app, name="people", help="人员：离岗代办，停用身份。")
app.add_typer(jobs.jobs_app, name="jobs", help="批办：对许多办件做同一件事。")
certificate_keys.mount(certificates.certificates_app)
app.add_typer(
    confirmations.confirmations_app,
    name="confirmations",
    help="须由两个人办理的事项：一人提出，另一人确认。",
)
app.add_typer(retention.retention_app, name="retention", help="保存期限：到期的内容及其销毁。")
app.add_typer(outbox.outbox_app, name="outbox", help="系统以外的送达：电子邮件和网络推送。")
app.add_typer(certificates.certificates_app, name="certificates", help="资质认定证书。")
app.add_typer(
    enforcement.enforcement_app,
    name="enforcement",
    help="后续处理：可以提出什么、立案、办理、登记簿。",
)
app.add_typer(audit.app, name="audit", help="审计。")
app.add_typer(
    keys.keys_app, name="keys", help="密钥：凭证、动态口令、链接、推送各用各的，增加和停用。"
)
app.add_typer(
    emergencies.break_glass_app,
    name="break-glass",
    help="以数据库管理员身份动手的前后，各记一笔。",
)
tokens.mount(app, people.people_app)


def settings_for(data: Path | None) -> Settings:
    """Settings from the environment, or of the system on a data folder. Exits with 2 if neither."""
    from settings import SettingMissing, of_system

    try:
        return of_system(data or HERE)
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None


def settings_to_serve() -> Settings:
    """As `settings_for`, of a database that this version can serve. Exits with 1 if it cannot.

    Nothing serves with a login that could take the record apart either.
    """
    from store.migrate import NewerDatabase, refuse_newer
    from store.roles import TooMuchPower, refuse_power

    settings = settings_for(None)
    try:
        refuse_newer(settings.database_url.get_secret_value())
        refuse_power(settings.database_url.get_secret_value())
    except (NewerDatabase, TooMuchPower) as refused:
        err.print(f"[red]{escape(str(refused))}[/red]")
        raise typer.Exit(NOT_IN_ORDER) from None
    return settings


@app.command()
def up(
    data: Data = HERE,
    port: Annotated[
        int | None, typer.Option(help="API 的端口；不填沿用上次的，首次为 8600")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="加上生成的机构、人员，和一项今天正开放的统计工作")
    ] = False,
    institutions: Annotated[
        int,
        typer.Option(
            help="演示名录的机构数，20 至 60000", callback=within("--institutions", 20, 60_000)
        ),
    ] = 240,
) -> None:
    """在一台机器上启动整个系统；Ctrl-C 停止，下次启动接着运行。"""
    import logs
    from deploy.accounts import first_link
    from deploy.demo.campaign import DemoFailed, demo_rules, show_demo
    from deploy.embedded.processes import EmbeddedServerFailed
    from deploy.temporal_namespace import NamespaceNotReady
    from deploy.up import running
    from rules.file.library import SHIPPED
    from services.private_files import write_private
    from store.migrate import DatabaseNotReady

    logs.set_up("text")
    started = time.monotonic()

    def say(text: str) -> None:
        err.print(f"[dim]{time.monotonic() - started:6.1f}s[/dim] {escape(text)}")

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rules = demo_rules(data) if demo else Path(os.environ.get("ZHIBAO_RULES", SHIPPED))
        with running(data, port, rules, say, demo=demo) as system:
            err.print(
                f"\n  首页         {system.api_url}/\n"
                f"  接口         {system.api_url}/api\n"
                f"  接口文档     {system.api_url}/docs\n"
                + (f"  Temporal     {system.ui_url}\n" if system.ui_url else "")
                + f"  数据目录     {data.resolve()}\n",
                highlight=False,
            )
            if not demo and (link := first_link(system.settings)):
                file = data.resolve() / "first-administrator.link"
                write_private(file, f"{link}\n")
                err.print(
                    f"第一位管理员由这一文件里的链接设定密码（只能用一次）：\n  {file}\n",
                    highlight=False,
                )
            if demo:
                try:
                    show_demo(
                        system.settings,
                        system.api_url,
                        data,
                        institutions,
                        say,
                        system.watch,
                    )
                except DemoFailed as failure:
                    err.print(f"[red]演示没有做完：{escape(str(failure))}[/red] 系统照常运行。")
            err.print("按 Ctrl-C 停止。再次运行同一命令，将从停下的地方继续。")
            while True:
                time.sleep(1)
                system.watch()
    except KeyboardInterrupt:
        err.print("\n已停止。")
    except (EmbeddedServerFailed, NamespaceNotReady, DatabaseNotReady) as failure:
        err.print(f"[red]{escape(str(failure))}[/red]")
        raise typer.Exit(NOT_IN_ORDER) from None


@app.command()
def worker() -> None:
    """只运行 worker（需要 DATABASE_URL、TEMPORAL_ADDRESS）。"""
    import uvloop

    import logs
    from worker import serve

    settings = settings_to_serve()
    logs.set_up(settings.log_format)
    uvloop.run(serve(settings))


@app.command()
def api() -> None:
    """只运行 API（需要 DATABASE_URL、TEMPORAL_ADDRESS）。"""
    import uvloop

    import logs
    from api.server import serve

    settings = settings_to_serve()
    logs.set_up(settings.log_format)
    uvloop.run(serve(settings))


@app.command()
def public() -> None:
    """只运行公众查询（只需要 DATABASE_URL，用只看得见公开内容的账号）。"""
    import uvloop

    import logs
    from api.server import serve

    # it signs and checks nothing, and asks no engine
    os.environ.pop("ZHIBAO_KEYS", None)
    for name in ("TEMPORAL_ADDRESS", "ZHIBAO_TOKEN_KEY"):
        os.environ[name] = secrets.token_hex(32)
    settings = settings_to_serve()
    logs.set_up(settings.log_format)
    uvloop.run(serve(settings, public=True))


@app.command()
def migrate(data: Data = HERE) -> None:
    """把数据库更新到现在的结构。"""
    from settings import SettingMissing, to_migrate
    from store.migrate import DatabaseNotReady, upgrade

    try:
        upgrade(to_migrate(data))
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(WRONG_USAGE) from None
    except DatabaseNotReady as failure:
        err.print(f"[red]{escape(str(failure))}[/red]")
        raise typer.Exit(NOT_IN_ORDER) from None
    err.print("数据库结构已是最新。")


@app.command()
def setup(data: Data = HERE) -> None:
    """在 Temporal 上建立命名空间、保留期和检索属性；可重复执行。"""
    from deploy.embedded.temporal import RETENTION
    from deploy.temporal_namespace import NamespaceNotReady, prepare_namespace
    from engine.search_attributes import REGISTERED
    from services.doors import tls_of

    settings = settings_for(data)
    try:
        kept = asyncio.run(
            prepare_namespace(
                settings.temporal_address,
                settings.temporal_namespace,
                RETENTION,
                REGISTERED,
                tls=tls_of(settings),
                api_key=settings.temporal_api_key.get_secret_value() or None,
            )
        )
    except NamespaceNotReady as failure:
        err.print(f"[red]{escape(str(failure))}[/red]")
        raise typer.Exit(NOT_IN_ORDER) from None
    err.print(f"命名空间 {settings.temporal_namespace} 已就绪，历史保留 {kept.days} 天。")


def main(arguments: list[str] | None = None) -> Any:
    """Runs the command; every failure has an exit code (0 done, 1 not in order, 2 wrong usage)."""
    try:
        return app(args=arguments)
    except SystemExit as ended:
        if arguments is None and "temporalio.bridge.client" in sys.modules:
            _leave(ended.code)
        raise


def _leave(code: Any) -> NoReturn:
    """Ends the process without taking the interpreter down around the engine's client.

    Its threads outlive a client that was opened for one question, and one that calls back while
    the interpreter ends aborts the process after the work is done.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    sys.exit(main())
