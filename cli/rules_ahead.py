"""``zhibao rules impact | new`` and ``zhibao simulate``: whom rules would move, what is to come."""

from __future__ import annotations

import gc
from contextlib import contextmanager
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
    listing,
    print_json,
    print_listing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from cli.system import Services
    from deploy.rehearsal import Rehearsed
    from rules.compiled import CompiledRules
    from rules.file.library import RuleLibrary
    from rules.impact import Listed
    from services.campaigns.simulation import Script

_PAGE = 1000


@ends_plainly
def impact(
    before: Annotated[str, typer.Argument(metavar="A", help="年度、年度/辖区，或规则文件的路径")],
    after: Annotated[str, typer.Argument(metavar="B", help="年度、年度/辖区，或规则文件的路径")],
    roster: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="机构名录，CSV 或 XLSX")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="用系统里现有的名录")] = False,
    csv: Annotated[Path | None, typer.Option(help="把有变化的机构写入这一 CSV 文件")] = None,
    data: Data = HERE,
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """换用另一套规则影响谁：义务、审核部门、层级、期限、填报内容、后续处理，按辖区和逐家。"""
    from cli.rule_files import library_in
    from files.export import csv_table
    from rules.impact import ASPECTS
    from rules.impact import impact as compared

    if (roster is None) == (not live):
        fail("请用 --roster 给出名录，或用 --live 看系统里的名录，二者取一")
    library = library_in(rules)
    sides = sets_of(library, before), sets_of(library, after)
    with _all_kept():
        listed = _listed(roster) if roster is not None else _on_record(data)
        found = compared(*sides, listed, library.catalogue.areas)
    if csv is not None:
        both = (f"{said}（{side}）" for said in ASPECTS.values() for side in ("前", "后"))
        rows = [
            (row.institution, row.name, row.region, *_before_and_after(row.changes))
            for row in found.rows
        ]
        header = ("机构编号", "名称", "区域", *both)
        csv.write_bytes(csv_table(header, rows))
    if as_json:
        refs = {
            side: {place: one.ref.model_dump() for place, one in sets.items()}
            for side, sets in zip(("before", "after"), sides, strict=True)
        }
        print_json({**refs, **found.model_dump(mode="json")})
        return
    table = listing("辖区", "名称", "机构", "有变化", *ASPECTS.values())
    for place, counted in [*found.by_jurisdiction.items(), ("", found.total)]:
        numbers = (counted.institutions, counted.changed, *counted.aspects.values())
        table.add_row(place, counted.name, *map(str, numbers))
    print_listing(table)


