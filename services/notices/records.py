"""Served notices as their people see them: lists, one, and that its addressee has opened it."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor, Role
from domain.jurisdictions import authority_of
from domain.notices import EVIDENCE, NOTICE_SEEN, notice_case_id
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from store import journal, notices
from store.notices import Notice as Notice


class NoticeRecords:
    """Reads notices, and notes that somebody has."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def page(
        self, after: tuple[datetime, str] | None, size: int, **filters: Any
    ) -> list[Notice]:
        """Up to ``size`` notices, the newest first; filters as `store.notices.page` has them."""
        async with self._engine.connect() as connection:
            return await notices.page(connection, after=after, size=size, **filters)

    async def find(self, id_: str) -> Notice:
        """One notice. Raises Refused when there is none."""
        async with self._engine.connect() as connection:
            notice = await notices.by_id(connection, id_)
        if notice is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"通知 {id_}"}))
        return notice

    async def opened(self, notice: Notice, actor: Actor) -> Notice:
        """The notice, after it is noted that its addressee has seen it, if that is who asks."""
        own = authority_of(actor.scope) if actor.role is Role.OPERATOR else actor.scope
        if notice.seen_at is not None or own != notice.addressee:
            return notice
        if actor.role is not notice.audience:
            return notice
        now = self._clock()
        async with self._engine.begin() as connection:
            first = await notices.mark_seen(connection, notice.id, actor.subject, now)
            if first and notice.kind in EVIDENCE:
                await journal.append_operator_step(
                    connection, notice_case_id(notice.id), NOTICE_SEEN, actor, now, {}, NOTICE_SEEN
                )
        return await self.find(notice.id)
