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
            findings.append(_finding(folder.forms, form_id, error))
            continue
        findings += example_findings(folder, [form_id])
        findings += _quotations(folder.forms, form, documents)
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
    quotations = _quotations(library, form, _documents(folder))
    return in_order(
        [
            *(_finding(library, path.stem, one, shown) for one in errors),
            *(replace(found, file=shown) for found in quotations),
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


def _quotations(forms: FormLibrary, form: Form, documents: Mapping[str, str]) -> Iterator[Finding]:
    cites: list[tuple[str, Any]] = [("cite", form.cite)]
    cites += [(check.id, check.cite) for check in form.checks]
    for place, cite in cites:
        if not isinstance(cite, Citation) or not cite.quote:
            continue
        text = documents.get(cite.document)
        if text is None:
            message = f"出处 {cite.document} 没有一个规则文件在 sources 里声明；请核对文号"
            line = forms.line(form.id, place)
            yield Finding("unknown_source", _file(form.id), line, "cite", message)
        elif not quoted(cite.quote, text):
            message = f"原文里没有“{cite.quote}”；请逐字引用 {cite.document}"
            line = forms.line(form.id, place)
            yield Finding("quote_not_in_source", _file(form.id), line, "cite", message)
