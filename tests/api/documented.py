"""The OpenAPI document, and whether an answer is as it says."""

import json
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from api.door.openapi import build_document
from api.resources import OPERATIONS, PLACES

DOCUMENT = build_document(OPERATIONS, PLACES)


def valid(schema: Any, value: Any) -> None:
    """Fails unless a value is as a schema of the document says."""
    errors = list(_validator(json.dumps(schema)).iter_errors(value))
    assert not errors, [f"{'/'.join(map(str, e.instance_path))}: {e.message[:200]}" for e in errors]


@cache
def _validator(schema: str) -> Draft202012Validator:
    wanted = json.loads(schema)
    whole = {"$ref": "#/wanted", "wanted": wanted, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, validate_formats=True)


def as_documented(path: str, value: Any) -> None:
    """Fails unless a proper answer to a GET on a path of the document is as it says."""
    answers = DOCUMENT["paths"][path]["get"]["responses"]
    valid(answers["200"]["content"]["application/json"]["schema"], value)
