"""Generated filled-in forms: they say that they are generated, and hold nothing to be found."""

from typing import Any

from rules.filing.forms.checking import check_form
from rules.filing.forms.context import Context, Register
from rules.filing.forms.model import COPIES, REASONS, Form, FormField, Section
from rules.filing.forms.structure import read

LEVELS = {"provincial": "省级", "national": "国家级"}
"""How a certificate's level is written in a form's table of certificates."""


def blank_example(
    form: Form, register: Register | None = None, year: int | None = None
) -> dict[str, Any]:
    """A generated filled-in form without open findings.

    What comes from the register is taken from ``register``. Without one, reasons are written for
    what would not agree with whatever institution files it. ``year`` is the statistics year.
    """
    if form.repeats is None:
        return _example(form, register, year, None)
    centres = register.national_centres if register is not None else ()
    return {COPIES: [_example(form, register, year, name) for name in centres or (None,)]}


def conditional_example(form: Form, made: dict[str, Any]) -> dict[str, Any]:
    """Example values of the sections that the answers in ``made`` call for."""
    absent = read(form, made, complete=False).absent
    return {
        field.id: field.example_value()
        for section in form.sections
        if section.when is not None and section.table is None and section.id not in absent
        for field in section.fields
        if field.derived is None
    }


def register_value(field: FormField, register: Register) -> Any:
    """What the register says for a field that begins with it; None for nothing."""
    match field.prefill:
        case "register.name":
            return register.name
        case "register.uscc":
            return register.uscc or None
        case "register.legal_person":
            return register.legal_person
        case "register.certificates":
            return register.certificates[0].number if register.certificates else None
        case _:
            return None


def register_rows(section: Section, register: Register) -> list[dict[str, Any]]:
    """The register's certificates as rows of a table that begins with them."""
    if section.table is None or section.table.prefill != "register.certificates":
        return []
    columns = {field.id for field in section.fields}
    rows = [
        {
            "number": one.number,
            "level": LEVELS[one.level],
            "scope": one.scope,
            "valid_to": one.valid_to.isoformat(),
        }
        for one in register.certificates[: section.table.max]
    ]
    return [{key: value for key, value in row.items() if key in columns} for row in rows]


def _example(
    form: Form, register: Register | None, year: int | None, centre: str | None
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, field in form.fields.items():
        if field.derived is None and form.section_of(name) is None:
            known = register_value(field, register) if register is not None else None
            made[name] = field.example_value() if known is None else known
    for name, section in form.tables.items():
        assert section.table is not None
        rows = list(section.table.example)
        if register is not None and section.table.prefill == "register.certificates":
            rows = register_rows(section, register)
        if rows:
            made[name] = [dict(row) for row in rows]
    made |= conditional_example(form, made)
    if form.repeats is not None and centre is not None:
        made[form.repeats.field] = centre
    if reasons := _warned(form, made, Context(year=year, register=register)):
        made[REASONS] = dict.fromkeys(reasons, "演示（生成）：示例中的理由")
    return made


def _warned(form: Form, made: dict[str, Any], known: Context) -> list[str]:
    """The warnings that want a reason; without a register all that look at one."""
    if known.register is None:
        return [
            check.id
            for check in form.checks
            if check.level == "warn" and "register." in f"{check.when} {check.holds}"
        ]
    given = {COPIES: [made]} if form.repeats is not None else made
    found = check_form(form, given, complete=True, known=known)
    return [one.check for one in found if one.level == "warn" and one.check is not None]
