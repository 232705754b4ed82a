"""The ``zhibao`` command as a whole: what help costs, and what `zhibao token` says."""

import re
import subprocess
import sys
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from tests.command import ROOT

KEY = "a-key-for-tests-only-a-key-for-tests-only"
SYSTEM = {
    "DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
    "TEMPORAL_ADDRESS": "127.0.0.1:1",
    "ZHIBAO_TOKEN_KEY": KEY,
}

# what takes the time, and what of ours would bring it along; pydantic is Typer's own
HEAVY = (
    "sqlalchemy psycopg temporalio cel_expr_python structlog httpx starlette numpy limits "
    "cryptography joserfc typst yaml settings services store engine api deploy files printing rules"
)


@pytest.mark.parametrize(
    "words",
    [(), ("rules",), ("campaign",), ("campaign", "open"), ("certificates",), ("audit",), ("up",)],
)
def test_help_loads_nothing_of_the_system(words: tuple[str, ...]) -> None:
    code = f"""
import sys
from cli.main import main
try:
    main([*{words!r}, "--help"])
finally:
    print("loaded:", *(set({HEAVY!r}.split()) & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--help" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:", done.stdout.splitlines()[-1]


def token(role: str, scope: str = "", subject: str = "zhang.san") -> Result:
    words: list[Any] = ["token", "--role", role, "--subject", subject]
    words += ["--scope", scope] if scope else []
    return CliRunner(env=SYSTEM).invoke(app, words)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("role", "scope", "subject", "said"),
    [
        ("boss", "samr", "zhang.san", ("--role boss", "filer、reviewer、checker、clerk")),
        ("system", "", "zhang.san", ("--role system", "filer、reviewer")),
        ("reviewer", "samr", "张三", ("--subject 张三", "字母或数字开头", "64")),
        ("filer", "", "zhang.san", ("缺少 --scope", "机构编号", "demo-000006")),
        ("filer", "a b", "zhang.san", ("--scope a b", "机构编号")),
        ("clerk", "350000", "zhang.san", ("--scope 350000", "部门编号", "amr-350000")),
        ("operator", "amr-350000", "zhang.san", ("--scope amr-350000", "六位辖区代码", "000000")),
        ("auditor", "samr", "zhang.san", ("--scope samr", "去掉 --scope")),
    ],
)
def test_a_token_that_cannot_be_says_which_option_is_wrong_and_how_it_should_look(
    role: str, scope: str, subject: str, said: tuple[str, ...]
) -> None:
    refused = token(role, scope, subject)
    assert (refused.exit_code, refused.stdout) == (2, "")
    for words in said:
        assert words in refused.stderr


def test_a_number_out_of_range_is_told_with_what_is_right() -> None:
    for words, said in (
        (["token", "--role", "auditor", "--subject", "a", "--days", "0"],
         "--days 0 不行：请给出 1 至 366 之间的整数"),
        (["up", "--demo", "--institutions", "19"],
         "--institutions 19 不行：请给出 20 至 60000 之间的整数"),
    ):  # fmt: skip
        done: Any = CliRunner(env=SYSTEM).invoke(app, words)
        assert (done.exit_code, done.output.strip()) == (2, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("token", "缺少 --role"),
        ("token --role", "--role 后面要写上它的值"),
        ("token --rolle x", "没有选项 --rolle；相近的有 --role"),
        ("up -x", "没有选项 -x"),
        ("up --demo=1", "--demo 后面不写值"),
        ("token --role auditor --subject a --days x", "--days 应是整数，如 10"),
        ("rules show x", "year 应是整数，如 10"),
        ("nonsense", "没有命令 nonsense"),
        ("campaign stauts", "没有命令 stauts；相近的有 'status'"),
        ("roster import", "缺少 file"),
        ("roster import /nowhere/a.csv", "没有 /nowhere/a.csv；请核对位置和文件名"),
        ("roster import /", "/ 是目录；请给出文件"),
        ("certificates decode 1 2", "多写了 2；含空格的值请用引号括起"),
        ("campaign status abcd", "period 不对：写作 2024（年度统计）或 2024Q3（季度报告编号）"),
    ],
)
def test_wrong_usage_is_told_in_chinese_with_how_it_is_used(words: str, said: str) -> None:
    done: Any = CliRunner(env=SYSTEM).invoke(app, words.split(), prog_name="zhibao")
    assert (done.exit_code, done.stdout) == (2, "")
    first, *rest = done.stderr.splitlines()
    assert first == said
    assert not re.search("Usage|Error|Try|Missing|Invalid|No such", done.stderr)
    for line in rest:
        assert line.startswith(("用法：zhibao ", "说明：zhibao ", " ")), line


def test_help_is_printed_where_nothing_is_asked_for_and_a_command_s_exit_code_is_kept() -> None:
    bare: Any = CliRunner(env=SYSTEM).invoke(app, ["roster"])
    assert "import" in bare.output
    asked: Any = CliRunner(env=SYSTEM).invoke(app, ["roster", "--help"])
    assert asked.exit_code == 0
    odd: Any = CliRunner(env=SYSTEM).invoke(app, ["certificates", "decode", "12"])
    assert odd.exit_code == 1
