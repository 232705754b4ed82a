"""Served notices: serving them, their lists, who has seen them, and what became of each channel."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import Role
from domain.case.events import Step
from domain.case.reminders import REMINDER_SERVED
from domain.clock import BEIJING
from domain.ids import NATION
from domain.model import Value
from domain.notices import Channel, DeliveryState, NewNotice, NoticeKind
from domain.refusals import Refused
from store import hidden
from store.areas import lies_in, regions
from store.data_keys import hiding
from store.hidden import Hiding
from store.tables import (
    addresses,
    assignments,
    institutions,
    journal,
    notice_deliveries,
    notices,
)


class Delivery(Value):
    """A notice on one channel. ``target`` is where it was last sent, ``failure`` why it failed."""

    id: str
    notice_id: str
    channel: Channel
    address_id: str
    target: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    attempted_at: datetime | None
    delivered_at: datetime | None
    failure: str


class Notice(Value):
    """A served notice with what became of it on each channel."""

    id: str
    case_id: str
    key: str
    kind: NoticeKind
    institution: str
    audience: Role
    addressee: str
    title: str
    body: str
    document_sha256: str
    served_by: str
    served_role: Role
    served_scope: str
    served_at: datetime
    seen_at: datetime | None
    seen_by: str
    deliveries: tuple[Delivery, ...] = ()


class Told(Value):
    """A step that is to be told, with what is known of its case."""

    id: int
    step: Step
    kind: str
    year: int
    quarter: int
    rule_set: str
    campaign: str
    institution: str
    institution_name: str
    region: str
    reviewer: str
    authority: str
    note: dict[str, Any] | None


# --- steps that are to be told --------------------------------------------------------------------

_TO_TELL = text("""
    SELECT o.id, j.step, j.hash, c.kind, c.year, c.quarter, c.rule_set, c.campaign,
           coalesce(i.id, '') AS institution, coalesce(i.name, '') AS institution_name,
           coalesce(i.region, '') AS region, c.reviewer,
           c.authority, with_key(n.note, 'note/' || n.sha256, '') AS note
    FROM outbox o
    JOIN journal j USING (case_id, sequence)
    JOIN cases c USING (case_id)
    LEFT JOIN institutions i ON i.id = c.institution_id
    LEFT JOIN notes n ON n.sha256 = j.step ->> 'note_sha256'
    WHERE o.to_tell AND (CAST(:case_id AS text) = '' OR o.case_id = :case_id)
    ORDER BY o.id LIMIT :size
    FOR UPDATE OF o SKIP LOCKED
""")

_TOLD = text("UPDATE outbox SET to_tell = false WHERE id = ANY(:ids)")


async def to_tell(connection: AsyncConnection, case_id: str, size: int) -> list[Told]:
    """Steps of a case, of all cases for "", that nobody else is telling of at this moment."""
    rows = await connection.execute(_TO_TELL, {"case_id": case_id, "size": size})
    return [
        Told(
            step=Step(**row["step"], hash=row["hash"]),
            note=_note(row["note"]),
            **{name: row[name] for name in row if name not in ("step", "hash", "note")},
        )
        for row in rows.mappings()
    ]


def _note(stored: str | None) -> dict[str, Any] | None:
    try:
        return hidden.note(stored)
    except hidden.Altered:
        # what others are to be told does not wait for whoever mends it
        return None


async def told(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Says that these steps have been told."""
    await connection.execute(_TOLD, {"ids": list(ids)})


# --- serving --------------------------------------------------------------------------------------


async def add(connection: AsyncConnection, new: NewNotice, now: datetime) -> bool:
    """Puts a notice on record with its channels; False when it stands there already.

    In the system it is delivered with that; ``now`` is from when it may be sent elsewhere.
    """
    try:
        body = (await hiding(connection, new.case_id)).of(new.body, new.id)
    except Refused:
        # of what has been destroyed nothing is said anew, and nobody else waits for it
        body = Hiding(new.case_id, b"").of("")
    added = await connection.execute(
        insert(notices)
        .values(
            id=new.id,
            case_id=new.case_id,
            key=new.key,
            kind=new.kind.value,
            institution=new.institution,
            audience=new.audience.value,
            addressee=new.addressee,
            title=new.title,
            body=body,
            document_sha256=new.document_sha256,
            served_by=new.served_by.subject,
            served_role=new.served_by.role.value,
            served_scope=new.served_by.scope,
            served_at=new.served_at,
        )
        .on_conflict_do_nothing()
        .returning(notices.c.id)
    )
    if added.first() is None:
        return False
    hooks = await _hooks(connection, new.addressee) if Channel.WEBHOOK in new.channels else []
    rows = [_delivery(new.id, Channel.MESSAGE, "", DeliveryState.DELIVERED, new.served_at)]
    if Channel.MAIL in new.channels:
        rows.append(_delivery(new.id, Channel.MAIL, "", DeliveryState.WAITING, now))
    rows += [_delivery(new.id, Channel.WEBHOOK, id_, DeliveryState.WAITING, now) for id_ in hooks]
    if Channel.WEBHOOK in new.channels and not hooks:
        rows.append(_delivery(new.id, Channel.WEBHOOK, "", DeliveryState.UNADDRESSED, now))
    await connection.execute(insert(notice_deliveries), rows)
    return True


