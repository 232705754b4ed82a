"""What only an annual filing knows beside what every case does: questions, requests, reminders."""

from enum import StrEnum

from domain.case.reminders import Reminded
from domain.case.state import CaseState
from domain.model import Recorded


class QuestionState(StrEnum):
    """Where a question stands; an answered one stays open until it is closed."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


QUESTION_STATE_LABELS: dict[QuestionState, str] = {
    QuestionState.OPEN: "待答复",
    QuestionState.ANSWERED: "已答复",
    QuestionState.CLOSED: "已了结",
}


class Question(Recorded):
    """A question of the filer to its reviewer; its words are notes beside the case."""

    number: int
    state: QuestionState


class FilingState(Reminded):
    """``return_asked``: the filer has asked to have its claimed submission returned."""

    questions: tuple[Question, ...] = ()
    return_asked: bool = False


Filing = CaseState[FilingState]
"""The state of an annual filing."""
