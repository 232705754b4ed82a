"""The OpenAPI document, and whether an answer is as it says."""

from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from api.door.openapi import build_document
from api.resources import OPERATIONS, PLACES

DOCUMENT = build_document(OPERATIONS, PLACES)


def valid(schema: Any, value: Any) -> None:
    """Fails unless a value is as a schema of the document says."""
    whole = {"$ref": "#/wanted", "wanted": schema, "components": DOCUMENT["components"]}
    checker = Draft202012Validator.FORMAT_CHECKER
    errors = list(Draft202012Validator(whole, format_checker=checker).iter_errors(value))
    assert not errors, [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in errors]


def as_documented(path: str, value: Any) -> None:
    """Fails unless a proper answer to a GET on a path of the document is as it says."""
    answers = DOCUMENT["paths"][path]["get"]["responses"]
    valid(answers["200"]["content"]["application/json"]["schema"], value)
