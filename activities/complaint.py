"""What complaints ask for: telling the outcome to the complainant, and to the batches concerned."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from domain.case import commands as c
from domain.case.commands import SYSTEM, Command
from domain.case.workflow_messages import Receipt
from domain.numbers.report_numbers import SETTLE_COMPLAINT, SettleComplaint
from store import complaints
from store.cases import Case

Act = Callable[[Case, Command], Awaitable[Receipt]]
"""Has a command carried out by its case's workflow (see `services.cases.CaseService.act`)."""


class ComplaintActivities:
    """The activities of complaints, with what they need to act."""

    def __init__(self, engine: AsyncEngine, act: Act) -> None:
        self._engine = engine
        self._act = act

    @activity.defn(name=SETTLE_COMPLAINT)
    async def settle_complaint(self, asked: SettleComplaint) -> None:
        """Puts outcome and reply where the receipt finds them, then a note on each batch."""
        async with self._engine.begin() as connection:
            settled = await complaints.settle(connection, asked.case_id)
            batches = await complaints.batches(connection, settled)
        for batch in batches:
            command = c.NoteComplaint(
                id=f"complaint:{asked.case_id}",
                actor=SYSTEM,
                received_at=settled.resolved_at,
                complaint=asked.case_id,
                outcome=settled.outcome,
            )
            await self._act(batch, command)
