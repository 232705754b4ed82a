"""Reading requests: bodies within bounds, headers, query parameters; precise errors."""

import json
import math
from collections.abc import Sequence, Set
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request

from domain.refusals import Code, Refusal, Refused

LARGEST_JSON = 1024 * 1024
LARGEST_FILE = 64 * 1024 * 1024
MOST_ERRORS = 100
"""At most so many wrong fields are listed; the refusal counts all of them."""

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
Plain = Annotated[str, Field(pattern=f"^[^{_CONTROL}]*$")]
"""Text without control characters: no database and no history takes all of those."""

Text = Annotated[
    str, Field(max_length=2000, pattern=rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$")
]
"""Text that says something: not empty, not blank."""

Model = TypeVar("Model", bound=BaseModel)
Wanted = TypeVar("Wanted")


class InvalidFields(Refused):
    """A refusal that names single fields."""

    def __init__(self, refusal: Refusal, errors: list[dict[str, str]]) -> None:
        super().__init__(refusal)
        self.errors = errors


async def read_bytes(request: Request, largest: int) -> bytes:
    """The body, read no further than ``largest`` bytes. Raises Refused when it is larger."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            limit = f"{largest // 1024} KiB"
            raise Refused(Refusal(code=Code.TOO_LARGE, params={"limit": limit}))
        chunks.append(chunk)
    return b"".join(chunks)


def media_type(request: Request) -> str:
    """The request's media type, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_media(request: Request, wanted: Sequence[str]) -> None:
    """Raises Refused, before anything is read, for a body of another type than is wanted."""
    given = media_type(request)
    if given not in wanted:
        params = {
            "given": "这一内容类型" if given else "没有内容类型的请求",
            "wanted": " 或 ".join(wanted),
        }
        raise Refused(Refusal(code=Code.UNSUPPORTED_MEDIA_TYPE, params=params))


def parse_json(data: bytes, model: type[Model]) -> Model:
    """The body as a model. Raises Refused with every field that is wrong; echoes no input."""
    try:
        found = model.model_validate_json(data or b"{}", strict=True)
        json.loads(
            data or b"{}",
            object_pairs_hook=_each_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except ValidationError as failure:
        raise invalid(field_errors(failure)) from None
    except (ValueError, RecursionError):
        raise invalid([_error("", "json_invalid", _IN_CHINESE["json_invalid"])]) from None
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Of a name given twice only one value could count, and nobody said which."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice")


def _finite(text: str) -> None:
    if not math.isfinite(float(text)):
        raise ValueError("not a finite number")


def pointer(*parts: object) -> str:
    """A JSON pointer (RFC 6901); names from the outside are cut short."""
    names = (str(part)[:64].replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{name}" for name in names)


def field_errors(failure: ValidationError) -> list[dict[str, str]]:
    """Each wrong field as pointer, code and message."""
    return [
        _error(
            pointer(*error["loc"]),
            error["type"],
            _IN_CHINESE.get(error["type"], "不是有效的值"),
        )
        for error in failure.errors(include_input=False, include_url=False, include_context=False)
    ]


def invalid(errors: list[dict[str, str]], refusal: Refusal | None = None) -> InvalidFields:
    """A refusal of a body with these errors; ``refusal`` where it is another than that."""
    if refusal is None:
        refusal = Refusal(code=Code.INVALID_BODY, params={"count": str(len(errors))})
    return InvalidFields(refusal, errors[:MOST_ERRORS])


def _error(pointer: str, code: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "message": message}


_IN_CHINESE = {
    "json_invalid": "不是有效的 JSON（UTF-8，各名称只出现一次，数字有限，嵌套不过深）",
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项，请删去",
    "string_type": "应为文本",
    "string_too_short": "不能为空",
    "string_too_long": "过长",
    "string_pattern_mismatch": "格式不对，或为空白，或含有控制字符",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_parsing_size": "过大",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "too_long": "项数过多",
    "literal_error": "不在可选范围之内",
    "union_tag_invalid": "不在可选范围之内",
    "union_tag_not_found": "缺少这一项",
    "enum": "不在可选范围之内",
    "datetime_type": "应为带时区的时间，如 2025-03-22T00:00:00+08:00",
    "datetime_parsing": "应为带时区的时间，如 2025-03-22T00:00:00+08:00",
    "datetime_from_date_parsing": "应为带时区的时间，如 2025-03-22T00:00:00+08:00",
    "timezone_aware": "时间须带时区，如 +08:00",
    "date_type": "应为日期，如 2025-03-21",
    "date_parsing": "应为日期，如 2025-03-21",
    "date_from_datetime_parsing": "应为日期，如 2025-03-21",
    "greater_than": "过小或过早",
    "greater_than_equal": "过小",
    "less_than": "过大或过晚",
    "less_than_equal": "过大",
}


_PARAMETERS = "zhibao.parameters"


def parameters(request: Request) -> list[tuple[str, str]]:
    """All names and values in the query, in order, read once; those left empty included."""
    found: list[tuple[str, str]] | None = request.scope.get(_PARAMETERS)
    if found is None:
        text = request.scope["query_string"].decode("latin-1")
        if "%" in text or "+" in text:
            found = parse_qsl(text, keep_blank_values=True)
        else:
            # as parse_qsl has it where nothing is encoded, in a fifth of the time
            pairs = (one.partition("=") for one in text.split("&") if one)
            found = [(name, value) for name, _, value in pairs]
        request.scope[_PARAMETERS] = found
    return found


def query(request: Request, name: str, kind: type[Wanted] | Any, default: Wanted) -> Wanted:
    """A query parameter as ``kind``. Raises Refused, naming the parameter, when it is none."""
    values = [value for given, value in parameters(request) if given == name]
    if not values:
        return default
    try:
        if len(values) > 1:
            raise ValueError
        # making an adapter takes longer than most answers
        found: Any = values[0] if kind is str else TypeAdapter(kind).validate_python(values[0])
    except ValueError:
        why = "只能给出一次" if len(values) > 1 else "不是有效的值"
        params = {"name": name, "why": why}
        raise Refused(Refusal(code=Code.INVALID_PARAMETER, params=params)) from None
    return cast(Wanted, found)


def path(request: Request, name: str, kind: type[Wanted] | Any) -> Wanted:
    """A part of the path as ``kind``. Raises Refused (not found) when it is none."""
    given = request.path_params[name]
    try:
        # digits of other scripts are digits to a pattern, but in no code of ours
        if not given.isascii():
            raise ValueError
        found: Wanted = TypeAdapter(kind).validate_python(given)
    except ValueError:
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"})) from None
    return found


def refuse_unknown_parameters(request: Request, known: Set[str]) -> None:
    """A misspelt filter must not silently show everything."""
    for name, _ in parameters(request):
        if name not in known:
            params = {"name": name[:40], "why": "没有这个参数"}
            raise Refused(Refusal(code=Code.INVALID_PARAMETER, params=params))


def forget_unknown_parameters(request: Request, known: Set[str]) -> None:
    """Whoever opens an address that was passed on has not written what a messenger added to it."""
    request.scope[_PARAMETERS] = [pair for pair in parameters(request) if pair[0] in known]
