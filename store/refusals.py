"""Refused acts on record, each case's in a chain of its own."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from domain.case.events import GENESIS
from domain.case.timeline import RefusedAct
from domain.clock import in_utc
from domain.model import Value
from store.tables import refusal_counts, refusal_heads, refusals, signed_starts

HASHED = (
    "case_id",
    "command_id",
    "action",
    "subject",
    "role",
    "scope",
    "refusal",
    "number",
    "previous_hash",
)
"""What a refusal's hash is made of, beside its instant."""

# holds the chain of a case until the transaction ends
_HELD = text("""
    INSERT INTO refusal_heads (case_id, number, hash) VALUES (:case_id, 0, :genesis)
    ON CONFLICT (case_id) DO UPDATE SET number = refusal_heads.number
    RETURNING number, hash
""")


def hash_of(row: dict[str, Any]) -> str:
    """The hash of a refusal: SHA-256 of the canonical JSON of what it says, its instant in UTC."""
    return sha256_of({**{name: row[name] for name in HASHED}, "at": in_utc(row["at"])})


async def add(connection: AsyncConnection, case_id: str, act: RefusedAct, command_id: str) -> None:
    """Puts a refused act on record."""
    held = await connection.execute(_HELD, {"case_id": case_id, "genesis": GENESIS})
    number, head = held.one()
    row = {
        "case_id": case_id,
        "command_id": command_id,
        "action": act.action,
        "subject": act.subject,
        "role": act.role.value,
        "scope": act.scope,
        "refusal": act.refusal.model_dump(mode="json"),
        "at": act.at,
        "number": number + 1,
        "previous_hash": head,
    }
    hash_ = hash_of(row)
    await connection.execute(insert(refusals).values(**row, hash=hash_))
    await connection.execute(
        refusal_heads.update()
        .where(refusal_heads.c.case_id == case_id)
        .values(number=number + 1, hash=hash_)
    )


class Tried(NamedTuple):
    """How often something was refused since an instant, and when last."""

    times: int
    last_at: datetime | None


async def tried(connection: AsyncConnection, case_id: str, action: str, since: datetime) -> Tried:
    """How often an act stands on a record as refused."""
    found = await connection.execute(
        select(func.count(), func.max(refusals.c.at)).where(
            refusals.c.case_id == case_id, refusals.c.action == action, refusals.c.at > since
        )
    )
    times, last_at = found.one()
    return Tried(times, last_at)


async def is_known(connection: AsyncConnection, case_id: str, command_id: str) -> bool:
    """Whether a command of a case is on record as refused."""
    found = await connection.execute(
        select(refusals.c.id).where(
            refusals.c.case_id == case_id, refusals.c.command_id == command_id
        )
    )
    return found.first() is not None


MOST = 50
"""So many refusals of one code are put on record of somebody in an hour; more are counted."""

_COUNTED = text("""
    INSERT INTO refusal_counts (hour, subject, role, scope, code, times, kept, last_at)
    VALUES (date_trunc('hour', CAST(:at AS timestamptz), 'UTC'), :subject, :role, :scope, :code,
            1, CAST(:keep AS int), :at)
    ON CONFLICT (hour, subject, role, scope, code) DO UPDATE
    SET times = refusal_counts.times + 1, last_at = greatest(refusal_counts.last_at, :at),
        kept = refusal_counts.kept
             + CASE WHEN :keep AND refusal_counts.kept < :most THEN 1 ELSE 0 END
    RETURNING times, kept
""")


class Counted(Value):
    """How often somebody was refused by one code in an hour; ``kept`` of them stand on record."""

    hour: datetime
    subject: str
    role: str
    scope: str
    code: str
    times: int
    kept: int
    last_at: datetime


async def count(connection: AsyncConnection, act: RefusedAct, *, keep: bool) -> bool:
    """Counts a refused act; whether it is to be put on record besides, if ``keep`` says so."""
    asked = {
        "at": act.at,
        "subject": act.subject,
        "role": act.role.value,
        "scope": act.scope,
        "code": act.refusal.code.value,
        "keep": keep,
        "most": MOST,
    }
    counted = (await connection.execute(_COUNTED, asked)).one()
    # of a flood the first ones stand on record, and how many there were
    return keep and counted.times <= MOST


Place = tuple[datetime, str, str, str, str]


async def counts(
    connection: AsyncConnection, subject: str, after: Place | None, size: int
) -> list[Counted]:
    """Up to ``size`` counts after a place, the latest hour first; of one person, or of all."""
    c = refusal_counts.c
    query = select(refusal_counts).order_by(c.hour.desc(), c.subject, c.role, c.scope, c.code)
    if subject:
        query = query.where(c.subject == subject)
    if after is not None:
        hour, *rest = after
        query = query.where(
            (c.hour < hour)
            | ((c.hour == hour) & (tuple_(c.subject, c.role, c.scope, c.code) > tuple(rest)))
        )
    rows = await connection.execute(query.limit(size))
    return [Counted(**row) for row in rows.mappings()]


async def of_case(connection: AsyncConnection, case_id: str, most: int = 1000) -> list[RefusedAct]:
    """The latest refused acts of a case, in the order in which they were refused."""
    found = await connection.execute(
        select(refusals)
        .where(refusals.c.case_id == case_id)
        .order_by(refusals.c.id.desc())
        .limit(most)
    )
    rows = reversed(found.mappings().all())
    return [RefusedAct(**{key: row[key] for key in RefusedAct.model_fields}) for row in rows]


async def signed_since(connection: AsyncConnection) -> datetime:
    """Since when every process is begun by a signed start."""
    found = await connection.execute(select(signed_starts.c.since))
    since: datetime = found.scalar_one()
    return since
