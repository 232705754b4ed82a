"""The outbox as an operator sees it: what is to be sent, what was given up, where it goes."""

import uuid
from datetime import datetime
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.contacts import Mail
from domain.notices import Channel, DeliveryState
from domain.refusals import Code, Refusal, Refused
from services.clock import Clock
from services.notices.webhooks import Webhooks
from store import addresses, journal, notices
from store.addresses import Address as Address
from store.notices import Delivery as Delivery
from store.notices import Notice as Notice

_MAIL: TypeAdapter[str] = TypeAdapter(Mail)


class Registered(NamedTuple):
    """An address; ``secret`` is what its receiver checks signatures with, "" for mail."""

    address: Address
    secret: str


class OutboxService:
    """Lists and replays deliveries; registers and ends addresses."""

    def __init__(self, engine: AsyncEngine, hooks: Webhooks, clock: Clock) -> None:
        self._engine = engine
        self._hooks = hooks
        self._clock = clock

    async def page(
        self,
        *,
        state: DeliveryState | None = None,
        channel: Channel | None = None,
        region_prefix: str = "",
        after: str = "",
        size: int = 50,
    ) -> list[tuple[Delivery, Notice]]:
        """Up to ``size`` deliveries outside the system, by their ids."""
        async with self._engine.connect() as connection:
            return await notices.outbox_page(
                connection,
                state=state,
                channel=channel,
                region_prefix=region_prefix,
                after=after,
                size=size,
            )

    async def find(self, id_: str) -> tuple[Delivery, Notice]:
        """One delivery with its notice. Raises Refused when there is none."""
        async with self._engine.connect() as connection:
            delivery = await notices.delivery_by_id(connection, id_)
            notice = await notices.by_id(connection, delivery.notice_id) if delivery else None
        if delivery is None or notice is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"送达 {id_}"}))
        return delivery, notice

    async def replay(self, id_: str, actor: Actor, key: str) -> tuple[Delivery, Notice]:
        """Has what was given up tried anew; what is waiting or has arrived stays as it is."""
        delivery, _ = await self.find(id_)
        now = self._clock()
        async with self._engine.begin() as connection:
            if await notices.replay(connection, id_, now):
                await journal.append_operator_step(
                    connection,
                    "outbox",
                    "delivery_replayed",
                    actor,
                    now,
                    {"delivery": id_, "channel": delivery.channel.value},
                    key,
                )
        return await self.find(id_)

    async def addresses(self, addressee: str) -> list[Address]:
        """The addresses of an institution or an authority, ended ones included."""
        async with self._engine.connect() as connection:
            return await addresses.of(connection, addressee)

    async def register(
        self, addressee: str, channel: Channel, target: str, actor: Actor, key: str
    ) -> Registered:
        """Registers an address; the same key again is the same one. Raises Refused: not one."""
        if wrong := self._wrong(channel, target):
            raise Refused(Refusal(code=Code.WRONG_ADDRESS, params={"because": wrong}))
        now = self._clock()
        address = Address(
            id=uuid.uuid5(uuid.NAMESPACE_OID, key).hex,
            addressee=addressee,
            channel=channel,
            target=target,
            active=True,
            registered_by=actor.subject,
            registered_at=now,
            ended_at=None,
        )
        async with self._engine.begin() as connection:
            await addresses.add(connection, address)
            await self._record(connection, "address_registered", address, actor, now, key)
            kept = await addresses.by_id(connection, address.id)
        assert kept is not None
        return Registered(
            kept, self._hooks.secret(kept.id, self._clock()) if channel is Channel.WEBHOOK else ""
        )

    async def end(self, id_: str, actor: Actor, key: str) -> Address:
        """Sends nothing to an address any more. Raises Refused when there is none."""
        address = await self.address(id_)
        now = self._clock()
        async with self._engine.begin() as connection:
            if await addresses.end(connection, id_, now):
                await self._record(connection, "address_ended", address, actor, now, key)
        return await self.address(id_)

    async def address(self, id_: str) -> Address:
        """One address. Raises Refused when there is none."""
        async with self._engine.connect() as connection:
            address = await addresses.by_id(connection, id_)
        if address is None:
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": f"送达地址 {id_}"}))
        return address

    # --- private steps -----------------------------------------------------------------------

    def _wrong(self, channel: Channel, target: str) -> str:
        if channel is Channel.WEBHOOK:
            return self._hooks.wrong(target)
        try:
            return "" if _MAIL.validate_python(target) else "邮箱是空的"
        except ValidationError:
            return "不是电子邮箱"

    async def _record(
        self,
        connection: AsyncConnection,
        event: str,
        address: Address,
        actor: Actor,
        at: datetime,
        key: str,
    ) -> None:
        # whose it is and on which channel, never the address itself
        body = {"address": address.id, "channel": address.channel.value}
        await journal.append_operator_step(
            connection, f"addresses/{address.addressee}", event, actor, at, body, key
        )
