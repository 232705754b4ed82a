"""The application: one door that every request passes, and the operations behind it."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from random import Random
from typing import Any, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from api.door.asking import Told, asked_by, confirmed_as
from api.door.cookies import SESSION
from api.door.languages import language, wanted
from api.door.openapi import HTMX, SWAGGER_UI, PackageFiles, docs_page, openapi_document
from api.door.operations import Call, Operation
from api.door.pages import SPEAKING, demonstration, refused_page, told_page
from api.door.parts import Parts, parts_of
from api.door.problems import problem
from api.door.reading import read_as, what_of
from api.door.requests import (
    FILE_FORM_MEDIA,
    FORM_MEDIA,
    LARGEST_FILE,
    LARGEST_JSON,
    InvalidFields,
    NoSuchAddress,
    forget_unknown_parameters,
    parse_file_form,
    parse_form,
    parse_json,
    path,
    read_bytes,
    refuse_foreign_form,
    refuse_unknown_parameters,
    require_media,
)
from api.door.rights import (
    Right,
    Target,
    admit,
    check,
    knows_all,
    of_institution,
    place_of,
)
from api.resources import OPERATIONS, PAGES, PLACES
from domain.case.commands import SYSTEM, Actor
from domain.case.timeline import RefusedAct
from domain.ids import InstitutionId, JurisdictionCode
from domain.refusals import Code, Refusal, Refused, unseen
from services.keys import KeyMissing
from services.requests import AWAY, FAULTY, lost_its_connection
from services.sight import asked_by_person

log = structlog.get_logger()

Answer = TypeVar("Answer")

DEADLINE = 14.0
"""Seconds until a request is told that a server does not answer."""

PAGES_AT_ONCE = 20
"""So many pages of people who are signed in are made at a time, as many as there are connections to
the database. Where hundreds are asked for in one moment, each has its turn: all beside each other
would wait for connections until none has its page."""

_SOON = 2.0
"""Seconds in which something must have failed to be tried again."""


_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Application(Starlette):
    """Finds operations on fixed addresses at once, everything else along the routes.

    Trying one route after the other takes longer than most answers do.
    """

    fixed: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]]
    parts: Parts
    turns: asyncio.Semaphore
    hosts: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        if scope["type"] == "http" and not _for_us(scope, self.hosts):
            await problem(Refusal(code=Code.UNKNOWN_HOST), _new_id())(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] in _WITH_BODY:
            receive = self.parts.draining.receiving(receive)
        if scope["type"] == "http" and not scope.get("root_path"):
            endpoint = self.fixed.get((scope["method"], scope["path"]))
            if endpoint is not None:
                scope["app"] = self
                response = await endpoint(Request(scope, receive))
                await response(scope, receive, send)
                return
        await super().__call__(scope, receive, _guarding(send))


_FOR_MACHINES = frozenset({"/healthz", "/readyz", "/metrics"})
"""What whoever looks after the machines asks by their addresses."""


def _for_us(scope: Scope, hosts: frozenset[str]) -> bool:
    """Whether a request is for a name that this system answers to; no names, any."""
    if not hosts or scope["path"] in _FOR_MACHINES:
        return True
    given = [value for name, value in scope["headers"] if name == b"host"]
    return len(given) == 1 and _HOST_PORT.sub("", given[0].decode("latin-1")).lower() in hosts


_HOST_PORT = re.compile(r":[0-9]+$")

_GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer tells a browser, unless it has a value of its own: what is no page shows
nothing, is in no frame, and belongs to nobody else."""


def _guard(headers: list[tuple[bytes, bytes]]) -> None:
    present = {name for name, _ in headers}
    headers.extend(guard for guard in _GUARDS if guard[0] not in present)


