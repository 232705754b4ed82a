"""Everything a rule file is checked for, beyond its shape: meaning, evidence, examples, reach."""

import re
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from domain.case.plan import WINDOWS
from domain.facts import Facts
from domain.working_days import CalendarMissing
from rules.check.certificate_checks import check_certificates
from rules.check.confirmed import unconfirmed
from rules.check.evidence import held_to_text, source_findings
from rules.check.examples import complete, shortcomings
from rules.check.form_checks import check_forms, example_findings
from rules.check.meaning import expressions, meaning
from rules.check.placing import Findings
from rules.check.reachability import Reach, combinations, explore, explore_numbers
from rules.check.years import strangers
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed
from rules.enforcement.consequences import EnforcementRules
from rules.file.calendars import calendar_findings, read_calendar
from rules.file.catalogue import AUTHORITIES, JURISDICTIONS
from rules.file.confirmations import CONFIRMATIONS, load_confirmations
from rules.file.findings import Finding, RulesInvalid, in_order
from rules.file.folder import STANDING, Merged
from rules.file.library import RuleLibrary
from rules.file.retention import RETENTION, read_retention
from rules.file.schema import Filing
from rules.file.shapes import Cite
from rules.file.strict_yaml import Path as NodePath
from rules.numbers.report_numbers import NumberRules


def check_folder(library: RuleLibrary) -> list[Finding]:
    """Every finding about a rules folder, in order; empty when all is well."""
    findings = [
        *library.duplicates(),
        *check_catalogue(library),
        *calendar_findings(library.root),
    ]
    if findings:
        return in_order(findings)
    if not library.names:
        message = "规则目录里没有 <年度>/<名称>.yaml"
        return [Finding("file_missing", str(library.root), 1, "", message)]
    for name in library.names:
        findings += check_name(library, name)
    for name in library.certificate_names:
        findings += check_certificates(library, library.root / f"{name}.yaml", f"{name}.yaml")
    findings += unread(library.root)
    findings += idle(library)
    return in_order([*findings, *check_forms(library)])


def idle(library: RuleLibrary) -> Iterator[Finding]:
    """Standing files that govern no year there are rules of."""
    for name in library.standing_files:
        if not library.sets_of(name):
            message = (
                "这个常设规则在它生效的期间里，没有一个年度的规则可以依据；"
                "请核对 in_force，或先写该年度的全国规则"
            )
            place = library.read(name).place_of(("in_force",))
            yield Finding("never_read", *place, "in_force", message)


_READ = re.compile(r"\d{4}/[^/]+\.yaml|(forms|calendar|standing)/[^/]+\.yaml")


def unread(root: Path) -> list[Finding]:
    """Files that look like rules and are never read: odd folder, odd suffix."""
    findings = []
    for path in sorted(root.rglob("*")):
        shown = path.relative_to(root).as_posix()
        if path.suffix.lower() == ".yml" or (path.suffix.lower() == ".yaml" != path.suffix):
            message = "规则文件的扩展名应为 .yaml；这个文件没有被读取，请改名"
            findings.append(Finding("wrong_suffix", shown, 1, "", message))
        elif path.suffix == ".yaml" and not _is_read(shown):
            message = "这个文件没有被读取：规则文件放在 <年度>/<名称>.yaml，年度是四位数字；请移动"
            findings.append(Finding("never_read", shown, 1, "", message))
    return findings


def _is_read(shown: str) -> bool:
    if "/" not in shown:
        return shown in (AUTHORITIES, CONFIRMATIONS, JURISDICTIONS, RETENTION)
    return _READ.fullmatch(shown) is not None


def check_catalogue(library: RuleLibrary) -> list[Finding]:
    """Every finding about the files of a folder that are no rule sets."""
    try:
        library.catalogue  # noqa: B018  reading it is the check
        load_confirmations(library.root)
        terms, node = read_retention(library.root)
    except RulesInvalid as invalid:
        return invalid.findings
    return [
        *source_findings(library, node, node, terms.sources),
        *held_to_text(library, node, node, terms.sources, node),
    ]


def check_name(library: RuleLibrary, name: str) -> list[Finding]:
    """Every finding about one rule file of the folder, named ``2024/national``."""
    try:
        merged = library.merged(name)
    except RulesInvalid as invalid:
        return invalid.findings
    return in_order([*unfit(library, name), *_unproven(library, merged)])


