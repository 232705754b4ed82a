"""The names that certificates are found by: hidden, put under a new key, forgotten.

What stands in a signatory's line follows from the certificate's content: it is made anew from it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    bindparam,
    delete,
    func,
    literal,
    not_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from store import blind, hidden
from store.certificates.lines import LineKind, signatory_words
from store.hidden import Altered, Destroyed
from store.tables import certificate_lines, certificates

COLUMN = "certificate_lines.words"
_LINES = certificate_lines.c


async def count_plain(connection: AsyncConnection) -> int:
    """How many names stand in lines in the clear."""
    return await _count(connection, _PLAIN)


async def count_by_others(connection: AsyncConnection, key: str) -> int:
    """How many stand under another key than this one."""
    return await _count(connection, and_(not_(_PLAIN), not_(_under(key))))


async def count_under(connection: AsyncConnection, key: str) -> int:
    """How many stand under this key."""
    return await _count(connection, _under(key))


class Part(NamedTuple):
    """How many lines were made anew, and the last that was looked at, None after the last one."""

    done: int
    last: tuple[str, int] | None


FIRST = ("", -1)
"""What comes before all lines."""


async def hide(connection: AsyncConnection, after: tuple[str, int], size: int) -> Part:
    """Hides up to ``size`` names that stand in the clear, in lines after one."""
    return await _make_anew(connection, _PLAIN, after, size)


async def index_anew(connection: AsyncConnection, after: tuple[str, int], size: int) -> Part:
    """Puts up to ``size`` names under the newest key, in lines after one."""
    others = and_(not_(_PLAIN), not_(_under(blind.newest().id)))
    return await _make_anew(connection, others, after, size)


async def forget(connection: AsyncConnection, subjects: Sequence[str]) -> None:
    """Takes away what the certificates of cases are found by of names."""
    whose = select(certificates.c.number).where(certificates.c.case_id.in_(subjects))
    await connection.execute(delete(certificate_lines).where(_IS_NAME, _LINES.number.in_(whose)))


async def _make_anew(
    connection: AsyncConnection, which: ColumnElement[bool], after: tuple[str, int], size: int
) -> Part:
    """What somebody made unreadable by hand is left.

    Whoever writes a certificate meanwhile waits, or is left alone: it writes its lines itself.
    """
    found = await connection.execute(
        select(_LINES.number, _LINES.line)
        .where(_IS_NAME, which, tuple_(_LINES.number, _LINES.line) > tuple_(*map(literal, after)))
        .order_by(_LINES.number, _LINES.line)
        .limit(size)
        .with_for_update(skip_locked=True)
    )
    lines = found.all()
    if not lines:
        return Part(0, None)
    named = await _named(connection, sorted({row.number for row in lines}))
    anew: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for row in lines:
        key = {"of": row.number, "place": row.line}
        names = named.get(row.number, ())
        if names is None:
            continue
        if row.line < len(names):
            anew.append({**key, "anew": signatory_words(names[row.line])})
        else:
            # its name has been destroyed, or there never was one
            gone.append(key)
    one = and_(_IS_NAME, _LINES.number == bindparam("of"), _LINES.line == bindparam("place"))
    if anew:
        by_key = update(certificate_lines).where(one).values(words=bindparam("anew"))
        await connection.execute(by_key, anew)
    if gone:
        await connection.execute(delete(certificate_lines).where(one), gone)
    return Part(len(anew) + len(gone), (lines[-1].number, lines[-1].line))


async def _named(
    connection: AsyncConnection, numbers: Sequence[str]
) -> dict[str, list[str] | None]:
    """Whom the contents of certificates name, in order; None where they cannot be read.

    Nobody where that has been destroyed.
    """
    stored = type_coerce(certificates.c.signatories, Text)
    found = await connection.execute(
        select(
            certificates.c.number,
            func.with_key(stored, certificates.c.case_id, "", type_=Text).label("signatories"),
        ).where(certificates.c.number.in_(numbers), stored.is_not(None))
    )
    named: dict[str, list[str] | None] = {}
    for number, given in found:
        try:
            people = hidden.said(given, "certificates.signatories")
        except (Altered, ValueError):
            named[number] = None
            continue
        if people is not Destroyed.KEY:
            named[number] = [one["name"] for one in people]
    return named


async def _count(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    found = await connection.execute(select(func.count()).where(_IS_NAME, which))
    return int(found.scalar_one())


_IS_NAME = _LINES.kind == LineKind.SIGNATORY.value
_PLAIN = not_(func.starts_with(_LINES.words, blind.MARK))


def _under(key: str) -> ColumnElement[bool]:
    return func.starts_with(_LINES.words, blind.begins(key))
