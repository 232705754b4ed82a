"""The facts of one institution as a JSON file, for trying out the rules."""

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from domain.facts import Facts
from domain.text import ENTERING

MAX_BYTES = 1_000_000

Asked = TypeVar("Asked", bound=Facts)


_TYPES = {
    "string_type": "要写成文本（引号之内）",
    "int_type": "要写成整数",
    "bool_type": "只能是 true 或 false，不加引号",
    "tuple_type": "要写成列表，如 []",
    "model_type": "要写成对象，如 {}",
    "model_attributes_type": "要写成对象，如 {}",
    "dict_type": "要写成对象，如 {}",
}
"""What a value has to be; null is none of these, what is not known is left out."""


class FactsInvalid(ValueError):
    """Facts that cannot be used; the text says what is wrong and where, in Chinese."""


class _Repeated(Exception):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found


def parse_facts(raw: bytes, shown: str, model: type[Asked]) -> Asked:
    """The facts in ``raw``; ``shown`` names their file in messages. Raises FactsInvalid."""
    if len(raw) > MAX_BYTES:
        raise FactsInvalid(f"{shown} 有 {len(raw)} 字节，超过上限 {MAX_BYTES}")
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_distinct)
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise FactsInvalid(f"{shown} 不是 UTF-8 编码") from None
    except UnicodeEncodeError:
        raise FactsInvalid(f"{shown} 含有不成对的代理字符（\\ud800 之类）") from None
    except _Repeated as repeated:
        raise FactsInvalid(f"{shown} 里 {repeated} 写了两次；请删去一个") from None
    except json.JSONDecodeError as error:
        place = f"{shown}:{error.lineno}:{error.colno}"
        raise FactsInvalid(f"{place} 不是合法的 JSON（{error.msg}）") from None
    except (ValueError, RecursionError):
        raise FactsInvalid(f"{shown} 不是合法的 JSON（数字太长或嵌套太深）") from None
    try:
        # strict: "120" is no number and "no" is no false
        return model.model_validate_json(json.dumps(data), strict=True, context=ENTERING)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = [f"{shown}: {_place(one)}：{_plainly(one)}" for one in problems]
        raise FactsInvalid("\n".join(lines)) from None


def _place(problem: Any) -> str:
    return ".".join(str(step) for step in problem["loc"]) or "（整体）"


def _plainly(problem: Any) -> str:
    kind = problem["type"]
    context = problem.get("ctx", {})
    if kind == "missing":
        return "缺少这一项"
    if kind == "extra_forbidden":
        return "不认识这一项，请核对拼写或删去"
    if kind in _TYPES:
        return f"{_TYPES[kind]}；没有的请删去这一项"
    if kind == "string_pattern_mismatch":
        return f"写法不符合 {context.get('pattern', '')}"
    if kind in ("literal_error", "enum"):
        return f"只能是 {context.get('expected', '')}"
    if kind == "timezone_aware":
        return "时刻要带时区，如 2021-02-01T00:00:00+08:00"
    if kind.startswith("datetime_"):
        return "不是时刻，应写成 2021-02-01T00:00:00+08:00（到秒，带时区）"
    if kind == "value_error":
        return str(context.get("error", problem["msg"]))
    return f"不合要求（{problem['msg']}）"