def unfit(library: RuleLibrary, name: str) -> list[Finding]:
    """What keeps a file from opening a campaign: all that a case could stumble over.

    Whether its values are held to their text is asked by `check_name` alone.
    """
    return list(_checked(library, name))


# a library never reads a file again, and a check takes a second of pure computing
@lru_cache(maxsize=64)
def _checked(library: RuleLibrary, name: str) -> tuple[Finding, ...]:
    try:
        merged = library.merged(name)
    except RulesInvalid as invalid:
        return tuple(invalid.findings)
    year = name.split("/", 1)[0]
    findings = [*_ignored(library, merged)]
    findings += [one for one in library.duplicates() if one.file == f"{name}.yaml"]
    if year.isdigit() and str(merged.rules.year) != year:
        message = f"year 是 {merged.rules.year}，文件却放在 {year} 目录；请改年度或移动文件"
        findings.append(Findings(merged.node, merged.own).one("year_mismatch", ("year",), message))
    return tuple(in_order([*findings, *_workable(library, merged)]))


def check_outside(library: RuleLibrary, path: Path, shown: str) -> list[Finding]:
    """Every finding about a rule file that lies outside the folder."""
    try:
        merged = library.merged_file(path, shown)
    except RulesInvalid as invalid:
        return invalid.findings
    return in_order([*_workable(library, merged), *_unproven(library, merged)])


def _ignored(library: RuleLibrary, merged: Merged) -> Iterator[Finding]:
    """Standing rules of the same place that a year's file leaves aside without a word."""
    rules = merged.rules
    if merged.name.startswith(STANDING):
        return
    for standing in library.standing_over(rules.year, rules.jurisdiction):
        if f"{standing}@{rules.year}" not in merged.bases:
            message = (
                f"常设规则 {standing}.yaml 在 {rules.year} 年度有效，这个文件却没有以它为基础；"
                f"请写 extends: {standing}，或在 in_force 里写明它何时终止"
            )
            found = Findings(merged.node, merged.own)
            yield found.one("standing_ignored", ("extends",), message)


def _unproven(library: RuleLibrary, merged: Merged) -> Iterator[Finding]:
    rules = merged.rules
    yield from held_to_text(library, merged.own, merged.written, rules.sources, merged.node)
    yield from unconfirmed(merged.node)
    # what goes on from another year was in order there, and is told where this year's begins
    found = Findings(merged.node, merged.own if merged.carried else None)
    for path, message in strangers(rules):
        yield found.one("other_year", path, message)
    yield from _last_days(library, merged)


def _last_days(library: RuleLibrary, merged: Merged) -> Iterator[Finding]:
    """Last days on which nobody works, where the file does not say how that is meant.

    Years whose calendar is not on file are unknown and left out.
    """
    try:
        calendar = read_calendar(library.root)
    except RulesInvalid:  # told of the calendar's own file
        return
    found = Findings(merged.node, merged.own if merged.carried else None)
    for label, last, cite, path in _ends(merged):
        try:
            works = calendar.works(last)
        except CalendarMissing:
            continue
        if not works and not cite.assume:
            message = (
                f"{label}的最后一天 {last} 是休息日，通知没有写是否顺延；"
                f"请用 assume 说明为什么照写的日子，或改到工作日并说明"
            )
            yield found.one("last_day_off", path, message)


def _ends(merged: Merged) -> Iterator[tuple[str, date, Cite, NodePath]]:
    """The last days that a file states: what of, the day, its citation, where it stands."""
    filing = merged.rules.filing
    for name, span in filing.windows.stated().items():
        yield WINDOWS[name].label, span.last, span.cite, ("filing", "windows", name, "to")
    told = {span.last for span in filing.windows.stated().values()}
    for index, stage in enumerate(filing.stages):
        if stage.last not in told:
            yield stage.label, stage.last, stage.cite, ("filing", "stages", index, "to")
    for index, own in enumerate(filing.authority_figures):
        yield own.label, own.due, own.cite, ("filing", "authority_figures", index, "due")
    for index, duty in enumerate(merged.rules.duties):
        if duty.due is not None:
            yield duty.label, duty.due, duty.cite, ("duties", index, "due")


_NO_HINDRANCE = frozenset(
    {
        "source_text_missing", "unused_source", "quote_not_in_source", "trivial_assumption",
        "unknown_path", "missing_key",
    }
)  # fmt: skip
"""What is wrong with a file and does not keep its conditions from being tried."""


