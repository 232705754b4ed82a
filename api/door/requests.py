"""Reading requests: bodies within bounds, headers, query parameters; precise errors."""

import json
import math
from collections.abc import AsyncGenerator, Sequence, Set
from hmac import compare_digest
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import parse_qs, parse_qsl

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.door.wrong_values import NOT_JSON, said
from domain.refusals import Code, Refusal, Refused
from domain.text import ENTERING
from services.sign_in import csrf_token

LARGEST_JSON = 1024 * 1024
LARGEST_FILE = 64 * 1024 * 1024
FORM_MEDIA = "application/x-www-form-urlencoded"
FILE_FORM_MEDIA = "multipart/form-data"
MOST_FIELDS = 10_000
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


class Form(dict[str, list[str]]):
    """What a page's form sends: the texts under each name, lines ended with one character.

    ``file`` is the file that was chosen in it, None without one.
    """

    file: UploadFile | None = None

    def text(self, name: str) -> str:
        """The last text under a name, "" for none."""
        return self.get(name, [""])[-1]

    async def close(self) -> None:
        """Gives up the file, which lies on disk until then."""
        if self.file is not None:
            await self.file.close()


class NoSuchAddress(Refused):
    """A refusal of an address that nothing can have, whatever is on record."""


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
        found = model.model_validate_json(data or b"{}", strict=True, context=ENTERING)
        json.loads(
            data or b"{}",
            object_pairs_hook=_each_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except ValidationError as failure:
        raise invalid(field_errors(failure)) from None
    except (ValueError, RecursionError):
        raise invalid([_error("", "json_invalid", NOT_JSON)]) from None
    return found


def parse_form(data: bytes) -> Form:
    """The body as what a page's form sends, {} for what is none."""
    try:
        given = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return Form()
    return Form(
        {name: [text.replace("\r\n", "\n") for text in texts] for name, texts in given.items()}
    )


class _TooLarge(MultiPartException):
    """More has come than may; the parser closes its files for what is of this kind."""


async def parse_file_form(request: Request, largest: int) -> Form:
    """What a page's form with a file sends; the file lies on disk, not in memory.

    Raises Refused when it all is larger than ``largest`` bytes.
    """

    async def bounded() -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > largest:
                raise _TooLarge("")
            yield chunk

    form = Form()
    try:
        given = await MultiPartParser(request.headers, bounded(), max_files=1).parse()
    except _TooLarge:
        limit = f"{largest // 1024} KiB"
        raise Refused(Refusal(code=Code.TOO_LARGE, params={"limit": limit})) from None
    except MultiPartException:
        return form
    for name, value in given.multi_items():
        if isinstance(value, UploadFile):
            # a form sent without a file has an empty one without a name
            form.file = value
        else:
            form.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return form


def refuse_foreign(request: Request) -> None:
    """Raises Refused for what another site's page has had a browser send.

    Browsers say so; an origin is looked at where they do not. A page that tells nobody where it
    was (no-referrer) has the origin ``null``, and so have ours.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    own = origin.partition("://")[2] == request.headers.get("host", "")
    if site not in ("same-origin", "none") if site is not None else not (own or origin == "null"):
        raise Refused(Refusal(code=Code.FORM_REFUSED))


def refuse_foreign_form(request: Request, form: Form, kept: str) -> None:
    """Raises Refused for a form that another site has had sent, or of an earlier sign-in.

    ``kept`` is what the browser is signed in by, "" where it is not.
    """
    refuse_foreign(request)
    if kept and not compare_digest(form.text("csrf").encode(), csrf_token(kept).encode()):
        raise Refused(Refusal(code=Code.FORM_REFUSED))


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
    errors = failure.errors(include_url=False)
    above = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [
        _error(pointer(*error["loc"]), error["type"], said(error))
        for error in errors
        # a list is not too short for the items in it that are wrong
        if error["type"] != "too_short" or error["loc"] not in above
    ]


def invalid(errors: list[dict[str, str]], refusal: Refusal | None = None) -> InvalidFields:
    """A refusal of a body with these errors; ``refusal`` where it is another than that."""
    if refusal is None:
        refusal = Refusal(code=Code.INVALID_BODY, params={"count": str(len(errors))})
    return InvalidFields(refusal, errors[:MOST_ERRORS])


def _error(pointer: str, code: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "message": message}


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
    if len(values) > 1:
        raise wrong_parameter(name, "只能给出一次")
    try:
        # making an adapter takes longer than most answers
        found: Any = values[0] if kind is str else TypeAdapter(kind).validate_python(values[0])
    except ValidationError as failure:
        raise wrong_parameter(name, said(failure.errors(include_url=False)[0])) from None
    return cast(Wanted, found)


def wrong_parameter(name: str, why: str) -> Refused:
    """What a query parameter is answered with that cannot be taken, and why."""
    return Refused(Refusal(code=Code.INVALID_PARAMETER, params={"name": name, "why": why}))


def path(request: Request, name: str, kind: type[Wanted] | Any) -> Wanted:
    """A part of the path as ``kind``. Raises Refused (not found) when it is none."""
    given = request.path_params[name]
    try:
        found: Wanted = TypeAdapter(kind).validate_python(given)
    except ValidationError as failure:
        raise _no_address(name, said(failure.errors(include_url=False)[0])) from None
    # digits of other scripts are digits to a pattern, but in no code of ours
    if not given.isascii():
        raise _no_address(name, "只能用 ASCII 字符")
    return found


def _no_address(name: str, why: str) -> Refused:
    return NoSuchAddress(Refusal(code=Code.NOT_FOUND, params={"what": f"这个地址：{name} {why}"}))


def refuse_unknown_parameters(request: Request, known: Set[str]) -> None:
    """A misspelt filter must not silently show everything."""
    for name, _ in parameters(request):
        if name not in known:
            others = f"；可用的有 {'、'.join(sorted(known))}" if known else "，这一地址不带参数"
            raise wrong_parameter(name[:40], f"没有这个参数{others}")


def forget_unknown_parameters(request: Request, known: Set[str]) -> None:
    """Whoever opens an address that was passed on has not written what a messenger added to it."""
    request.scope[_PARAMETERS] = [pair for pair in parameters(request) if pair[0] in known]
