"""For whom somebody acts while another person is away."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Actor, Role
from store import people

OF_AUTHORITIES = (Role.REVIEWER, Role.CHECKER, Role.CLERK)
"""The capacities in which people act for an authority."""


async def acting_for(
    connection: AsyncConnection, claimed_by: str, authority: str, actor: Actor, now: datetime
) -> str:
    """For whom somebody may act on a case that another person has claimed; "" for nobody."""
    if claimed_by in ("", actor.subject) or actor.role not in OF_AUTHORITIES:
        return ""
    principals = await people.principals(connection, authority, actor.subject, now)
    return claimed_by if claimed_by in principals else ""


async def whose_claims(connection: AsyncConnection, actor: Actor, now: datetime) -> Sequence[str]:
    """Whose claims somebody has to see to: their own, and those of whom they are the deputy."""
    others = await people.principals(connection, actor.scope, actor.subject, now)
    return [actor.subject, *others]
