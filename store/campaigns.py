"""Campaigns: which there are, what they pin, how far the pass over the register has come."""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.campaigns import CampaignStart, ScanProgress
from domain.jurisdictions import lies_in
from domain.model import Value
from store import readable
from store.tables import campaigns, journal


class Campaign(Value):
    """A campaign; ``quarter`` is 0 for a year's statistics.

    ``rule_sets`` maps jurisdictions to the sha256 of what they pin, ``rule_set`` is the campaign's
    own; the counts are those of the last pass over the register. ``opening`` counts how often it
    was opened: again after it was annulled.
    """

    case_id: str
    year: int
    quarter: int
    jurisdiction: str
    opened_by: str
    rule_sets: dict[str, str]
    rule_set: str
    stage: str
    considered: int
    started: int
    launched: int
    voluntary: int
    outside: int
    without_rules: int
    uncomputable: int
    elsewhere: int
    total: int
    late: bool
    note_sha256: str
    opened_at: datetime
    started_at: datetime | None
    annulled_at: datetime | None
    opening: int
    closed_at: datetime | None


async def add(connection: AsyncConnection, start: CampaignStart) -> bool:
    """Puts a campaign on record with the rule sets it pins; False: one is there, and stays.

    One that was annulled is opened again by the start that counts one opening more.
    """
    opened = {
        "opened_by": start.opened_by.subject,
        "rule_sets": start.rule_sets,
        "rule_set": start.rule_sets[start.jurisdiction],
        "opened_at": start.requested_at,
        "late": start.late,
        "note_sha256": start.note_sha256,
    }
    if start.opening > 1:
        again = await connection.execute(
            update(campaigns)
            .where(
                campaigns.c.case_id == start.case_id,
                campaigns.c.annulled_at.is_not(None),
                campaigns.c.opening == start.opening - 1,
            )
            .values(
                **opened,
                **ScanProgress().model_dump(exclude={"after"}),
                opening=start.opening,
                stage="",
                started_at=None,
                annulled_at=None,
                closed_at=None,
            )
            .returning(campaigns.c.case_id)
        )
        return again.first() is not None
    added = await connection.execute(
        insert(campaigns)
        .values(
            case_id=start.case_id,
            year=start.year,
            quarter=start.quarter,
            jurisdiction=start.jurisdiction,
            **opened,
        )
        .on_conflict_do_nothing()
        .returning(campaigns.c.case_id)
    )
    return added.first() is not None


async def by_id(connection: AsyncConnection, case_id: str) -> Campaign | None:
    """One campaign, None if it has not been opened."""
    rows = await connection.execute(select(campaigns).where(campaigns.c.case_id == case_id))
    row = rows.mappings().first()
    return Campaign(**row) if row else None


async def of_place(connection: AsyncConnection, year: int, quarter: int, place: str) -> list[str]:
    """The ids of the campaigns of a period that a place's cases may belong to, held still.

    Nobody else's case comes on record in them until the transaction ends.
    """
    rows = await connection.execute(
        select(campaigns.c.case_id, campaigns.c.jurisdiction)
        .where(campaigns.c.year == year, campaigns.c.quarter == quarter)
        .order_by(campaigns.c.case_id)
        .with_for_update()
    )
    return [
        row.case_id
        for row in rows
        if lies_in(row.jurisdiction, place) or lies_in(place, row.jurisdiction)
    ]


async def held(connection: AsyncConnection, case_id: str) -> Campaign | None:
    """A campaign that nobody annuls or opens again until the transaction ends."""
    rows = await connection.execute(
        select(campaigns).where(campaigns.c.case_id == case_id).with_for_update(read=True)
    )
    row = rows.mappings().first()
    return Campaign(**row) if row else None


async def annul(connection: AsyncConnection, case_id: str, note_sha256: str, at: datetime) -> None:
    """Says that a campaign counts for nothing, and why."""
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.case_id == case_id, campaigns.c.annulled_at.is_(None))
        .values(annulled_at=at, note_sha256=note_sha256, stage="ended")
    )


def _readable(rows: CursorResult[Any]) -> list[Campaign]:
    return readable.rows(rows.mappings(), lambda row: Campaign(**row), lambda row: row["case_id"])


async def newest_first(connection: AsyncConnection) -> list[Campaign]:
    """All campaigns, the newest period first."""
    rows = await connection.execute(
        select(campaigns).order_by(
            campaigns.c.year.desc(), campaigns.c.quarter.desc(), campaigns.c.jurisdiction
        )
    )
    return _readable(rows)


async def running(connection: AsyncConnection) -> list[Campaign]:
    """The campaigns that have not ended."""
    rows = await connection.execute(select(campaigns).where(campaigns.c.stage != "ended"))
    return _readable(rows)


async def of_period(connection: AsyncConnection, year: int, quarter: int) -> list[Campaign]:
    """The campaigns of one year (``quarter`` 0) or quarter, one for each jurisdiction.

    Those that were annulled are none.
    """
    rows = await connection.execute(
        select(campaigns).where(
            campaigns.c.year == year,
            campaigns.c.quarter == quarter,
            campaigns.c.annulled_at.is_(None),
        )
    )
    return _readable(rows)


async def years(connection: AsyncConnection) -> list[int]:
    """The years whose statistics were opened anywhere."""
    rows = await connection.execute(
        select(campaigns.c.year)
        .where(campaigns.c.quarter == 0, campaigns.c.annulled_at.is_(None))
        .distinct()
    )
    return list(rows.scalars())


async def note(connection: AsyncConnection, case_id: str, opening: int, **values: Any) -> bool:
    """Says something of one opening of a campaign; False, and nothing is said, if it is over."""
    noted = await connection.execute(
        update(campaigns)
        .where(
            campaigns.c.case_id == case_id,
            campaigns.c.opening == opening,
            campaigns.c.annulled_at.is_(None),
        )
        .values(**values)
        .returning(campaigns.c.case_id)
    )
    return noted.first() is not None


async def ever_pinned(connection: AsyncConnection, case_id: str) -> set[str]:
    """The sha256 of all rule sets that a campaign has pinned, in whichever of its openings."""
    rows = await connection.execute(
        select(journal.c.step["body"]["rule_sets"]).where(
            journal.c.case_id == case_id,
            journal.c.event.in_(("campaign_opened", "campaign_amended")),
        )
    )
    return {sha256 for pinned in rows.scalars() for sha256 in pinned.values()}


async def amend(
    connection: AsyncConnection, case_id: str, rule_sets: dict[str, str], jurisdiction: str
) -> None:
    """Has a campaign pin other rule sets from now on."""
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.case_id == case_id)
        .values(rule_sets=rule_sets, rule_set=rule_sets[jurisdiction])
    )


async def openings(connection: AsyncConnection, case_id: str, command_id: str) -> int:
    """How often a campaign had been opened when a command was recorded for it; 0: it never was."""
    at = select(journal.c.sequence).where(
        journal.c.case_id == case_id, journal.c.command_id == command_id
    )
    rows = await connection.execute(
        select(func.count()).where(
            journal.c.case_id == case_id,
            journal.c.event == "campaign_opened",
            journal.c.sequence <= at.order_by(journal.c.sequence).limit(1).scalar_subquery(),
        )
    )
    return int(rows.scalar_one())
