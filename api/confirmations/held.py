"""Holding back what a second person has to confirm, before it is done."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from typing import Any

from api.door.asking import confirmed_as
from api.door.operations import Call
from api.door.parts import parts_of
from domain.canonical import sha256_of
from domain.confirmations import ConfirmationState, ConfirmedAct, ProposedAct
from domain.connected import AnyDelivery, ApiClient
from domain.refusals import Code, Refused
from services.connected.deliveries import other_content

DELIVERIES = "/api/certificates/deliveries"

_PAST = frozenset({Code.CONFIRMATION_LATE, Code.CONFIRMATION_DECIDED})
_OVER = frozenset({ConfirmationState.REFUSED})
"""How a delivery was proposed that counts for nothing any more: it is proposed anew."""
_OVER_WHEN_LATE = _OVER | {ConfirmationState.OPEN, ConfirmationState.CONFIRMED}
_MOST_ATTEMPTS = 50


async def hold(
    call: Call,
    act: ConfirmedAct,
    number: int = 1,
    check: Callable[[], Awaitable[None]] | None = None,
) -> str:
    """Returns for what may be done now: who has confirmed it, "" where one person does it.

    Raises Refused: it is put down, and waits for another; or what ``check`` raises before that.
    ``number`` is how many cases it is about.
    """
    confirmations = parts_of(call.request).confirmations
    if command_id := confirmed_as(call.request):
        return await confirmations.confirmed_by(command_id)
    body = call.body.model_dump(mode="json", exclude_unset=True)
    path = call.request.scope["path"]
    proposed = await confirmations.hold(act, number, path, body, call.actor, call.command_id, check)
    return proposed.decided_by if proposed is not None else ""


async def hold_file(
    call: Call, act: ConfirmedAct, number: int, told: dict[str, Any]
) -> ProposedAct | None:
    """As `hold`, for what comes as a file, which is sent again once it is confirmed.

    ``told`` names the file, whatever key it comes under. What was confirmed is given back, to be
    ended with `sent` when it is done; None where one person may do it.
    """
    service, actor = parts_of(call.request).confirmations, call.actor
    named = {"act": act.value, **told, "by": actor.subject, "for": actor.scope}
    place = call.request.scope["path"]
    for attempt in count():
        command = sha256_of({**named, "attempt": attempt})
        try:
            return await service.hold(act, number, place, told, actor, command)
        except Refused as refused:
            # what was declined, taken back or too late can be proposed anew
            if refused.refusal.code not in _PAST or attempt == _MOST_ATTEMPTS:
                raise
    raise AssertionError


async def hold_delivery(
    call: Call, client: ApiClient, delivery: AnyDelivery, hour: datetime, before: int
) -> int | None:
    """As `hold`, for what a program delivers: each delivery, and many of one program in an hour.

    ``before`` were taken since the ``hour`` began; it holds while fewer than what it returns were,
    None: however many. What was declined stays so as it was sent; corrected, when its time is over,
    or when it was confirmed and then not possible, it is proposed anew.
    """
    if confirmed_as(call.request):
        return None
    service = parts_of(call.request).confirmations
    if await service.from_how_many(ConfirmedAct.DELIVER_CERTIFICATES):
        body = delivery.model_dump(mode="json", exclude_unset=True)
        command, last = await _proposals(call, client, delivery.delivery_id)
        late = last is not None and parts_of(call.request).clock() >= last.ends_at
        if last is not None and last.body_sha256 != sha256_of(body):
            if last.state is ConfirmationState.OPEN and not late:
                raise other_content()
        elif last is not None and last.state not in (_OVER_WHEN_LATE if late else _OVER):
            command = last.command_id
        act = ConfirmedAct.DELIVER_CERTIFICATES
        await service.hold(act, 1, DELIVERIES, body, call.actor, command)
    most = await service.from_how_many(ConfirmedAct.BULK_DELIVER)
    if not most:
        return None
    part = (before + 1) // most
    if part:
        told = {"client": client.id, "name": client.name, "hour": hour.isoformat(), "part": part}
        act = ConfirmedAct.BULK_DELIVER
        command = sha256_of({"act": act.value, **told})
        held = await service.hold(act, part * most, DELIVERIES, told, call.actor, command)
        if held is not None and held.state is ConfirmationState.CONFIRMED:
            await service.done(held, call.actor)
    return (part + 1) * most - 1


async def proposed_delivery(call: Call, client: ApiClient, delivery_id: str) -> ProposedAct | None:
    """A delivery as it was last proposed, None where none was."""
    return None if client.sandbox else (await _proposals(call, client, delivery_id))[1]


async def _proposals(
    call: Call, client: ApiClient, delivery_id: str
) -> tuple[str, ProposedAct | None]:
    """The command under which a delivery would be proposed anew, and how it was last proposed."""
    act, last = ConfirmedAct.DELIVER_CERTIFICATES.value, None
    for attempt in count():
        named = {"act": act, "for": client.authority, "delivery": delivery_id, "attempt": attempt}
        command = sha256_of(named)
        found = await parts_of(call.request).confirmations.asked(command)
        if found is None:
            return command, last
        last = found
    raise AssertionError


async def sent(call: Call, proposed: ProposedAct | None) -> None:
    """Puts down that what was confirmed has been done."""
    if proposed is not None:
        await parts_of(call.request).confirmations.done(proposed, call.actor)
