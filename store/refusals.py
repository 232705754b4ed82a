"""Refused acts on record, each case's in a chain of its own."""

from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_of
from domain.case.events import GENESIS
from domain.case.timeline import RefusedAct
from domain.clock import in_utc
from store.tables import refusal_heads, refusals

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
