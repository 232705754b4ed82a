"""docs/rules.md against the schema, the facts and the checks: no key, fact or code is left out."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from rules.conditions import CERTIFICATE, FACTS, INSTITUTION
from rules.file import duty_schema, enforcement_schema, number_schema, schema, shapes, validation
from tests.docs.pages import ROOT, page

PAGE = page("docs/rules.md")
SPANS = {code for _, code in PAGE.spans}

NAMING = {
    "Finding", "finding", "refuse", "one", "add", "_refuse", "wrong", "ConditionInvalid",
    "FormError",
}  # fmt: skip
"""Functions of the checks whose first argument is a code."""


TELLING = (
    "windows.py", "report_numbers.py", "enforcement_schema.py", "reminders.py", "publication.py",
)  # fmt: skip
"""Files whose findings are tuples, of three or four, that begin with a code."""


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def test_every_key_of_a_rule_file_is_explained() -> None:
    models = [
        model
        for module in (shapes, schema, number_schema, enforcement_schema, duty_schema)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
    ]
    keys = {key for model in models for key in keys_of(model)}
    # what every item has, and what examples take over from the facts
    keys -= {"id", "label", "name", "institution", "rule"}
    assert keys - SPANS == set()


def test_every_fact_is_explained() -> None:
    told = {row[0].strip("`"): (row[1], row[3].strip("`")) for row in PAGE.table("## Facts")}
    assert told == {fact.name: (fact.kind, fact.since) for fact in FACTS}
    assert {fact.name for fact in (*CERTIFICATE, *INSTITUTION)} - SPANS == set()


def test_every_code_of_a_finding_is_explained_and_no_other() -> None:
    told = [
        code
        for row in PAGE.table("## What the check finds")
        for code in re.findall(r"`(\w+)`", row[0])
    ]
    assert len(told) == len(set(told))
    assert set(told) == set(codes())


def codes() -> Iterator[str]:
    """All codes that findings can have, read from the code of the checks."""
    yield from validation._CODES.values()
    yield "invalid_value"
    for file in sorted((ROOT / "rules").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in NAMING:
                yield from _code(node.args[0])
            if file.name in TELLING and isinstance(node, ast.Tuple) and len(node.elts) in (3, 4):
                yield from _code(node.elts[0])


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _code(node: Any) -> Iterator[str]:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, str) and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", value):
        yield value
