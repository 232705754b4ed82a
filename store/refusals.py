"""Refused acts on record."""

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.timeline import RefusedAct
from store.tables import refusals


async def add(connection: AsyncConnection, case_id: str, act: RefusedAct, command_id: str) -> None:
    """Puts a refused act on record."""
    await connection.execute(
        insert(refusals).values(
            case_id=case_id,
            command_id=command_id,
            action=act.action,
            subject=act.subject,
            role=act.role.value,
            scope=act.scope,
            refusal=act.refusal.model_dump(mode="json"),
            at=act.at,
        )
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
