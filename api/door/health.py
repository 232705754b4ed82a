"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable, Mapping

from starlette.responses import Response

from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.rights import Right
from domain.model import Value

_WITHIN = 3.0
"""Seconds for the answer, whatever is wrong: who asks gives up soon after."""


class Health(Value):
    """``parts`` maps what the service depends on to whether it can be used."""

    ok: bool
    parts: dict[str, bool]


async def healthz(call: Call) -> Response:
    """Answers as long as the process does."""
    return json_of(Health(ok=True, parts={}))


async def readyz(call: Call) -> Response:
    """Writes to the database and asks the workflow engine; 503 when either does not work.

    503 too once the process is about to end: nobody new is to be sent here.
    """
    parts = parts_of(call.request)
    if parts.draining.begun:
        return json_of(Health(ok=False, parts={"accepting": False}), status_code=503)
    usable = await answers_in_time(
        {"database": parts.requests.database_writes(), "engine": parts.filings.answers()}
    )
    ok = all(usable.values())
    return json_of(Health(ok=ok, parts=usable), status_code=200 if ok else 503)


async def answers_in_time(asked: Mapping[str, Awaitable[bool]]) -> dict[str, bool]:
    """Which of some parts can be used, as far as they say so soon enough."""
    asking = {name: asyncio.ensure_future(_answers(one)) for name, one in asked.items()}
    # whoever is late is left to end by itself: giving up takes time as well
    await asyncio.wait(asking.values(), timeout=_WITHIN)
    return {name: task.done() and task.result() for name, task in asking.items()}


async def _answers(asking: Awaitable[bool]) -> bool:
    try:
        return await asking
    except Exception:
        return False


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