def _workable(library: RuleLibrary, merged: Merged) -> list[Finding]:
    """Meaning first; examples and reach only where the meaning is in order."""
    findings = meaning(library, merged)
    hindering = [found for found in findings if found.code not in _NO_HINDRANCE]
    if set(hindering) - set(merged.unknown):
        return findings
    rules = CompiledRules(library.resolved(merged).document)
    areas = library.catalogue.areas
    found = [*findings, *_examples(rules, merged)]
    found += _reach(library, rules, merged, combinations(rules, areas))
    found += example_findings(library, {part.form for part in merged.rules.filing.parts})
    if rules.numbers is not None:
        tried = combinations(rules, areas, "report_numbers")
        found += _reach_of_numbers(library, rules, rules.numbers, merged, tried)
    if rules.enforcement is not None:
        tried = combinations(rules, areas, "enforcement")
        found += _reach_of_enforcement(library, rules.enforcement, merged, tried)
    return in_order(found)


def _examples(rules: CompiledRules, merged: Merged) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    for index, example in enumerate(merged.rules.examples):
        for shortcoming in shortcomings(rules, example):
            message = f"例子“{example.name}”不成立：{shortcoming}"
            yield found.one("example_fails", ("examples", index), message)


def _facts_of_examples(rules: CompiledRules, merged: Merged) -> list[Facts]:
    as_of = rules.document.filing.certificates.as_of
    known = []
    for example in merged.rules.examples:
        with suppress(ValidationError):  # told as an example that fails
            if example.facts is not None:
                known.append(complete(example.facts, as_of))
    return known


def _reach(
    library: RuleLibrary, rules: CompiledRules, merged: Merged, tried: Iterable[Facts]
) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    reach = explore(rules, [*_facts_of_examples(rules, merged), *tried])
    for key, failure in dict.fromkeys(reach.failures):
        section: NodePath = ("duties",) if key == "duties" else ("filing", key)
        yield found.one("condition_fails", _failing(merged, section, failure), failure)
    if reach.failures:
        return
    filing = merged.rules.filing
    if reach.nothing_to_file:
        message = "有必须填报的机构，却没有任何部分要它填；请写明 required_when，或改 obligation"
        yield found.one("nothing_to_file", ("filing", "parts"), message)
    for index, rule in enumerate(filing.reviewers):
        if rule.id not in reach.deciding and _told(merged, "filing", "reviewers", index):
            why, earlier = _why_unreached(filing, index, reach)
            message = f"审核规则 {rule.id} 永远轮不到：{why}"
            path: NodePath = ("filing", "reviewers", index)
            beside = (*path[:-1], earlier) if earlier is not None else ()
            yield found.one("unreachable_reviewer", path, message, beside)
    for index, level in enumerate(filing.review_chain):
        if level.id not in reach.levels and _told(merged, "filing", "review_chain", index):
            message = f"审核层级 {level.id} 永远用不到；请更正条件或删去"
            yield found.one("unreachable_level", ("filing", "review_chain", index), message)
    for index, duty in enumerate(merged.rules.duties):
        unreached = "institution" in duty.who and duty.id not in reach.duties
        if unreached and _told(merged, "duties", index):
            message = f"职责 {duty.id} 没有一个机构要履行；请更正条件或删去"
            yield found.one("unreachable_duty", ("duties", index), message)
    check = filing.quality_check
    for index, one in enumerate(check.levels if check is not None else ()):
        if one.id not in reach.checks:
            message = f"质量审查的层级 {one.id} 永远用不到；请更正条件或删去"
            place: NodePath = ("filing", "quality_check", "levels", index)
            yield found.one("unreachable_level", place, message)
    ids = [rule.id for rule in filing.reviewers]
    for authority, by in reach.authorities.items():
        if not library.catalogue.knows(authority):
            message = _unknown_authority(library, by, authority)
            yield found.one("unknown_authority", ("filing", "reviewers", ids.index(by)), message)


def _failing(merged: Merged, section: NodePath, failure: str) -> NodePath:
    """Where the condition stands that cannot be computed; the section where it is not known."""
    at = [p for p, source, _, _ in expressions(merged.rules) if f"条件 {source} 对" in failure]
    inside = [path for path in at if path[: len(section)] == section]
    return next(iter([*inside, *at]), section)


