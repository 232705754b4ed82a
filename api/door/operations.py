"""What an operation is: one row from which routing, rights and the OpenAPI document follow."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from api.door.cursors import PageSize
from api.door.rights import Right, Target
from domain.case.commands import Actor
from domain.clock import in_beijing

Handler = Callable[["Call"], Awaitable[Response]]
Targeting = Callable[[Request], Awaitable[Target]]


@dataclass(frozen=True)
class Parameter:
    """A query parameter or header of an operation, as the documentation shows it."""

    name: str
    description: str
    where: str = "query"
    required: bool = False
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a parameter's type."""
    return TypeAdapter(kind).json_schema()


def json_of(value: BaseModel, **more: Any) -> Response:
    """A model as the JSON answer that it is; ``more`` as responses take it (status, headers).

    Instants are in Beijing time, with +08:00, wherever they come from.
    """
    content = to_json(in_beijing(value.model_dump()))
    return Response(content, media_type="application/json", **more)


PAGING = (
    Parameter("size", "每页条数，1 至 200", schema=schema_of(PageSize)),
    Parameter("cursor", "上一页的 next"),
)
"""The parameters of every paged list."""


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    ``writes`` operations need an ``Idempotency-Key``. ``target`` finds what rights depend on.
    ``body`` is the JSON request's model; ``media`` names other request media types. With
    ``body_optional`` a request without one is taken as one that says nothing.
    ``largest`` is the most bytes a body may have, where it is not the usual for its type.
    ``documented`` describes the body of a JSON request that the handler reads field by field.
    ``form``: a page's form; the body is a `api.door.requests.Form`, and not one of another site.
    ``with_file``: a file can be chosen in it.
    ``before_sign_in``: a form that is nobody's yet, whoever signed in on this browser earlier.
    ``streams``: the handler reads the body itself, as it comes.
    ``passed_on``: an address that people pass on, as every page is (see `lenient`).
    ``unhurried``: it may take longer than a request usually does (files, documents, rule checks).
    ``answer_media`` names another type than JSON; ``others`` are further answers by status.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    right: Right
    answer: type[BaseModel] | None
    target: Targeting | None = None
    body: type[BaseModel] | None = None
    body_optional: bool = False
    documented: type[BaseModel] | None = None
    media: Sequence[str] = ()
    form: bool = False
    with_file: bool = False
    before_sign_in: bool = False
    streams: bool = False
    largest: int | None = None
    status: int = 200
    answer_media: str = "application/json"
    others: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    writes: bool = False
    passed_on: bool = False
    unhurried: bool = False
    parameters: Sequence[Parameter] = ()
    example: Any = None
    answer_example: Any = None
    description: str = ""

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of its query parameters."""
        return frozenset(
            parameter.name for parameter in self.parameters if parameter.where == "query"
        )

    @property
    def lenient(self) -> bool:
        """Whether unknown parameters are ignored: messengers append theirs to what is passed on."""
        return self.passed_on or self.answer_media == "text/html"


class Call(NamedTuple):
    """A request that has passed the door: who asks, about what, with which body.

    ``repeated``: the same request came before with the same key.
    """

    request: Request
    actor: Actor
    target: Target
    body: Any
    command_id: str
    request_id: str
    repeated: bool = False
