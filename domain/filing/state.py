"""What only an annual filing knows beside what every case does.

Questions, requests, reminders, the second signature, waivers, and what it was completed as.
"""

from datetime import datetime
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


class Attestation(Recorded):
    """What the unit's responsible person has confirmed last, by whom and when.

    A revision with its hash, and the hashes of the files that stood beside it.
    """

    revision: int
    content_sha256: str
    by: str
    at: datetime | None = None
    files: tuple[str, ...] = ()


class Signer(StrEnum):
    """Whether the second signature is needed, or the operator was asked to do without."""

    NEEDED = ""
    ASKED = "asked"
    EXCUSED = "excused"


class WaiverState(StrEnum):
    """Where a request to waive a check stands."""

    ASKED = "asked"
    GRANTED = "granted"
    DECLINED = "declined"


class Waiver(Recorded):
    """A blocking check that the reviewing authority is asked to waive for this filing.

    ``finding`` is the hash of what was found, figures and all; ``authority`` is who may answer.
    """

    number: int
    part: str
    check: str
    pointer: str
    finding: str
    authority: str
    state: WaiverState


class FilingState(Reminded):
    """``return_asked``: the filer has asked to have its claimed submission returned.

    ``attestation`` holds for its own revision and no other. ``signer`` is about the second
    signature where the rules ask for one. ``files`` are the hashes of those that stood beside the
    content when it was submitted last.
    """

    questions: tuple[Question, ...] = ()
    return_asked: bool = False
    attestation: Attestation | None = None
    signer: Signer = Signer.NEEDED
    waivers: tuple[Waiver, ...] = ()
    files: tuple[str, ...] = ()


Filing = CaseState[FilingState]
"""The state of an annual filing."""
