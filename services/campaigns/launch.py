"""Launching a campaign: everybody's filing on record first, then a process for each.

What is on record can be seen and worked on at once: whoever acts on a case has its process started
there and then. A page of cases is one statement, so that a crash leaves whole pages only.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from domain.case.commands import Extend
from domain.case.opening import has_begun_anew, opened_on_record
from domain.case.status import ENDED
from domain.case.workflow_messages import Carried, CaseOpening, CaseStart
from domain.filing.kind import FILING
from domain.kinds import KINDS
from engine.client import translated
from engine.starting import start_case
from services.revival import start_from_record
from store import amendments, campaigns, cases, extensions, journal
from store.cases import Case
from store.writer import StepsTaken, write_steps

PAGE = 500
AT_ONCE = 24
"""Starts under way at once; more only adds latency (see docs/performance.md)."""


class Annulled(Exception):
    """A campaign was annulled, or opened again under other rules: nobody files under these."""


class Amended(Annulled):
    """A campaign has come under other rules since a case was planned: it is to be planned anew."""


async def put_on_record(
    engine: AsyncEngine, starts: Sequence[CaseStart], now: datetime, *, launched: bool = False
) -> dict[str, str]:
    """Puts those of some cases on record that are not; returns where the others belong.

    That is a campaign for each case that was there before. Filings that were annulled with their
    campaign begin anew under their ids. Raises Annulled when their campaign is now.
    """
    try:
        return await _put_on_record(engine, starts, now, launched)
    except StepsTaken:
        # somebody has just asked for one of these filings: now it is among those present
        return await _put_on_record(engine, starts, now, launched)


async def begin_one(engine: AsyncEngine, client: Client, start: CaseStart, now: datetime) -> bool:
    """Puts one case on record and starts its process; False where it is on record already.

    It has the extension of its place. Raises Annulled when its campaign is, Refused while the
    engine is away: then whoever acts on it has it started.
    """
    if await put_on_record(engine, [start], now, launched=True):
        return False
    async with engine.connect() as connection:
        case = await cases.by_id(connection, start.case_id)
        steps = await journal.steps(connection, start.case_id)
    assert case is not None
    if case.status not in ENDED:
        async with translated():
            started = start_from_record(case, steps, now)
            await start_case(client, started, again=has_begun_anew(steps))
    return True


async def _put_on_record(
    engine: AsyncEngine, starts: Sequence[CaseStart], now: datetime, launched: bool
) -> dict[str, str]:
    async with engine.begin() as connection:
        new: list[CaseStart] = []
        present: dict[str, str] = {}
        given: dict[str, Extend] = {}
        for campaign, of_campaign in _by_campaign(starts).items():
            opened = await campaigns.held(connection, campaign)
            pinned = {start.opening.plan.ruleset.sha256 for start in of_campaign}
            if opened is None or opened.annulled_at:
                raise Annulled(campaign)
            if pinned - set(opened.rule_sets.values()):
                amended = await amendments.of_campaign(connection, campaign)
                of_this = any(one.opening == opened.opening for one in amended)
                raise Amended(campaign) if of_this else Annulled(campaign)
            ids = [start.case_id for start in of_campaign]
            standing = await cases.campaigns_of(connection, ids)
            annulled = await cases.annulled_before(connection, list(standing), campaign)
            here = [
                begun_anew(start, annulled[start.case_id]) if start.case_id in annulled else start
                for start in of_campaign
                if start.case_id not in standing or start.case_id in annulled
            ]
            new += here
            present |= {id_: of for id_, of in standing.items() if id_ not in annulled}
            # what was granted in an opening that was annulled is none of this one's
            since = opened.opened_at if opened.opening > 1 else None
            given |= await _given_to_newcomers(connection, here, now, since)
        requests = [
            opened_on_record(KINDS[start.opening.kind], start, now, given.get(start.case_id))
            for start in new
        ]
        if requests:
            await write_steps(connection, requests, launched=launched)
    return present


def _by_campaign(starts: Sequence[CaseStart]) -> dict[str, list[CaseStart]]:
    by_campaign: dict[str, list[CaseStart]] = {}
    for start in starts:
        by_campaign.setdefault(start.opening.campaign, []).append(start)
    return by_campaign


def begun_anew(start: CaseStart, annulled: cases.Annulled) -> CaseStart:
    """What a filing that was annulled starts from: its record goes on, what it ran on is kept."""
    before = CaseOpening(
        kind=FILING.name,
        year=annulled.year,
        institution=annulled.institution_id,
        jurisdiction=annulled.jurisdiction,
        campaign=annulled.campaign,
        plan=annulled.plan,
        region=annulled.region,
    )
    carried = Carried(sequence=annulled.sequence, head=annulled.head)
    return start.model_copy(update={"carried": carried, "before": before})


async def _given_to_newcomers(
    connection: AsyncConnection,
    starts: Sequence[CaseStart],
    now: datetime,
    since: datetime | None,
) -> dict[str, Extend]:
    """What the extensions of their places, granted ``since``, give to cases that begin now."""
    given: dict[str, Extend] = {}
    for period in {(s.opening.kind, s.opening.year, s.opening.quarter) for s in starts}:
        running = [
            extension
            for extension in await extensions.standing(connection, *period, now)
            if since is None or extension.granted_at >= since
        ]
        owners = {
            start.case_id: start.opening.institution
            for start in starts
            if (start.opening.kind, start.opening.year, start.opening.quarter) == period
        }
        given |= await extensions.for_newcomers(connection, owners, running)
    return given


async def launch_page(
    engine: AsyncEngine, client: Client, campaign: str, now: datetime, tell: Callable[[], None]
) -> int:
    """Starts the processes of a page of cases that have none; returns how many, 0 for no more.

    ``tell`` is called whenever one is started.
    """
    async with engine.connect() as connection:
        waiting = await cases.to_launch(connection, campaign, PAGE)
        recorded = await journal.steps_of(connection, [case.case_id for case in waiting])
    gate = asyncio.Semaphore(AT_ONCE)

    async def launch(case: Case) -> None:
        steps = recorded.get(case.case_id)
        if case.status in ENDED or steps is None:
            # nothing to carry on: who extends it has its process started; a row without steps is
            # nobody's case, and the audit tells of it
            return
        async with gate:
            start = start_from_record(case, steps, now)
            await start_case(client, start, again=has_begun_anew(steps))
            tell()

    await asyncio.gather(*(launch(case) for case in waiting))
    async with engine.begin() as connection:
        await cases.mark_launched(connection, [case.case_id for case in waiting])
    return len(waiting)
