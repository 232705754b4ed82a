"""Deliveries of connected mode: what came, how far it got, and the receipt it was answered with."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.connected import Action, AnyDelivery, Delivery, DeliveryReceipt
from domain.model import Value
from domain.refusals import Refusal
from store import readable
from store.data_keys import hiding
from store.hidden import Destroyed, delivery_subject
from store.tables import certificate_deliveries as deliveries
from store.tables import certificate_numbers

Stage = Literal["working", "accepted", "refused"]


class Delivered(Value):
    """A delivery on record. ``attempt`` counts how often it was begun, each time after a refusal.

    ``working``: begun, and not known to have ended; the same delivery again takes it up.
    """

    no: int
    authority: str
    sandbox: bool
    delivery_id: str
    client_id: str
    action: Action
    body_sha256: str
    stage: Stage
    attempt: int
    number: str
    receipt: DeliveryReceipt | None
    refusal: Refusal | None
    received_at: datetime
    answered_at: datetime | None


_KNOWN = [column for column in deliveries.c if column.name != "body"]


async def by_id(
    connection: AsyncConnection, authority: str, sandbox: bool, delivery_id: str
) -> Delivered | None:
    """An authority's delivery, None if there is none."""
    found = await connection.execute(
        select(*_KNOWN).where(
            deliveries.c.authority == authority,
            deliveries.c.sandbox == sandbox,
            deliveries.c.delivery_id == delivery_id,
        )
    )
    row = found.mappings().first()
    return Delivered(**row) if row else None


async def page(
    connection: AsyncConnection, authority: str, sandbox: bool, after: int, size: int
) -> list[Delivered]:
    """Up to ``size`` of an authority's deliveries after ``after``, in the order they came."""
    query = select(*_KNOWN).where(
        deliveries.c.authority == authority, deliveries.c.sandbox == sandbox
    )
    return await readable.page(
        connection,
        lambda last: query.where(deliveries.c.no > last).order_by(deliveries.c.no),
        lambda row: Delivered(**row),
        lambda row: row["no"],
        after,
        size,
    )


async def begun_since(connection: AsyncConnection, client_id: str, since: datetime) -> int:
    """How many deliveries a client has had begun since an instant; refused ones do not count."""
    found = await connection.execute(
        select(func.count()).where(
            deliveries.c.client_id == client_id,
            deliveries.c.received_at >= since,
            deliveries.c.stage != "refused",
        )
    )
    return int(found.scalar_one())


async def begin(
    connection: AsyncConnection,
    authority: str,
    sandbox: bool,
    client_id: str,
    delivery: AnyDelivery,
    body_sha256: str,
    now: datetime,
) -> Delivered | None:
    """Begins a delivery, or one that was refused anew; None where it stands already."""
    key = await hiding(connection, delivery_subject(authority, sandbox, delivery.delivery_id))
    new: dict[str, Any] = {
        "client_id": client_id,
        "action": delivery.action,
        "body": key.of(delivery.model_dump(mode="json")),
        "body_sha256": body_sha256,
        "stage": "working",
        "received_at": now,
    }
    found = await connection.execute(
        insert(deliveries)
        .values(
            authority=authority,
            sandbox=sandbox,
            delivery_id=delivery.delivery_id,
            attempt=1,
            **new,
        )
        .on_conflict_do_update(
            index_elements=["authority", "sandbox", "delivery_id"],
            set_={
                **new,
                "attempt": deliveries.c.attempt + 1,
                "refusal": None,
                "answered_at": None,
            },
            where=deliveries.c.stage == "refused",
        )
        .returning(*_KNOWN)
    )
    row = found.mappings().first()
    return Delivered(**row) if row else None


async def accept(
    connection: AsyncConnection, begun: Delivered, receipt: DeliveryReceipt, now: datetime
) -> DeliveryReceipt:
    """Keeps the receipt of a delivery; where one was kept before, that is the one that counts."""
    await connection.execute(
        _while_working(begun).values(
            stage="accepted",
            number=receipt.number,
            receipt=receipt.model_dump(mode="json"),
            answered_at=now,
        )
    )
    kept = await by_id(connection, begun.authority, begun.sandbox, begun.delivery_id)
    assert kept is not None
    return kept.receipt or receipt


async def refuse(
    connection: AsyncConnection, begun: Delivered, refusal: Refusal, now: datetime
) -> None:
    """Keeps why a delivery was refused; it can be sent again, corrected."""
    await connection.execute(
        _while_working(begun).values(
            stage="refused", refusal=refusal.model_dump(mode="json"), answered_at=now
        )
    )


def _while_working(begun: Delivered) -> Any:
    return update(deliveries).where(
        deliveries.c.authority == begun.authority,
        deliveries.c.sandbox == begun.sandbox,
        deliveries.c.delivery_id == begun.delivery_id,
        deliveries.c.attempt == begun.attempt,
        deliveries.c.stage == "working",
    )


async def rehearsed(
    connection: AsyncConnection, authority: str, number: str
) -> list[tuple[AnyDelivery, DeliveryReceipt]]:
    """What an authority's sandbox has taken about a number, in the order it came."""
    found = await connection.execute(
        select(deliveries.c.body, deliveries.c.receipt)
        .where(
            deliveries.c.authority == authority,
            deliveries.c.sandbox,
            deliveries.c.number == number,
            deliveries.c.stage == "accepted",
        )
        .order_by(deliveries.c.no)
    )
    return [
        (Delivery.model_validate(row.body).root, DeliveryReceipt.model_validate(row.receipt))
        for row in found
        if row.body is not Destroyed.KEY
    ]


async def case_with_number(connection: AsyncConnection, number: str) -> str:
    """The case that a number was allotted to, issued yet or not; "" if none."""
    found = await connection.execute(
        select(certificate_numbers.c.case_id).where(certificate_numbers.c.number == number)
    )
    return str(found.scalar_one_or_none() or "")
