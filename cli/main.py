"""The ``zhibao`` command."""

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import logs
from settings import SettingMissing, Settings, of_system

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="直报：检验检测统计直报、报告编号、资质认定证书赋码。",
)
err = Console(stderr=True)

DataFolder = Annotated[Path, typer.Option("--data", help="数据目录")]
DEFAULT_DATA = Path(".zhibao")


def settings_for(data: Path | None) -> Settings:
    """Settings from the environment, or of the system on a data folder. Exits with 2 if neither."""
    try:
        return of_system(data or DEFAULT_DATA)
    except SettingMissing as missing:
        err.print(f"[red]{escape(str(missing))}[/red]")
        raise typer.Exit(2) from None


@app.command()
def up(
    data: DataFolder = DEFAULT_DATA,
    port: Annotated[
        int | None, typer.Option(help="API 的端口；不填沿用上次的，首次为 8600")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="加上生成的机构、人员，和一项今天正开放的统计工作")
    ] = False,
    institutions: Annotated[int, typer.Option(help="演示名录的机构数", min=20, max=60000)] = 240,
) -> None:
    """在一台机器上启动整个系统；Ctrl-C 停止，下次启动接着运行。"""
    from deploy.demo.campaign import DemoFailed, demo_rules, show_demo
    from deploy.embedded.processes import EmbeddedServerFailed
    from deploy.up import running
    from rules.file.library import SHIPPED

    logs.set_up("text")
    started = time.monotonic()

    def say(text: str) -> None:
        err.print(f"[dim]{time.monotonic() - started:6.1f}s[/dim] {escape(text)}")

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rules = demo_rules(data) if demo else Path(os.environ.get("ZHIBAO_RULES", SHIPPED))
        with running(data, port, rules, say) as system:
            err.print(
                f"\n  接口         {system.api_url}/api\n"
                f"  接口文档     {system.api_url}/docs\n"
                f"  Temporal     {system.ui_url}\n"
                f"  数据目录     {data.resolve()}\n",
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
    except EmbeddedServerFailed as failure:
        err.print(f"[red]{escape(str(failure))}[/red]", soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def worker() -> None:
    """只运行 worker（需要 DATABASE_URL、TEMPORAL_ADDRESS）。"""
    import uvloop

    from worker import serve

    settings = settings_for(None)
    logs.set_up(settings.log_format)
    uvloop.run(serve(settings))


@app.command()
def api() -> None:
    """只运行 API（需要 DATABASE_URL、TEMPORAL_ADDRESS）。"""
    import uvloop

    from api.server import serve

    settings = settings_for(None)
    logs.set_up(settings.log_format)
    uvloop.run(serve(settings))


@app.command()
def migrate(data: DataFolder = DEFAULT_DATA) -> None:
    """把数据库更新到现在的结构。"""
    from store.migrate import upgrade

    upgrade(settings_for(data).database_url.get_secret_value())
    err.print("数据库结构已是最新。")


@app.command()
def setup(data: DataFolder = DEFAULT_DATA) -> None:
    """在 Temporal 上建立命名空间、保留期和检索属性；可重复执行。"""
    from deploy.embedded.temporal import RETENTION
    from deploy.temporal_namespace import NamespaceNotReady, prepare_namespace
    from engine.search_attributes import REGISTERED

    settings = settings_for(data)
    try:
        kept = asyncio.run(
            prepare_namespace(
                settings.temporal_address, settings.temporal_namespace, RETENTION, REGISTERED
            )
        )
    except NamespaceNotReady as failure:
        err.print(f"[red]{escape(str(failure))}[/red]", soft_wrap=True)
        raise typer.Exit(1) from None
    err.print(f"命名空间 {settings.temporal_namespace} 已就绪，历史保留 {kept.days} 天。")


@app.command()
def token(
    role: Annotated[str, typer.Option(help="filer、reviewer、checker、operator 或 auditor")],
    subject: Annotated[str, typer.Option(help="人员编号")],
    scope: Annotated[str, typer.Option(help="机构编号、部门编号或辖区代码")] = "",
    days: Annotated[int, typer.Option(help="有效天数", min=1, max=3650)] = 30,
    data: DataFolder = DEFAULT_DATA,
) -> None:
    """签发一个凭证，打印到标准输出。"""
    from api.door.identity import Identity
    from domain.case.commands import Actor, Role
    from services.clock import system_clock

    settings = settings_for(data)
    try:
        actor = Actor(subject=subject, role=Role(role), scope=scope)
        issued = Identity(settings.token_key.get_secret_value()).issue(
            actor, system_clock(), timedelta(days=days)
        )
    except ValueError:
        err.print("[red]身份或人员编号不对：见 zhibao token --help[/red]")
        raise typer.Exit(2) from None
    typer.echo(issued)


def _mount() -> None:
    from cli import certificate_keys
    from cli.audit import app as audit_app
    from cli.campaigns import campaign_app, roster_app
    from cli.certificates import certificates_app
    from cli.rules import app as rules_app

    app.add_typer(rules_app, name="rules", help="规则：核对、查看、试算、比较。")
    app.add_typer(roster_app, name="roster", help="机构名录。")
    app.add_typer(campaign_app, name="campaign", help="年度统计工作。")
    certificate_keys.mount(certificates_app)
    app.add_typer(certificates_app, name="certificates", help="资质认定证书。")
    app.add_typer(audit_app, name="audit", help="审计。")


def main(arguments: list[str] | None = None) -> Any:
    """Runs the command; every failure has an exit code (0 done, 1 not in order, 2 wrong usage)."""
    _mount()
    return app(args=arguments)


if __name__ == "__main__":
    sys.exit(main())