def _guarding(send: Send) -> Send:
    """What is sent where no operation answers: documents, files, what is not found."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            _guard(headers)
            message = {**message, "headers": headers}
        await send(message)

    return guarded


def create_app(
    parts: Parts, hosts: str = "", operations: Sequence[Operation] = (*OPERATIONS, *PAGES)
) -> Application:
    """The application over its parts; ``hosts`` are the names it answers to, any by default.

    ``operations`` are what it answers, all there are unless told otherwise.
    """
    paths: dict[str, list[Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, []).append(operation)
    endpoints = {path: _endpoint(operations) for path, operations in paths.items()}
    app = Application(
        routes=[
            *(
                Route(_whole(path), endpoints[path], methods=[o.method for o in operations])
                for path, operations in paths.items()
            ),
            Route("/openapi.json", openapi_document(OPERATIONS, PLACES), methods=["GET"]),
            Route("/docs", docs_page, methods=["GET"]),
            Mount("/static/swagger-ui", PackageFiles("swagger_ui_bundle", *SWAGGER_UI)),
            Mount("/static/htmx", PackageFiles("django_htmx", *HTMX)),
            Mount("/static", StaticFiles(packages=[("api", "static")])),
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _unexpected},
    )
    app.fixed = {
        (method, path): endpoints[path]
        for path, operations in paths.items()
        if "{" not in path
        for one in operations
        for method in ([one.method, "HEAD"] if one.method == "GET" else [one.method])
    }
    # an address with a slash too many is not found; no redirect is built from a foreign Host
    app.router.redirect_slashes = False
    app.parts = parts
    app.turns = asyncio.Semaphore(PAGES_AT_ONCE)
    app.hosts = frozenset(filter(None, (host.strip().lower() for host in hosts.split(","))))
    return app


def _whole(path: str) -> str:
    """An address as routes have it: in a number that was taken over stands any character."""
    return path.replace("{number}", "{number:path}")


_REQUEST_ID: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}request_id")
"""Names the request in every line of the log; set directly, which is cheaper than binding."""

# request ids tell requests apart; they keep no secret
_numbers = Random()  # noqa: S311


def _new_id() -> str:
    return _numbers.randbytes(16).hex()


def _endpoint(operations: Sequence[Operation]) -> Callable[[Request], Awaitable[Response]]:
    by_method = {operation.method: operation for operation in operations}

    async def endpoint(request: Request) -> Response:
        method = request.method
        operation = by_method["GET" if method == "HEAD" else method]
        request_id = _new_id()
        bound = _REQUEST_ID.set(request_id)
        demonstration.set(parts_of(request).demo)
        if asked_by(request) is None:  # what a page asks for is told as the page is
            language.set(wanted(request.headers.get("accept-language", ""), SPEAKING))
        try:
            response = await _answer(operation, request, request_id)
        finally:
            _REQUEST_ID.reset(bound)
        # straight to the list: each header set by name is looked for among the others first
        headers = response.raw_headers
        headers.append((b"x-request-id", request_id.encode()))
        _guard(headers)
        if b"cache-control" not in dict(headers):
            headers.append((b"cache-control", b"no-store"))
        if parts_of(request).draining.begun:
            headers.append((b"connection", b"close"))
        return response

    return endpoint


async def _answer(operation: Operation, request: Request, request_id: str) -> Response:
    errors: list[dict[str, str]] = []
    try:
        return await _through_the_door(operation, request, request_id)
    except Told as told:
        return told_page(told.problem, request)
    except Refused as refused:
        refusal = refused.refusal
        errors = refused.errors if isinstance(refused, InvalidFields) else []
        _log(operation, refusal)
    except ClientDisconnect:
        return Response(status_code=400)
    except FAULTY:
        # trying again would not help
        log.exception("unexpected", path=operation.path)
        refusal = Refusal(code=Code.INTERNAL)
    except AWAY as failure:
        # one line: an outage makes many of them, and a traceback says nothing about a server
        cause = getattr(failure, "orig", None) or failure
        log.error("store_unavailable", path=operation.path, error=f"{cause}".partition("\n")[0])
        refusal = Refusal(code=Code.UNAVAILABLE, params={"part": "数据库"})
    except KeyMissing as missing:
        log.error("keys_missing", path=operation.path, error=str(missing))
        refusal = Refusal(code=Code.KEYS_MISSING)
    except Exception:
        log.exception("unexpected", path=operation.path)
        refusal = Refusal(code=Code.INTERNAL)
    if operation.answer_media == "text/html" or wants_page(request):
        return refused_page(refusal, request_id, request)
    return problem(refusal, request_id, errors)


async def _through_the_door(operation: Operation, request: Request, request_id: str) -> Response:
    """Identify, find the target, check the right, read the body, then call the handler.

    Raises Refused after `DEADLINE`, in which the sender's own time for the body does not count.
    """
    began = time.monotonic()
    async with _in_turn(operation, request):
        left = DEADLINE - (time.monotonic() - began)
        actor, target = await _in_time(
            operation, left, _once_more(lambda: _admitted(operation, request, request_id))
        )
        left = DEADLINE - (time.monotonic() - began)
        try:
            return await _read_and_handled(operation, request, request_id, actor, target, left)
        except InvalidFields:
            raise
        except Refused as refused:
            raise Refused(_nameless(refused.refusal, actor)) from None


@asynccontextmanager
async def _in_turn(operation: Operation, request: Request) -> AsyncIterator[None]:
    """Within this it is a page's turn to be made. Raises Refused where that takes too long.

    What changes something, and what may take long, waits for nobody.
    """
    page = operation.method == "GET" and operation.answer_media == "text/html"
    if not page or operation.right is Right.ANYONE or operation.unhurried:
        yield
        return
    turns: asyncio.Semaphore = request.app.turns
    try:
        await asyncio.wait_for(turns.acquire(), DEADLINE)
    except TimeoutError:
        raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "本服务"})) from None
    try:
        yield
    finally:
        turns.release()


def _nameless(refusal: Refusal, actor: Actor) -> Refusal:
    """A refusal as an institution is told it, which deals with authorities, not people in them."""
    named = refusal.params.get("person")
    if named is None or named == actor.subject or not of_institution(actor):
        return refusal
    return refusal.model_copy(update={"params": {**refusal.params, "person": "办理人员"}})


async def _read_and_handled(
    operation: Operation,
    request: Request,
    request_id: str,
    actor: Actor,
    target: Target,
    left: float,
) -> Response:
    body: Any = None
    data = b""
    if operation.body is not None and operation.body_optional and not _has_body(request):
        body = operation.body()
    elif operation.body is not None:
        require_media(request, ["application/json"])
        data = await read_bytes(request, operation.largest or LARGEST_JSON)
        body = parse_json(data, operation.body)
    elif operation.form:
        require_media(request, [FILE_FORM_MEDIA if operation.with_file else FORM_MEDIA])
        if operation.with_file:
            body = await parse_file_form(request, operation.largest or LARGEST_FILE)
        else:
            data = await read_bytes(request, operation.largest or LARGEST_JSON)
            body = parse_form(data)
        kept = "" if operation.before_sign_in else _kept(operation, request)
        try:
            refuse_foreign_form(request, body, kept)
        except Refused:
            await body.close()
            raise
    elif operation.media:
        require_media(request, operation.media)
        if not operation.streams:
            body = data = await read_bytes(request, operation.largest or LARGEST_FILE)
    call = Call(request, actor, target, body, "", request_id)
    asker = None if operation.right is Right.ANYONE else actor
    try:
        with asked_by_person(asker, place_of(actor)):
            return await _in_time(operation, left, _handled(operation, call, data))
    finally:
        if operation.with_file:
            await body.close()


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length != "0" or "transfer-encoding" in request.headers


async def _admitted(
    operation: Operation, request: Request, request_id: str
) -> tuple[Actor, Target]:
    parts = parts_of(request)
    actor = SYSTEM
    if operation.right is not Right.ANYONE:
        actor = asked_by(request) or await _identified(operation, parts, request)
    if operation.lenient:
        forget_unknown_parameters(request, operation.known)
    else:
        refuse_unknown_parameters(request, operation.known)
    if operation.right is Right.ANYONE:
        return actor, await operation.target(request) if operation.target else _NOTHING
    try:
        admit(operation.right, actor)
        _within_own(operation, actor, request)
    except Refused as refused:
        # the answer stands before anything is looked up; what is looked up now is for the record
        await _put_on_record(operation, request, actor, refused.refusal, request_id)
        raise
    return actor, await _found(operation, request, actor, request_id)


def _within_own(operation: Operation, actor: Actor, request: Request) -> None:
    """Raises Refused for an address that names what is not the asker's, on record or not.

    That is an institution the asker does not act for, or a place it has nothing to do with.
    """
    if operation.target is None:
        return
    if "institution" in request.path_params and of_institution(actor):
        own = Target(institution=path(request, "institution", InstitutionId))
        check(operation.right, actor, own)
    if "jurisdiction" in request.path_params:
        place = Target(campaign=path(request, "jurisdiction", JurisdictionCode))
        check(operation.right, actor, place)


async def _found(operation: Operation, request: Request, actor: Actor, request_id: str) -> Target:
    """What the address names, where the asker has the right to it. Raises Refused.

    What is another's is answered as what is not there, and is on record as what it is.
    """
    if operation.target is None:
        check(operation.right, actor, _NOTHING)
        return _NOTHING
    named = request.path_params.get("institution")
    try:
        target = await operation.target(request)
    except NoSuchAddress:
        raise
    except Refused as missing:
        # that a place has no campaign is no secret to those who have to do with it
        told = missing.refusal.code is Code.CAMPAIGN_NOT_FOUND or knows_all(actor, named)
        if missing.refusal.code.status != 404 or told:
            raise
        await _put_on_record(operation, request, actor, unseen(), request_id)
        raise Refused(unseen()) from None
    try:
        check(operation.right, actor, target)
    except Refused as refused:
        await _put_on_record(operation, request, actor, refused.refusal, request_id, target)
        if target.addressed:
            raise
        raise Refused(unseen()) from None
    return target


async def _identified(operation: Operation, parts: Parts, request: Request) -> Actor:
    """Who asks, as things stand now: by a token, or on pages by what the browser keeps."""
    kept, token = _kept(operation, request), ""
    if kept:
        actor = await parts.sign_in.acting(kept, by_itself=REFRESHES in request.headers)
    else:
        actor, token, _ = parts.identity.identify(request.headers.get("authorization"))
        await parts.clients.acting(actor)
    _count(parts, actor)
    await parts.people.standing(actor, token)
    return actor


def _count(parts: Parts, actor: Actor) -> None:
    """Counts a request of somebody. Raises Refused: theirs, or all of their authority's, are many.

    What a page asks of the API for its reader has been counted with the page.
    """
    person = f"{actor.role}|{actor.scope}|{actor.subject}"
    try:
        parts.paces.count_member(person, actor.scope or actor.role, parts.clock())
    except Refused as refused:
        params = refused.refusal.params
        raise Refused(Refusal(code=Code.TOO_MANY_REQUESTS, params=params)) from None


REFRESHES = "zhibao-refreshes"
"""The header of what a page asks for by itself, again and again: nobody is at work for that."""


def _kept(operation: Operation, request: Request) -> str:
    """The secret by which a browser asks for a page; the API itself takes tokens alone."""
    if operation.answer_media != "text/html" or "authorization" in request.headers:
        return ""
    return SESSION.read(request)


async def _handled(operation: Operation, call: Call, data: bytes) -> Response:
    if operation.writes and operation.right is Right.ANYONE:
        call = call._replace(command_id=_key_of_anybody(call.request, data))
    elif confirmed := confirmed_as(call.request):
        call = call._replace(command_id=confirmed, repeated=True)
    elif operation.writes:
        parts = parts_of(call.request)
        command_id, repeated = await _once_more(
            lambda: _use_of_key(parts, call.actor, call.request, data)
        )
        call = call._replace(command_id=command_id, repeated=repeated)
    if operation.streams:
        return await operation.handler(call)
    response = await _once_more(lambda: operation.handler(call))
    if event := read_as(operation, call.actor.role):
        what = what_of(operation, call)
        reads = parts_of(call.request).reads
        await _once_more(lambda: reads.note(call.actor, event, what, call.request_id))
    return response


async def _once_more(work: Callable[[], Awaitable[Answer]]) -> Answer:
    """The work's outcome; done again, once, if the database's connection was of no use.

    All others of its age have been thrown away then. Whatever is asked for is one thing by its
    key, so that doing it again is what its sender would have been told to do. What took long is
    not tried again: there is no time left for it.
    """
    began = time.monotonic()
    try:
        return await work()
    except AWAY as failure:
        if not lost_its_connection(failure) or time.monotonic() - began > _SOON:
            raise
    return await work()


async def _in_time(
    operation: Operation, within: float, work: Coroutine[Any, Any, Answer]
) -> Answer:
    """The work's outcome, or Refused after ``within`` seconds: the work then ends unheard.

    It is left to end by itself, as every wait in it does: what is given up in the middle of an
    exchange with a silent server takes longer still. Public reads have no limit but those of the
    one question that each asks of the database.
    """
    public_read = operation.right is Right.ANYONE and not operation.writes
    if public_read or operation.unhurried or operation.streams:
        return await work
    task = asyncio.create_task(work)
    await asyncio.wait({task}, timeout=within)
    if task.done():
        return task.result()
    _late.add(task)
    task.add_done_callback(_forget)
    raise Refused(Refusal(code=Code.UNAVAILABLE, params={"part": "数据库或流程引擎"}))


_late: set[asyncio.Task[Any]] = set()


def _forget(task: asyncio.Task[Any]) -> None:
    _late.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.warning("ended_late", error=type(task.exception()).__name__)


_NOTHING = Target()

_RECORDED_AS = {
    "extension": "extend",
    "quality": "质量审查",
    "reminders": "serve_reminder",
    "questions": "ask_question",
    "{question}/answer": "answer_question",
    "{question}/close": "close_question",
    "{question}/reopen": "reopen_question",
    "ask-return": "ask_return",
    "decline-return": "decline_return",
}
"""What acts are called on record where their address has another name for them."""


async def _put_on_record(
    operation: Operation,
    request: Request,
    actor: Actor,
    refusal: Refusal,
    request_id: str,
    target: Target | None = None,
) -> None:
    """Counts a refused act, and puts it on the record of the case it was about, if there is one."""
    if not operation.writes:
        return
    if target is None and operation.target is not None:
        with suppress(Refused):
            target = await operation.target(request)
    above, name = operation.path.rsplit("/", 2)[1:]
    act = RefusedAct(
        action=_RECORDED_AS.get(f"{above}/{name}") or _RECORDED_AS.get(name, name),
        **actor.model_dump(),
        at=parts_of(request).clock(),
        refusal=refusal,
    )
    case_id = target.case.case_id if target is not None and target.case is not None else ""
    await parts_of(request).requests.record_refusal(case_id, act, request_id)


def wants_page(request: Request) -> bool:
    """Whether a browser asks that shows whatever it gets, and not a program of ours."""
    wanted = request.headers.get("accept", "")
    return "text/html" in wanted and "json" not in wanted


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not (1 <= len(key) <= 200 and all("!" <= mark <= "~" for mark in key)):
        raise Refused(Refusal(code=Code.KEY_REQUIRED))
    return key


def _key_of_anybody(request: Request, data: bytes) -> str:
    """The command id of somebody unknown: strangers may choose the same key for their own."""
    asked = f"{request.method} {request.url.path} {_key(request)}\n".encode() + data
    return hashlib.sha256(asked).hexdigest()


async def _use_of_key(
    parts: Parts, actor: Actor, request: Request, data: bytes
) -> tuple[str, bool]:
    """The command id behind an Idempotency-Key, and whether the key was used before.

    Raises Refused: missing, or used for another request.
    """
    key = _key(request)
    owned = f"{actor.role}|{actor.scope}|{actor.subject}|{key}"
    hashed = hashlib.sha256(owned.encode()).digest()
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + data
    repeated = await parts.requests.use_key(hashed, hashlib.sha256(asked).hexdigest())
    return hashed.hex(), repeated


def _log(operation: Operation, refusal: Refusal) -> None:
    level = log.error if refusal.code in (Code.INTERNAL, Code.UNAVAILABLE) else log.warning
    level("refused", code=refusal.code.value, operation=f"{operation.method} {operation.path}")


async def _http_problem(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    code = Code.METHOD_NOT_ALLOWED if failure.status_code == 405 else Code.NOT_FOUND
    methods = (failure.headers or {}).get("Allow", "").split(", ")
    allowed = "、".join(sorted(set(methods) - {"HEAD"}))
    params = {
        "method": request.method[:10],
        "what": "这个地址（各接口的地址见 /docs）",
        "allowed": allowed,
    }
    request_id = _new_id()
    refusal = Refusal(code=code, params=params)
    response: Response
    if wants_page(request):
        response = refused_page(refusal, request_id, request)
    else:
        response = problem(refusal, request_id)
    response.headers["X-Request-Id"] = request_id
    for name, value in (failure.headers or {}).items():
        response.headers[name] = value
    return response


async def _unexpected(request: Request, failure: Exception) -> Response:
    log.error("unexpected", exc_info=failure)
    refusal, request_id = Refusal(code=Code.INTERNAL), _new_id()
    if wants_page(request):
        return refused_page(refusal, request_id, request)
    return problem(refusal, request_id)
