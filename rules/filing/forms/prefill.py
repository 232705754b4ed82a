"""What a form begins with: from the register, and from the institution's filing of last year."""

from collections.abc import Mapping
from typing import Any

from rules.filing.forms.context import Register
from rules.filing.forms.example import register_rows, register_value
from rules.filing.forms.model import COPIES, UNCONFIRMED, Form
from rules.filing.forms.structure import is_blank, read


def prefilled(form: Form, register: Register | None, last_year: Any) -> dict[str, Any]:
    """The values a form begins with, each marked as ``unconfirmed``.

    ``last_year`` is what was filled in on the same part a year before, as it stands on record.
    What would be wrong on this form is left out. A form that repeats has a copy for each of what
    the register lists.
    """
    if form.repeats is None:
        return _copy(form, register, last_year)
    before = {
        copy.get(form.repeats.field): copy
        for _, copy in form.copies(last_year)
        if isinstance(copy, dict)
    }
    names = register.national_centres if register is not None else ()
    copies = []
    for name in names:
        made = _copy(form, register, before.get(name))
        unconfirmed = [one for one in made.get(UNCONFIRMED, ()) if one != form.repeats.field]
        copies.append({**made, form.repeats.field: name, UNCONFIRMED: unconfirmed})
    return {COPIES: copies} if copies else {}


def still_unconfirmed(form: Form, old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A part as it is saved: what was changed since it was filled in beforehand is confirmed."""
    if form.repeats is not None or not isinstance(new.get(UNCONFIRMED), list):
        return new
    left = [name for name in new[UNCONFIRMED] if name in old and new.get(name) == old[name]]
    return {**new, UNCONFIRMED: left} if old else new


def _copy(form: Form, register: Register | None, last_year: Any) -> dict[str, Any]:
    before: Mapping[str, Any] = last_year if isinstance(last_year, dict) else {}
    made: dict[str, Any] = {}
    for name, field in form.fields.items():
        value = before.get(name) if field.prefill == "last_year" else None
        if field.prefill is not None and register is not None and value is None:
            value = register_value(field, register)
        if not is_blank(value):
            made[name] = value
    for name, section in form.tables.items():
        assert section.table is not None
        rows = before.get(name) if section.table.prefill == "last_year" else None
        if register is not None and section.table.prefill == "register.certificates":
            rows = register_rows(section, register)
        if not is_blank(rows):
            made[name] = rows
    wrong = {one.pointer.split("/")[1] for one in read(form, made, complete=False).findings}
    kept = {name: value for name, value in made.items() if name not in wrong}
    return {**kept, UNCONFIRMED: list(kept)} if kept else {}
