"""The public's service by itself: what anybody may read, and nothing that files or writes.

It reaches no workflow engine, knows no key, and its database login sees what is published alone.
Complaints, which begin a process, and published figures, which are added up from contents, stay
with the API.
"""

from starlette.responses import Response

from api.door.health import Health, answers_in_time
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.rights import Right
from api.resources import OPERATIONS, PAGES

_SHOWN = (
    "/healthz",
    "/public/report-numbers",
    "/public/certificates",
    "/public/certificates/code/{code}",
    "/public/certificate-keys",
    "/public/measures",
    "/public/schemas/certificate-delivery/v1.json",
    "/lookup",
    "/certificates",
    "/c/{code}",
    "/measures",
)


async def readyz(call: Call) -> Response:
    """Asks the database; 503 when it does not answer, or once the process is about to end."""
    parts = parts_of(call.request)
    if parts.draining.begun:
        return json_of(Health(ok=False, parts={"accepting": False}), status_code=503)
    asked = {"database": parts.requests.database_writes()}
    usable = await answers_in_time(asked)
    ok = all(usable.values())
    return json_of(Health(ok=ok, parts=usable), status_code=200 if ok else 503)


PUBLIC: list[Operation] = [
    *(one for one in (*OPERATIONS, *PAGES) if one.path in _SHOWN),
    Operation("GET", "/readyz", readyz, "可以服务", "运行", Right.ANYONE, Health),
]
"""What the public's service answers."""
