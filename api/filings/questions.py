"""A filer's questions to its reviewer, and its requests to have a submission returned."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import Built, Cause, Note, act, acting, case_of, told
from api.door.operations import Call, Handler, Operation, Targeting, json_of
from api.door.parts import parts_of
from api.door.requests import Text, path
from api.door.rights import ROLES, Right, of_institution
from domain.case.commands import ROLE_LABELS, Role
from domain.filing.questions import (
    AnswerQuestion,
    AskQuestion,
    CloseQuestion,
    ReopenQuestion,
)
from domain.filing.returning import AskReturn, DeclineReturn
from domain.filing.state import QUESTION_STATE_LABELS, QuestionState
from domain.model import Value

QuestionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Words(Value):
    """What is asked or answered."""

    text: Text


class Said(Value):
    """One thing said about a question; ``text`` None where the asker may not read contents."""

    event: str
    label: str
    at: datetime
    role: str
    scope: str
    subject: str
    text: str | None


class QuestionShown(Value):
    """A question with everything that was said about it, in order."""

    number: int
    state: QuestionState
    state_label: str
    said: tuple[Said, ...]


class Questions(Value):
    """The questions of one filing."""

    items: tuple[QuestionShown, ...]


async def list_questions(call: Call) -> Response:
    """What was asked and answered about one filing."""
    case, actor = case_of(call), call.actor
    questions = await parts_of(call.request).records.questions(case.case_id)
    may_read = actor.role in ROLES[Right.SEE_CONTENT]
    return json_of(
        Questions(
            items=tuple(
                QuestionShown(
                    number=one.number,
                    state=one.state,
                    state_label=QUESTION_STATE_LABELS[one.state],
                    said=tuple(
                        Said(
                            event=said.event,
                            label=said.label,
                            at=said.at,
                            role=ROLE_LABELS[said.actor.role],
                            scope=said.actor.scope,
                            # the filer deals with an authority, not with the person in it
                            subject=""
                            if of_institution(actor) and said.actor.role is not Role.FILER
                            else said.actor.subject,
                            text=said.text if may_read else None,
                        )
                        for said in one.said
                    ),
                )
                for one in questions
            )
        )
    )


def _ask(call: Call, base: dict[str, Any]) -> Built:
    return AskQuestion(**base), {"reason": call.body.text}


def _answer(call: Call, base: dict[str, Any]) -> Built:
    return AnswerQuestion(**base, question=_number(call)), {"reason": call.body.text}


def _close(call: Call, base: dict[str, Any]) -> Built:
    note = call.body.note.strip()
    return CloseQuestion(**base, question=_number(call)), {"reason": note} if note else None


def _reopen(call: Call, base: dict[str, Any]) -> Built:
    return ReopenQuestion(**base, question=_number(call)), {"reason": call.body.reason}


def _ask_return(call: Call, base: dict[str, Any]) -> Built:
    return AskReturn(**base), {"reason": call.body.reason}


def _decline_return(call: Call, base: dict[str, Any]) -> Built:
    return DeclineReturn(**base), {"reason": call.body.reason}


def _number(call: Call) -> int:
    number: int = path(call.request, "question", QuestionNumber)
    return number


def question_operations(prefix: str, tag: str, target: Targeting) -> list[Operation]:
    """Asking, answering, closing, reopening; asking for a return, and declining it."""
    one = f"{prefix}/questions/{{question}}"
    text = {"text": "去年划转的人员应计入哪一项？"}
    reason = {"reason": "附件中的设备数有误，需要更正"}
    rows: list[tuple[str, Handler, str, Right, type[Value], Any]] = [
        (f"{prefix}/questions", act(_ask), "向审核部门提问", Right.FILE, Words, text),
        (f"{one}/answer", act(_answer), "答复提问", Right.ANSWER, Words, text),
        (f"{one}/close", act(_close), "了结提问", Right.SETTLE, Note, {"note": ""}),
        (f"{one}/reopen", act(_reopen), "重新提问", Right.SETTLE, Cause, reason),
        (f"{prefix}/ask-return", act(_ask_return), "申请退回", Right.FILE, Cause, reason),
        (f"{prefix}/decline-return", act(_decline_return), "不予退回", Right.REVIEW, Cause, reason),
    ]
    return [
        Operation(
            "GET",
            f"{prefix}/questions",
            list_questions,
            "提问和答复",
            tag,
            Right.SEE_QUESTIONS,
            Questions,
            target=target,
        ),
        *(
            acting(address, told(handler), summary, right, body, example, tag=tag, target=target)
            for address, handler, summary, right, body, example in rows
        ),
    ]
