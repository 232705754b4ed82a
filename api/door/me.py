"""Who am I: what a token stands for."""

from starlette.responses import JSONResponse, Response

from api.door.operations import Call, Operation
from api.door.rights import Right
from domain.case.commands import ROLE_LABELS
from domain.model import Value


class Me(Value):
    """The person and capacity a token stands for."""

    subject: str
    role: str
    role_label: str
    scope: str


async def me(call: Call) -> Response:
    """Answers with the asker's own identity."""
    actor = call.actor
    shown = Me(
        subject=actor.subject,
        role=actor.role,
        role_label=ROLE_LABELS[actor.role],
        scope=actor.scope,
    )
    return JSONResponse(shown.model_dump())


OPERATIONS = [
    Operation(
        "GET",
        "/api/me",
        me,
        "本人身份",
        "身份",
        Right.SIGNED_IN,
        Me,
        answer_example={
            "subject": "demo-reviewer-1",
            "role": "reviewer",
            "role_label": "审核人",
            "scope": "amr-350000",
        },
    )
]
