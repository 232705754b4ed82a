"""What the gateway has not given its word for, on record: counted, for auditors and alarms."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import SYSTEM
from domain.case.timeline import RefusedAct
from domain.orders import Order
from domain.refusals import Refusal
from services.clock import Clock
from store import refusals


class OrderRecords:
    """Counts refused orders. Who sent them nobody knows."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._since: datetime | None = None

    async def since(self) -> datetime:
        """Since when every process is begun by a signed start."""
        if self._since is None:
            async with self._engine.connect() as connection:
                self._since = await refusals.signed_since(connection)
        return self._since

    async def note(self, order: Order, refusal: Refusal) -> None:
        """Counts one more; in no case's chain, which nobody unknown is to lengthen."""
        act = RefusedAct(
            action=order.kind,
            **SYSTEM.model_dump(),
            at=self._clock(),
            refusal=refusal,
        )
        async with self._engine.begin() as connection:
            await refusals.count(connection, act, keep=False)
