"""What enforcement asks for: terms counted by working days, and whether a filing is made good."""

import asyncio
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from domain.case.status import Status
from domain.enforcement.commands import (
    PREPARE_ENFORCEMENT,
    CountedTerm,
    EnforcementFindings,
    PrepareEnforcement,
)
from domain.working_days import CalendarMissing
from rules.file.calendars import read_calendar
from services.enforcement.cases import calendar_missing
from store import enforcement

_APPROVED = (Status.APPROVED, Status.QUALITY_CHECK, Status.COMPLETED)


class EnforcementActivities:
    """The activities of enforcement, with what they need to act."""

    def __init__(self, engine: AsyncEngine, rules: Path) -> None:
        self._engine = engine
        self._rules = rules

    @activity.defn(name=PREPARE_ENFORCEMENT)
    async def prepare_enforcement(self, asked: PrepareEnforcement) -> EnforcementFindings:
        """Counts terms by the years on file; looks at a filing's dates, and at nothing in it."""
        calendar = await asyncio.to_thread(read_calendar, self._rules)
        counted: dict[str, CountedTerm] = {}
        try:
            for one in asked.terms:
                before = counted.get(one.after)
                # a term that begins with another's end begins with that one's last day
                event = before.days[-1] if before is not None else None
                found = (
                    calendar.count(one.term, asked.now)
                    if event is None
                    else calendar.count_from(one.term, event)
                )
                counted[one.name] = CountedTerm(due=found.due, days=found.days)
        except CalendarMissing as missing:
            return EnforcementFindings(refusal=calendar_missing(missing))
        cured = await self._cured(asked) if asked.about else None
        return EnforcementFindings(terms=counted, cured=cured)

    async def _cured(self, asked: PrepareEnforcement) -> bool:
        dates = await enforcement.filing_dates(self._engine, asked.about)
        if dates is None or asked.since is None or dates.approved_at is None:
            return False
        return dates.status in _APPROVED and dates.approved_at > asked.since