def _reach_of_numbers(
    library: RuleLibrary,
    rules: CompiledRules,
    numbers: NumberRules,
    merged: Merged,
    tried: Iterable[Facts],
) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    reach = explore_numbers(numbers, [*_facts_of_examples(rules, merged), *tried])
    for key, failure in dict.fromkeys(reach.failures):
        path = _failing(merged, ("report_numbers", key), failure)
        yield found.one("condition_fails", path, failure)
    if reach.failures:
        return
    section = numbers.section
    ids = {
        "complaints": [rule.id for rule in section.complaints],
        "review_chain": [level.id for level in section.review_chain],
    }
    for index, name in enumerate(ids["complaints"]):
        if name not in reach.complaints and _told(merged, "report_numbers", "complaints", index):
            message = f"投诉规则 {name} 永远轮不到；请改条件、次序或删去"
            path = ("report_numbers", "complaints", index)
            yield found.one("unreachable_complaint_rule", path, message)
    for index, name in enumerate(ids["review_chain"]):
        if name not in reach.levels and _told(merged, "report_numbers", "review_chain", index):
            message = f"审核层级 {name} 永远用不到；请更正条件或删去"
            yield found.one("unreachable_level", ("report_numbers", "review_chain", index), message)
    for authority, (key, by) in reach.authorities.items():
        if not library.catalogue.knows(authority):
            message = _unknown_authority(library, by, authority)
            path = ("report_numbers", key, ids[key].index(by))
            yield found.one("unknown_authority", path, message)


def _reach_of_enforcement(
    library: RuleLibrary, enforcement: EnforcementRules, merged: Merged, tried: Iterable[Facts]
) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    section = enforcement.section
    path: NodePath
    try:
        triggers, measures = enforcement.reach()
    except ConditionFailed as failed:
        path = _failing(merged, ("enforcement",), str(failed))
        yield found.one("condition_fails", path, str(failed))
        return
    for index, trigger in enumerate(section.triggers):
        if trigger.id not in triggers:
            message = f"情形 {trigger.id} 永远不会成立；请改条件或删去"
            yield found.one("unreachable_trigger", ("enforcement", "triggers", index), message)
    for index, measure in enumerate(section.measures):
        path = ("enforcement", "measures", index)
        if measure.id not in measures:
            message = f"措施 {measure.id} 在任何情形下都不会提出；请改条件或删去"
            yield found.one("unreachable_measure", path, message)
    ids = [measure.id for measure in section.measures]
    seen: set[Hashable] = set()
    for facts in tried:
        institution = facts.institution
        key = (
            institution.region
            if enforcement.authorities_by_region
            else (institution, facts.certificates)
        )
        if key not in seen:
            seen.add(key)
            try:
                known = enforcement.authorities(facts)
            except ConditionFailed as failed:
                path = _failing(merged, ("enforcement",), str(failed))
                yield found.one("condition_fails", path, str(failed))
                return
            for name, authority in known:
                if not library.catalogue.knows(authority):
                    message = _unknown_authority(library, name, authority)
                    path = ("enforcement", "measures", ids.index(name))
                    yield found.one("unknown_authority", path, message)
                    return


def _unknown_authority(library: RuleLibrary, rule: str, authority: str) -> str:
    fixed = "、".join(library.catalogue.authorities.fixed)
    forms = f"{fixed}、group-…、amr-六位代码"
    return f"规则 {rule} 得出的部门 {authority} 不存在；部门写作 {forms}"


def _told(merged: Merged, *path: str | int) -> bool:
    """Whether a file is to be told of an item that nothing reaches.

    What its base says for other places is no fault of its own, unless it has changed the list.
    """
    own = merged.own
    if own is None or merged.node.place_of(path).file == own.place.file:
        return True
    return path[0] != "duties" and own.get(*path[:-1]) is not None


def _why_unreached(filing: Filing, index: int, reach: Reach) -> tuple[str, int | None]:
    """Why a rule never decides, and the position of the one that takes it all, where one does."""
    when = filing.reviewers[index].when.strip()
    for position, earlier in enumerate(filing.reviewers[:index]):
        if earlier.when.strip() == "true":
            return f"前面的 {earlier.id} 总是适用；请调整次序", position
        if earlier.when.strip() == when:
            return f"前面的 {earlier.id} 条件相同，总是先得出结论；请合并或改条件", position
    tried = f"试过的 {reach.tried} 种情形里，它的条件不成立，或前面的规则先得出结论"
    return f"{tried}；请改条件、次序或删去", None
