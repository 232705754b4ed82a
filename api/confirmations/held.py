"""Holding back what a second person has to confirm, before it is done."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from api.door.asking import confirmed_as
from api.door.operations import Call
from api.door.parts import parts_of
from domain.canonical import sha256_of
from domain.confirmations import ConfirmedAct, ProposedAct
from domain.refusals import Code, Refused

_PAST = frozenset({Code.CONFIRMATION_LATE, Code.CONFIRMATION_DECIDED})
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


async def sent(call: Call, proposed: ProposedAct | None) -> None:
    """Puts down that what was confirmed has been done."""
    if proposed is not None:
        await parts_of(call.request).confirmations.done(proposed, call.actor)
