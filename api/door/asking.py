"""How a page asks the API: in this process, through the same door, as the person who asked for it.

A page so shows what the API tells that person, and can do what the API lets them do.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match
from starlette.types import Message

from api.door.operations import Call
from domain.case.commands import Actor
from domain.refusals import Code, Refusal, Refused

_ACTOR = "zhibao.actor"
_CONFIRMED = "zhibao.confirmed"
_PIECE = 64 * 1024


class Told(Exception):
    """What the API has refused, as its problem document has it, with the answer's headers."""

    def __init__(self, problem: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(problem["code"])
        self.problem = problem
        self.headers = headers or {}


class Answer(NamedTuple):
    """What the API has answered with."""

    body: Any
    headers: dict[str, str]


def asked_by(request: Request) -> Actor | None:
    """For whom a page asks, None for a request from outside: no header can say this."""
    actor: Actor | None = request.scope.get(_ACTOR)
    return actor


def confirmed_as(request: Request) -> str:
    """The command under which a request was confirmed by a second person, "" for none.

    No header can say this, as with `asked_by`.
    """
    return str(request.scope.get(_CONFIRMED, ""))


async def ask(
    call: Call,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    file: UploadFile | None = None,
    **headers: str,
) -> Answer:
    """What the API answers the asker of a page. Raises Told for a refusal.

    Header names are written with underscores; ``idempotency_key`` is that of the page's form. A
    ``file`` is sent instead of a body, as the ``content_type`` among the headers.
    """
    response = await fetch(call, method, path, body, query=query, file=file, **headers)
    content_type = response.headers.get("content-type", "")
    given = bytes(response.body)
    return Answer(json.loads(given) if "json" in content_type else given, dict(response.headers))


async def fetch(
    call: Call,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    file: UploadFile | None = None,
    confirmed: str = "",
    **headers: str,
) -> Response:
    """As `ask`, the answer as it is: a file is passed on piece by piece.

    ``confirmed`` is the command id of what a second person has confirmed.
    """
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if body is not None:
        named["content-type"] = "application/json"
        named["content-length"] = str(len(content))
    elif file is not None:
        named["content-length"] = str(file.size)
    outer = call.request.scope
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": outer["scheme"],
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": urlencode(query or {}).encode(),
        "headers": [(name.encode(), text.encode("latin-1")) for name, text in named.items()],
        "client": outer.get("client"),
        "server": outer.get("server"),
        "app": outer["app"],
        _ACTOR: call.actor,
        _CONFIRMED: confirmed,
    }

    async def receive() -> Message:
        if file is None:
            return {"type": "http.request", "body": content, "more_body": False}
        piece = await file.read(_PIECE)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    response = await _endpoint(outer["app"], scope)(Request(scope, receive))
    if response.status_code >= 400 and not isinstance(response, StreamingResponse):
        raise Told(json.loads(bytes(response.body)), dict(response.headers))
    return response


def _endpoint(app: Any, scope: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
    fixed: Callable[[Request], Awaitable[Response]] | None = app.fixed.get(
        (scope["method"], scope["path"])
    )
    if fixed is not None:
        return fixed
    for route in app.routes:
        match, more = route.matches(scope)
        if match is Match.FULL:
            scope.update(more)
            found: Callable[[Request], Awaitable[Response]] = route.endpoint
            return found
    raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": "这个地址"}))
