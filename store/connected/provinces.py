"""How far provinces have come with coding their certificates: plans, deliveries, certificates."""

from datetime import date, datetime
from typing import Literal

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Value
from store.tables import province_plans

PlannedMode = Literal["manual", "connected"]


class ProvincePlan(Value):
    """The plan a province has sent in: when it came, under which document, for which mode."""

    authority: str
    received_on: date
    document: str
    mode: PlannedMode
    recorded_by: str
    recorded_at: datetime


class Progress(Value):
    """What an authority has issued through the system so far, by the way it came in.

    ``batch`` is what was taken over and not delivered by a client.
    """

    manual: int = 0
    batch: int = 0
    connected: int = 0
    first_certificate: datetime | None = None
    first_sandbox_delivery: datetime | None = None
    first_delivery: datetime | None = None


async def plans(connection: AsyncConnection) -> dict[str, ProvincePlan]:
    """The plans received, by authority."""
    found = await connection.execute(select(province_plans))
    return {row["authority"]: ProvincePlan(**row) for row in found.mappings()}


async def save_plan(connection: AsyncConnection, plan: ProvincePlan) -> None:
    """Puts a plan on record in place of what a province sent before."""
    values = plan.model_dump()
    await connection.execute(
        insert(province_plans)
        .values(values)
        .on_conflict_do_update(index_elements=["authority"], set_=values)
    )


async def progress(connection: AsyncConnection) -> dict[str, Progress]:
    """How far each authority is that has delivered or issued anything."""
    found: dict[str, Progress] = {}
    for row in (await connection.execute(_ISSUED)).mappings():
        found[row["issuer"]] = Progress(
            manual=row["total"] - row["taken_over"],
            batch=row["taken_over"] - row["connected"],
            connected=row["connected"],
            first_certificate=row["first_certificate"],
        )
    for row in (await connection.execute(_DELIVERED)).mappings():
        known = found.get(row["authority"], Progress())
        found[row["authority"]] = known.model_copy(
            update={
                "first_sandbox_delivery": row["first_sandbox"],
                "first_delivery": row["first_real"],
            }
        )
    return found


# a certificate that a person entered was applied for under a key of that person's; what is taken
# over, from a file or from a client, is applied for under a name that says so
_ISSUED = text("""
    SELECT issuer, count(*) AS total, count(taken_over) AS taken_over,
           count(delivered) AS connected, min(first_at) AS first_certificate
    FROM (
        SELECT c.issuer,
               (SELECT true FROM journal j
                WHERE j.case_id = c.case_id AND j.command_id LIKE 'take-over:%' LIMIT 1
               ) AS taken_over,
               (SELECT true FROM certificate_deliveries d
                WHERE d.authority = c.issuer AND NOT d.sandbox AND d.number = c.number
                  AND d.action = 'issue' LIMIT 1
               ) AS delivered,
               (SELECT n.allotted_at FROM certificate_numbers n WHERE n.number = c.number
               ) AS first_at
        FROM certificates c WHERE c.origin = 'issued'
    ) AS one
    GROUP BY issuer
""")

_DELIVERED = text("""
    SELECT authority,
           min(received_at) FILTER (WHERE sandbox) AS first_sandbox,
           min(received_at) FILTER (WHERE NOT sandbox) AS first_real
    FROM certificate_deliveries WHERE stage = 'accepted'
    GROUP BY authority
""")
