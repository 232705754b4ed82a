"""Serving a 催报 on one filing: for the command line, and for whoever has many to remind."""

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor, ServeReminder
from domain.case.workflow_messages import Receipt
from domain.notices import Channel
from domain.refusals import Code, Refusal, Refused
from services.cases import CaseService
from services.clock import Clock
from services.notices.telling import Telling
from store import cases, content


class ReminderService:
    """Serves 催报, each on record as a step of its case."""

    def __init__(
        self, engine: AsyncEngine, acting: CaseService, telling: Telling, clock: Clock
    ) -> None:
        self._engine = engine
        self._acting = acting
        self._clock = clock
        self._telling = telling

    async def serve(
        self,
        case_id: str,
        actor: Actor,
        key: str,
        text: str,
        *,
        title: str = "",
        channels: tuple[Channel, ...] = (Channel.MAIL,),
        document: str = "",
    ) -> Receipt:
        """Reminds the filer of a case; the same key again is answered with the same receipt.

        Raises Refused: no such case, nothing that is owed, or the key was used for another.
        """
        async with self._engine.begin() as connection:
            case = await cases.by_id(connection, case_id)
            if case is None:
                raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"办件 {case_id}"}))
            note = {"title": title, "reason": text}
            sha256 = await content.save_note(connection, note) if text.strip() else ""
        command = ServeReminder(
            id=key,
            actor=actor,
            received_at=self._clock(),
            note_sha256=sha256,
            channels=tuple(channel.value for channel in channels),
            document=document,
        )
        receipt = await self._acting.act(case, command)
        await self._telling.tell(case_id)
        return receipt
