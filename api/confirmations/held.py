"""Holding back what a second person has to confirm, before it is done."""

from api.door.asking import confirmed_as
from api.door.operations import Call
from api.door.parts import parts_of
from domain.confirmations import ConfirmedAct


async def hold(call: Call, act: ConfirmedAct, number: int = 1) -> None:
    """Returns for what may be done now. Raises Refused: it is put down, and waits for another.

    ``number`` is how many cases it is about.
    """
    if confirmed_as(call.request):
        return
    body = call.body.model_dump(mode="json", exclude_unset=True)
    await parts_of(call.request).confirmations.hold(
        act, number, call.request.scope["path"], body, call.actor, call.command_id
    )
