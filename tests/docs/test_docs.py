"""README, docs and changelog: what they show runs, what they name exists, what they quote stands.

`tests.docs.pages` lists the markers that say what is done with a block.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.door.problems import Problem, problem_body
from cli.rules import app as rules_app
from domain.case.events import Step, hash_of
from domain.citation import Citation
from domain.enforcement.consequences import EnforcementFacts
from domain.facts import Facts
from domain.refusals import Code, Refusal
from rules.file.catalogue import SHIPPED
from rules.filing.forms.checking import check_form
from rules.filing.forms.library import FormLibrary
from tests import curl
from tests.docs import names
from tests.docs.forked import TERMINAL
from tests.docs.pages import ROOT, Block, Page, page, pages

BLOCKS = [block for one in pages() for block in one.blocks]
PLAIN = {"text", "mermaid", "sql"}
"""Languages that need no marker; SQL must still say why it is not run."""

MARKERS = (
    "run",
    "not run",
    "refused",
    "output",
    "file",
    "facts",
    "body",
    "answer",
    "problem",
    "step",
    "form",
    "in",
    "rules",
    "new",
    "edit",
)


def marked(name: str) -> list[Any]:
    return [
        pytest.param(block, id=str(block)) for block in BLOCKS if block.marked(name) is not None
    ]


def every_page() -> list[Any]:
    return [pytest.param(one, id=one.name) for one in pages()]


# --- every block is answered for ------------------------------------------------------------------


@pytest.mark.parametrize("block", [pytest.param(block, id=str(block)) for block in BLOCKS])
def test_a_block_says_what_is_done_with_it(block: Block) -> None:
    known = [name for name in MARKERS if block.marked(name) is not None]
    assert known or block.language in PLAIN - {"sql"}, f"{block}: {block.language} has no marker"
    assert block.language in PLAIN | {"bash", "json", "yaml", "csv", "python", "diff"}, (
        f"{block}: {block.language}"
    )
    if block.language == "bash":
        assert block.marked("run") is not None or block.marked("not run"), (
            f"{block}: run or why not"
        )


@pytest.mark.parametrize(
    "block", [pytest.param(one, id=str(one)) for one in BLOCKS if one.language == "bash"]
)
def test_commands_options_targets_and_addresses_in_a_script_exist(block: Block) -> None:
    joined = block.text.replace("\\\n", " ")
    wrong = [names.why_no_command(line) for line in names.commands_in(joined)]
    wrong += [names.why_no_target(line) for line in re.findall(r"^\s*make .*$", joined, re.M)]
    for method, path in requests_in(joined):
        wrong.append(names.why_no_address(f"{method} {path}"))
    for place in re.findall(r"(?<![\w/.])(?:deploy|rules|docs)/[\w./-]+", joined):
        wrong.append(None if (ROOT / place).exists() else f"no {place}")
    assert not [f"{block}: {one}" for one in wrong if one]


def requests_in(script: str) -> list[tuple[str, str]]:
    """Method and path of every curl in a script; shell variables stand in path parameters."""
    found = []
    for line in script.splitlines():
        for call in line.split("curl ")[1:]:
            where = re.search(r"""(?:http://[\d.]+:\d+|\$API)(/[^\s"'?;|)]*)""", call)
            assert where, f"no address in {call}"
            method = re.search(r"-X\s+([A-Z]+)", call)
            sends = re.search(r"\s(-d|--data|--data-binary)\s", f" {call}")
            found.append((method[1] if method else "POST" if sends else "GET", where[1]))
    return found


# --- what runs ------------------------------------------------------------------------------------

# the Chinese README has the very blocks of the English one, see below
OWN = [one for one in pages() if one.name != "README.zh-CN.md"]
OFFLINE = [one for one in OWN if any(b.marked("run") in ("", "exit 1") for b in one.blocks)]
LIVE = [one for one in OWN if any(b.marked("run") == "system" for b in one.blocks)]


@pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in OFFLINE])
def test_what_runs_by_itself_prints_what_the_page_shows(
    shown: Page, tmp_path: Path, zhibao: Path
) -> None:
    blocks = [one for one in shown.blocks if one.marked("run") in ("", "exit 1")]
    done = subprocess.run(
        ["bash", "-c", script(blocks)],
        cwd=work_folder(shown, tmp_path, zhibao),
        env=surroundings(tmp_path),
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    compare(shown, blocks, done.stdout, done.returncode)


def work_folder(shown: Page, tmp_path: Path, zhibao: Path) -> Path:
    """A folder with the page's files, a ``zhibao`` that runs this checkout's, and a ``curl``."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in {
        "zhibao": f'exec "{zhibao}" "$@"',
        "python3": f'exec "{sys.executable}" "$@"',
        "curl": f'exec {curl.command()} "$@"',
    }.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "rules").symlink_to(ROOT / "rules")
    for block in shown.blocks:
        file = block.marked("file")
        if file is not None:
            (folder / file).write_text(block.text)
    return folder


def surroundings(tmp_path: Path, **more: str) -> dict[str, str]:
    """The environment of a page's commands: a wide terminal, no settings of the tester's own."""
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    home = str(tmp_path)
    return {"PATH": path, "HOME": home} | TERMINAL | more


def script(blocks: list[Block], address: str = "") -> str:
    """All blocks of a page as one script, so that variables last; ``@@`` parts their output."""
    lines = ["exec 2>&1"]
    for number, block in enumerate(blocks):
        text = block.text.replace(".venv/bin/zhibao", "zhibao")
        if address:
            text = text.replace("http://127.0.0.1:8600", address)
        lines += [rf"printf '\n@@{number}\n'"]
        if block.marked("run") == "exit 1":
            lines += [f"(\n{text})", 'if [ $? -ne 1 ]; then echo "@@exit"; exit 99; fi']
        else:
            lines += ["set -e -o pipefail", text, "set +e"]
    return "\n".join([*lines, r"printf '\n@@end\n'"])


def compare(shown: Page, blocks: list[Block], printed: str, code: int) -> None:
    """What each block printed against the output block that follows it on the page."""
    parts = re.split(r"^@@(?:\d+|end)\n", printed.replace(f"{ROOT}/", ""), flags=re.M)
    assert code == 0, f"{shown.name}: {blocks[max(0, len(parts) - 2)]} ended with {code}\n{printed}"
    order: list[Block] = list(shown.blocks)
    for block, part in zip(blocks, parts[1:], strict=False):
        refused = "urn:zhibao:problem:" in part
        assert refused == (block.marked("refused") is not None), f"{block} printed:\n{part}"
        following = order[order.index(block) + 1 : order.index(block) + 2]
        if following and following[0].marked("output") is not None:
            assert matches(following[0].text, part), f"{block} printed:\n{part}"


def matches(expected: str, printed: str) -> bool:
    """Whether ``printed`` is what was expected; ``…`` stands for anything, alone for any lines."""
    pattern = "\n".join(
        r"(?s:.*?)" if line.strip() == "…" else r".*".join(map(re.escape, line.split("…")))
        for line in expected.strip().splitlines()
    )
    return re.fullmatch(pattern, printed.strip()) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in LIVE])
async def test_what_needs_a_system_runs_against_one(
    shown: Page, served: tuple[str, dict[str, str]], tmp_path: Path, zhibao: Path
) -> None:
    address, settings = served
    blocks = [one for one in shown.blocks if one.marked("run") == "system"]
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script(blocks, address),
        cwd=work_folder(shown, tmp_path, zhibao),
        env=surroundings(tmp_path, **settings),
        stdout=asyncio.subprocess.PIPE,
    )
    printed = (await asyncio.wait_for(process.communicate(), 200))[0].decode()
    compare(shown, blocks, printed, process.returncode or 0)


# --- what is data ---------------------------------------------------------------------------------


@pytest.mark.parametrize("block", marked("facts"))
def test_facts_are_facts(block: Block) -> None:
    model = EnforcementFacts if '"filing"' in block.text else Facts
    model.model_validate_json(block.text)


@pytest.mark.parametrize("block", marked("form"))
def test_a_filled_in_form_is_complete(block: Block) -> None:
    form = FormLibrary(SHIPPED / "forms").get(block.marked("form") or "")
    assert check_form(form, json.loads(block.text), complete=True) == []


@pytest.mark.parametrize("block", marked("body"))
def test_a_request_is_one_that_its_operation_takes(block: Block) -> None:
    method, path = (block.marked("body") or "").split(" ")
    operation = names.operations_at(method, path)[0]
    model = operation.documented or operation.body
    model.model_validate_json(block.text)


@pytest.mark.parametrize("block", marked("answer"))
def test_an_answer_is_one_that_its_operation_gives(block: Block) -> None:
    method, path = (block.marked("answer") or "").split(" ")
    model = names.operations_at(method, path)[0].answer
    model.model_validate_json(block.text)


@pytest.mark.parametrize("block", marked("problem"))
def test_a_problem_is_what_the_api_would_say(block: Block) -> None:
    shown = json.loads(block.text)
    Problem.model_validate(shown)
    source = shown["sources"][0] if shown["sources"] else None
    refusal = Refusal(
        code=Code(shown["code"]),
        cite=Citation(**source) if source else None,
        at=shown["at"],
    )
    assert problem_body(refusal, shown["request_id"]) == shown


@pytest.mark.parametrize("block", marked("step"))
def test_a_step_has_the_hash_that_the_page_gives(block: Block) -> None:
    step = Step(**json.loads(block.text))
    assert step.model_dump(mode="json", exclude={"hash"}) == json.loads(block.text)
    assert hash_of(step) in page(block.page).text


@pytest.mark.parametrize("block", marked("in"))
def test_a_quoted_piece_of_a_rule_file_stands_in_it(block: Block) -> None:
    file = (ROOT / (block.marked("in") or "")).read_text("utf-8").splitlines()
    wanted = block.text.splitlines()
    yaml.safe_load(block.text)
    assert any(
        unindented(file[start : start + len(wanted)]) == unindented(wanted)
        for start in range(len(file))
    ), f"{block} does not stand in {block.marked('in')}"


def unindented(lines: list[str]) -> list[str]:
    depth = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[depth:].rstrip() for line in lines]


@pytest.mark.parametrize("block", marked("rules"))
def test_a_rule_file_on_a_page_passes_the_check(block: Block, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = folder / (block.marked("rules") or "")
    file.write_text(block.text)
    result = CliRunner().invoke(rules_app, ["check", str(file), "--rules", str(folder)])
    assert result.exit_code == 0, result.output


# --- what is named --------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", every_page())
def test_what_stands_in_backticks_exists(shown: Page) -> None:
    made = {block.marked("new") for block in shown.blocks}
    wrong = [
        f"{shown.name}:{line}: `{span}`: {why}"
        for line, span in shown.spans
        if span not in made and (why := names.why_unknown(span)) is not None
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("shown", every_page())
def test_links_lead_somewhere(shown: Page) -> None:
    wrong = []
    for line, target in shown.links:
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / shown.name).parent / path if path else ROOT / shown.name
        if not file.exists():
            wrong.append(f"{shown.name}:{line}: no {target}")
        elif anchor and file.suffix == ".md":
            there = page(file.resolve().relative_to(ROOT).as_posix())
            if anchor not in there.anchors():
                wrong.append(f"{shown.name}:{line}: no heading for {target}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("shown", every_page())
def test_what_a_page_calls_missing_is_missing(shown: Page) -> None:
    """Whoever adds one of these commands finds out here that the page has to say so."""
    for listed in re.findall(r"<!-- absent: (.+?) -->", shown.text):
        for name in listed.split(", "):
            assert names.why_no_command(f"zhibao {name}") is not None, f"{shown.name}: {name}"


def test_both_readmes_say_the_same() -> None:
    english, chinese = page("README.md"), page("README.zh-CN.md")
    assert [level for level, _ in english.headings] == [level for level, _ in chinese.headings]
    assert [shape(one) for one in english.blocks] == [shape(one) for one in chinese.blocks]
    assert sorted(names_of_links(english)) == sorted(names_of_links(chinese))
    assert sorted({s for _, s in english.spans}) == sorted({s for _, s in chinese.spans})


def shape(block: Block) -> tuple[Any, ...]:
    kinds = ["not run" if one.startswith("not run") else one for one in block.markers]
    return block.language, kinds, block.text


def names_of_links(shown: Page) -> list[str]:
    return [target for _, target in shown.links if not target.startswith("README")]


def test_the_readme_begins_with_two_commands() -> None:
    first = page("README.md").blocks[0]
    assert first.text == "make run\nmake test\n"
