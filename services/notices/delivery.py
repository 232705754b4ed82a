"""Sending notices out of the system: at least once, by any number of workers, again for a day.

A delivery is claimed for one attempt by moving its next instant ahead; a worker that dies in the
middle leaves it to the next one then. Whoever receives it twice knows it by its id.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import SYSTEM, Role
from domain.notices import EVIDENCE, NOTICE_DELIVERED, Channel, DeliveryState, notice_case_id
from services.clock import Clock
from services.notices import mail
from services.notices.failures import NotDelivered, Refused, Unaddressed
from services.notices.mail import MailServer
from services.notices.webhooks import Webhooks
from services.repeated import repeated
from store import addresses, contacts, journal, notices
from store.notices import Delivery, Notice

log = structlog.get_logger()

EVERY = 2.0
"""Seconds between two looks."""

FIRST_AGAIN = timedelta(seconds=30)
LAST_AGAIN = timedelta(hours=4)
ATTEMPTS = 12
"""After so many attempts, within about a day, a delivery is given up."""

_AT_ONCE = 8
_LEASE = timedelta(minutes=3)
"""Longer than any attempt takes: nobody else tries before."""


class Delivering:
    """Sends what is due; any number of processes may do so at the same time."""

    def __init__(
        self, engine: AsyncEngine, server: MailServer | None, hooks: Webhooks, clock: Clock
    ) -> None:
        self._engine = engine
        self._server = server
        self._hooks = hooks
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Sends from time to time."""
        return repeated(self.deliver, first=EVERY, every=EVERY, failed="not_delivered")

    async def deliver(self) -> None:
        """Tries everything that is due, each once."""
        while True:
            now = self._clock()
            async with self._engine.begin() as connection:
                due = await notices.claim(connection, now, now + _LEASE, _AT_ONCE)
            await asyncio.gather(*(self._attempt(*one) for one in due))
            if len(due) < _AT_ONCE:
                return

    # --- private steps -----------------------------------------------------------------------

    async def _attempt(self, delivery: Delivery, notice: Notice) -> None:
        target = ""
        try:
            target = await self._target(delivery, notice)
            await self._send(delivery, notice, target)
        except NotDelivered as failure:
            await self._failed(delivery, target, failure)
        except Exception:
            # one that cannot be sent must not keep the others waiting
            log.exception("delivery_failed", delivery=delivery.id)
            await self._failed(delivery, target, NotDelivered("发送时发生了意外错误"))
        else:
            await self._done(delivery, notice, target)

    async def _target(self, delivery: Delivery, notice: Notice) -> str:
        """Where it goes, as it is registered now. Raises Unaddressed."""
        async with self._engine.connect() as connection:
            known = await addresses.of(connection, notice.addressee, delivery.channel)
            people = (
                await contacts.current(connection, notice.addressee)
                if delivery.channel is Channel.MAIL and notice.audience is Role.FILER
                else []
            )
        active = [one for one in known if one.active]
        if delivery.channel is Channel.MAIL:
            mails = [person.mail for person in people] + [one.target for one in active]
            if not any(mails):
                raise Unaddressed("没有登记的邮箱")
            return ", ".join(dict.fromkeys(filter(None, mails)))
        mine = [one for one in active if delivery.address_id in ("", one.id)]
        if not mine:
            raise Unaddressed("没有登记的推送网址，或已停用")
        return mine[0].target

    async def _send(self, delivery: Delivery, notice: Notice, target: str) -> None:
        if delivery.channel is Channel.WEBHOOK:
            await self._hooks.send(target, delivery.address_id, delivery.id, notice, self._clock())
            return
        if self._server is None:
            raise NotDelivered("没有设置邮件服务器（ZHIBAO_MAIL_SERVER）")
        recipients: Sequence[str] = target.split(", ")
        written = mail.message(notice, delivery.id, self._server.sender, recipients)
        await mail.send(self._server, written, recipients)

    async def _done(self, delivery: Delivery, notice: Notice, target: str) -> None:
        now = self._clock()
        async with self._engine.begin() as connection:
            first = await notices.delivered(connection, delivery.id, target, now)
            if first and notice.kind in EVIDENCE:
                await journal.append_operator_step(
                    connection,
                    notice_case_id(notice.id),
                    NOTICE_DELIVERED,
                    SYSTEM,
                    now,
                    # an address is somebody's own: it stands with the delivery only
                    {"channel": delivery.channel.value},
                    f"{NOTICE_DELIVERED}:{delivery.id}",
                )

    async def _failed(self, delivery: Delivery, target: str, failure: NotDelivered) -> None:
        state, next_at = DeliveryState.WAITING, None
        if isinstance(failure, Unaddressed):
            state = DeliveryState.UNADDRESSED
        elif isinstance(failure, Refused) or delivery.attempts >= ATTEMPTS:
            state = DeliveryState.FAILED
        else:
            next_at = again(self._clock(), delivery.attempts)
        log.warning(
            "notice_not_delivered",
            delivery=delivery.id,
            channel=delivery.channel.value,
            attempt=delivery.attempts,
            state=state.value,
            why=str(failure),
        )
        async with self._engine.begin() as connection:
            await notices.not_delivered(
                connection, delivery.id, target, str(failure), state, next_at
            )


def again(now: datetime, attempts: int) -> datetime:
    """When the next attempt is, after so many: twice as long each time, and never all at once."""
    wait = min(FIRST_AGAIN * float(2 ** (attempts - 1)), LAST_AGAIN)
    return now + wait * random.uniform(0.5, 1)  # noqa: S311 - nothing secret
