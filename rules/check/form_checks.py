"""What the forms of a folder are checked for: shape, examples of checks, quotations."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from domain.citation import Citation
from rules.check.evidence import clause_of, quoted, says_something, too_short
from rules.check.years import EARLIEST, named_otherwise, years_named
from rules.file.findings import Finding, RulesInvalid, dotted, in_order
from rules.file.folder import RuleFolder
from rules.filing.forms.library import FormLibrary, FormNotFound
from rules.filing.forms.model import Form, FormError


def check_forms(folder: RuleFolder) -> list[Finding]:
    """Every finding about the forms of a rules folder, quotations and parts read included."""
    findings: list[Finding] = []
    documents, parts = _documents(folder), _parts(folder)
    for form_id in folder.forms.ids():
        try:
            form = folder.forms.get(form_id)
        except (FormError, FormNotFound) as error:
            findings.append(_finding(folder.forms, form_id, error))
            continue
        findings += example_findings(folder, [form_id])
        findings += _quotations(folder.forms, form, documents)
        findings += _particulars(folder.forms, form, documents)
        for part in form.reads:
            if part not in parts:
                message = f"表单 {form_id} 的 reads：没有一个规则集有 {part} 这一部分"
                line = folder.forms.line(form_id, "reads")
                findings.append(Finding("unknown_part", _file(form_id), line, "reads", message))
    return findings


def check_form_file(path: Path, shown: str, folder: RuleFolder) -> list[Finding]:
    """What is wrong with one form, its quotations held to the notices of ``folder``."""
    library = FormLibrary(path.parent)
    try:
        form, errors = library.get(path.stem), library.trial(path.stem)
    except (FormError, FormNotFound) as error:
        return [_finding(library, path.stem, error, shown)]
    documents = _documents(folder)
    quotations = _quotations(library, form, documents)
    return in_order(
        [
            *(_finding(library, path.stem, one, shown) for one in errors),
            *(replace(found, file=shown) for found in quotations),
            *(replace(one, file=shown) for one in _particulars(library, form, documents)),
        ]
    )


def example_findings(folder: RuleFolder, form_ids: Iterable[str]) -> Iterator[Finding]:
    """Checks of these forms that do not do on their examples what they should."""
    for form_id in sorted(form_ids):
        for error in folder.forms.trial(form_id):
            yield _finding(folder.forms, form_id, error)


def _finding(forms: FormLibrary, form_id: str, error: Exception, shown: str = "") -> Finding:
    code, line = getattr(error, "code", "bad_form"), getattr(error, "line", 1)
    if line == 1:
        line = forms.line(form_id, str(error))
    return Finding(code, shown or _file(form_id), line, "", str(error))


def _file(form_id: str) -> str:
    return f"forms/{form_id}.yaml"


def _documents(folder: RuleFolder) -> dict[str, str]:
    """The wording of each notice that some rule file declares, by the notice's number."""
    texts: dict[str, str] = {}
    for name in folder.names:
        try:
            sources = folder.merged(name).rules.sources
        except RulesInvalid:
            continue
        for source in sources.values():
            text = folder.source_text(source.text)
            if text is not None:
                texts[source.document] = text
    return texts


def _parts(folder: RuleFolder) -> set[str]:
    found: set[str] = set()
    for name in folder.names:
        try:
            found |= {part.id for part in folder.merged(name).rules.filing.parts}
        except RulesInvalid:
            continue
    return found


_UNPUBLISHED = frozenset({"未公开", "不公开", "未公布", "未知", "不详", "待定", "无", "暂无", "略"})


