"""What time has brought to the cases of a campaign, and what waits, in numbers."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.status import Status
from domain.notices import Channel, DeliveryState

TIMED = "^[a-z_]+@[0-9]+$"
"""The ids of commands that time gave, as `domain.case.kind.timed` names them."""


class Done(NamedTuple):
    """So many cases that time brought an event to, of those that were due at one instant."""

    kind: str
    event: str
    reminder: str
    at: datetime
    number: int
    last_at: datetime


class Waiting(NamedTuple):
    """So many cases in a status that runs out at one instant."""

    kind: str
    status: Status
    at: datetime
    number: int


class Sent(NamedTuple):
    """So many notices on one channel, of those that were served; ``tried``: at least once."""

    channel: Channel
    state: DeliveryState
    tried: bool
    number: int
    first_at: datetime


_DONE = text("""
    SELECT c.kind, j.event, coalesce(split_part(j.step #>> '{body,reminder}', '@', 1), ''),
           (j.step ->> 'received_at')::timestamptz, count(*), max(j.at)
    FROM cases c JOIN journal j USING (case_id)
    WHERE c.campaign = :campaign AND j.command_id ~ :timed
    GROUP BY 1, 2, 3, 4 ORDER BY 4, 2, 3
""")

_WAITING = text("""
    SELECT kind, status, due, count(*) FROM cases
    WHERE campaign = :campaign AND due IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 3, 2
""")

_SENT = text("""
    SELECT d.channel, d.state, d.attempts > 0, count(*), min(n.served_at)
    FROM cases c JOIN notices n USING (case_id) JOIN notice_deliveries d ON d.notice_id = n.id
    WHERE c.campaign = :campaign GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


async def done(connection: AsyncConnection, campaign: str) -> list[Done]:
    """What time has brought to a campaign's cases, by the instants at which it was due."""
    rows = await connection.execute(_DONE, {"campaign": campaign, "timed": TIMED})
    return [Done(*row) for row in rows]


async def waiting(connection: AsyncConnection, campaign: str) -> list[Waiting]:
    """What a campaign's cases wait for, by instant."""
    rows = await connection.execute(_WAITING, {"campaign": campaign})
    return [Waiting(kind, Status(status), at, count) for kind, status, at, count in rows]


async def sent(connection: AsyncConnection, campaign: str) -> list[Sent]:
    """What has become of the notices of a campaign's cases on each channel."""
    rows = await connection.execute(_SENT, {"campaign": campaign})
    return [
        Sent(Channel(channel), DeliveryState(state), tried, count, first)
        for channel, state, tried, count, first in rows
    ]
