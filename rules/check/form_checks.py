"""What the forms of a folder are checked for: shape, examples of checks, quotations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.citation import Citation
from rules.check.evidence import quoted
from rules.file.findings import Finding, RulesInvalid, in_order
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
            findings.append(_finding(form_id, error))
            continue
        findings += example_findings(folder, [form_id])
        findings += _quotations(form, documents)
        for part in form.reads:
            if part not in parts:
                message = f"表单 {form_id} 的 reads：没有一个规则集有 {part} 这一部分"
                findings.append(Finding("unknown_part", _file(form_id), 1, "reads", message))
    return findings


def check_form_file(path: Path, shown: str, folder: RuleFolder) -> list[Finding]:
    """What is wrong with one form, its quotations held to the notices of ``folder``."""
    library = FormLibrary(path.parent)
    try:
        form, errors = library.get(path.stem), library.trial(path.stem)
    except (FormError, FormNotFound) as error:
        return [_finding(path.stem, error, shown)]
    quoted_wrongly = [replace(found, file=shown) for found in _quotations(form, _documents(folder))]
    return in_order([*(_finding(path.stem, one, shown) for one in errors), *quoted_wrongly])


def example_findings(folder: RuleFolder, form_ids: Iterable[str]) -> Iterator[Finding]:
    """Checks of these forms that do not do on their examples what they should."""
    for form_id in sorted(form_ids):
        for error in folder.forms.trial(form_id):
            yield _finding(form_id, error)


def _finding(form_id: str, error: Exception, shown: str = "") -> Finding:
    code, line = getattr(error, "code", "bad_form"), getattr(error, "line", 1)
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


def _quotations(form: Form, documents: Mapping[str, str]) -> Iterator[Finding]:
    cites: list[Any] = [form.cite, *(check.cite for check in form.checks)]
    for cite in cites:
        if not isinstance(cite, Citation) or not cite.quote:
            continue
        text = documents.get(cite.document)
        if text is None:
            message = f"出处 {cite.document} 没有一个规则文件在 sources 里声明；请核对文号"
            yield Finding("unknown_source", _file(form.id), 1, "cite", message)
        elif not quoted(cite.quote, text):
            message = f"原文里没有“{cite.quote}”；请逐字引用 {cite.document}"
            yield Finding("quote_not_in_source", _file(form.id), 1, "cite", message)
