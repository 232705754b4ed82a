"""As of: a case, a list, a campaign's figures as they stood at any moment; two moments compared."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.events import Position
from domain.model import Value
from store import auditing


class Moment(Value):
    """Where a case stood at a moment; ``sequence`` is its last step until then."""

    case_id: str
    at: datetime
    status: str
    level: int
    authority: str
    claimed_by: str
    due: datetime | None
    revision: int
    sequence: int


class Figures(Value):
    """How many cases of a campaign stood where at a moment: by status, and by authority."""

    campaign: str
    at: datetime
    total: int
    statuses: dict[str, int]
    authorities: dict[str, int]


class Moved(Value):
    """One case that stood elsewhere at one of two moments; empty: it was not on record yet."""

    case_id: str
    before: str
    after: str


async def as_of(engine: AsyncEngine, case_id: str, at: datetime) -> Moment | None:
    """A case at a moment; None if it was not on record yet."""
    async with auditing.snapshot(engine) as connection:
        asked = {"what": case_id, "at": at}
        stood = [one async for one in _moments(connection, auditing.CASE_AS_OF, asked)]
    return stood[0] if stood else None


async def listed_as_of(
    engine: AsyncEngine,
    campaign: str,
    at: datetime,
    status: str = "",
    after: str = "",
    size: int | None = None,
) -> AsyncIterator[Moment]:
    """The cases of a campaign at a moment, so many after an id, in the order of their ids."""
    asked = {"what": campaign, "at": at, "status": status, "after": after, "size": size}
    async with auditing.snapshot(engine) as connection:
        async for moment in _moments(connection, auditing.CAMPAIGN_AS_OF, asked):
            yield moment


async def figures_as_of(engine: AsyncEngine, campaign: str, at: datetime) -> Figures:
    """A campaign's figures at a moment."""
    statuses: Counter[str] = Counter()
    authorities: Counter[str] = Counter()
    async for moment in listed_as_of(engine, campaign, at):
        statuses[moment.status] += 1
        if moment.authority:
            authorities[moment.authority] += 1
    return Figures(
        campaign=campaign,
        at=at,
        total=statuses.total(),
        statuses=dict(sorted(statuses.items())),
        authorities=dict(sorted(authorities.items())),
    )


async def compared(
    engine: AsyncEngine,
    campaign: str,
    before: datetime,
    after: datetime,
    last: str = "",
    size: int | None = None,
) -> AsyncIterator[Moved]:
    """The cases of a campaign that did not stand where they had stood; so many after ``last``."""
    moments = {"before": before, "after": after}
    async with auditing.snapshot(engine) as connection:
        asked = {"campaign": campaign, **moments, "last": last, "size": size}
        async for row in auditing.rows(connection, auditing.MOVED_BETWEEN, **asked):
            yield Moved(
                case_id=row["case_id"], before=row["before"] or "", after=row["after"] or ""
            )


async def _moments(
    connection: AsyncConnection, statement: str, asked: dict[str, Any]
) -> AsyncIterator[Moment]:
    async for row in auditing.rows(connection, statement, **asked):
        stood = Position.model_validate(row["position"])
        yield Moment(
            case_id=row["case_id"],
            at=asked["at"],
            sequence=row["sequence"],
            **stood.model_dump(exclude={"status"}),
            status=stood.status.value,
        )
