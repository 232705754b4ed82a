"""Pydantic's errors as findings: Chinese sentences with the file and line they are about."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rules.file.findings import Finding, RulesInvalid, dotted
from rules.file.shapes import RepeatedId
from rules.file.strict_yaml import Node
from rules.file.strict_yaml import Path as NodePath

Model = TypeVar("Model", bound=BaseModel)

_CODES = {
    "extra_forbidden": "unknown_key",
    "missing": "missing_key",
    "literal_error": "unknown_value",
    "enum": "unknown_value",
}
FORMER = {"sanctions": "措施写在 enforcement 的 measures 里"}
"""Keys that files of earlier formats have, and where what they said is said now."""
_TYPES = {
    "string_type": "这里要写文本；数字、日期和代码请加引号",
    "int_type": "这里要写整数，不加引号",
    "bool_type": "这里要写 true 或 false",
    "tuple_type": "这里要写列表（每项以短横 - 开头）",
    "list_type": "这里要写列表（每项以短横 - 开头）",
    "dict_type": "这里要写“键: 值”的映射",
    "model_type": "这里要写“键: 值”的映射",
    "model_attributes_type": "这里要写“键: 值”的映射",
    "string_too_short": "这里不能为空",
    "too_short": "这里至少要有一项",
}
_BOUNDS = {
    "greater_than_equal": "太小了；不能小于 {ge}",
    "less_than_equal": "太大了；不能大于 {le}",
    "greater_than": "太小了；要大于 {gt}",
    "less_than": "太大了；要小于 {lt}",
    "string_too_long": "太长了；最多 {max_length} 个字符",
    "too_long": "项数太多；最多 {max_length} 项",
    "string_pattern_mismatch": "不符合要求的写法 {pattern}",
    "literal_error": "不是这里能写的；可以写：{expected}",
}


def validate(model: type[Model], node: Node) -> Model:
    """``node`` as ``model``, strictly (no text for numbers). Raises RulesInvalid."""
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        raise RulesInvalid(_findings(model, node, error)) from None


def validate_what_is_known(
    model: type[Model], node: Node
) -> tuple[Model, Node, tuple[Finding, ...]]:
    """``node`` without the keys that ``model`` does not know, and a finding for each of these.

    So that one mistyped key does not hide everything else that is wrong. Raises RulesInvalid where
    more than such keys is wrong.
    """
    try:
        return model.model_validate(node.plain()), node, ()
    except ValidationError as error:
        found = _findings(model, node, error)
        unknown = [
            _real_path(node, detail["loc"])
            for detail in error.errors(include_url=False, include_context=False)
            if detail["type"] == "extra_forbidden"
        ]
    pruned = node
    for path in unknown:
        pruned = pruned.without(path)
    if not unknown or pruned is node:
        raise RulesInvalid(found)
    try:
        return model.model_validate(pruned.plain()), pruned, tuple(found)
    except ValidationError:
        raise RulesInvalid(found) from None


def _findings(model: type[BaseModel], node: Node, error: ValidationError) -> list[Finding]:
    details = error.errors(include_url=False, include_context=True)
    found: list[Finding] = []
    for detail in details:
        if detail["type"] == "too_short" and any(
            other["loc"][:-1][: len(detail["loc"])] == detail["loc"] for other in details
        ):
            continue  # its items are what is wrong; that none is left only follows
        path = _real_path(node, detail["loc"])
        listed = node.get(*path)
        if listed is not None and isinstance(detail.get("ctx", {}).get("error"), RepeatedId):
            found += repeated_ids(listed, path)
            continue
        place = node.place_of(path)
        kind = detail["type"]
        code = _CODES.get(kind, "invalid_value")
        message = _message(model, detail, path)
        found.append(Finding(code, place.file, place.line, dotted(path), message))
    return found


def repeated_ids(node: Node, under: NodePath = ()) -> Iterator[Finding]:
    """Items whose id an earlier item of the same list has, each told at its own line.

    ``under`` is the path of ``node`` itself.
    """
    for path, below in node.walk(under):
        first: dict[str, int] = {}
        for item in below.value if isinstance(below.value, list) else ():
            named = item.get("id")
            if named is None or not isinstance(named.value, str):
                continue
            if named.value in first:
                line = first[named.value]
                message = f"{named.value} 在第 {line} 行已经写过；同一列表里每项的 id 要不同"
                yield Finding("duplicate_id", *item.place, dotted(path), message)
            first.setdefault(named.value, item.place.line)


def _real_path(node: Node, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Pydantic marks errors in a mapping's key with a step of its own, which no file has."""
    steps = [step for step in loc if step != "[key]"]
    return tuple(steps)


