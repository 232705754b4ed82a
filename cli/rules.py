"""`zhibao rules check | show | route | diff | schema`."""

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, cast

import typer

from domain.facts import Facts
from rules.certificates.certificates import resolve_certificates
from rules.check import checks
from rules.check.certificate_checks import check_certificates
from rules.compiled import CompiledRules
from rules.conditions import CERTIFICATE, FACTS, INSTITUTION, ConditionFailed, Fact
from rules.diff import changes
from rules.file.catalogue import AUTHORITIES, JURISDICTIONS
from rules.file.document import build_document
from rules.file.editor_schema import editor_schema
from rules.file.findings import Finding, RulesInvalid
from rules.file.folder import CERTIFICATES
from rules.file.library import SHIPPED, ResolvedSet, RuleLibrary, RuleSetNotFound
from rules.filing.facts_file import FactsInvalid, parse_facts
from rules.rendering import decision_json, decision_lines

Answer = TypeVar("Answer")
Command = TypeVar("Command", bound=Callable[..., Any])

NOT_IN_ORDER, WRONG_USAGE = 1, 2

app = typer.Typer(help="规则：检查、查看、试算审核部门、比较", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="只输出一个 JSON 文档")]
Folder = Annotated[
    Path | None, typer.Option("--rules", envvar="ZHIBAO_RULES", help="规则目录，默认用随附的")
]
Year = Annotated[int, typer.Argument(help="统计年度，如 2024")]
Jurisdiction = Annotated[
    str, typer.Argument(help="六位辖区代码，或 national、规则文件名（如 fujian）")
]
Shown = Annotated[
    str,
    typer.Argument(
        metavar="JURISDICTION",
        help="六位辖区代码，或 national、规则文件名（如 fujian）；certificates 为证书规则",
    ),
]


