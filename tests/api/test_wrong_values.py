"""What is wrong with a value is said with its limits and options, wherever a value comes in."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.cases.acts import Cause, Grant
from api.door.openapi import build_document
from api.door.requests import InvalidFields, Text, field_errors, parse_json
from api.door.rights import ROLES, SCOPES, Right, Scope
from api.door.wrong_values import FORMATS
from api.resources import OPERATIONS, PLACES
from domain.ids import NATION
from domain.jurisdictions import AuthorityId
from rules.file.library import SHIPPED
from tests.api.enquiries import Enquiries, enquiries_on

pytestmark = pytest.mark.anyio

DOCUMENT = build_document(OPERATIONS, PLACES)
NAMED = {
    Scope.INSTITUTION: "lab-1",
    Scope.AUTHORITY: "samr",
    Scope.JURISDICTION: NATION,
    Scope.EVERYTHING: "",
}


@pytest.fixture
async def asking(engine: AsyncEngine) -> AsyncIterator[Enquiries]:
    async with enquiries_on(engine, SHIPPED) as found:
        yield found


_OF_CAMPAIGN = {"campaign": "campaign/2024/000000", "at": "2025-01-01T00:00:00+08:00"}
NEEDED = {
    "/api/audit/listed": _OF_CAMPAIGN,
    "/api/audit/compared": {**_OF_CAMPAIGN, "and": "2025-01-02T00:00:00+08:00"},
    "/public/certificates": {"number": "1"},
}
"""What is asked together with anything else, so that it is the wrong value that is told."""


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Sample(BaseModel):
    few: list[int] = Field(default=[], max_length=2)
    some: list[int] = Field(default=[1], min_length=1)
    short: str = Field(default="", max_length=3)
    size: int = Field(default=1, ge=1, le=200)
    until: AwareDatetime | None = Field(
        default=None, gt=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)
    )
    colour: Colour = Colour.RED
    accept: Literal["all", "good"] = "all"
    reason: Text = "x"
    authority: AuthorityId = "samr"


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("few", [1, 2, 3], "至多 2 项"),
        ("some", [], "至少 1 项"),
        ("short", "abcd", "至多 3 个字符"),
        ("size", 201, "至多 200"),
        ("size", 0, "至少 1"),
        ("size", "x", "应为整数"),
        ("until", "1999-01-01T00:00:00+08:00", "须大于（晚于）2000-01-01 08:00:00（北京时间）"),
        ("until", "2300-01-01T00:00:00+08:00", "须小于（早于）2200-01-01 08:00:00（北京时间）"),
        ("until", "2025-01-01T00:00:00", "时间须带时区，如 +08:00"),
        ("colour", "green", "应是 red、blue 之一"),
        ("accept", "some", "应是 all、good 之一"),
        ("reason", " \n", "不能为空，也不能只有空白"),
        ("reason", "", "不能为空，也不能只有空白"),
        ("reason", "a\x01", "含有看不见的控制字符，请删去"),
        ("authority", "fujian", "应是部门编号，如 amr-350000、group-railway"),
        ("unknown", 1, None),
    ],
)
def test_a_wrong_value_is_told_with_its_limits_and_options(
    field: str, given: Any, says: str | None
) -> None:
    if says is None:
        Sample.model_validate({field: given})
        return
    with pytest.raises(ValidationError) as failed:
        Sample.model_validate({field: given})
    [error] = field_errors(failed.value)
    assert (error["pointer"], error["message"]) == (f"/{field}", says)


class Rows(BaseModel):
    rows: tuple[Sample, ...] = Field(min_length=1)


def test_a_list_with_a_wrong_item_is_not_called_too_short_as_well() -> None:
    for given, told in (({"size": 0}, [("/rows/0/size", "greater_than_equal")]), (None, None)):
        with pytest.raises(ValidationError) as failed:
            TypeAdapter(Rows).validate_python({"rows": [given] if given else []})
        errors = [(error["pointer"], error["code"]) for error in field_errors(failed.value)]
        assert errors == (told or [("/rows", "too_short")])


@pytest.mark.parametrize("model", [Cause, Grant])
def test_an_empty_reason_is_called_empty(model: type[BaseModel]) -> None:
    with pytest.raises(InvalidFields) as refused:
        parse_json(b'{"reason": " "}', model)
    told = {error["pointer"]: error["message"] for error in refused.value.errors}
    assert told["/reason"] == "不能为空，也不能只有空白"


def patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a schema and below it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for inner in schema.values():
            yield from patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from patterns(inner)


def test_every_form_that_a_body_asks_for_has_its_words() -> None:
    """But for those that only keep control characters out, which are told as such."""
    bodies = {
        operation.body or operation.documented
        for operation in OPERATIONS
        if operation.body or operation.documented
    }
    asked = {
        pattern
        for body in bodies
        if body is not None
        for pattern in patterns(TypeAdapter(body).json_schema())
    }
    formed = {pattern for pattern in asked if not re.match(r"\^\[\^\\x00", pattern)}
    assert formed <= set(FORMATS), formed - set(FORMATS)


def bad_values(schema: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Values that a parameter's schema excludes, and what the answer has to name."""
    for one in schema.get("anyOf", [schema]):
        resolved = one
        if "$ref" in one:
            resolved = DOCUMENT["components"]["schemas"][one["$ref"].rpartition("/")[2]]
        if "enum" in resolved:
            yield "nonesuch", tuple(map(str, resolved["enum"]))
        if "maximum" in resolved:
            yield str(resolved["maximum"] + 1), (f"至多 {resolved['maximum']}",)
        if "minimum" in resolved:
            yield str(resolved["minimum"] - 1), (f"至少 {resolved['minimum']}",)
        if "maxLength" in resolved:
            yield "x" * (resolved["maxLength"] + 1), (f"多 {resolved['maxLength']} 个字符",)
        if resolved.get("format") == "date":
            yield "2025-13-01", ("应为日期，如 2025-03-21",)
        if "pattern" in resolved and resolved["pattern"] in FORMATS:
            yield "？", (FORMATS[resolved["pattern"]],)


