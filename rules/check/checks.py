"""Everything a rule file is checked for, beyond its shape: meaning, evidence, examples, reach."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rules.check.certificate_checks import check_certificates
from rules.check.examples import shortcomings
from rules.check.form_checks import check_forms, example_findings
from rules.check.meaning import Findings, meaning
from rules.check.reachability import Reach, explore, explore_numbers
from rules.compiled import CompiledRules
from rules.file.findings import Finding, RulesInvalid, in_order
from rules.file.folder import Merged
from rules.file.library import RuleLibrary
from rules.file.schema import Filing
from rules.file.strict_yaml import Path as NodePath
from rules.numbers.report_numbers import NumberRules


def check_folder(library: RuleLibrary) -> list[Finding]:
    """Every finding about a rules folder, in order; empty when all is well."""
    findings = [*library.duplicates(), *check_catalogue(library)]
    if findings:
        return in_order(findings)
    if not library.names:
        message = "规则目录里没有 <年度>/<名称>.yaml"
        return [Finding("file_missing", str(library.root), 1, "", message)]
    for name in library.names:
        findings += check_name(library, name)
    for name in library.certificate_names:
        findings += check_certificates(library, library.root / f"{name}.yaml", f"{name}.yaml")
    for path in sorted(library.root.rglob("*.yml")):
        shown = path.relative_to(library.root).as_posix()
        message = "规则文件的扩展名应为 .yaml；这个文件没有被读取，请改名"
        findings.append(Finding("wrong_suffix", shown, 1, "", message))
    return in_order([*findings, *check_forms(library)])


def check_catalogue(library: RuleLibrary) -> list[Finding]:
    """Every finding about `authorities.yaml` and `jurisdictions.yaml`."""
    try:
        library.catalogue  # noqa: B018  reading it is the check
    except RulesInvalid as invalid:
        return invalid.findings
    return []


def check_name(library: RuleLibrary, name: str) -> list[Finding]:
    """Every finding about one rule file of the folder, named ``2024/national``."""
    return list(_checked(library, name))


# a library never reads a file again, and a check takes a second of pure computing
@lru_cache(maxsize=64)
def _checked(library: RuleLibrary, name: str) -> tuple[Finding, ...]:
    try:
        merged = library.merged(name)
    except RulesInvalid as invalid:
        return tuple(invalid.findings)
    year = name.split("/", 1)[0]
    findings = []
    if str(merged.rules.year) != year:
        message = f"year 是 {merged.rules.year}，文件却放在 {year} 目录；请改年度或移动文件"
        findings.append(Findings(merged.node).one("year_mismatch", ("year",), message))
    return tuple(in_order([*findings, *check_merged(library, merged)]))


def check_outside(library: RuleLibrary, path: Path, shown: str) -> list[Finding]:
    """Every finding about a rule file that lies outside the folder."""
    try:
        merged = library.merged_file(path, shown)
    except RulesInvalid as invalid:
        return invalid.findings
    return check_merged(library, merged)


def check_merged(library: RuleLibrary, merged: Merged) -> list[Finding]:
    """Meaning first; examples and reach only where the meaning is in order."""
    findings = meaning(library, merged)
    if findings:
        return findings
    rules = CompiledRules(library.resolved(merged).document)
    found = [*_examples(rules, merged), *_reach(library, rules, merged)]
    found += example_findings(library, {part.form for part in merged.rules.filing.parts})
    if rules.numbers is not None:
        found += _reach_of_numbers(library, rules, rules.numbers, merged)
    return in_order(found)


def _examples(rules: CompiledRules, merged: Merged) -> Iterator[Finding]:
    found = Findings(merged.node)
    for index, example in enumerate(merged.rules.examples):
        for shortcoming in shortcomings(rules, example):
            message = f"例子“{example.name}”不成立：{shortcoming}"
            yield found.one("example_fails", ("examples", index), message)


def _reach(library: RuleLibrary, rules: CompiledRules, merged: Merged) -> Iterator[Finding]:
    found = Findings(merged.node)
    reach = explore(rules, library.catalogue.areas)
    for failure in dict.fromkeys(reach.failures):
        yield found.one("condition_fails", ("filing", "reviewers"), failure)
    if reach.failures:
        return
    filing = merged.rules.filing
    for index, rule in enumerate(filing.reviewers):
        if rule.id not in reach.deciding:
            message = f"审核规则 {rule.id} 永远轮不到：{_why_unreached(filing, index, reach)}"
            path: NodePath = ("filing", "reviewers", index)
            yield found.one("unreachable_reviewer", path, message)
    for index, level in enumerate(filing.review_chain):
        if level.id not in reach.levels:
            message = f"审核层级 {level.id} 永远用不到；请更正条件或删去"
            yield found.one("unreachable_level", ("filing", "review_chain", index), message)
    ids = [rule.id for rule in filing.reviewers]
    for authority, by in reach.authorities.items():
        if not library.catalogue.knows(authority):
            message = _unknown_authority(by, authority)
            yield found.one("unknown_authority", ("filing", "reviewers", ids.index(by)), message)


def _reach_of_numbers(
    library: RuleLibrary, rules: CompiledRules, numbers: NumberRules, merged: Merged
) -> Iterator[Finding]:
    found = Findings(merged.node)
    reach = explore_numbers(numbers, rules, library.catalogue.areas)
    for key, failure in dict.fromkeys(reach.failures):
        yield found.one("condition_fails", ("report_numbers", key), failure)
    if reach.failures:
        return
    section = numbers.section
    ids = {
        "complaints": [rule.id for rule in section.complaints],
        "review_chain": [level.id for level in section.review_chain],
    }
    for index, name in enumerate(ids["complaints"]):
        if name not in reach.complaints:
            message = f"投诉规则 {name} 永远轮不到；请改条件、次序或删去"
            path: NodePath = ("report_numbers", "complaints", index)
            yield found.one("unreachable_complaint_rule", path, message)
    for index, name in enumerate(ids["review_chain"]):
        if name not in reach.levels:
            message = f"审核层级 {name} 永远用不到；请更正条件或删去"
            yield found.one("unreachable_level", ("report_numbers", "review_chain", index), message)
    for authority, (key, by) in reach.authorities.items():
        if not library.catalogue.knows(authority):
            message = _unknown_authority(by, authority)
            path = ("report_numbers", key, ids[key].index(by))
            yield found.one("unknown_authority", path, message)


def _unknown_authority(rule: str, authority: str) -> str:
    forms = "samr、cnas、caiq、group-…、amr-六位代码"
    return f"规则 {rule} 得出的部门 {authority} 不存在；部门写作 {forms}"


def _why_unreached(filing: Filing, index: int, reach: Reach) -> str:
    when = filing.reviewers[index].when.strip()
    for earlier in filing.reviewers[:index]:
        if earlier.when.strip() == "true":
            return f"前面的 {earlier.id} 总是适用；请调整次序"
        if earlier.when.strip() == when:
            return f"前面的 {earlier.id} 条件相同，总是先得出结论；请合并或改条件"
    tried = f"试过的 {reach.tried} 种情形里，它的条件不成立，或前面的规则先得出结论"
    return f"{tried}；请改条件、次序或删去"
