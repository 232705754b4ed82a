"""The OpenAPI 3.1 document, generated from the operations, and the page that shows it."""

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from api.door.files import TABLES
from api.door.operations import Operation, Parameter
from api.door.problems import Problem
from api.door.rights import ROLES, Right
from domain.case.commands import ROLE_LABELS, Role

_REFS = "#/components/schemas/{model}"
_VERSION = "0.1.0"
_KEY = Parameter(
    "Idempotency-Key",
    "每次操作一个新的键；重试时不变",
    "header",
    True,
    {"type": "string", "minLength": 1, "maxLength": 200},
)


def openapi_document(
    operations: Sequence[Operation], places: Mapping[str, Parameter]
) -> Callable[[Request], Awaitable[Response]]:
    """A handler that answers with the document of these operations, made when first asked for."""
    document = cache(lambda: build_document(operations, places))

    async def handler(request: Request) -> Response:
        return JSONResponse(document())

    return handler


def build_document(
    operations: Sequence[Operation], places: Mapping[str, Parameter]
) -> dict[str, Any]:
    """The OpenAPI document as plain data; ``places`` tells what stands in addresses, by name."""
    bodies = {body for o in operations if (body := o.documented or o.body) is not None}
    answers = {o.answer for o in operations if o.answer is not None} | {Problem}
    answers |= {other for o in operations for other in o.others.values()}
    by_name = sorted(bodies, key=lambda m: m.__name__)
    models = [(model, "validation") for model in by_name]
    models += [(model, "serialization") for model in sorted(answers, key=lambda m: m.__name__)]
    names, schemas = models_json_schema(models, ref_template=_REFS)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, names, places)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "直报 zhibao",
            "version": _VERSION,
            "description": "检验检测统计直报的接口。错误一律为 application/problem+json。",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(operation: Operation, names: Any, places: Mapping[str, Parameter]) -> dict[str, Any]:
    parameters = [places[name] for name in re.findall(r"{(\w+)}", operation.path)]
    parameters += [*operation.parameters, *([_KEY] if operation.writes else [])]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [operation.tag],
        "operationId": _operation_id(operation),
        "description": _description(operation),
        "parameters": [_parameter(one) for one in parameters],
        "responses": {
            str(operation.status): _answer(operation, names),
            **{str(status): _other(model, names) for status, model in operation.others.items()},
            "default": {
                "description": "未能办理",
                "content": {
                    "application/problem+json": {"schema": names[(Problem, "serialization")]}
                },
            },
        },
    }
    if operation.right is not Right.ANYONE:
        described["security"] = [{"bearer": []}]
    body = operation.documented or operation.body
    if body is not None:
        content: dict[str, Any] = {"schema": names[(body, "validation")]}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": content},
        }
    elif operation.media:
        binary = {"schema": {"type": "string", "format": "binary"}}
        described["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.media, binary),
        }
    return described


def _operation_id(operation: Operation) -> str:
    words = [w for w in re.split(r"\W+", operation.path.replace("/api/", "/")) if w]
    return "_".join([operation.method.lower(), *words])


def _description(operation: Operation) -> str:
    if operation.right is Right.ANYONE:
        return operation.description
    roles = "、".join(
        ROLE_LABELS[r] for r in Role if r in ROLES[operation.right] and r is not Role.SYSTEM
    )
    return f"{operation.description}（{roles}）".strip()


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "required": one.required,
        "description": one.description,
        "schema": one.schema,
    }


def _answer(operation: Operation, names: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"type": "string"}}
    if operation.answer is not None:
        content = {"schema": names[(operation.answer, "serialization")]}
    if operation.answer_example is not None:
        content["example"] = operation.answer_example
    words = "已受理" if operation.status == 202 else "成功"
    media = [operation.answer_media]
    if any("xlsx" in one.schema.get("enum", ()) for one in operation.parameters):
        # whoever asks chooses between this and a workbook
        media += [one for one, kind in TABLES.items() if kind == "xlsx"]
    return {"description": words, "content": dict.fromkeys(media, content)}


def _other(model: type[BaseModel], names: Any) -> dict[str, Any]:
    content = {"schema": names[(model, "serialization")]}
    return {"description": "现在不能", "content": {"application/json": content}}


_DOCS = """<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>直报接口文档</title>
<link rel="stylesheet" href="/static/swagger-ui/swagger-ui.css">
<div id="docs"></div>
<script src="/static/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</html>
"""


async def docs_page(request: Request) -> Response:
    """The document, browsable; nothing is loaded from elsewhere."""
    policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    return HTMLResponse(_DOCS, headers={"Content-Security-Policy": policy})


SWAGGER_UI = (
    f"vendor/{swagger_ui_path.name}",
    frozenset({"swagger-ui.css", "swagger-ui-bundle.js"}),
)
HTMX = ("static/django_htmx", frozenset({"htmx-2.min.js"}))
"""What browsers get out of packages: the folder in it, and the files that pages name."""


class PackageFiles(StaticFiles):
    """Of a package those files that our pages name.

    A package's own pages would ask other hosts, under our address and without our policy.
    """

    def __init__(self, package: str, folder: str, named: frozenset[str]) -> None:
        super().__init__(packages=[(package, folder)])
        self._named = named

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file at a path below the mount, or none."""
        return super().lookup_path(path) if path in self._named else ("", None)
