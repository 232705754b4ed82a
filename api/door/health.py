"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable

from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from api.door.operations import Call, Operation
from api.door.parts import parts_of
from api.door.rights import Right
from domain.model import Value


class Health(Value):
    """``parts`` maps what the service depends on to whether it answers."""

    ok: bool
    parts: dict[str, bool]


async def healthz(call: Call) -> Response:
    """Answers as long as the process does."""
    return JSONResponse(Health(ok=True, parts={}).model_dump())


async def readyz(call: Call) -> Response:
    """Asks the database and the workflow engine; 503 when one does not answer."""
    parts = parts_of(call.request)

    async def database() -> bool:
        async with parts.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return True

    async def within(asking: Awaitable[bool]) -> bool:
        try:
            return await asyncio.wait_for(asking, 3)
        except Exception:
            return False

    found = {"database": await within(database()), "engine": await within(parts.filings.answers())}
    ok = all(found.values())
    return JSONResponse(Health(ok=ok, parts=found).model_dump(), status_code=200 if ok else 503)


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
