"""What a merged rule file says, beyond its shape: does it hold together, is it evidenced."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

from pydantic import BaseModel

from domain.case.plan import NEEDED_WINDOWS
from rules.check.evidence import says_something, source_findings
from rules.check.examples import institution_faults
from rules.check.placing import Findings
from rules.conditions import (
    FACTS,
    Condition,
    ConditionInvalid,
    NumberExpression,
    Scope,
    TextExpression,
)
from rules.file.enforcement_schema import Enforcement
from rules.file.enforcement_schema import contradictions as enforcement_contradictions
from rules.file.findings import Finding, in_order
from rules.file.folder import Merged, RuleFolder
from rules.file.number_schema import ReportNumbers
from rules.file.schema import Filing, RuleFile, Windows
from rules.file.strict_yaml import Path as NodePath
from rules.filing.forms.library import FormNotFound
from rules.filing.forms.model import Form, FormError
from rules.filing.publication import contradictions as publication_contradictions
from rules.filing.reminders import contradictions as reminder_contradictions
from rules.filing.windows import contradictions
from rules.numbers.report_numbers import contradictions as number_contradictions


def meaning(folder: RuleFolder, merged: Merged) -> list[Finding]:
    """What a case could stumble over: conditions, sources, quotes, windows, forms, ids."""
    found = Findings(merged.node, merged.own)
    found.all += merged.unknown
    found.all += source_findings(folder, merged.own, merged.node, merged.rules.sources)
    found.all += _conditions(merged)
    filing = merged.rules.filing
    for code, place, message, beside in contradictions(filing.windows, filing.stages):
        found.add(code, _steps(f"filing.{place}"), message, _steps(f"filing.{beside}"))
    for code, place, message in reminder_contradictions(filing.reminders, filing.windows):
        found.add(code, _steps(f"filing.{place}"), message)
    if merged.rules.jurisdiction not in folder.catalogue.areas:
        message = f"辖区 {merged.rules.jurisdiction} 不在 jurisdictions.yaml 里"
        found.add("unknown_jurisdiction", ("jurisdiction",), message)
    gone = folder.catalogue.not_there(merged.rules.jurisdiction, filing.certificates.as_of)
    if gone is not None:
        found.add("jurisdiction_not_in_force", ("jurisdiction",), f"辖区 {gone}")
    found.all += _examples(folder, merged)
    for index, part in enumerate(filing.parts):
        named: NodePath = ("filing", "parts", index, "form")
        try:
            form = folder.forms.get(part.form)
            for message in _too_late(form, filing):
                found.add("form_expired", named, message)
            for message in _misread(form, filing, folder):
                found.add("bad_form", named, message)
        except FormNotFound:
            message = f"表单 forms/{part.form}.yaml 不存在；请补上表单或更正 form"
            found.add("unknown_form", named, message)
        except FormError as error:
            found.add("bad_form", named, str(error))
    for code, place, message in publication_contradictions(filing, _forms(filing, folder)):
        found.add(code, _steps(f"filing.{place}"), message)
    check = filing.quality_check
    checkers: list[tuple[str, NodePath]] = []
    if check is not None:
        levels = enumerate(check.levels)
        checkers = [(check.by, ("by",)), *((one.by, ("levels", n, "by")) for n, one in levels)]
    for by, where in checkers:
        if not folder.catalogue.knows(by):
            found.add("unknown_authority", ("filing", "quality_check", *where), f"没有部门 {by}")
    found.all += _duties(folder, merged)
    for index, own in enumerate(filing.authority_figures):
        at: NodePath = ("filing", "authority_figures", index)
        if not folder.catalogue.knows(own.by):
            found.add("unknown_authority", (*at, "by"), f"没有部门 {own.by}")
        try:
            if folder.forms.get(own.form).repeats is not None:
                message = f"表单 {own.form} 分份填报，部门自己的统计只有一份"
                found.add("bad_form", (*at, "form"), message)
        except FormNotFound:
            message = f"表单 forms/{own.form}.yaml 不存在；请补上表单或更正 form"
            found.add("unknown_form", (*at, "form"), message)
        except FormError as error:
            found.add("bad_form", (*at, "form"), str(error))
    report = filing.progress_report
    if report is not None and not folder.catalogue.knows(report.reported_to):
        message = f"没有部门 {report.reported_to}"
        found.add("unknown_authority", ("filing", "progress_report", "reported_to"), message)
    if filing.reviewers[-1].when.strip() != "true":
        message = '最后一条审核规则要总是适用（when: "true"），好让每个机构都得到答复'
        found.add("no_final_rule", ("filing", "reviewers", len(filing.reviewers) - 1), message)
    for index, place in enumerate(merged.rules.overridable):
        if place in merged.rules.overridable[:index]:
            message = f"overridable 里的 {place} 写了两次；请删去一个"
            found.add("duplicate_id", ("overridable", index), message)
        if not _exists(place):
            message = f"overridable 里的 {place} 不是规则文件里的位置"
            found.add("unknown_path", ("overridable", index), message)
        elif (missing := _missing_item(merged, place)) is not None:
            message = f"overridable 里的 {place} 不存在：{missing}；请更正或删去"
            found.add("unknown_path", ("overridable", index), message)
    reason = merged.rules.not_publishable
    if reason is not None and not says_something(reason):
        message = "not_publishable 要写不能用来开展统计的理由；能用的，请删去这一行"
        found.add("trivial_assumption", ("not_publishable",), message)
    found.all += _named_authorities(folder, merged)
    if merged.rules.report_numbers is not None:
        for code, path, message in number_contradictions(
            merged.rules.report_numbers, merged.rules.year
        ):
            found.add(code, _steps(f"report_numbers.{path}"), message)
    if merged.rules.enforcement is not None:
        for code, steps, message in enforcement_contradictions(merged.rules.enforcement):
            found.add(code, ("enforcement", *steps), message)
    found.all += _completeness(merged)
    return in_order(found.all)


def _examples(folder: RuleFolder, merged: Merged) -> Iterator[Finding]:
    """What examples say of institutions and authorities that there cannot be; each named once."""
    found = Findings(merged.node, merged.own)
    as_of = merged.rules.filing.certificates.as_of
    names: set[str] = set()
    for index, example in enumerate(merged.rules.examples):
        if example.name in names:
            message = f"例子“{example.name}”写了两次；请改名或删去一个"
            yield found.one("duplicate_id", ("examples", index), message)
        names.add(example.name)
        if example.facts is None:
            continue
        where: NodePath = ("examples", index, "facts")
        for key, what in institution_faults(example.facts):
            message = f"例子“{example.name}”不成立：facts 里的 institution.{key} 不合要求：{what}"
            yield found.one("example_fails", (*where, "institution", key), message)
        region = example.facts.institution.get("region")
        if isinstance(region, str):
            place = (*where, "institution", "region")
            if region not in folder.catalogue.areas:
                message = f"例子里的监管所在地 {region} 不在 jurisdictions.yaml 里；请核对区划代码"
                yield found.one("unknown_jurisdiction", place, message)
            elif (gone := folder.catalogue.not_there(region, as_of)) is not None:
                yield found.one("jurisdiction_not_in_force", place, f"例子里的监管所在地 {gone}")
        for number, certificate in enumerate(example.facts.certificates):
            if not folder.catalogue.knows(certificate.issuer):
                message = f"没有部门 {certificate.issuer}；请核对代码"
                place = (*where, "certificates", number, "issuer")
                yield found.one("unknown_authority", place, message)


def _duties(folder: RuleFolder, merged: Merged) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    known = {fact.name for fact in FACTS}
    for index, fact in enumerate(merged.rules.facts):
        if fact.id in known:
            message = f"{fact.id} 是已有的事实，不能重新声明；请换一个名字"
            yield found.one("duplicate_id", ("facts", index, "id"), message)
    for index, duty in enumerate(merged.rules.duties):
        levels = ("nation", "province", "city", "county", "institution")
        for who in duty.who:
            if who not in levels and not folder.catalogue.knows(who):
                message = f"没有部门 {who}；写部门编号，或 {'、'.join(levels)}"
                yield found.one("unknown_authority", ("duties", index, "who"), message)
        if duty.due is not None and duty.due < date(merged.rules.year, 1, 1):
            message = f"{duty.due} 在 {merged.rules.year} 年度之前；请核对是不是照抄了别的年度"
            yield found.one("other_year", ("duties", index, "due"), message)
        if any(year >= merged.rules.year for year in duty.years):
            message = f"years 是补做的以前年度，不能是 {merged.rules.year} 年或以后"
            yield found.one("other_year", ("duties", index, "years"), message)


def _too_late(form: Form, filing: Filing) -> Iterator[str]:
    """Windows in which nobody may fill in a form any more."""
    last = form.header.last_day
    for name, span in filing.windows.stated().items():
        if last is not None and span.last > last and name in ("fill", "supplement", "correct"):
            yield (
                f"表单 {form.id}（表号 {form.header.table_number.value}）的有效期限是 {last}，"
                f"{name} 窗口到 {span.last} 为止；过期的统计表不能填报，请换用有效的表单或缩短窗口"
            )


def _forms(filing: Filing, folder: RuleFolder) -> dict[str, Form]:
    """The forms of the parts, as far as they are in order."""
    found = {}
    for part in filing.parts:
        with suppress(FormError, FormNotFound):
            found[part.id] = folder.forms.get(part.form)
    return found


def _misread(form: Form, filing: Filing, folder: RuleFolder) -> Iterator[str]:
    """What a form's checks look at in other parts, and these do not have."""
    forms = {part.id: part.form for part in filing.parts}
    for part, fields in form.reads.items():
        if part not in forms or forms[part] not in folder.forms.ids():
            continue
        other = folder.forms.get(forms[part])
        for name, kind in fields.items():
            there = other.fields.get(name)
            if there is None or there.type != kind:
                yield f"表单 {form.id} 的 reads：{forms[part]} 没有 {kind} 类型的字段 {name}"