class _Stop(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _ends_plainly(command: Command) -> Command:
    """A command that stops says why; with --json standard output still holds one document."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except _Stop as stop:
            if options.get("as_json"):
                _print_json({"error": str(stop)})
            typer.echo(str(stop), err=True)
            raise typer.Exit(stop.code) from None

    return cast(Command, run)


@app.command()
@_ends_plainly
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="文件或目录，默认整个规则目录")] = None,
    as_json: AsJson = False,
    rules: Folder = None,
) -> None:
    """检查规则文件：写法、含义、引文、例子；每个问题一行，有问题时退出码为 1。"""
    library = _library(rules)
    findings: list[Finding] = []
    for path in paths or [library.root]:
        findings += _check(library, path)
    if as_json:
        listed = [
            {
                "code": one.code,
                "file": one.file,
                "line": one.line,
                "path": one.path,
                "message": one.message,
            }
            for one in findings
        ]
        _print_json({"ok": not findings, "findings": listed})
    else:
        for finding in findings:
            typer.echo(str(finding))
        if not findings:
            typer.echo("没有发现问题")
    raise typer.Exit(NOT_IN_ORDER if findings else 0)


@app.command()
@_ends_plainly
def show(year: Year, jurisdiction: Shown, as_json: AsJson = False, rules: Folder = None) -> None:
    """查看一个规则集：每个值、它出自哪个文件哪一行、依据哪一条。"""
    library = _library(rules)
    if jurisdiction == CERTIFICATES:
        found = _answer(library, lambda: resolve_certificates(library, year))
    else:
        found = _resolve(library, year, jurisdiction)
    origins = [
        {
            "path": origin.path,
            "value": origin.value,
            "file": _display(library, origin.place.file),
            "line": origin.place.line,
            "cite": origin.cite.model_dump() if origin.cite is not None else None,
            "cites": [cite.model_dump() for cite in origin.cites],
        }
        for origin in found.provenance
    ]
    if as_json:
        _print_json(
            {
                "ruleset": found.ref().model_dump(),
                "year": found.year,
                "jurisdiction": found.jurisdiction,
                "title": found.title,
                "not_publishable": found.not_publishable,
                "document": found.document,
                "provenance": origins,
            }
        )
        return
    typer.echo(f"{found.title}（{found.id} 第 {found.revision} 版）")
    typer.echo(f"sha256 {found.sha256}")
    if found.not_publishable:
        typer.echo(f"不能用来开展统计：{found.not_publishable}")
    for origin, listed in zip(found.provenance, origins, strict=True):
        because = f"  依据 {'；'.join(map(str, origin.cites))}" if origin.cites else ""
        place = f"{listed['file']}:{listed['line']}"
        typer.echo(f"{origin.path} = {origin.value}  [{place}]{because}")


@app.command()
@_ends_plainly
def route(
    year: Year,
    jurisdiction: Jurisdiction,
    facts: Annotated[str, typer.Option("--facts", help="事实的 JSON 文件，- 为标准输入")],
    as_json: AsJson = False,
    rules: Folder = None,
) -> None:
    """试算审核部门：由谁审核、经过哪几级、为什么，以及为什么不是别的部门。"""
    library = _library(rules)
    known = _facts(facts)
    found = _resolve(library, year, jurisdiction)
    if found.not_publishable is not None:
        _fail(f"{found.id} 不能用来确定审核部门：{found.not_publishable}")
    compiled = CompiledRules(found.document)
    try:
        decision = compiled.route(known)
    except ConditionFailed as failed:
        _fail(f"{found.id}：{failed}", NOT_IN_ORDER)
    if as_json:
        _print_json(decision_json(compiled, decision))
    else:
        for line in decision_lines(compiled, decision):
            typer.echo(line)
    raise typer.Exit(0 if decision.reviewer is not None else NOT_IN_ORDER)


@app.command()
@_ends_plainly
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="年度/辖区，或规则文件的路径")],
    after: Annotated[str, typer.Argument(metavar="B", help="年度/辖区，或规则文件的路径")],
    as_json: AsJson = False,
    rules: Folder = None,
) -> None:
    """比较两个规则集：改了什么，逐条说明。"""
    library = _library(rules)
    old, new = _document(library, before), _document(library, after)
    found = changes(old, new)
    if as_json:
        listed = [change.model_dump(mode="json") for change in found]
        _print_json({"before": old["id"], "after": new["id"], "changes": listed})
        return
    for change in found:
        typer.echo(change.text)
    if not found:
        typer.echo("没有差别")


@app.command()
@_ends_plainly
def schema(as_json: AsJson = False) -> None:
    """规则文件的 JSON Schema（供编辑器用），附条件可用的事实（x-facts）。"""
    document = editor_schema()
    document["x-facts"] = {
        "conditions": _described(FACTS),
        "certificate": _described(CERTIFICATE),
        "institution": _described(INSTITUTION),
        "file": Facts.model_json_schema(),
    }
    _print_json(document)


def _described(facts: tuple[Fact, ...]) -> list[dict[str, str]]:
    return [
        {"name": fact.name, "kind": fact.kind, "about": fact.about, "since": fact.since}
        for fact in facts
    ]


def _library(folder: Path | None) -> RuleLibrary:
    root = folder if folder is not None else SHIPPED
    if not root.is_dir():
        _fail(f"规则目录 {root} 不存在；请用 --rules 或 ZHIBAO_RULES 指向一个规则目录")
    return RuleLibrary(root)


def _display(library: RuleLibrary, file: str) -> str:
    """A finding's file as the user can open it from where they are."""
    inside = library.root / file
    if Path(file).is_absolute() or not inside.exists():
        return file
    here = os.path.relpath(inside)
    return here if not here.startswith("..") else str(inside)


def _check(library: RuleLibrary, path: Path) -> list[Finding]:
    if not path.exists():
        _fail(f"{path} 不存在；请给出规则文件或规则目录的路径")
    if path.is_dir() and (path / "jurisdictions.yaml").exists():
        other = library if path.resolve() == library.root.resolve() else RuleLibrary(path)
        return _shown(other, checks.check_folder(other))
    if path.is_dir():
        return [one for file in sorted(path.rglob("*.yaml")) for one in _check(library, file)]
    if path.parent.name == "forms":
        return checks.check_form_file(path, str(path))
    if path.name in (AUTHORITIES, JURISDICTIONS):
        owner = RuleLibrary(path.parent)
        return _shown(owner, checks.check_catalogue(owner))
    if path.stem == CERTIFICATES:
        owner = next(iter(_owning(path)), library)
        return _shown(owner, check_certificates(owner, path, _inside(owner, path)))
    for owner in (library, *_owning(path)):
        inside = _name_in(owner, path)
        if inside is not None:
            return _shown(owner, checks.check_name(owner, inside))
    return checks.check_outside(library, path, str(path))


def _owning(path: Path) -> list[RuleLibrary]:
    """The rules folder around a file, when the file lies in one of its years."""
    root = path.resolve().parent.parent
    return [RuleLibrary(root)] if (root / "jurisdictions.yaml").exists() else []


def _inside(library: RuleLibrary, path: Path) -> str:
    """A file as findings name it: from the rules folder if it lies there."""
    whole, root = path.resolve(), library.root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(path)


def _name_in(library: RuleLibrary, path: Path) -> str | None:
    try:
        relative = path.resolve().relative_to(library.root.resolve())
    except ValueError:
        return None
    name = relative.with_suffix("").as_posix()
    return name if name in library.names else None


def _shown(library: RuleLibrary, findings: list[Finding]) -> list[Finding]:
    return [
        Finding(one.code, _display(library, one.file), one.line, one.path, one.message)
        for one in findings
    ]


def _resolve(library: RuleLibrary, year: int, jurisdiction: str) -> ResolvedSet:
    return _answer(library, lambda: library.resolve(year, _code(library, year, jurisdiction)))


def _code(library: RuleLibrary, year: int, jurisdiction: str) -> str:
    """A six-digit code from what the user typed: the code, ``national`` or a file's name."""
    if jurisdiction.isdigit():
        return jurisdiction
    if jurisdiction == "national":
        return "000000"
    name = f"{year}/{jurisdiction}"
    if name not in library.names:
        raise RuleSetNotFound(year, jurisdiction, library.sets())
    return library.merged(name).rules.jurisdiction


def _document(library: RuleLibrary, named: str) -> dict[str, Any]:
    path = Path(named)
    if path.is_file():
        inside = _name_in(library, path)
        if inside is not None:
            return _answer(library, lambda: library.resolve_name(inside).document)
        return _answer(
            library,
            lambda: build_document(
                library.merged_file(path, str(path)).rules, library.catalogue, library.forms
            ),
        )
    year, _, jurisdiction = named.partition("/")
    if not (year.isdigit() and jurisdiction):
        _fail(f"{named} 不是 年度/辖区（如 2024/000000），也不是规则文件的路径")
    return _resolve(library, int(year), jurisdiction).document


def _answer(library: RuleLibrary, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except RuleSetNotFound as missing:
        _fail(str(missing))
    except RulesInvalid as invalid:
        _fail("\n".join(str(one) for one in _shown(library, invalid.findings)), NOT_IN_ORDER)


def _facts(named: str) -> Facts:
    shown = "标准输入" if named == "-" else named
    try:
        raw = sys.stdin.buffer.read() if named == "-" else Path(named).read_bytes()
    except OSError as error:
        _fail(f"读不了事实文件 {shown}：{error.strerror}")
    try:
        return parse_facts(raw, shown)
    except FactsInvalid as invalid:
        _fail(str(invalid))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _fail(message: str, code: int = WRONG_USAGE) -> NoReturn:
    raise _Stop(message, code)
