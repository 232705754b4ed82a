"""The data keys of subjects: made with the first value that is written, wrapped anew, destroyed."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.refusals import Refused
from store import hidden
from store.hidden import Hiding, destroyed
from store.tables import data_keys


async def hiding(connection: AsyncConnection, subject: str) -> Hiding:
    """What hides values about a subject. Raises Refused: its key has been destroyed."""
    return (await hiding_each(connection, [subject]))[subject]


async def hiding_each(connection: AsyncConnection, subjects: Collection[str]) -> dict[str, Hiding]:
    """The same of several. Raises Refused."""
    if hidden.ring() is None:
        return {subject: Hiding(subject, b"") for subject in subjects}
    held = await _held(connection, subjects)
    # in one order, so that two who make keys for the same subjects never wait for each other
    missing = sorted(set(subjects) - held.keys())
    if missing:
        made = dict(map(_new, missing))
        added = await connection.execute(
            insert(data_keys)
            .values([{"subject": one, "wrapped": kept} for one, (_, kept) in made.items()])
            .on_conflict_do_nothing()
            .returning(data_keys.c.subject)
        )
        ours = set(added.scalars())
        held |= {subject: made[subject][0] for subject in ours}
        # somebody else made these meanwhile
        held |= await _held(connection, set(missing) - ours)
    return held


def _new(subject: str) -> tuple[str, tuple[Hiding, str]]:
    return subject, hidden.new_key(subject)


async def _held(connection: AsyncConnection, subjects: Collection[str]) -> dict[str, Hiding]:
    if not subjects:
        return {}
    found = await connection.execute(
        select(data_keys.c.subject, data_keys.c.wrapped).where(
            data_keys.c.subject == func.any(list(subjects))
        )
    )
    held = {}
    for subject, kept in found:
        if not kept:
            raise Refused(destroyed(subject))
        held[subject] = hidden.unwrapped(kept, subject)
    return held


async def wrapped_by_others(connection: AsyncConnection, master: str) -> int:
    """How many keys are not wrapped by this master key."""
    found = await connection.execute(select(func.count()).where(*_by_others(master)))
    return int(found.scalar_one())


async def wrapped_by(connection: AsyncConnection, master: str) -> int:
    """How many keys are wrapped by this master key."""
    found = await connection.execute(select(func.count()).where(_MASTER.in_([master])))
    return int(found.scalar_one())


async def wrap_anew(connection: AsyncConnection, size: int) -> int:
    """Wraps up to ``size`` keys by the newest master key; how many. What they hide stays as it is.

    Who reads or writes meanwhile waits for nobody: a key is the same before and after.
    """
    found = await connection.execute(
        select(data_keys.c.subject, data_keys.c.wrapped)
        .where(*_by_others(hidden.newest().id))
        .order_by(data_keys.c.subject)
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    anew = [
        {"whose": subject, "by": hidden.wrapped(hidden.unwrapped(kept, subject))}
        for subject, kept in found
    ]
    if anew:
        await connection.execute(
            update(data_keys)
            .where(data_keys.c.subject == bindparam("whose"))
            .values(wrapped=bindparam("by")),
            anew,
        )
    return len(anew)


_MASTER: ColumnElement[str] = func.split_part(data_keys.c.wrapped, ":", 1)


def _by_others(master: str) -> tuple[ColumnElement[bool], ...]:
    return data_keys.c.wrapped != "", _MASTER.is_distinct_from(master)
