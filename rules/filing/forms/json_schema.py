"""The JSON Schema (2020-12) of what is filled in on a form, for programs that fill it in."""

from typing import Any

from rules.filing.forms.model import (
    COPIES,
    MAX_COPIES,
    MAX_NUMBER,
    REASONS,
    UNCONFIRMED,
    Form,
    FormField,
    Section,
)
from rules.filing.forms.structure import MAX_REASON

_DECIMAL = r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,2})?$"


def json_schema(form: Form) -> dict[str, Any]:
    """The schema of a complete form; what depends on an answer is not required in it."""
    one = _copy(form)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:zhibao:form:{form.id}:{form.sha256}",
        "title": form.title,
    }
    if form.repeats is None:
        return {**head, **one}
    copies = {"type": "array", "minItems": 1, "maxItems": MAX_COPIES, "items": one}
    return {**head, **_object({COPIES: copies}, [COPIES])}


def _copy(form: Form) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for section in form.sections:
        if section.table is not None:
            properties[section.id] = _table(section)
            if section.table.min and section.when is None:
                required.append(section.id)
            continue
        for field in section.fields:
            if field.derived is not None:
                continue
            properties[field.id] = _field(field)
            if field.required and section.when is None:
                required.append(field.id)
    warned = [check.id for check in form.checks if check.level == "warn"]
    if warned:
        reason = {"type": "string", "minLength": 1, "maxLength": MAX_REASON}
        properties[REASONS] = _object(dict.fromkeys(warned, reason), [])
    places = [*form.fields, *form.tables]
    properties[UNCONFIRMED] = {"type": "array", "items": {"enum": places}}
    return _object(properties, required)


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _table(section: Section) -> dict[str, Any]:
    assert section.table is not None
    columns = {field.id: _field(field) for field in section.fields}
    needed = [field.id for field in section.fields if field.required]
    return {
        "title": section.title,
        "type": "array",
        "minItems": section.table.min,
        "maxItems": section.table.max,
        "items": _object(columns, needed),
    }


def _field(field: FormField) -> dict[str, Any]:
    about: dict[str, Any] = {"title": field.label}
    words = "；".join(filter(None, (field.help, f"单位：{field.unit}" if field.unit else "")))
    if words:
        about["description"] = words
    match field.type:
        case "integer":
            low = -MAX_NUMBER if field.min is None else field.min
            high = MAX_NUMBER if field.max is None else field.max
            return {**about, "type": "integer", "minimum": low, "maximum": high}
        case "decimal" | "percent":
            return {**about, "type": "string", "pattern": _DECIMAL}
        case "boolean":
            return {**about, "type": "boolean"}
        case "choice":
            return {**about, "enum": list(field.options)}
        case "choices":
            items = {"enum": list(field.options)}
            return {**about, "type": "array", "items": items, "uniqueItems": True}
        case "date":
            return {**about, "type": "string", "format": "date"}
        case "text":
            shape = {"pattern": f"^(?:{field.pattern})$"} if field.pattern else {}
            return {**about, "type": "string", "maxLength": field.max_length, **shape}
