"""What complaints ask for: telling the outcome to the complainant, and to the batches concerned."""

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from domain.case.commands import SYSTEM
from domain.complaints import SETTLE_COMPLAINT, SettleComplaint
from domain.numbers.commands import NoteComplaint
from services.cases import CaseService
from store import complaints


class ComplaintActivities:
    """The activities of complaints, with what they need to act."""

    def __init__(self, engine: AsyncEngine, cases: CaseService) -> None:
        self._engine = engine
        self._cases = cases

    @activity.defn(name=SETTLE_COMPLAINT)
    async def settle_complaint(self, asked: SettleComplaint) -> None:
        """Puts outcome and reply where the receipt finds them, then a note on each batch."""
        async with self._engine.begin() as connection:
            settled = await complaints.settle(connection, asked.case_id)
            batches = await complaints.batches(connection, settled)
        for batch in batches:
            command = NoteComplaint(
                id=f"complaint:{asked.case_id}",
                actor=SYSTEM,
                received_at=settled.resolved_at,
                complaint=asked.case_id,
                outcome=settled.outcome,
            )
            await self._cases.act(batch, command)
