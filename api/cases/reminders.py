"""催报 over HTTP: the same for every kind of case that has to be filed."""

from typing import Any

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, act, acting, case_of
from api.door.operations import Call, Operation, Targeting
from api.door.parts import parts_of
from api.door.requests import Text
from api.door.rights import Right
from domain.case.commands import Document as Line
from domain.case.commands import ServeReminder
from domain.model import Value
from domain.notices import Channel


class ReminderBody(Value):
    """What a 催报 says. Beside the message in the system it is served over ``channels``.

    ``document`` is the number of the letter that it stands for, if there is one.
    """

    title: Line = ""
    text: Text
    channels: tuple[Channel, ...] = Field(default=(Channel.MAIL,), max_length=3)
    document: Line = ""


def _serve(call: Call, base: dict[str, Any]) -> Built:
    body: ReminderBody = call.body
    command = ServeReminder(
        **base,
        channels=tuple(channel.value for channel in dict.fromkeys(body.channels)),
        document=body.document,
    )
    return command, {"title": body.title, "reason": body.text}


async def serve_reminder(call: Call) -> Response:
    """Serves a 催报; its notice is there with the answer."""
    answer = await act(_serve)(call)
    await parts_of(call.request).telling.tell(case_of(call).case_id)
    return answer


def reminding(prefix: str, tag: str, target: Targeting) -> Operation:
    """The operation that serves a 催报 on the filer of a case."""
    return acting(
        f"{prefix}/reminders",
        serve_reminder,
        "催报",
        Right.REMIND,
        ReminderBody,
        {"text": "贵机构尚未报送，请尽快完成", "channels": ["mail"], "document": ""},
        tag=tag,
        target=target,
    )
