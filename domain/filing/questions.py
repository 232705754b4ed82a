"""Questions of a filer to its reviewer: asked, answered, closed, reopened, kept with the case.

Their words are notes (see `domain.case.commands`); what stands here is which question it is.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from domain.case.checks import expect, needs_note
from domain.case.commands import Command, Role
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import CommandRule, EventRule, commands, rule
from domain.case.plan import CasePlan
from domain.case.state import Findings
from domain.case.status import ENDED, Status
from domain.filing.state import QUESTION_STATE_LABELS, Filing, Question, QuestionState
from domain.refusals import Code, Refusal

QUESTION_ASKED = "question_asked"
QUESTION_ANSWERED = "question_answered"
QUESTION_CLOSED = "question_closed"
QUESTION_REOPENED = "question_reopened"

MOST_OPEN = 20
"""So many questions of one case may wait at a time."""


class AskQuestion(Command):
    """The filer asks its reviewer something about its filing."""

    kind: Literal["ask_question"] = "ask_question"
    label: ClassVar[str] = "提问"


class _About(Command):
    question: int = Field(ge=1, le=2**31 - 1)


class AnswerQuestion(_About):
    """A reviewer answers a question."""

    kind: Literal["answer_question"] = "answer_question"
    label: ClassVar[str] = "答复"


class CloseQuestion(_About):
    """Whoever asked, or who answers, says that a question is settled."""

    kind: Literal["close_question"] = "close_question"
    label: ClassVar[str] = "了结提问"


class ReopenQuestion(_About):
    """A settled question turns out not to be, for the reason in the note."""

    kind: Literal["reopen_question"] = "reopen_question"
    label: ClassVar[str] = "重新提问"


def _ask(s: Filing, _: CasePlan, m: AskQuestion, __: datetime, ___: Findings) -> Decision | Refusal:
    refusal = needs_note(m) or expect(s, m, *_ASKABLE)
    if refusal is not None:
        return refusal
    waiting = sum(one.state is not QuestionState.CLOSED for one in s.own.questions)
    if waiting >= MOST_OPEN:
        return Refusal(code=Code.TOO_MANY_QUESTIONS, params={"count": str(waiting)})
    body = {"question": len(s.own.questions) + 1}
    return [PendingEvent(QUESTION_ASKED, m.actor, body)]


def _moves(
    event: str, *allowed: QuestionState, note: bool
) -> Callable[[Filing, CasePlan, Any, datetime, Any], Decision | Refusal]:
    """A decider that moves a question on from some of its states."""

    def decide(
        s: Filing, _: CasePlan, m: _About, __: datetime, ___: Findings
    ) -> Decision | Refusal:
        known = {one.number: one.state for one in s.own.questions}
        if m.question not in known:
            return Refusal(code=Code.NOT_FOUND, params={"what": f"第 {m.question} 号提问"})
        if known[m.question] not in allowed:
            params = {
                "question": str(m.question),
                "state": QUESTION_STATE_LABELS[known[m.question]],
                "action": m.label,
            }
            return Refusal(code=Code.QUESTION_STATE, params=params)
        refusal = needs_note(m) if note else None
        return refusal or [PendingEvent(event, m.actor, {"question": m.question})]

    return decide


_ASKABLE = tuple(status for status in Status if status not in (Status.CANCELLED, Status.ANNULLED))
_WAITING = (QuestionState.OPEN, QuestionState.ANSWERED)
_ENDED = set(ENDED) & set(_ASKABLE)

QUESTION_COMMANDS: dict[str, CommandRule] = commands(
    rule(AskQuestion, _ask, {Role.FILER}, _ENDED),
    rule(
        AnswerQuestion,
        _moves(QUESTION_ANSWERED, *_WAITING, note=True),
        {Role.REVIEWER},
        _ENDED,
    ),
    rule(
        CloseQuestion,
        _moves(QUESTION_CLOSED, *_WAITING, note=False),
        {Role.FILER, Role.REVIEWER},
        _ENDED,
    ),
    rule(
        ReopenQuestion,
        _moves(QUESTION_REOPENED, QuestionState.CLOSED, note=True),
        {Role.FILER, Role.REVIEWER},
        _ENDED,
    ),
)


def _asked(s: Filing, event: Event) -> Mapping[str, Any]:
    new = Question(number=event.body["question"], state=QuestionState.OPEN)
    return s.own_with(questions=(*s.own.questions, new))


def _now(state: QuestionState) -> Callable[[Filing, Event], Mapping[str, Any]]:
    def fold(s: Filing, event: Event) -> Mapping[str, Any]:
        moved = tuple(
            one.model_copy(update={"state": state}) if one.number == event.body["question"] else one
            for one in s.own.questions
        )
        return s.own_with(questions=moved)

    return fold


def _tell(body: Mapping[str, Any]) -> str:
    return f"第 {body['question']} 号"


QUESTION_EVENTS: dict[str, EventRule] = {
    QUESTION_ASKED: EventRule("提问", _asked, _tell),
    QUESTION_ANSWERED: EventRule("答复提问", _now(QuestionState.ANSWERED), _tell),
    QUESTION_CLOSED: EventRule("了结提问", _now(QuestionState.CLOSED), _tell),
    QUESTION_REOPENED: EventRule("重新提问", _now(QuestionState.OPEN), _tell),
}
