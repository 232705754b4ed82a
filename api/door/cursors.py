"""Cursors of paged lists: opaque to clients, and safe to receive back in any state."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field
from starlette.requests import Request

from api.door.requests import query, wrong_parameter
from domain.refusals import Refused

PageSize = Annotated[int, Field(ge=1, le=200)]
_Given = Annotated[str, Field(max_length=1000)]
Row = TypeVar("Row")


async def paged(
    request: Request,
    fetch: Callable[[int], Awaitable[Sequence[Row]]],
    place: Callable[[Row], list[Any]],
    *,
    size: int = 50,
) -> tuple[Sequence[Row], str | None]:
    """The rows of the page that is asked for, and the cursor of the page after, None at the end.

    ``fetch`` gets up to so many rows in their order, ``place`` tells where a row stands in it;
    ``size`` is how many there are on a page unless the request says so.
    """
    size = query(request, "size", PageSize, size)
    # one more than is shown tells whether anything follows
    rows = await fetch(size + 1)
    if len(rows) <= size:
        return rows, None
    return rows[:size], encode(place(rows[size - 1]))


def given(request: Request, shape: tuple[type, ...]) -> list[Any] | None:
    """What the request's ``cursor`` stands for, None for none. Raises Refused for a bad one."""
    return decode(query(request, "cursor", _Given, ""), shape)


def encode(values: list[Any]) -> str:
    """A cursor for the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode(cursor: str | None, shape: tuple[type, ...]) -> list[Any] | None:
    """What `encode` was given, None for no cursor. Raises Refused for anything else."""
    if not cursor:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or [type(v) for v in values] != list(shape):
            raise ValueError
        # decoding skips what it does not know: only what `encode` gave comes back as itself
        if encode(values) != cursor or not all(_usable(value) for value in values):
            raise ValueError
    except (binascii.Error, ValueError, RecursionError):
        raise refused() from None
    return values


def refused() -> Refused:
    """What a cursor that is none of ours is answered with."""
    return wrong_parameter("cursor", "应是上一页的 next；从第一页起的，请去掉它")


def _usable(value: Any) -> bool:
    """Whether the database can take it: ids and instants are ASCII, numbers have 63 bits."""
    if isinstance(value, str):
        return value.isascii() and value.isprintable()
    return -(2**63) <= int(value) < 2**63