async def _hooks(connection: AsyncConnection, addressee: str) -> list[str]:
    rows = await connection.execute(
        select(addresses.c.id)
        .where(
            addresses.c.addressee == addressee,
            addresses.c.channel == Channel.WEBHOOK.value,
            addresses.c.active,
        )
        .order_by(addresses.c.id)
    )
    return list(rows.scalars())


def _delivery(
    notice: str, channel: Channel, address: str, state: DeliveryState, at: datetime
) -> dict[str, Any]:
    named = f"{notice}\n{channel}\n{address}"
    return {
        "id": hashlib.sha256(named.encode()).hexdigest()[:32],
        "notice_id": notice,
        "channel": channel.value,
        "address_id": address,
        "state": state.value,
        "next_at": at if state is DeliveryState.WAITING else None,
        "delivered_at": at if state is DeliveryState.DELIVERED else None,
    }


async def served_reminders(connection: AsyncConnection, case_id: str) -> list[datetime]:
    """When 催报 were served on the filer of a case, in their order, in Beijing's time."""
    rows = await connection.execute(
        select(journal.c.at)
        .where(journal.c.case_id == case_id, journal.c.event == REMINDER_SERVED)
        .order_by(journal.c.sequence)
    )
    return [at.astimezone(BEIJING) for at in rows.scalars()]


# --- reading --------------------------------------------------------------------------------------


async def by_id(connection: AsyncConnection, id_: str) -> Notice | None:
    """One notice, None if there is none with this id."""
    row = (await connection.execute(select(notices).where(notices.c.id == id_))).mappings().first()
    return (await _whole(connection, [dict(row)]))[0] if row else None


async def page(
    connection: AsyncConnection,
    *,
    addressee: str | None = None,
    institution: str | None = None,
    within: str = "",
    involved: str | None = None,
    case_id: str | None = None,
    kind: NoticeKind | None = None,
    after: tuple[datetime, str] | None = None,
    size: int = 50,
) -> list[Notice]:
    """Up to ``size`` notices, the newest first, each filter narrowing the list.

    ``within``: the jurisdiction in which the institutions lie that they are about;
    ``involved``: an authority that they are for or from, or whose case they are about.
    """
    query = select(notices).order_by(notices.c.served_at.desc(), notices.c.id.desc()).limit(size)
    for column, value in (
        (notices.c.addressee, addressee),
        (notices.c.institution, institution),
        (notices.c.case_id, case_id),
        (notices.c.kind, kind.value if kind else None),
    ):
        if value is not None:
            query = query.where(column == value)
    if within not in ("", NATION):
        query = _within(query, within)
    if involved is not None:
        theirs = select(assignments.c.case_id).where(assignments.c.authority == involved)
        query = query.where(
            or_(
                notices.c.addressee == involved,
                notices.c.served_scope == involved,
                notices.c.case_id.in_(theirs),
            )
        )
    if after is not None:
        query = query.where(tuple_(notices.c.served_at, notices.c.id) < tuple_(*after))
    rows = (await connection.execute(query)).mappings()
    return await _whole(connection, [dict(row) for row in rows])


def _within(query: Select[Any], within: str) -> Select[Any]:
    inside = select(institutions.c.id).where(lies_in(institutions.c.region, within))
    # what is about no institution but a place is its regulator's
    regulators = [f"amr-{region}" for region in regions(within) or ()]
    of_place = and_(notices.c.institution == "", notices.c.addressee == func.any(regulators))
    return query.where(or_(notices.c.institution.in_(inside), of_place))