def _completeness(merged: Merged) -> Iterator[Finding]:
    rules = merged.rules
    if rules.not_publishable is not None:
        return
    found = Findings(merged.node, merged.own)
    for name in NEEDED_WINDOWS:
        if getattr(rules.filing.windows, name) is None:
            message = f"缺少窗口 {name}；只作基础、不用来开展统计的文件请写 not_publishable 和理由"
            yield found.one("missing_key", ("filing", "windows", name), message)
    if rules.filing.completion is None:
        message = "缺少 completion（要在窗口内通过审核，还是只要提交）"
        yield found.one("missing_key", ("filing", "completion"), message)
    if not rules.examples:
        yield found.one("missing_key", ("examples",), "缺少 examples；每个文件都要有例子")


def _conditions(merged: Merged) -> Iterator[Finding]:
    found = Findings(merged.node, merged.own)
    for path, source, compiler, scope in expressions(merged.rules):
        try:
            compiler(source, scope)
        except ConditionInvalid as invalid:
            yield found.one(invalid.code, path, str(invalid))
            continue
        if path == _OF_THE_PUBLIC and _OF_FILINGS.search(source) is not None:
            message = "公众查询的条件不能看填报（统计法实施条例第三十条），请去掉 last_year_filing"
            yield found.one("unknown_fact", path, message)