def _message(model: type[BaseModel], detail: ErrorDetails, path: Sequence[str | int]) -> str:
    kind, name = detail["type"], str(path[-1]) if path else ""
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        here, anywhere = _keys_at(model, path[:-1]), _all_keys(model)
        if name in FORMER:
            return f"不认识的键 {name}；{FORMER[name]}"
        if name in ("before", "remove") and "before" in here:
            return f"{name} 只写在有 extends 的文件里；请补上 extends，或删去 {name}"
        near = difflib.get_close_matches(name, here or anywhere, n=1)
        what = f"这里不能写 {name}" if name in anywhere else f"不认识的键 {name}"
        if near:
            return f"{what}；是不是想写 {near[0]}？"
        if not here:
            return f"{what}；请核对写法或删去"
        return f"{what}；这里可以写：{'、'.join(here)}；请更正或删去"
    if kind == "missing":
        return f"缺少 {name}；请补上"
    if kind == "literal_error":
        return f"不认识的值 {_shown(detail)}；可以写：{_listed(context)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(detail)} 不符合要求的写法 {context.get('pattern', '')}"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    return in_chinese(detail)


def in_chinese(detail: ErrorDetails) -> str:
    """What is wrong with a value, as far as Pydantic names the kind."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "缺少这一项；请补上"
    if kind == "extra_forbidden":
        return "不认识这个键；请核对写法或删去"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind == "literal_error":
        return f"不认识的值 {_shown(detail)}；可以写：{_listed(context)}"
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        return f"{_shown(detail)} {_BOUNDS[kind].format(**context)}"
    return f"{_shown(detail)} 不合要求（{detail['msg']}）"


def _listed(context: Mapping[str, Any]) -> str:
    return str(context.get("expected", "")).replace(" or ", "、").replace(", ", "、")


def _shown(detail: ErrorDetails) -> str:
    text = repr(detail.get("input"))
    return text if len(text) <= 60 else f"{text[:57]}…"


@lru_cache(maxsize=8)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that the file format knows at ``path``; an item of a list may stand before one."""
    schemas = _alternatives(model, _schema(model))
    for step in path:
        below = [
            one["items"]
            if isinstance(step, int)
            else one.get("properties", {}).get(step) or one.get("additionalProperties")
            for one in schemas
            if not isinstance(step, int) or "items" in one
        ]
        schemas = [
            one for each in below if isinstance(each, dict) for one in _alternatives(model, each)
        ]
    keys = {key for one in schemas for key in one.get("properties", {})}
    if path and isinstance(path[-1], int) and "id" in keys:
        keys.add("before")
    return sorted(keys)


def _alternatives(model: type[BaseModel], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a schema comes to, its references followed."""
    if "$ref" in schema:
        return _alternatives(model, _schema(model)["$defs"][schema["$ref"].rpartition("/")[2]])
    parts = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
    return [schema, *(one for part in parts for one in _alternatives(model, part))]


@lru_cache(maxsize=8)
def _all_keys(model: type[BaseModel]) -> list[str]:
    """Every key the file format knows, to tell one that stands elsewhere from a misspelling."""
    schema = _schema(model)
    keys = set(schema.get("properties", {}))
    for part in schema.get("$defs", {}).values():
        keys |= set(part.get("properties", {}))
    return sorted(keys)
