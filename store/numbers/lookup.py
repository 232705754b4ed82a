"""What the public lookup reads, and the counts it keeps: no asker and nothing asked is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.numbers.lookup import NumberRow
from domain.numbers.report_numbers import Answer
from store import institutions as register
from store.institutions import Institution
from store.tables import institutions, lookup_counts
from store.words import name_key_of

MOST_ROWS = 200
"""So many rows are read for one number at most, those that stand before those withdrawn."""

# The sub-query's limit keeps it one: for each number asked, one probe of each year's index,
# whatever the planner thinks of the tables' sizes.
_ROWS = f"""
    SELECT asked.place, found.*
    FROM unnest(string_to_array(%s, E'\\x1f'), %s::int[])
         WITH ORDINALITY AS asked(number, institution_no, place)
    CROSS JOIN LATERAL (
        SELECT r.institution_no, r.issued_on, r.visible_from, r.change_kind, r.change_reason,
               r.changed_at
        FROM published.public_numbers r
        WHERE hashtextextended(r.number, 0) = hashtextextended(asked.number, 0)
          AND r.number = asked.number
          AND (asked.institution_no IS NULL OR r.institution_no = asked.institution_no)
        ORDER BY r.change_no DESC NULLS FIRST
        LIMIT {MOST_ROWS}
    ) found
"""  # noqa: S608


NAME_KEY = name_key_of("institutions.name")
"""An institution's name as names are compared, and as the index has it."""


@dataclass(frozen=True)
class Reader:
    """A connection that is kept for lookups, with the driver's own cursor on it.

    The hottest query there is goes straight to the driver.
    """

    connection: AsyncConnection
    cursor: psycopg.AsyncCursor[TupleRow]


async def reader(engine: AsyncEngine) -> Reader:
    """A new connection of the engine, set up for lookups: not to be given back to the pool."""
    connection = await engine.connect()
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        cursor = driver.cursor(binary=True)
        # planning the probes of all years takes longer than most of the probes themselves
        await cursor.execute("SET plan_cache_mode = force_generic_plan")
    except BaseException:
        await connection.close()
        raise
    return Reader(connection, cursor)


async def rows(
    reader: Reader, numbers: Sequence[str], of: list[int | None] | None
) -> list[list[NumberRow]]:
    """For each number, of one institution or (None) of any, the rows of accepted uploads.

    At least one number, each without control characters; ``of`` is None where all are of any.
    """
    # one text: an array is put together piece by piece
    await reader.cursor.execute(_ROWS, ("\x1f".join(numbers), of), prepare=True)
    found: list[list[NumberRow]] = [[] for _ in numbers]
    for place, *row in await reader.cursor.fetchall():
        found[place - 1].append(NumberRow(*row))
    return found


async def named(connection: AsyncConnection, names: Sequence[str]) -> dict[str, list[int]]:
    """The institutions that bear each of these names; names unknown are left out.

    The names are given as `domain.text.name_key` has them. A name leads to all accounts that are
    one institution since a merger.
    """
    same = institutions.alias("same")
    found = await connection.execute(
        select(NAME_KEY, same.c.no)
        .distinct()
        .select_from(institutions)
        .join(
            same,
            or_(
                same.c.id == institutions.c.id,
                same.c.id == institutions.c.merged_into,
                same.c.merged_into == institutions.c.id,
                same.c.merged_into == institutions.c.merged_into,
            ),
        )
        .where(NAME_KEY.in_(list(names)))
    )
    by_name: dict[str, list[int]] = {}
    for one, no in found:
        by_name.setdefault(one, []).append(no)
    return by_name


async def by_no(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, Institution]:
    """The institutions with these short numbers; after a merger, its survivor."""
    standing = func.coalesce(institutions.c.merged_into, institutions.c.id).label("id")
    found = await connection.execute(
        select(institutions.c.no, standing).where(institutions.c.no == func.any(list(numbers)))
    )
    ids = {row.no: row.id for row in found}
    known = await register.by_ids(connection, list(ids.values()))
    return {no: known[id_] for no, id_ in ids.items() if id_ in known}


class LookupCount(NamedTuple):
    """How often something was answered: on which day, about which province's institutions."""

    day: date
    province: str
    answer: Answer


async def add_counts(connection: AsyncConnection, counts: Mapping[LookupCount, int]) -> None:
    """Adds to what has been counted, in one statement."""
    statement = insert(lookup_counts).values(
        [
            {"day": one.day, "province": one.province, "answer": one.answer.value, "count": number}
            for one, number in sorted(counts.items())  # one order for all processes: no deadlock
        ]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "province", "answer"],
            set_={"count": lookup_counts.c.count + statement.excluded.count},
        )
    )


async def counts(
    connection: AsyncConnection,
    first: date,
    last: date,
    province_prefix: str,
    after: tuple[date, str] | None,
    size: int,
) -> list[tuple[date, str, dict[Answer, int]]]:
    """Up to ``size`` pairs of day and province, in that order, with the count of each answer."""
    days = lookup_counts.c.day, lookup_counts.c.province
    query = select(
        *days, func.jsonb_object_agg(lookup_counts.c.answer, lookup_counts.c.count)
    ).where(lookup_counts.c.day.between(first, last))
    if province_prefix:
        query = query.where(lookup_counts.c.province.startswith(province_prefix, autoescape=True))
    if after is not None:
        query = query.where(tuple_(*days) > tuple_(*after))
    found = await connection.execute(query.group_by(*days).order_by(*days).limit(size))
    return [
        (day, province, {Answer(answer): number for answer, number in answers.items()})
        for day, province, answers in found
    ]