def _particulars(forms: FormLibrary, form: Form, documents: Mapping[str, str]) -> Iterator[Finding]:
    """What a form's own file says of where it comes from, and for which year and how long it is."""
    node = forms.node(form.id)
    if node is None:
        return
    file = _file(form.id)

    def finding(code: str, path: tuple[str | int, ...], message: str) -> Finding:
        return Finding(code, file, node.place_of(path).line, dotted(path), message)

    for path, below in node.walk():
        value = below.value
        if (
            path
            and path[-1] == "assumption"
            and isinstance(value, str)
            and not says_something(value)
        ):
            message = f"assumption 要写推定的理由；“{value}”不是理由，请写一句话"
            yield finding("trivial_assumption", path, message)
        if path and path[-1] == "cite" and isinstance(value, dict):
            yield from _in_its_clause(below.plain(), path, documents, finding)
    for key in ("table_number", "issuing_authority", "approval_number", "valid_until"):
        item = getattr(form.header, key)
        if item.known and item.value.strip() in _UNPUBLISHED:
            message = f"{key} 写作“{item.value}”，要用 assumption 说明为什么没有；有的请照原文写"
            yield finding("trivial_assumption", ("header", key), message)
    for year in years_named(form.id) or years_named(form.title, title=True):
        other = named_otherwise(form.title, year, title=True)
        if other is not None:
            yield finding("other_year", ("title",), other)
        last, begins = form.header.last_day, date(year, *EARLIEST)
        if last is not None and last < begins:
            message = (
                f"有效期限 {last} 早于 {year} 年度统计的开始（{begins}）；"
                f"过期的统计表不能填报，请写现行有效的期限"
            )
            yield finding("form_expired", ("header", "valid_until"), message)


def _lists_annex(text: str, clause: str) -> bool:
    """Whether a notice lists an annex (附件2) at its end; its wording may be elsewhere."""
    annex = re.fullmatch(r"附件(\d+)", clause)
    listed = rf"附\s*件[：:][^附]*(?<!\d){annex[1]}[.．]" if annex is not None else "(?!)"
    return re.search(listed, text) is not None


def _in_its_clause(
    cite: Mapping[str, Any],
    path: tuple[str | int, ...],
    documents: Mapping[str, str],
    finding: Callable[[str, tuple[str | int, ...], str], Finding],
) -> Iterator[Finding]:
    """Whether a quotation says something and stands in the clause that is named."""
    quote, clause = str(cite.get("quote", "")), str(cite.get("clause", ""))
    if "quote" in cite and too_short(quote):
        message = f"引文“{quote}”太短，证明不了什么；请引用整句，至少四个字"
        yield finding("trivial_quote", (*path, "quote"), message)
    text = documents.get(str(cite.get("document", "")))
    if text is None or not clause:
        return
    wording = clause_of(text, clause)
    if wording is None and "assumption" in cite and _lists_annex(text, clause):
        return  # the annex itself is not at hand
    if wording is None:
        message = (
            f"{cite['document']} 里没有“{clause}”这一条；条款照原文的编号写，如 三（一）3、附件1"
        )
        yield finding("unknown_clause", (*path, "clause"), message)
    elif quoted(quote, text) and not quoted(quote, wording):
        # what stands nowhere is told once, where quotations are looked up
        message = f"“{quote}”不在“{clause}”里；请写它所在的条款"
        yield finding("quote_not_in_clause", (*path, "clause"), message)


def _quotations(forms: FormLibrary, form: Form, documents: Mapping[str, str]) -> Iterator[Finding]:
    cites: list[tuple[str, Any]] = [("cite", form.cite)]
    cites += [(check.id, check.cite) for check in form.checks]
    node = forms.node(form.id)

    def line_of(place: str, key: str) -> int:
        if place == "cite" and node is not None:
            return node.place_of(("cite", key)).line
        return forms.line(form.id, place)

    for place, cite in cites:
        if not isinstance(cite, Citation) or not cite.quote:
            continue
        text = documents.get(cite.document)
        if text is None:
            message = f"出处 {cite.document} 没有一个规则文件在 sources 里声明；请核对文号"
            line = line_of(place, "document")
            yield Finding("unknown_source", _file(form.id), line, "cite", message)
        elif not quoted(cite.quote, text):
            message = f"原文里没有“{cite.quote}”；请逐字引用 {cite.document}"
            line = line_of(place, "quote")
            yield Finding("quote_not_in_source", _file(form.id), line, "cite", message)