_OF_THE_PUBLIC: NodePath = ("report_numbers", "eligible", "when")
_OF_FILINGS = re.compile(r"\blast_year_filing\b")


_Compiler = Callable[[str, Scope], Any]
_OF_KIND: dict[str, _Compiler] = {
    "yes-no": Condition,
    "text": TextExpression,
    "number": NumberExpression,
}
_KEYS: tuple[tuple[str, _Compiler], ...] = (
    ("when", Condition),
    ("required_when", Condition),
    ("must", Condition),
    ("assign", TextExpression),
    ("authority", TextExpression),
    ("spent", Condition),
)


def expressions(rules: RuleFile) -> Iterator[tuple[NodePath, str, _Compiler, Scope]]:
    """Every expression of a file: where it stands, its text, what compiles it, what it may name."""
    filing, numbers, enforcement = rules.filing, rules.report_numbers, rules.enforcement
    for index, fact in enumerate(rules.facts):
        yield ("facts", index, "means"), fact.means, _OF_KIND[fact.kind], "facts"
    if filing.quality_check is not None:
        check = filing.quality_check
        yield ("filing", "quality_check", "when"), check.when, Condition, "departments"
    lists: list[tuple[NodePath, Any, Scope]] = [
        (("filing", "obligation"), filing.obligation, "departments"),
        (("filing", "parts"), filing.parts, "departments"),
        (("filing", "national_department"), filing.national_department, "facts"),
        (("filing", "reviewers"), filing.reviewers, "departments"),
        (("filing", "review_chain"), filing.review_chain, "chain"),
        (("duties",), rules.duties, "departments"),
    ]
    if filing.quality_check is not None:
        levels: NodePath = ("filing", "quality_check", "levels")
        lists.append((levels, filing.quality_check.levels, "departments"))
    if numbers is not None:
        lists += [
            (("report_numbers", "obligation"), numbers.obligation, "departments"),
            (("report_numbers", "gate"), numbers.gate, "gate"),
            (("report_numbers", "review_chain"), numbers.review_chain, "departments"),
            (("report_numbers", "complaints"), numbers.complaints, "complaint"),
        ]
        when: NodePath = ("report_numbers", "eligible", "when")
        yield when, numbers.eligible.when, Condition, "departments"
    if enforcement is not None:
        lists += [
            (("enforcement", "triggers"), enforcement.triggers, "enforcement"),
            (("enforcement", "measures"), enforcement.measures, "enforcement"),
        ]
        for index, measure in enumerate(enforcement.measures):
            for key in ("proposes", "decides"):
                path: NodePath = ("enforcement", "measures", index, key)
                yield path, getattr(measure, key), TextExpression, "departments"
    for path, items, scope in lists:
        for index, rule in enumerate(items):
            for key, compiler in _KEYS:
                source = getattr(rule, key, None)
                if source is not None:
                    yield (*path, index, key), source, compiler, scope