async def _whole(connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[Notice]:
    ids = [row["id"] for row in rows]
    parts = await connection.execute(
        select(notice_deliveries)
        .where(notice_deliveries.c.notice_id == func.any(ids))
        .order_by(notice_deliveries.c.channel, notice_deliveries.c.id)
    )
    of: dict[str, list[Delivery]] = {}
    for part in parts.mappings():
        of.setdefault(part["notice_id"], []).append(Delivery(**part))
    return [Notice(**row, deliveries=tuple(of.get(row["id"], ()))) for row in rows]


async def mark_seen(connection: AsyncConnection, id_: str, by: str, at: datetime) -> bool:
    """Notes who of the addressee opened a notice first, and when; False when it was noted."""
    marked = await connection.execute(
        update(notices)
        .where(notices.c.id == id_, notices.c.seen_at.is_(None))
        .values(seen_at=at, seen_by=by)
        .returning(notices.c.id)
    )
    return marked.first() is not None


# --- delivering -----------------------------------------------------------------------------------


_CLAIM = text("""
    UPDATE notice_deliveries SET attempts = attempts + 1, attempted_at = :now, next_at = :again
    WHERE id IN (
        SELECT id FROM notice_deliveries
        WHERE state = 'waiting' AND next_at <= :now
        ORDER BY next_at, id LIMIT :size FOR UPDATE SKIP LOCKED
    )
    RETURNING *
""")


async def claim(
    connection: AsyncConnection, now: datetime, again: datetime, size: int
) -> list[tuple[Delivery, Notice]]:
    """Up to ``size`` deliveries that are due, each for one attempt by whoever asks.

    Nobody else gets them before ``again``, when an attempt that told nothing is taken as failed.
    """
    asked = {"now": now, "again": again, "size": size}
    rows = [Delivery(**row) for row in (await connection.execute(_CLAIM, asked)).mappings()]
    ids = [row.notice_id for row in rows]
    known = await _readable(connection, ids)
    return [(row, known[row.notice_id]) for row in rows if row.notice_id in known]


async def _readable(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Notice]:
    """The notices with these ids, without those that have been altered by hand."""
    found = select(notices).where(notices.c.id == func.any(list(ids)))
    try:
        return {row["id"]: Notice(**row) for row in (await connection.execute(found)).mappings()}
    except hidden.Altered:
        if len(ids) == 1:
            return {}
    halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
    return {id_: one for half in halves for id_, one in (await _readable(connection, half)).items()}


async def delivered(connection: AsyncConnection, id_: str, target: str, at: datetime) -> bool:
    """Notes that a delivery has reached its target; False when that was noted before."""
    done = await connection.execute(
        update(notice_deliveries)
        .where(
            notice_deliveries.c.id == id_,
            notice_deliveries.c.state != DeliveryState.DELIVERED.value,
        )
        .values(
            state=DeliveryState.DELIVERED.value,
            target=target,
            delivered_at=at,
            next_at=None,
            failure="",
        )
        .returning(notice_deliveries.c.id)
    )
    return done.first() is not None


async def not_delivered(
    connection: AsyncConnection,
    id_: str,
    target: str,
    failure: str,
    state: DeliveryState,
    next_at: datetime | None,
) -> None:
    """Notes why an attempt came to nothing, and when there will be another, None for never."""
    await connection.execute(
        update(notice_deliveries)
        .where(
            notice_deliveries.c.id == id_,
            notice_deliveries.c.state == DeliveryState.WAITING.value,
        )
        .values(state=state.value, target=target, failure=failure, next_at=next_at)
    )


async def outbox_page(
    connection: AsyncConnection,
    *,
    state: DeliveryState | None,
    channel: Channel | None,
    within: str,
    after: str,
    size: int,
) -> list[tuple[Delivery, Notice]]:
    """Up to ``size`` deliveries beside messages in the system, with ids after ``after``."""
    query = (
        select(notice_deliveries)
        .join(notices, notices.c.id == notice_deliveries.c.notice_id)
        .where(
            notice_deliveries.c.id > after,
            notice_deliveries.c.channel != Channel.MESSAGE.value,
        )
        .order_by(notice_deliveries.c.id)
        .limit(size)
    )
    if state is not None:
        query = query.where(notice_deliveries.c.state == state.value)
    if channel is not None:
        query = query.where(notice_deliveries.c.channel == channel.value)
    if within not in ("", NATION):
        query = _within(query, within)
    rows = [Delivery(**row) for row in (await connection.execute(query)).mappings()]
    ids = [row.notice_id for row in rows]
    found = await connection.execute(select(notices).where(notices.c.id == func.any(ids)))
    known = {row["id"]: Notice(**row) for row in found.mappings()}
    return [(row, known[row.notice_id]) for row in rows]


async def delivery_by_id(connection: AsyncConnection, id_: str) -> Delivery | None:
    """One delivery, None if there is none with this id."""
    query = select(notice_deliveries).where(notice_deliveries.c.id == id_)
    row = (await connection.execute(query)).mappings().first()
    return Delivery(**row) if row else None


async def replay(connection: AsyncConnection, id_: str, now: datetime) -> bool:
    """Has a delivery that was given up tried anew; False for one that was not given up."""
    given_up = (DeliveryState.FAILED.value, DeliveryState.UNADDRESSED.value)
    done = await connection.execute(
        update(notice_deliveries)
        .where(notice_deliveries.c.id == id_, notice_deliveries.c.state.in_(given_up))
        .values(state=DeliveryState.WAITING.value, attempts=0, next_at=now, failure="")
        .returning(notice_deliveries.c.id)
    )
    return done.first() is not None
