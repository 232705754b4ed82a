"""Amendments of the rules of filings under way, and the filings they may concern."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor
from domain.case.plan import CasePlan
from domain.case.status import Status
from domain.model import Value
from store.tables import amendments


class Amendment(Value):
    """An amendment; its id is that of its job. ``before`` and ``after`` are by jurisdiction."""

    id: str
    campaign: str
    opening: int
    before: dict[str, str]
    after: dict[str, str]
    document: str
    note_sha256: str
    made_by: Actor
    made_at: datetime


class UnderWay(Value):
    """A filing that has not ended, as far as an amendment asks. ``inputs`` are the facts that its
    plan was decided by, None where they are not on record."""

    case_id: str
    institution_id: str
    institution_name: str
    region: str
    status: Status
    submitted: bool
    extended_until: datetime | None
    plan: CasePlan
    inputs: dict[str, Any] | None


_UNDER_WAY = text("""
    SELECT c.case_id, c.institution_id, i.name AS institution_name, i.region, c.status,
           c.submitted_at IS NOT NULL AS submitted, c.extended_until, c.plan, (
               SELECT j.step -> 'body' -> 'inputs' FROM journal j
               WHERE j.case_id = c.case_id AND j.event = 'scheduled'
               ORDER BY j.sequence DESC LIMIT 1
           ) AS inputs
    FROM cases c JOIN institutions i ON i.id = c.institution_id
    WHERE c.campaign = :campaign AND c.status = ANY(:statuses) AND c.case_id > :after
    ORDER BY c.case_id LIMIT :size
""")

_INPUTS = text("""
    SELECT step -> 'body' -> 'inputs' FROM journal
    WHERE case_id = :case_id AND event = 'scheduled' ORDER BY sequence DESC LIMIT 1
""")


async def add(connection: AsyncConnection, amendment: Amendment) -> None:
    """Puts an amendment on record."""
    await connection.execute(insert(amendments).values(amendment.model_dump(mode="python")))


async def by_id(connection: AsyncConnection, id_: str) -> Amendment | None:
    """One amendment, None if there is none with this id."""
    rows = await connection.execute(select(amendments).where(amendments.c.id == id_))
    row = rows.mappings().first()
    return Amendment(**row) if row else None


async def of_campaign(connection: AsyncConnection, campaign: str) -> list[Amendment]:
    """The amendments of a campaign, the newest first."""
    query = select(amendments).where(amendments.c.campaign == campaign)
    rows = await connection.execute(query.order_by(amendments.c.made_at.desc()))
    return [Amendment(**row) for row in rows.mappings()]


async def under_way(
    connection: AsyncConnection, campaign: str, statuses: Sequence[Status], after: str, size: int
) -> list[UnderWay]:
    """Up to ``size`` filings of a campaign in these statuses, by their ids."""
    asked = {"campaign": campaign, "statuses": [str(one) for one in statuses]}
    rows = await connection.execute(_UNDER_WAY, {**asked, "after": after, "size": size})
    return [UnderWay(**row) for row in rows.mappings()]


class Held(Value):
    """How many filings that an amendment concerns wait for an authority, "" for none, by region."""

    authority: str
    region: str
    number: int


_HELD = text("""
    SELECT CASE WHEN c.status IN ('in_review', 'quality_check') THEN c.authority ELSE '' END
               AS authority, i.region, count(*) AS number
    FROM job_items t
    JOIN cases c ON c.case_id = t.case_id
    JOIN institutions i ON i.id = c.institution_id
    WHERE t.job_id = :id
    GROUP BY 1, 2 ORDER BY 1, 2
""")


async def held(connection: AsyncConnection, id_: str) -> list[Held]:
    """The filings that an amendment concerns, counted by who has them now and by region."""
    rows = await connection.execute(_HELD, {"id": id_})
    return [Held(**row) for row in rows.mappings()]


async def inputs(connection: AsyncConnection, case_id: str) -> dict[str, Any] | None:
    """The facts that a filing's plan was decided by, None where they are not on record."""
    found: dict[str, Any] | None = (
        await connection.execute(_INPUTS, {"case_id": case_id})
    ).scalar_one_or_none()
    return found
