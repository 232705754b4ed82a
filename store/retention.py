"""Which subjects' time is over, and the end of their keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import ENDED
from domain.retention import Kept
from store.certificates import names
from store.tables import data_keys


class Due(NamedTuple):
    """A subject whose time is over, and since when that runs."""

    subject: str
    since: datetime


_ENDED_CASES = """
    SELECT c.case_id AS subject, c.updated_at AS since FROM cases c
    WHERE c.kind = '{kind}' AND c.status = ANY(:ended)
"""
_SUBJECTS: dict[Kept, str] = {
    # what a measure that is still open goes by is not taken from under it
    Kept.FILING: _ENDED_CASES.format(kind="filing")
    + """ AND NOT EXISTS (
        SELECT FROM enforcement_cases e JOIN cases m ON m.case_id = e.case_id
        WHERE e.about = c.case_id AND NOT m.status = ANY(:ended))""",
    Kept.COMPLAINT: _ENDED_CASES.format(kind="complaint"),
    # a contact that is in use has none after it
    Kept.CONTACT: """
        SELECT subject, max(after) AS since FROM (
            SELECT concat('contact/', institution_id, '/', role, '/',
                          to_char(set_at AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISSUS')) AS subject,
                   lead(set_at) OVER (PARTITION BY institution_id, role ORDER BY id) AS after
            FROM contacts) c
        GROUP BY subject HAVING bool_and(after IS NOT NULL)""",
    Kept.PROPOSED_ACT: """
        SELECT 'confirmation/' || id AS subject, coalesce(decided_at, ends_at) AS since
        FROM proposed_acts WHERE state <> 'confirmed'""",
}
_DUE = """
    SELECT s.subject, s.since FROM ({subjects}) s JOIN data_keys k ON k.subject = s.subject
    WHERE k.destroyed_at IS NULL AND s.since < :before
      AND (CAST(:subject AS text) = '' OR s.subject = :subject)
    ORDER BY s.since, s.subject
"""


async def due(
    connection: AsyncConnection, kept: Kept, before: datetime, size: int, subject: str = ""
) -> list[Due]:
    """Up to ``size`` subjects of a kind whose time began before an instant; or the one named."""
    statement = _DUE.format(subjects=_SUBJECTS[kept]) + " LIMIT :size"
    asked = {**_asked(kept, before, subject), "size": size}
    found = await connection.execute(text(statement), asked)
    return [Due(*row) for row in found]


async def count_due(
    connection: AsyncConnection, kept: Kept, before: datetime, subject: str = ""
) -> int:
    """How many these are."""
    statement = f"SELECT count(*) FROM ({_DUE.format(subjects=_SUBJECTS[kept])}) d"  # noqa: S608
    found = await connection.execute(text(statement), _asked(kept, before, subject))
    return int(found.scalar_one())


def _asked(kept: Kept, before: datetime, subject: str) -> dict[str, object]:
    asked: dict[str, object] = {"before": before, "subject": subject}
    if ":ended" in _SUBJECTS[kept]:
        asked["ended"] = [status.value for status in ENDED]
    return asked


async def destroy(
    connection: AsyncConnection, subjects: Sequence[str], at: datetime, rule: str
) -> None:
    """Destroys the keys of subjects: what they hide can be read by nobody from now on.

    Nor is a certificate found any more by whom its content named.
    """
    await connection.execute(
        update(data_keys)
        .where(data_keys.c.subject.in_(subjects), data_keys.c.destroyed_at.is_(None))
        .values(wrapped="", destroyed_at=at, rule=rule)
    )
    await names.forget(connection, subjects)


async def is_destroyed(connection: AsyncConnection, subject: str, rule: str) -> bool:
    """Whether a subject's key has been destroyed by a rule."""
    found = await connection.execute(
        select(data_keys.c.subject).where(data_keys.c.subject == subject, data_keys.c.rule == rule)
    )
    return found.first() is not None


async def destroyed(connection: AsyncConnection, rule: str) -> int:
    """How many keys have been destroyed by a rule."""
    found = await connection.execute(
        select(func.count()).select_from(data_keys).where(data_keys.c.rule == rule)
    )
    return int(found.scalar_one())
