"""What is in force against whom: the one place that everybody else asks."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.clock import day_of
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from store import enforcement
from store.enforcement import Measure as Measure

in_force = enforcement.in_force
"""``in_force(connection, institution, now)``: the measures in force against an institution."""


async def refuse_applications(connection: AsyncConnection, institution: str, now: datetime) -> None:
    """Raises Refused while a measure has an institution's new applications refused."""
    for measure in await in_force(connection, institution, now):
        if "refuse_applications" in measure.effects:
            params = {
                "measure": measure.label,
                "since": str(day_of(measure.effective_at)),
                "cure": measure.cure.rstrip("。"),
            }
            raise Refused(Refusal(code=Code.APPLICATIONS_REFUSED, params=params, cite=measure.cite))


async def listed_on_certificates(
    connection: AsyncConnection, institution: str, now: datetime
) -> list[Measure]:
    """The measures that the rules have shown on an institution's public certificate pages."""
    found = await in_force(connection, institution, now)
    return [measure for measure in found if "show_on_certificate" in measure.effects]


class EnforcementRegister:
    """Registers of measures, and the figures of a campaign's enforcement."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def page(
        self,
        after: tuple[datetime, str] | None,
        size: int,
        *,
        within: str = "",
        measure: str | None = None,
        holds: bool | None = None,
        published: bool | None = None,
        name: str = "",
    ) -> list[Measure]:
        """Up to ``size`` measures that took effect, the newest first."""
        async with self._engine.connect() as connection:
            return await enforcement.register(
                connection,
                self._clock(),
                within=within,
                measure=measure,
                holds=holds,
                published=published,
                name=name,
                after=after,
                size=size,
            )

    async def figures(self, campaign: str, within: str) -> list[tuple[str, str, str, int]]:
        """How many cases of a campaign's enforcement stand where: status, measure, end, cases."""
        async with self._engine.connect() as connection:
            return await enforcement.figures(connection, campaign, within)
