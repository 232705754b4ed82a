"""For whom the database is asked: each transaction says so, and policies of rows go by it.

A second line behind the rights check (migration 0057): a query whose filters were forgotten shows
no content, file, contact or complaint beyond the place and the purpose of whoever asks. Nobody in
particular, a worker or a command, sees all; the login could say that it is nobody, so this guards
against mistakes and not against whoever holds the login.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.model import Value


class Sight(Value):
    """Who asks: a role, what it is for, and the codes of the regions in it, "" for all."""

    role: str
    scope: str
    regions: str


_sight: ContextVar[Sight | None] = ContextVar("sight", default=None)

_TOLD = (
    "SELECT set_config('zhibao.role', %s, true), set_config('zhibao.scope', %s, true),"
    " set_config('zhibao.regions', %s, true)"
)


@contextmanager
def seen_by(sight: Sight | None) -> Iterator[None]:
    """Within this the database is asked for somebody; None: for nobody in particular."""
    before = _sight.set(sight)
    try:
        yield
    finally:
        _sight.reset(before)


def tell(engine: AsyncEngine) -> None:
    """Has the engine's transactions say for whom they ask."""
    listen(engine.sync_engine, "begin", _tell)


def _tell(connection: Any) -> None:
    sight = _sight.get()
    if sight is not None:
        connection.exec_driver_sql(_TOLD, (sight.role, sight.scope, sight.regions))