def numbers_in(schema: Any, at: str, within: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """The schemas of the numbers that a body may hold, each once on every way to it."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in within:
            yield from numbers_in(DOCUMENT["components"]["schemas"][name], at, within | {name})
        return
    if schema.get("type") in ("integer", "number"):
        yield at, schema
    for key, inner in schema.get("properties", {}).items():
        yield from numbers_in(inner, f"{at}/{key}", within)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from numbers_in(schema[key], at, within)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in schema.get(key, ()):
            yield from numbers_in(inner, at, within)


def test_no_body_takes_a_number_that_no_record_can_hold() -> None:
    """Canonical JSON ends at 2^53 - 1; what a form is filled in with has its own limits."""
    seen = 0
    for operation in OPERATIONS:
        if operation.body is None:
            continue
        described = DOCUMENT["paths"][operation.path][operation.method.lower()]["requestBody"]
        schema = described["content"]["application/json"]["schema"]
        for at, number in numbers_in(schema, operation.path, frozenset()):
            seen += 1
            assert number["type"] == "integer", at
            assert "const" in number or number.get("maximum", 2**53) < 2**53, at
    assert seen > 5


async def test_every_parameter_with_limits_or_options_names_them(asking: Enquiries) -> None:
    checked = 0
    for operation in OPERATIONS:
        if operation.method != "GET" or "{" in operation.path:
            continue
        if operation.right is Right.DELIVER:
            continue  # no token of a person gets there
        described = DOCUMENT["paths"][operation.path]["get"]["parameters"]
        role = next(role for role in SCOPES if role in ROLES[operation.right])
        who = asking.token(role, NAMED[SCOPES[role]])
        for parameter in described:
            if parameter["in"] != "query":
                continue
            for value, named in bad_values(parameter["schema"]):
                params = {**NEEDED.get(operation.path, {}), parameter["name"]: value}
                answer = await asking.http.get(operation.path, params=params, headers=who)
                place = (operation.path, parameter["name"], value[:20], answer.text)
                assert answer.status_code == 422, place
                problem = json.loads(answer.text)
                assert parameter["name"] in problem["detail"], place
                for words in named:
                    assert words in problem["detail"], place
                checked += 1
    assert checked > 30


async def test_an_unknown_parameter_is_told_which_there_are(asking: Enquiries) -> None:
    answer = await asking.http.get("/public/report-numbers", params={"nummer": "1"})
    assert "没有这个参数；可用的有 institution、number" in answer.json()["detail"]


async def test_a_part_of_an_address_in_another_form_is_named(asking: Enquiries) -> None:
    answer = await asking.http.get("/public/complaints/x")
    assert answer.status_code == 404
    assert "receipt" in answer.json()["detail"]


async def test_another_method_is_told_with_those_there_are(asking: Enquiries) -> None:
    answer = await asking.http.delete("/public/certificates")
    assert answer.status_code == 405
    assert "请改用 GET；" in answer.json()["remedy"]