@contextmanager
def _all_kept() -> Iterator[None]:
    """Without the collector: all that is read is kept, and it would go through it again and again.

    It takes a third of the time of 54,000 institutions.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _before_and_after(changes: dict[str, tuple[str, str]]) -> list[str]:
    from rules.impact import ASPECTS

    return [text for aspect in ASPECTS for text in changes.get(aspect, ("", ""))]


def sets_of(library: RuleLibrary, named: str) -> dict[str, CompiledRules]:
    """The sets that decide: all of a year by place, or the one that is named."""
    from cli.rule_files import answer, document_of
    from rules.compiled import CompiledRules

    if not named.isdigit():
        document = document_of(library, named)
        return {document["jurisdiction"]: CompiledRules(document)}
    places = [place for year, place in library.sets() if year == int(named)]
    found = [answer(library, lambda p=place: library.resolve(int(named), p)) for place in places]  # type: ignore[misc]
    fit = {one.jurisdiction: one.document for one in found if one.not_publishable is None}
    if not fit:
        fail(f"没有 {named} 年度可以用来开展统计的规则")
    return {place: CompiledRules(document) for place, document in fit.items()}


def _listed(file: Path) -> list[Listed]:
    from files.roster import read_roster
    from rules.impact import Listed

    reading = read_roster(file, file.name)
    if reading.errors:
        first = reading.errors[0]
        fail(
            f"{file} 有 {len(reading.errors)} 处错误，例如第 {first.row} 行：{first.message}",
            NOT_IN_ORDER,
        )
    return [Listed(one.name, one.facts()) for one in reading.institutions]


def _on_record(data: Path) -> list[Listed]:
    from cli.system import run
    from rules.impact import Listed

    async def work(services: Services) -> list[Listed]:
        listed: list[Listed] = []
        after = ""
        while page := await services.institutions.holders(after, _PAGE, ""):
            after = page[-1].institution.facts.id
            listed += [
                Listed(one.institution.name, one.institution.facts_for(None)) for one in page
            ]
        return listed

    return run(data, work)


@ends_plainly
def new(
    year: Annotated[int, typer.Argument(help="要起草的统计年度，如 2025")],
    source: Annotated[int, typer.Option("--from", metavar="YEAR", help="由哪一年度起草")],
    name: Annotated[str, typer.Argument(help="规则文件名，如 national、fujian")] = "national",
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """由一个年度的规则起草另一个年度的：每个日期都标为待确认，确认之前不能发布。"""
    from cli.rule_files import check_path, library_in
    from rules.file.next_year import next_year

    library = library_in(rules)
    old = library.root / str(source) / f"{name}.yaml"
    path = library.root / str(year) / f"{name}.yaml"
    if not old.is_file():
        fail(f"没有 {old}；起草用的规则文件须在规则目录里")
    if path.exists():
        fail(f"{path} 已经有了，不改写；请直接编辑它")
    text = next_year(old.read_text("utf-8"), source, year)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    findings = check_path(library_in(rules), path)
    open_ = [one for one in findings if one.code == "not_confirmed"]
    if as_json:
        print_json(
            {
                "file": str(path),
                "unconfirmed": [asdict(one) for one in open_],
                "findings": [asdict(one) for one in findings],
            }
        )
        return
    typer.echo(f"已写入 {path}：{len(open_)} 处日期待确认，共 {len(findings)} 处要办，逐处见")
    typer.echo(f"zhibao rules check {path}")


@ends_plainly
def simulate(
    year: Annotated[int, typer.Argument(help="统计年度，如 2024")],
    jurisdiction: Annotated[str, typer.Argument(help="六位辖区代码，全国为 000000")],
    roster: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="机构名录，CSV 或 XLSX")
    ],
    behaviour: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="各方行为的 JSON；不填为通常")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="把每日提交和待办画成图，写入这一 SVG")] = None,
    processes: Annotated[
        bool,
        typer.Option("--processes", help="再由真正的流程在快进时间的服务器上逐日办一遍，核对结果"),
    ] = False,
    as_json: AsJson = False,
    rules: RulesFolder = None,
) -> None:
    """开启之前先演一遍：按规则走完整个年度，每日提交、各部门积压、逾期、最后一日、后续处理。"""
    from pydantic import ValidationError

    from cli.rule_files import answer, library_in
    from domain.case.status import STATUS_LABELS, Status
    from domain.numbers.quarters import Period
    from domain.working_days import CalendarMissing
    from rules.file.calendars import read_calendar
    from services.campaigns.simulation import Behaviour, Playing
    from services.campaigns.simulation_picture import picture

    library = library_in(rules)
    sets = {
        place: one
        for place, one in sets_of(library, str(year)).items()
        if jurisdiction in library.catalogue.tree.upwards(place)
    }
    if jurisdiction not in sets:
        fail(f"没有 {year} 年度 {jurisdiction} 可以用来开展统计的规则")
    given = behaviour.read_text("utf-8") if behaviour is not None else "{}"
    try:
        people = Behaviour.model_validate_json(given)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        fail(f"{behaviour}：{'.'.join(map(str, first['loc']))} {first['msg']}")
    calendar = answer(library, lambda: read_calendar(library.root))

    def works(day: date) -> bool:
        try:
            return calendar.works(day)
        except CalendarMissing:
            return day.weekday() < _SATURDAY

    def tell(day: date) -> None:
        if day.day == 1 or day.weekday() == 0:
            typer.echo(f"演至 {day}", err=True)

    listed = [
        one.facts
        for one in _listed(roster)
        if jurisdiction in library.catalogue.tree.upwards(one.facts.institution.region)
    ]
    playing = Playing(sets, jurisdiction, Period(year), people, works)
    played = playing.play(listed, tell)
    if svg is not None:
        place = library.catalogue.areas.get(jurisdiction, "全国")
        svg.write_text(picture(played, f"{year} 年度{place}检验检测统计（模拟）"), "utf-8")
    rehearsed = _rehearsed(playing.script()) if processes else None
    if as_json:
        print_json(
            {
                **played.model_dump(mode="json"),
                "processes": rehearsed.model_dump(mode="json") if rehearsed is not None else None,
            }
        )
        raise typer.Exit(NOT_IN_ORDER if rehearsed is not None and rehearsed.differing else 0)
    peak = f"，最多的一日 {played.peak.day} {played.peak.submitted} 件" if played.peak else ""
    typer.echo(
        f"名录 {played.institutions} 家，应填报 {played.must}，可填报 {played.may}；"
        f"填报 {played.filings} 件{peak}，最后一日 {played.last_day} 件"
    )
    ends = (f"{STATUS_LABELS[Status(k)]} {n}" for k, n in played.statuses.items())
    typer.echo("结果：" + "，".join(ends))
    if played.proposals:
        typer.echo("后续处理：" + "，".join(f"{k} {n}" for k, n in played.proposals.items()))
    if rehearsed is not None:
        typer.echo(
            f"流程：{rehearsed.filings} 件填报由真正的流程逐日办理，{rehearsed.acts} 次办理，"
            f"{rehearsed.steps} 步；与所演的不同 {rehearsed.differing} 处"
        )
        for one in rehearsed.differences:
            typer.echo(f"  {one}")
    table = listing("部门", "名称", "收到", "办理", "最多积压", "哪一日", "剩余")
    for id_, desk in played.authorities.items():
        numbers = map(str, (desk.received, desk.done, desk.most, desk.most_on or "", desk.left))
        table.add_row(id_, desk.name, *numbers)
    print_listing(table)
    raise typer.Exit(NOT_IN_ORDER if rehearsed is not None and rehearsed.differing else 0)


def _rehearsed(script: Script) -> Rehearsed:
    """What real processes make of what was played. Ends the command where there is no engine."""
    from cli.terminal import logs_aside
    from deploy.embedded.processes import EmbeddedServerFailed
    from deploy.rehearsal import rehearsed
    from worker import filings_worker

    def tell(day: date, steps: int) -> None:
        typer.echo(f"办至 {day}，{steps} 步", err=True)

    logs_aside()
    try:
        return rehearsed(script, filings_worker, tell)
    except EmbeddedServerFailed as failed:
        fail(str(failed))


_SATURDAY = 5
