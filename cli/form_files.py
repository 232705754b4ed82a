"""Forms on the command line: one as people read it, and what is wrong with a filled-in one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from cli.terminal import fail
from rules.filing.forms.checking import check_form
from rules.filing.forms.findings import FormReport, report
from rules.filing.forms.model import Form, FormField


def found_in(form: Form, path: Path) -> FormReport:
    """The report on a filled-in form in a JSON file. Ends the command where there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        fail(f"读不了 {path}：{error.strerror}")
    try:
        values = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        fail(f"{path} 不是有效的 JSON（UTF-8）")
    return report(check_form(form, values, complete=True))


def shown(form: Form) -> Iterator[str]:
    """A form line by line."""
    header = form.header
    yield f"{form.title}（{form.id} 第 {form.revision} 版）"
    yield f"sha256 {form.sha256}"
    for label, item in (
        ("表号", header.table_number),
        ("制定机关", header.issuing_authority),
        ("批准或备案文号", header.approval_number),
        ("有效期限", header.valid_until),
    ):
        yield f"{label}：{item.value}" + ("" if item.known else f"（{item.assumption}）")
    for section in form.sections:
        when = f"　仅当 {section.when}" if section.when else ""
        table = section.table
        rows = f"　表格 {section.id}，{table.min} 至 {table.max} 行" if table is not None else ""
        yield f"{section.title}{when}{rows}"
        for field in section.fields:
            yield f"  {field.id}  {field.label}{_kind(field)}"
    for check in form.checks:
        yield f"校验 {check.id}（{check.level}）：{check.message}"


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _kind(field: FormField) -> str:
    unit = f"（{field.unit}）" if field.unit else ""
    if field.derived is not None:
        return f"{unit}，由系统推算"
    return unit + ("" if field.required else "，可不填")
