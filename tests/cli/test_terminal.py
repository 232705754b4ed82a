"""Tables in a terminal of any width, and in a pipe, lose nothing."""

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from cli import terminal
from cli.terminal import print_json
from domain.model import Value

NAME = "福州榕城建筑工程质量检测技术有限责任公司厦门分公司（生成）"


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *, terminal_there: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal_there, no_color=True)
    monkeypatch.setattr(terminal, "out", console)
    table = terminal.listing("机构", "名称", "区域", "状态", "期限")
    table.add_row("demo-000006", NAME, "350203", "填报中", "2027-01-28 00:00:00")
    terminal.print_listing(table)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_is_as_wide_as_the_terminal_and_shows_every_character(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    text = shown(monkeypatch, width, terminal_there=True)
    assert "…" not in text
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    assert "".join(row[2].strip() for row in rows) == NAME
    assert max(Text.from_ansi(line).cell_len for line in text.splitlines()) <= width


def test_a_table_in_a_pipe_has_one_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 80, terminal_there=False)
    [row] = [line for line in text.splitlines() if "demo-000006" in line]
    assert NAME in row
    assert "2027-01-28 00:00:00" in row
    assert max(map(len, text.splitlines())) < 200


def test_every_instant_of_a_document_is_told_on_beijings_clocks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Told(Value):
        at: datetime

    at = datetime(2025, 3, 21, 16, tzinfo=UTC)
    print_json({"alone": at, "model": Told(at=at), "list": [Told(at=at), {"at": at}]})
    said = json.loads(capsys.readouterr().out)
    local = "2025-03-22T00:00:00+08:00"
    assert said == {"alone": local, "model": {"at": local}, "list": [{"at": local}] * 2}
