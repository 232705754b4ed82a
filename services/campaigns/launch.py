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
from domain.case.opening import opened_on_record
from domain.case.status import ENDED
from domain.case.workflow_messages import CaseStart
from domain.kinds import KINDS
from engine.starting import start_case
from services.revival import start_from_record
from store import campaigns, cases, extensions, journal
from store.cases import Case
from store.writer import StepsTaken, write_steps

PAGE = 500
AT_ONCE = 24
"""Starts under way at once; more only adds latency (see docs/performance.md)."""


class Annulled(Exception):
    """A campaign was annulled: nobody files in it any more."""


async def put_on_record(
    engine: AsyncEngine, starts: Sequence[CaseStart], now: datetime, *, launched: bool = False
) -> dict[str, str]:
    """Puts those of some cases on record that are not; returns where the others belong.

    That is a campaign for each case that was there before. Raises Annulled when their campaign is.
    """
    try:
        return await _put_on_record(engine, starts, now, launched)
    except StepsTaken:
        # somebody has just asked for one of these filings: now it is among those present
        return await _put_on_record(engine, starts, now, launched)


async def _put_on_record(
    engine: AsyncEngine, starts: Sequence[CaseStart], now: datetime, launched: bool
) -> dict[str, str]:
    async with engine.begin() as connection:
        for campaign in {start.opening.campaign for start in starts}:
            if await campaigns.held_annulled(connection, campaign):
                raise Annulled(campaign)
        present = await cases.campaigns_of(connection, [start.case_id for start in starts])
        new = [start for start in starts if start.case_id not in present]
        given = await _given_to_newcomers(connection, new, now)
        requests = [
            opened_on_record(KINDS[start.opening.kind], start, now, given.get(start.case_id))
            for start in new
        ]
        if requests:
            await write_steps(connection, requests, launched=launched)
    return present


async def _given_to_newcomers(
    connection: AsyncConnection, starts: Sequence[CaseStart], now: datetime
) -> dict[str, Extend]:
    """What the extensions of their places give to cases that come on record now."""
    given: dict[str, Extend] = {}
    for period in {(s.opening.kind, s.opening.year, s.opening.quarter) for s in starts}:
        running = await extensions.standing(connection, *period, now)
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
        if case.status in ENDED:
            # nothing to carry on: who extends it has its process started
            return
        async with gate:
            await start_case(client, start_from_record(case, recorded[case.case_id], now))
            tell()

    await asyncio.gather(*(launch(case) for case in waiting))
    async with engine.begin() as connection:
        await cases.mark_launched(connection, [case.case_id for case in waiting])
    return len(waiting)
