"""What the commands' modules share: options, how they print, how they end.

Every module of this package loads nothing of the system while it is imported, so that ``--help``
answers at once; a command imports what it needs when it runs.
"""

import functools
import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, cast

import typer
from rich.console import Console
from typer.core import TyperGroup

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

Command = TypeVar("Command", bound=Callable[..., Any])

NOT_IN_ORDER, WRONG_USAGE = 1, 2

# a line is broken by the terminal it is shown on, and by nothing else
out, err = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)

HERE = Path(".zhibao")
Data = Annotated[Path, typer.Option("--data", help="单机系统的数据目录")]
Out = Annotated[
    Path | None, typer.Option("--out", help="写入这一文件，只有本人可读；不填则输出给另一个程序")
]
AsJson = Annotated[bool, typer.Option("--json", help="只输出一个 JSON 文档")]
RulesFolder = Annotated[
    Path | None, typer.Option("--rules", envvar="ZHIBAO_RULES", help="规则目录，默认用随附的")
]


_WRONG_USAGE = (
    (r"Missing (?:option|argument) '(.+)'\.", "缺少 {}"),
    (r"Option '(.+)' requires an argument\.", "{} 后面要写上它的值"),
    (r"Option '(.+)' does not take a value\.", "{} 后面不写值"),
    (r"No such option: (\S+) \(Possible options: (.+)\)", "没有选项 {}；相近的有 {}"),
    (r"No such option: (.+)", "没有选项 {}"),
    (r"No such command '(.+)'\. Did you mean (.+)\?", "没有命令 {}；相近的有 {}"),
    (r"No such command '(.+)'\.", "没有命令 {}"),
    (r"Got unexpected extra argument\(s\) \((.+)\)", "多写了 {}；含空格的值请用引号括起"),
    (r"Invalid value for '(.+?)': Input should be a valid integer.*", "{} 应是整数，如 10"),
    (r"Invalid value for '.+?': \w+ '(.+)' does not exist\.", "没有 {}；请核对位置和文件名"),
    (r"Invalid value for '.+?': \w+ '(.+)' is a directory\.", "{} 是目录；请给出文件"),
    (r"Invalid value for '.+?': \w+ '(.+)' is not readable\.", "{} 不能读取；请核对读取权限"),
    (r"Invalid value for '(.+?)': (.+)", "{} 不对：{}"),
)
"""What Typer says of wrong usage, by patterns, and how it is told."""


class Commands(TyperGroup):
    """The root of the commands: tells in Chinese what is wrong with the words of a command line."""

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Runs a command line and ends the process with its exit code."""
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except typer.TyperException as wrong:
            context = getattr(wrong, "ctx", None)
            if type(wrong).__name__ != "NoArgsIsHelpError":  # the help itself was printed
                typer.echo(_told(wrong.format_message()), err=True)
                if context is not None:
                    usage = context.get_usage().partition(": ")[2]
                    typer.echo(f"用法：{usage}\n说明：{context.command_path} --help", err=True)
            sys.exit(wrong.exit_code)
        except typer.Abort:
            sys.exit(NOT_IN_ORDER)
        sys.exit(status)


def _told(message: str) -> str:
    for pattern, words in _WRONG_USAGE:
        if (said := re.fullmatch(pattern, message, re.DOTALL)) is not None:
            return words.format(*said.groups())
    return f"命令写得不对：{message}"


class _Stop(Exception):
    def __init__(self, message: str, exit_code: int, code: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code


def fail(message: str, exit_code: int = WRONG_USAGE, code: str = "") -> NoReturn:
    """Ends a command that `ends_plainly`; ``code`` names the problem for programs."""
    raise _Stop(message, exit_code, code)


def within(option: str, first: int, last: int) -> Callable[[int], int]:
    """Takes a number from ``first`` to ``last``; ends the command with what is right otherwise."""

    def checked(given: int) -> int:
        if not first <= given <= last:
            typer.echo(f"{option} {given} 不行：请给出 {first} 至 {last} 之间的整数", err=True)
            raise typer.Exit(WRONG_USAGE)
        return given

    return checked


def ends_plainly(command: Command) -> Command:
    """A command that fails says why; with --json standard output still holds one document."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except _Stop as stop:
            if options.get("as_json"):
                error = {"error": str(stop)}
                print_json({**error, "code": stop.code} if stop.code else error)
            typer.echo(str(stop), err=True)
            raise typer.Exit(stop.exit_code) from None

    return cast(Command, run)


def listing(*headers: str) -> "Table":
    """A table that loses nothing: what is too long for its column goes on in the next line."""
    from rich.table import Column, Table

    return Table(*(Column(header, overflow="fold") for header in headers))


def print_listing(table: "Table", to: Console | None = None) -> None:
    """Prints a table as wide as the terminal; into a file or a pipe as wide as it is itself."""
    to = to or out
    shown_on = to if to.is_terminal else Console(file=to.file, width=10_000)
    shown_on.print(table, soft_wrap=False)


def print_json(value: Any) -> None:
    """Prints a value, with whatever models and instants are in it, as one JSON document."""
    from pydantic_core import to_json

    from domain.clock import in_beijing

    typer.echo(to_json(in_beijing(_dumped(value)), indent=2).decode())


def _dumped(value: Any) -> Any:
    """The same value with every model in it, however deep, as what it holds."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if isinstance(value, dict):
        return {key: _dumped(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_dumped(part) for part in value]
    return value


def read_instant(text: str) -> "datetime":
    """An instant as people write it; without a zone it is Beijing time."""
    from datetime import datetime

    from domain.clock import BEIJING

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("写作 2025-03-01T00:00:00+08:00") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=BEIJING)


def may_hand_out(file: Path | None) -> None:
    """Ends the command where a secret would be shown on a terminal: for a file, or a program."""
    if file is None and sys.stdout.isatty():
        fail("这里的内容不能显示在终端上：请用 --out 写入文件，或者交给另一个程序")


def hand_out(secret: str, file: Path | None) -> None:
    """Writes a secret into a file of its owner's alone, or onto standard output."""
    if file is not None:
        from services.private_files import write_private

        write_private(file, f"{secret}\n")
        err.print(f"已写入 {file}，只有本人可读。", highlight=False)
        return
    with suppress(OSError, ValueError):
        if stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
            os.fchmod(sys.stdout.fileno(), 0o600)
    typer.echo(secret)


def logs_aside() -> None:
    """Keeps what the system logs off standard output, which is a command's answer alone."""
    import logging

    import logs

    logs.set_up("text", level=logging.WARNING)
