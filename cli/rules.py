"""``zhibao rules``: check, show, route, compare, begin next year's file, publish."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.terminal import (
    HERE,
    NOT_IN_ORDER,
    AsJson,
    Data,
    RulesFolder,
    ends_plainly,
    fail,
    print_json,
)

if TYPE_CHECKING:
    from datetime import date, datetime

    from cli.system import Services
    from rules.conditions import Fact
    from services.publishing import PublishedShown

app = typer.Typer(help="规则：检查、查看、试算审核部门、比较", no_args_is_help=True)

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


@app.command()
@ends_plainly
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="文件或目录，默认整个规则目录")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="每次保存后重新检查，直到按 Ctrl-C")
    ] = False,
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """检查规则文件：写法、含义、引文、例子；每个问题一行，有问题时退出码为 1。"""
    from cli.rule_files import check_path, library_in, saved_again

    if watch and as_json:
        fail("--watch 不能与 --json 同用：--json 只输出一份结果")
    seen = None
    while True:
        library = library_in(rules)
        named = paths or [library.root]
        if seen is not None and not all(path.exists() for path in named):
            # some editors move a file away before they write the new one
            seen = saved_again([library.root, *named], seen)
            continue
        seen = saved_again([library.root, *named])
        findings = [found for path in named for found in check_path(library, path)]
        if not watch:
            break
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(f"{len(findings)} 个问题；等待保存" if findings else "没有发现问题；等待保存")
        try:
            saved_again([library.root, *named], seen)
        except KeyboardInterrupt:
            raise typer.Exit(NOT_IN_ORDER if findings else 0) from None
    if as_json:
        print_json({"ok": not findings, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(str(finding))
        if not findings:
            typer.echo("没有发现问题")
    raise typer.Exit(NOT_IN_ORDER if findings else 0)


@app.command()
@ends_plainly
def show(
    year: Year, jurisdiction: Shown, as_json: AsJson = False, rules: RulesFolder = None
) -> None:
    """查看一个规则集：每个值、它出自哪个文件哪一行、依据哪一条。"""
    from cli.rule_files import answer, display, library_in, resolve
    from rules.certificates.certificates import resolve_certificates
    from rules.file.folder import CERTIFICATES

    library = library_in(rules)
    if jurisdiction == CERTIFICATES:
        ruleset = answer(library, lambda: resolve_certificates(library, year))
    else:
        ruleset = resolve(library, year, jurisdiction)
    origins = [
        {
            "path": origin.path,
            "value": origin.value,
            "file": display(library, origin.place.file),
            "line": origin.place.line,
            "cite": origin.cite.model_dump() if origin.cite is not None else None,
            "cites": [cite.model_dump() for cite in origin.cites],
        }
        for origin in ruleset.provenance
    ]
    if as_json:
        print_json(
            {
                "ruleset": ruleset.ref().model_dump(),
                "year": ruleset.year,
                "jurisdiction": ruleset.jurisdiction,
                "title": ruleset.title,
                "not_publishable": ruleset.not_publishable,
                "document": ruleset.document,
                "provenance": origins,
            }
        )
        return
    typer.echo(f"{ruleset.title}（{ruleset.id} 第 {ruleset.revision} 版）")
    typer.echo(f"sha256 {ruleset.sha256}")
    if ruleset.not_publishable:
        typer.echo(f"不能用来开展统计：{ruleset.not_publishable}")
    for origin, listed in zip(ruleset.provenance, origins, strict=True):
        because = f"  依据 {'；'.join(map(str, origin.cites))}" if origin.cites else ""
        place = f"{listed['file']}:{listed['line']}"
        typer.echo(f"{origin.path} = {origin.value}  [{place}]{because}")


@app.command()
@ends_plainly
def route(
    year: Year,
    jurisdiction: Jurisdiction,
    facts: Annotated[str, typer.Option("--facts", help="事实的 JSON 文件，- 为标准输入")],
    on: Annotated[
        str, typer.Option("--on", metavar="DAY", help="以哪一天有效的证书为准，不填为规则的截止日")
    ] = "",
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """试算审核部门和填报义务：由谁审核、经过哪几级、为什么，以及为什么不是别的部门。"""
    from cli.rule_files import facts_in, in_reach, library_in, resolve
    from domain.facts import Facts
    from rules.compiled import CompiledRules
    from rules.conditions import ConditionFailed
    from rules.filing.derived_facts import first_day_notes, valid_years
    from rules.rendering import decision_json, decision_lines

    library = library_in(rules)
    known = facts_in(facts, Facts)
    ruleset = resolve(library, year, jurisdiction)
    if ruleset.not_publishable is not None:
        fail(f"{ruleset.id} 不能用来确定审核部门：{ruleset.not_publishable}")
    compiled = CompiledRules(ruleset.document)
    day = _day(on, "--on") if on else None
    as_of = day or compiled.document.filing.certificates.as_of
    in_reach(library, ruleset, known.institution.region, as_of)
    try:
        decision, obligation = compiled.route(known, day), compiled.obligation(known, day)
    except ConditionFailed as failed:
        fail(f"{ruleset.id}：{failed}", NOT_IN_ORDER)
    notes = first_day_notes(known.certificates, as_of, valid_years(compiled.document))
    if as_json:
        print_json({**decision_json(compiled, decision, obligation), "notes": notes})
    else:
        for line in (*decision_lines(compiled, decision, obligation), *notes):
            typer.echo(line)
    raise typer.Exit(0 if decision.reviewer is not None else NOT_IN_ORDER)


@app.command()
@ends_plainly
def consequences(
    year: Year,
    jurisdiction: Jurisdiction,
    facts: Annotated[str, typer.Option("--facts", help="事实的 JSON 文件，- 为标准输入")],
    at: Annotated[
        str, typer.Option("--at", metavar="INSTANT", help="在哪一时刻看，带时区；不填为现在")
    ] = "",
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """试算后续处理：对一件填报可以提出哪些措施、为什么，以及为什么不提出别的。"""
    from cli.rule_files import facts_in, library_in, resolve
    from domain.enforcement.consequences import EnforcementFacts
    from rules.compiled import CompiledRules, FactsIncomplete
    from rules.conditions import ConditionFailed
    from rules.rendering import consequences_lines
    from services.clock import system_clock

    library = library_in(rules)
    moment = _instant(at, "--at") if at else system_clock()
    known = facts_in(facts, EnforcementFacts)
    ruleset = resolve(library, year, jurisdiction)
    compiled = CompiledRules(ruleset.document)
    try:
        found = compiled.consequences(known, moment)
    except FactsIncomplete as incomplete:
        fail(f"{facts}: {incomplete}")
    except ConditionFailed as failed:
        fail(f"{ruleset.id}：{failed}", NOT_IN_ORDER)
    if as_json:
        print_json(found.model_dump())
    else:
        for line in consequences_lines(found):
            typer.echo(line)


@app.command()
@ends_plainly
def deadline(
    year: Year,
    jurisdiction: Jurisdiction,
    duty: Annotated[str, typer.Option("--duty", help="哪一个期限，如 warning.statement")],
    since: Annotated[
        str, typer.Option("--from", metavar="INSTANT", help="从哪一时刻的事起算，带时区")
    ],
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """计算一个从某件事起算的期限：何时届满，数了哪几天，依据什么。"""
    from cli.rule_files import answer, library_in, resolve
    from domain.messages import closing_time
    from domain.working_days import CalendarMissing
    from rules.compiled import CompiledRules
    from rules.file.calendars import read_calendar

    library = library_in(rules)
    event = _instant(since, "--from")
    ruleset = resolve(library, year, jurisdiction)
    terms = CompiledRules(ruleset.document).terms()
    term = terms.get(duty)
    if term is None:
        there = "、".join(terms) or "（没有）"
        fail(f"{ruleset.id} 没有期限 {duty}；有：{there}")
    calendar = answer(library, lambda: read_calendar(library.root))
    try:
        counted = calendar.count(term, event)
    except CalendarMissing as missing:
        fail(str(missing), NOT_IN_ORDER)
    if as_json:
        days, cite = list(counted.days), term.cite.model_dump()
        print_json({"due": counted.due, "counted": days, "cite": cite})
        return
    unit = {"working_days": "工作日", "days": "日", "months": "月"}[term.unit]
    typer.echo(f"{closing_time(counted.due)} 届满（{term.days} 个{unit}，起算当日不计）")
    if term.unit != "months":
        typer.echo(f"数了：{'、'.join(day.isoformat() for day in counted.days)}")
    typer.echo(f"依据：{term.cite}")


def _day(text: str, option: str) -> date:
    """A day. Ends the command for anything else."""
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text} 不是日期；请写成 2025-03-21")


def _instant(text: str, option: str) -> datetime:
    """An instant with its zone. Ends the command for anything else."""
    from datetime import datetime

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text} 不是时刻；请写成 2021-02-01T00:00:00+08:00")
    if instant.tzinfo is None:
        fail(f"{option} {text} 没有时区；请写成 2021-02-01T00:00:00+08:00")
    return instant


@app.command()
@ends_plainly
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="年度/辖区，或规则文件的路径")],
    after: Annotated[str, typer.Argument(metavar="B", help="年度/辖区，或规则文件的路径")],
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """比较两个规则集：改了什么，逐条说明。"""
    from cli.rule_files import document_of, library_in
    from rules.diff import changes

    library = library_in(rules)
    old, new = document_of(library, before), document_of(library, after)
    changed = changes(old, new)
    if as_json:
        listed = [change.model_dump(mode="json") for change in changed]
        print_json({"before": old["id"], "after": new["id"], "changes": listed})
        return
    for change in changed:
        typer.echo(change.text)
    if not changed:
        typer.echo("没有差别")


@app.command()
@ends_plainly
def publish(
    year: Year,
    reason: Annotated[str, typer.Option(help="发布的依据：通知或修订的文号")],
    jurisdiction: Jurisdiction = "000000",
    key: Annotated[str, typer.Option(help="同一个键只发布一次；不填为新的一次")] = "",
    data: Data = HERE,
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """核对并发布一个辖区及其下各辖区的规则；有一处问题即不发布。"""
    import uuid

    from cli.system import operator, run
    from domain.confirmations import ConfirmedAct

    async def work(services: Services) -> PublishedShown:
        code, command = _code_of(jurisdiction, year, rules), key or uuid.uuid4().hex
        path = f"/api/rules/{year}/{code}/publish"
        await services.confirmations.hold(
            ConfirmedAct.PUBLISH_RULES, 1, path, {"reason": reason}, operator(), command
        )
        return await services.publications.publish(year, code, operator(), command, reason, rules)

    published = run(data, work)
    if as_json:
        print_json(published)
        return
    for one in published.published:
        ref = one.ruleset
        typer.echo(f"已发布 {one.year}/{one.jurisdiction} {ref.id} 第 {ref.revision} 版")
        typer.echo(f"  sha256 {ref.sha256}")
    for place in published.unchanged:
        typer.echo(f"没有改动 {year}/{place}")


def _code_of(jurisdiction: str, year: int, rules: Path | None) -> str:
    from cli.rule_files import library_in, resolve

    if jurisdiction.isdigit():
        return jurisdiction
    return resolve(library_in(rules), year, jurisdiction).jurisdiction


@app.command()
@ends_plainly
def published(
    year: Annotated[int | None, typer.Argument(help="统计年度；不填为各年")] = None,
    jurisdiction: Annotated[
        str, typer.Argument(help="六位辖区代码：列出它发布过的各版；不填为现行的各规则集")
    ] = "",
    at: Annotated[
        str, typer.Option("--at", metavar="INSTANT", help="在哪一时刻现行，带时区；不填为现在")
    ] = "",
    data: Data = HERE,
    as_json: AsJson = False,
) -> None:
    """发布了哪些规则，哪一版何时起、何时止有效，由谁、为什么发布。"""
    from cli.system import run
    from domain.messages import local_time

    moment = _instant(at, "--at") if at else None
    if jurisdiction and year is not None:
        listed = run(data, lambda services: services.publications.revisions(year, jurisdiction))
    else:
        listed = run(data, lambda services: services.publications.in_force(year, moment))
    if as_json:
        print_json({"rows": [one.model_dump(mode="json") for one in listed]})
        return
    for one in listed:
        ref = one.ruleset
        until = f" 至 {local_time(one.replaced_at)}" if one.replaced_at else "，现行"
        typer.echo(
            f"{one.year}/{one.jurisdiction} {ref.id} 第 {ref.revision} 版（{ref.sha256[:12]}）"
            f"：{local_time(one.published_at)} 起{until}；{one.published_by}，{one.reason}"
        )
    if not listed:
        typer.echo("没有发布过规则；用 zhibao rules publish 发布")


@app.command()
@ends_plainly
def form(
    form_id: Annotated[str, typer.Argument(metavar="FORM", help="表单编号，如 statistics-2024")],
    check: Annotated[
        Path | None, typer.Option(help="填好的 JSON 文件：列出其中的全部问题，有问题时退出码为 1")
    ] = None,
    template: Annotated[Path | None, typer.Option(help="把空白的 XLSX 模板写入这个文件")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="填报内容的 JSON Schema")] = False,
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """查看一个表单：分节、字段、校验；或检查填好的内容，导出模板和 JSON Schema。"""
    from cli.form_files import found_in, shown
    from cli.rule_files import answer, library_in
    from files.form_sheets import template as workbook_of
    from rules.filing.forms.json_schema import json_schema

    library = library_in(rules)
    found = answer(library, lambda: library.forms.get(form_id))
    if check is not None:
        report = found_in(found, check)
        if as_json:
            print_json({**report.model_dump(mode="json"), "form": found.id, "sha256": found.sha256})
        else:
            for one in report.findings:
                typer.echo(f"{one.number}. [{one.level}] {one.pointer or '/'} {one.message}")
            typer.echo("没有发现问题" if not report.findings else f"共 {len(report.findings)} 处")
        raise typer.Exit(0 if report.ready else NOT_IN_ORDER)
    if template is not None:
        template.write_bytes(workbook_of(found))
    if schema:
        print_json(json_schema(found))
    elif as_json:
        print_json({"sha256": found.sha256, "content": found.model_dump(mode="json")})
    elif template is None:
        for line in shown(found):
            typer.echo(line)


@app.command()
@ends_plainly
def schema(as_json: AsJson = False) -> None:
    """规则文件的 JSON Schema（供编辑器用），附条件可用的事实（x-facts）。"""
    from domain.enforcement.consequences import EnforcementFacts
    from domain.facts import Facts
    from rules.conditions import CERTIFICATE, FACTS, INSTITUTION
    from rules.file.editor_schema import editor_schema

    document = editor_schema()
    document["x-facts"] = {
        "conditions": _described(FACTS),
        "certificate": _described(CERTIFICATE),
        "institution": _described(INSTITUTION),
        "file": Facts.model_json_schema(),
        "consequences_file": EnforcementFacts.model_json_schema(),
    }
    print_json(document)


def _described(facts: tuple[Fact, ...]) -> list[dict[str, str]]:
    return [
        {"name": fact.name, "kind": fact.kind, "about": fact.about, "since": fact.since}
        for fact in facts
    ]
