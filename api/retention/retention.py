"""What is due to be destroyed by the rules, and having it destroyed by two people."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from api.confirmations.held import hold
from api.door.operations import Call, Operation, json_of
from api.door.parts import parts_of
from api.door.requests import Text
from api.door.rights import Right
from domain.confirmations import ConfirmedAct
from domain.model import Value
from domain.retention import Kept
from services.retention import Destruction, KindStanding


class RetentionStanding(Value):
    """Every kind of what is kept for a time."""

    items: tuple[KindStanding, ...]


class OneSubject(Value):
    """A subject that is destroyed before its time, and the document that says so."""

    subject: Annotated[str, Field(min_length=1, max_length=300)]
    document: Text


class DestructionBody(Value):
    """Which kind is destroyed: what is due of it, or one subject alone."""

    kind: Kept
    one: OneSubject | None = None


async def show(call: Call) -> Response:
    """How long each kind is kept, and how much of it is due."""
    return json_of(RetentionStanding(items=await parts_of(call.request).retention.standing()))


async def destroy(call: Call) -> Response:
    """Destroys the keys of what is due; with nothing due, nothing is proposed or done."""
    parts, body = parts_of(call.request), call.body
    subject, document = (body.one.subject, body.one.document) if body.one else ("", "")
    number = await parts.retention.due(body.kind, subject)
    if number:
        await hold(call, ConfirmedAct.DESTROY_CONTENT, number)
    return json_of(
        await parts.retention.destroy(body.kind, call.actor, call.command_id, subject, document)
    )


_TAG = "保存期限"

OPERATIONS = [
    Operation(
        "GET",
        "/api/retention",
        show,
        "各类内容的保存期限，已到期的件数",
        _TAG,
        Right.DESTROY,
        RetentionStanding,
    ),
    Operation(
        "POST",
        "/api/retention/destructions",
        destroy,
        "销毁到期的内容",
        _TAG,
        Right.DESTROY,
        Destruction,
        writes=True,
        # each is a step of its own
        unhurried=True,
        body=DestructionBody,
        example={"kind": "contact"},
        description="销毁的是数据密钥：内容任何人不能再读，办理经过和哈希仍在日志中。"
        "须由另一名全国的经办人确认；中断的，以同一个 Idempotency-Key 再请求即接着做。",
    ),
]
