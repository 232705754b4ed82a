"""Which campaign covers a place, and what is on record of an institution's annual filings."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import Kind, Status
from domain.facts import FilingStanding
from domain.numbers.quarters import Period
from services.rule_sets import PinnedRules
from store.tables import campaigns, cases

_FILERS = ("fill", "supplement", "correct")
"""The windows in which filers act: a year is closed when the last of them is."""


async def campaign_for(
    connection: AsyncConnection, pinned: PinnedRules, period: Period, region: str
) -> tuple[str, str] | None:
    """The campaign of a period that a region belongs to, and the rule set it pins there."""
    found = await connection.execute(
        select(campaigns.c.case_id, campaigns.c.jurisdiction, campaigns.c.rule_sets).where(
            campaigns.c.year == period.year, campaigns.c.quarter == period.quarter
        )
    )
    by_jurisdiction = {row.jurisdiction: row for row in found}
    for row in by_jurisdiction.values():
        tree = (await pinned.get(row.rule_sets[row.jurisdiction])).document.tree
        places = list(tree.upwards(region))
        campaign = next((by_jurisdiction[p] for p in places if p in by_jurisdiction), None)
        if campaign is not None:
            sha256 = next((campaign.rule_sets[p] for p in places if p in campaign.rule_sets), None)
            if sha256 is not None:
                return campaign.case_id, sha256
    return None


async def filing_standing(
    connection: AsyncConnection,
    pinned: PinnedRules,
    institution: str,
    region: str,
    now: datetime,
) -> FilingStanding:
    """What is on record of an institution's annual filings at ``now``.

    A year is closed when the last window of its filers has closed under the rules of the region.
    """
    years = await connection.execute(
        select(campaigns.c.year).where(campaigns.c.quarter == 0).distinct()
    )
    closed = []
    for (year,) in years.all():
        covering = await campaign_for(connection, pinned, Period(year), region)
        if covering is None:
            continue
        windows = (await pinned.get(covering[1])).windows
        last = max(
            windows[name].closes for name in ("fill", "supplement", "correct") if name in windows
        )
        if last <= now:
            closed.append(year)
    filed = await connection.execute(
        select(cases.c.year, cases.c.status).where(
            cases.c.institution_id == institution, cases.c.kind == Kind.FILING.value
        )
    )
    statuses = {row.year: row.status for row in filed}
    latest = max(closed, default=0)
    return FilingStanding(
        latest_closed_year=latest,
        expected=latest in statuses,
        completed=statuses.get(latest) == Status.COMPLETED,
        completed_years=sum(status == Status.COMPLETED for status in statuses.values()),
    )
