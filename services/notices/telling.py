"""Which notices the steps of cases lead to, and serving them.

A step that is to be told is marked in the outbox by the transaction that records it. Whoever asked
for it has it told at once; the worker tells of what timers did, and of what a crash left over.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Role
from domain.case.events import Step
from domain.case.reminders import REMINDED, REMINDER_SERVED
from domain.kinds import KINDS
from domain.messages import closing_time
from domain.notices import Channel, NewNotice, NoticeKind
from domain.numbers.quarters import Period
from services.clock import Clock
from services.notices.serving import serve
from services.repeated import repeated
from store import notices
from store.notices import Told

EVERY = 1.0
"""Seconds between two looks."""

_AT_ONCE = 200


class Telling:
    """Serves the notices of steps; any number of processes may do so at the same time."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Tells from time to time."""
        return repeated(self.tell_all, first=EVERY, every=EVERY, failed="not_told")

    async def tell(self, case_id: str = "") -> int:
        """Tells of the steps of a case, or of some of all that wait; how many there were."""
        async with self._engine.begin() as connection:
            waiting = await notices.to_tell(connection, case_id, _AT_ONCE)
            for one in waiting:
                for new in notices_of(one):
                    await serve(connection, new, self._clock())
            await notices.told(connection, [one.id for one in waiting])
        return len(waiting)

    async def tell_all(self) -> None:
        """Tells of everything that waits."""
        while await self.tell() == _AT_ONCE:
            pass


def notices_of(told: Told) -> Sequence[NewNotice]:
    """The notices that a step leads to."""
    match told.step.event:
        case event if event == REMINDER_SERVED:
            return [_reminder_to_file(told)]
        case event if event == REMINDED:
            return [_reminder(told)]
    return []


def _reminder_to_file(told: Told) -> NewNotice:
    step, note = told.step, told.note or {}
    title = note.get("title") or f"关于{_about(told)}的催报通知"
    due = closing_time(datetime.fromisoformat(step.body["due"]))
    document = f"\n文号：{step.body['document']}" if step.body["document"] else ""
    tail = f"应于 {due} 前完成。依据：{step.cite}。" if step.cite else f"应于 {due} 前完成。"
    return _notice(
        told,
        NoticeKind.REMINDER_TO_FILE,
        title,
        f"{told.institution_name}：\n{note.get('reason', '')}\n{_about(told)}，{tail}{document}",
        channels=tuple(dict.fromkeys([Channel.MESSAGE, *map(Channel, step.body["channels"])])),
    )


def _reminder(told: Told) -> NewNotice:
    step = told.step
    due = closing_time(datetime.fromisoformat(step.body["due"]))
    text = f"{told.institution_name}：\n{_about(told)}尚未完成，{due} 截止。依据：{step.cite}。"
    return _notice(told, NoticeKind.REMINDER, step.body["label"], text)


def _notice(
    told: Told,
    kind: NoticeKind,
    title: str,
    body: str,
    *,
    audience: Role = Role.FILER,
    addressee: str = "",
    channels: tuple[Channel, ...] = (Channel.MESSAGE, Channel.MAIL),
) -> NewNotice:
    step: Step = told.step
    return NewNotice(
        case_id=step.case_id,
        key=str(step.sequence),
        kind=kind,
        institution=told.institution,
        audience=audience,
        addressee=addressee or told.institution,
        title=title,
        body=body,
        served_by=step.actor,
        served_at=step.at,
        channels=channels,
    )


def _about(told: Told) -> str:
    """What the case is, in words: ``2024年度统计填报``."""
    return f"{Period(told.year, told.quarter)} {KINDS[told.kind].label}"
