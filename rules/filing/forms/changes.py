"""The difference between two filled-in contents, place by place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.model import Value
from rules.filing.forms.checking import readings
from rules.filing.forms.findings import pointer
from rules.filing.forms.model import COPIES, NUMBERS, REASONS, UNCONFIRMED, Form, FormField


class Change(Value):
    """One place that differs; ``old`` or ``new`` is None where there is nothing.

    ``label`` is what people call the place. Rows and copies are compared by their numbers.
    """

    pointer: str
    label: str
    old: Any
    new: Any


def changes(
    forms: Mapping[str, Form], old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[Change]:
    """What differs between two contents of a filing, parts and places in their order."""
    parts = dict.fromkeys([*forms, *old, *new])
    return [
        change
        for part in parts
        for change in _differing((part,), old.get(part), new.get(part), forms.get(part))
    ]


def figures_differ(
    forms: Mapping[str, Form], old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    """Whether a number or a choice differs: what statistics are made of, other than mere words."""
    before, after = (
        {part: _counted(forms[part], values) for part, values in readings(forms, one).items()}
        for one in (old, new)
    )
    return before != after


def _counted(form: Form, values: dict[str, Any]) -> Any:
    if form.repeats is not None:
        return {name: _counted_of(form, copy) for name, copy in values.items()}
    return _counted_of(form, values)


def _counted_of(form: Form, values: Mapping[str, Any]) -> dict[str, Any]:
    counted: dict[str, Any] = _numbers(form.fields.values(), values)
    for name, section in form.tables.items():
        if values.get(name):
            counted[name] = [_numbers(section.fields, row) for row in values[name]]
    return counted


def _numbers(fields: Iterable[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field.id: values[field.id]
        for field in fields
        if field.type in _COUNTED and field.id in values
    }


_COUNTED = NUMBERS | {"choice", "choices", "boolean"}


def _differing(
    place: tuple[str | int, ...], old: Any, new: Any, form: Form | None
) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old or {}, dict) and isinstance(new or {}, dict):
        names = list(dict.fromkeys([*_ordered(form, old or {}), *_ordered(form, new or {})]))
        for name in names:
            yield from _differing(
                (*place, name), (old or {}).get(name), (new or {}).get(name), form
            )
    elif _rows(old) and _rows(new):
        before, after = old or [], new or []
        for number in range(max(len(before), len(after))):
            row = [rows[number] if number < len(rows) else None for rows in (before, after)]
            yield from _differing((*place, number), row[0], row[1], form)
    else:
        yield Change(pointer=pointer(*place), label=_label(place, form), old=old, new=new)


def _rows(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
    )


def _ordered(form: Form | None, values: Mapping[str, Any]) -> list[str]:
    """The keys of values in the order of the form."""
    if form is None:
        return list(values)
    order = {name: number for number, name in enumerate((*form.fields, *form.tables))}
    return sorted(values, key=lambda name: (order.get(name, len(order)), name))


def _label(place: tuple[str | int, ...], form: Form | None) -> str:
    if form is None:
        return ""
    words = []
    steps = list(place[1:])
    if form.repeats is not None and steps[:1] == [COPIES] and len(steps) > 1:
        words.append(f"第 {int(steps[1]) + 1} 份")
        steps = steps[2:]
    if not steps:
        return "".join(words)
    first = str(steps[0])
    if first in form.tables:
        section = form.tables[first]
        words.append(section.title)
        words += [f"第 {int(steps[1]) + 1} 行"] if len(steps) > 1 else []
        words += [f.label for f in section.fields if len(steps) > 2 and f.id == steps[2]]
    elif first in form.fields:
        words.append(form.fields[first].label)
    elif first == REASONS:
        words.append(f"理由 {steps[1]}" if len(steps) > 1 else "理由")
    elif first == UNCONFIRMED:
        words.append("待确认的预填项目")
    return "　".join(words)