def _exists(place: str) -> bool:
    """Whether a path of ``overridable`` names something a rule file can hold."""
    model: type[BaseModel] | None = RuleFile
    kinds: dict[str, type[BaseModel]] = {
        "filing": Filing,
        "windows": Windows,
        "report_numbers": ReportNumbers,
        "enforcement": Enforcement,
    }
    for step in place.split("[", 1)[0].split("."):
        if model is None or step not in model.model_fields:
            return False
        model = kinds.get(step)
    return True


def _missing_item(merged: Merged, place: str) -> str | None:
    """Why the item in brackets is none, None where it is one or none is named."""
    path, _, item = place.removesuffix("]").partition("[")
    if not item:
        return None
    node = merged.node.get(*path.split("."))
    if node is None or not isinstance(node.value, list):
        return f"{path} 不是带 id 的列表"
    ids = [str(one.plain()) for each in node.value if (one := each.get("id")) is not None]
    return None if item in ids else f"{path} 里有：{'、'.join(ids)}"


_AUTHORITY_LITERAL = re.compile(r"'(amr-[^']*|group-[^']*)'|\"(amr-[^\"]*|group-[^\"]*)\"")


_BRANCH = re.compile(r"(?:^|[?:])\s*(?:'([^']+)'|\"([^\"]+)\")\s*(?=$|[:)])")
"""A text that a branch of an expression comes to, and no comparison."""


def _named_authorities(folder: RuleFolder, merged: Merged) -> Iterator[Finding]:
    """Authorities that an expression names, on whichever of its branches."""
    found = Findings(merged.node, merged.own)
    for path, source, compiler, _ in expressions(merged.rules):
        named = [one or two for one, two in _AUTHORITY_LITERAL.findall(source)]
        if compiler is TextExpression and path[0] != "facts":
            named += [one or two for one, two in _BRANCH.findall(source)]
        for authority in dict.fromkeys(named):
            if not folder.catalogue.knows(authority):
                message = f"没有部门 {authority}；请核对代码"
                yield found.one("unknown_authority", path, message)


def _steps(path: str) -> NodePath:
    """``filing.stages[1].to`` as steps."""
    parts = re.findall(r"[^.\[\]]+", path)
    return tuple(int(part) if part.isdigit() else part for part in parts)
