"""Holding back what a second person has to confirm, before it is done."""

from collections.abc import Awaitable, Callable

from api.door.asking import confirmed_as
from api.door.operations import Call
from api.door.parts import parts_of
from domain.confirmations import ConfirmedAct


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
    return await confirmations.hold(act, number, path, body, call.actor, call.command_id, check)
