"""Which campaign covers a place, and what is on record of an institution's annual filings."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Role
from domain.case.plan import WINDOWS
from domain.facts import FilingEnd, FilingRecord
from domain.numbers.quarters import Period
from services.rule_sets import PinnedRules
from store import campaigns, cases


async def campaign_for(
    connection: AsyncConnection, pinned: PinnedRules, period: Period, region: str
) -> tuple[str, str] | None:
    """The campaign of a period that a region belongs to, and the rule set it pins there."""
    opened = await campaigns.of_period(connection, period.year, period.quarter)
    by_jurisdiction = {campaign.jurisdiction: campaign for campaign in opened}
    for any_of_them in opened:
        tree = (await pinned.get(any_of_them.rule_set)).document.tree
        places = list(tree.upwards(region))
        campaign = next((by_jurisdiction[p] for p in places if p in by_jurisdiction), None)
        if campaign is not None:
            sha256 = next((campaign.rule_sets[p] for p in places if p in campaign.rule_sets), None)
            if sha256 is not None:
                return campaign.case_id, sha256
    return None


async def filing_record(
    connection: AsyncConnection,
    pinned: PinnedRules,
    institution: str,
    region: str,
    now: datetime,
) -> FilingRecord:
    """What is on record of an institution's annual filings at ``now``.

    A year is closed when the last window of its filers has closed under the rules of the region.
    """
    closed = []
    for year in await campaigns.years(connection):
        covering = await campaign_for(connection, pinned, Period(year), region)
        if covering is None:
            continue
        windows = (await pinned.get(covering[1])).windows
        of_filers = [w.closes for name, w in windows.items() if WINDOWS[name].acts is Role.FILER]
        if max(of_filers) <= now:
            closed.append(year)
    ends = await cases.filings_by_year(connection, institution)
    latest = max(closed, default=0)
    return FilingRecord(
        latest_closed_year=latest,
        end=ends.get(latest, FilingEnd.NOT_OPENED),
        completed_years=sum(end is FilingEnd.COMPLETED for end in ends.values()),
    )
