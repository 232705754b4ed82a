"""Pages of rows that are read into values: a row that makes none is left out, and told of."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError
from sqlalchemy import RowMapping, Select
from sqlalchemy.ext.asyncio import AsyncConnection

Made = TypeVar("Made")

log = structlog.get_logger()


def rows(
    given: Iterable[RowMapping],
    make: Callable[[RowMapping], Made],
    place: Callable[[RowMapping], Any],
) -> list[Made]:
    """What rows make. One that is malformed breaks its own page; everybody else's work goes on."""
    made: list[Made] = []
    for row in given:
        try:
            made.append(make(row))
        except ValidationError as error:
            # the error's own text may quote a value
            log.error("row_unreadable", place=place(row), problems=error.error_count())
    return made


async def page(
    connection: AsyncConnection,
    following: Callable[[Any], Select[Any]],
    make: Callable[[RowMapping], Made],
    place: Callable[[RowMapping], Any],
    after: Any,
    size: int,
) -> list[Made]:
    """Up to ``size`` readable values after a place, fewer only at the end.

    ``following`` is the query for what comes after a place, ``place`` that of a row.
    """
    made: list[Made] = []
    while (wanted := size - len(made)) > 0:
        came = (await connection.execute(following(after).limit(wanted))).mappings().all()
        made += rows(came, make, place)
        if len(came) < wanted:
            break
        after = place(came[-1])
    return made
