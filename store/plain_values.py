"""Values that stand in hidden columns in the clear, from before they were hidden: hidden, in parts.

Neither a value nor its hash changes, only how it is stored. Done with the owner's login: the
application's may not change what is only ever added to.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    func,
    literal,
    not_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from store.data_keys import hiding_each
from store.hidden import HIDDEN, Altered, HiddenColumn, HiddenFile, Hiding
from store.tables import data_keys, metadata

_AT_ONCE, _FILES_AT_ONCE = 200, 5


class Place(NamedTuple):
    """A column whose values are hidden at rest."""

    table: Table
    column: Column[Any]
    kind: HiddenColumn


class PlainValue(NamedTuple):
    """A value as it stands, by its row's primary key; whose it is, and which of theirs."""

    key: tuple[Any, ...]
    subject: str
    row: str
    stored: str


def places() -> Iterator[Place]:
    """All columns whose values are hidden at rest."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, HiddenColumn):
                yield Place(table, column, column.type)


async def may_hide(connection: AsyncConnection) -> bool:
    """Whether the login may change all of them."""
    may = (
        func.has_column_privilege(place.table.name, place.column.name, "UPDATE")
        for place in places()
    )
    return bool((await connection.execute(select(and_(*may)))).scalar_one())


async def count(connection: AsyncConnection, place: Place) -> int:
    """How many values of a column stand in the clear."""
    found = await connection.execute(
        select(func.count()).select_from(place.table).where(_in_the_clear(place))
    )
    return int(found.scalar_one())


async def some(
    connection: AsyncConnection, place: Place, after: Sequence[Any] = ()
) -> list[PlainValue]:
    """The next of these, by primary key; ``after`` is the last one's, empty to begin with."""
    table, kind = place.table, place.kind
    key = list(table.primary_key)
    wanted = [_in_the_clear(place)]
    if after:
        wanted.append(tuple_(*key) > tuple_(*map(literal, after)))
    found = await connection.execute(
        select(
            *key,
            kind.subject(table),
            literal("") if kind.row is None else kind.row(table),
            type_coerce(place.column, Text),
        )
        .where(*wanted)
        .order_by(*key)
        .limit(_FILES_AT_ONCE if isinstance(kind, HiddenFile) else _AT_ONCE)
    )
    return [PlainValue(tuple(row[: len(key)]), *row[len(key) :]) for row in found]


async def keys_for(connection: AsyncConnection, subjects: Collection[str]) -> dict[str, Hiding]:
    """What hides values of subjects; nobody has the key of one whose own has been destroyed.

    What was said of them is no more, and is not to be read in the clear either.
    """
    found = await connection.execute(
        select(data_keys.c.subject).where(
            data_keys.c.subject == func.any(list(subjects)), data_keys.c.wrapped == ""
        )
    )
    gone = set(found.scalars())
    lost = {subject: Hiding(subject, secrets.token_bytes(32)) for subject in gone}
    return lost | await hiding_each(connection, set(subjects) - gone)


async def hide(
    connection: AsyncConnection,
    place: Place,
    values: Sequence[PlainValue],
    keys: Mapping[str, Hiding],
) -> int:
    """Hides values under their subjects' keys; how many.

    What has changed meanwhile is left, and what somebody made unreadable by hand.
    """
    readable = [value for value in values if _is_readable(place, value.stored)]
    if not readable:
        return 0
    key = list(place.table.primary_key)
    done = await connection.execute(
        update(place.table)
        .where(
            *(part == bindparam(f"key_{part.name}", type_=part.type) for part in key),
            type_coerce(place.column, Text) == bindparam("stood", type_=Text()),
        )
        .values({place.column: bindparam("anew", type_=place.kind)}),
        [
            {
                **{f"key_{of.name}": part for of, part in zip(key, value.key, strict=True)},
                "stood": value.stored,
                "anew": keys[value.subject].of(place.kind.read(value.stored), value.row),
            }
            for value in readable
        ],
    )
    return done.rowcount


def _is_readable(place: Place, stored: str) -> bool:
    try:
        place.kind.read(stored)
    except (Altered, ValueError):
        return False
    return True


def _in_the_clear(place: Place) -> ColumnElement[bool]:
    stored = type_coerce(place.column, Text)
    return and_(stored != "", not_(func.starts_with(stored, HIDDEN)))
