"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable

from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.rights import Right
from domain.model import Value


class Health(Value):
    """``parts`` maps what the service depends on to whether it answers."""

    ok: bool
    parts: dict[str, bool]


async def healthz(call: Call) -> Response:
    """Answers as long as the process does."""
    return json_of(Health(ok=True, parts={}))


async def readyz(call: Call) -> Response:
    """Asks the database and the workflow engine; 503 when one does not answer."""
    parts = parts_of(call.request)

    async def within(asking: Awaitable[bool]) -> bool:
        try:
            return await asyncio.wait_for(asking, 3)
        except Exception:
            return False

    answering = {
        "database": await within(parts.requests.database_answers()),
        "engine": await within(parts.filings.answers()),
    }
    ok = all(answering.values())
    return json_of(Health(ok=ok, parts=answering), status_code=200 if ok else 503)


OPERATIONS = [
    Operation("GET", "/healthz", healthz, "进程存活", "运行", Right.ANYONE, Health),
    Operation(
        "GET",
        "/readyz",
        readyz,
        "可以服务",
        "运行",
        Right.ANYONE,
        Health,
        others={503: Health},
    ),
]
