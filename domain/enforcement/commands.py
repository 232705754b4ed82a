"""What people and time can ask of a case of enforcement, and what is found out for it."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from domain.case.commands import Command, Document, Sha256
from domain.case.state import Findings
from domain.enforcement.consequences import CitedTerm
from domain.model import Recorded

ENFORCEMENT_WORKFLOW = "enforcement"
PREPARE_ENFORCEMENT = "prepare_enforcement"


class Stage(StrEnum):
    """How far a case of enforcement has come."""

    OPENED = "opened"
    PROPOSED = "proposed"
    NOTICED = "noticed"
    DECIDED = "decided"
    SERVED = "served"
    IN_FORCE = "in_force"
    OVER = "over"


STAGE_LABELS: dict[Stage, str] = {
    Stage.OPENED: "待提出",
    Stage.PROPOSED: "已提出",
    Stage.NOTICED: "已告知，听取陈述、申辩",
    Stage.DECIDED: "已决定，待送达",
    Stage.SERVED: "已送达，待生效",
    Stage.IN_FORCE: "生效",
    Stage.OVER: "已结束",
}
STAGE_NEXT: dict[Stage, str] = {
    Stage.OPENED: "由承办人提出措施，或者写明理由撤回",
    Stage.PROPOSED: "需要事先告知的先告知，然后由另一人决定",
    Stage.NOTICED: "机构可以陈述、申辩；期满后由另一人决定",
    Stage.DECIDED: "由承办人在期限内送达，移送的由承办人办理移送",
    Stage.SERVED: "改正期满即生效；期内补报并通过审核的不生效",
    Stage.IN_FORCE: "由补报并通过审核、期满、更正或者撤回按规则终止",
    Stage.OVER: "已结束的不再办理；认为有误的，机构可以提出异议",
}


class Ending(StrEnum):
    """How a case of enforcement came to its end."""

    DISMISSED = "dismissed"
    OUT_OF_TIME = "out_of_time"
    NOT_SERVED = "not_served"
    DONE = "done"
    HANDED_OVER = "handed_over"
    CURED = "cured"
    EXPIRED = "expired"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


ENDING_LABELS: dict[Ending, str] = {
    Ending.DISMISSED: "决定不采取措施",
    Ending.OUT_OF_TIME: "逾期没有决定，不再采取措施",
    Ending.NOT_SERVED: "没有按时送达，决定不生效",
    Ending.DONE: "已经送达，办结",
    Ending.HANDED_OVER: "已经移送",
    Ending.CURED: "补报并通过审核，解除",
    Ending.EXPIRED: "期满终止",
    Ending.CORRECTED: "异议成立，更正",
    Ending.WITHDRAWN: "撤回",
}


class Propose(Command):
    """The officer proposes one of the measures, with the reason; never more than that.

    ``wording_sha256`` is what is to be done, where the notice leaves its wording open.
    """

    kind: Literal["propose"] = "propose"
    label: ClassVar[str] = "提出措施"
    measure: str = Field(max_length=64)
    wording_sha256: Sha256 | Literal[""] = ""


class GiveNotice(Command):
    """The officer serves the prior notice: what is planned, why, and the right to be heard."""

    kind: Literal["give_notice"] = "give_notice"
    label: ClassVar[str] = "事先告知"


class MakeStatement(Command):
    """The institution states its case or defends itself."""

    kind: Literal["make_statement"] = "make_statement"
    label: ClassVar[str] = "陈述、申辩"


class Decide(Command):
    """Another person decides: the measure as it was proposed, or none.

    The note holds the reasons, and for a penalty the statute that gives the authority the power.
    """

    kind: Literal["decide"] = "decide"
    label: ClassVar[str] = "决定"
    outcome: Literal["impose", "dismiss"]
    basis_given: bool = False


class ServeDecision(Command):
    """The officer serves the decision."""

    kind: Literal["serve_decision"] = "serve_decision"
    label: ClassVar[str] = "送达决定"


class TakeEffect(Command):
    """The term for correction is over (a timer's command)."""

    kind: Literal["take_effect"] = "take_effect"
    label: ClassVar[str] = "生效"


class Refer(Command):
    """The officer hands the file to the agency that is competent, under a document number."""

    kind: Literal["refer"] = "refer"
    label: ClassVar[str] = "移送"
    agency: str = Field(min_length=1, max_length=200)
    document: Document


class RaiseObjection(Command):
    """The institution says that a decision or its publication is wrong."""

    kind: Literal["raise_objection"] = "raise_objection"
    label: ClassVar[str] = "提出异议"


class AnswerObjection(Command):
    """The decider answers an objection; one that is upheld ends the measure as a correction."""

    kind: Literal["answer_objection"] = "answer_objection"
    label: ClassVar[str] = "答复异议"
    upheld: bool


class NoteLateAnswer(Command):
    """The term to answer an objection is over (a timer's command)."""

    kind: Literal["note_late_answer"] = "note_late_answer"
    label: ClassVar[str] = "异议逾期未答复"


class WithdrawMeasure(Command):
    """The measure is withdrawn, with the reason: by who proposed it, once decided by a decider."""

    kind: Literal["withdraw_measure"] = "withdraw_measure"
    label: ClassVar[str] = "撤回措施"


class Cure(Command):
    """What was missing has been filed and approved, so the measure ends."""

    kind: Literal["cure"] = "cure"
    label: ClassVar[str] = "补报解除"


class TimeOut(Command):
    """A term that people did not use, or the measure's own, is over (a timer's command)."""

    kind: Literal["time_out"] = "time_out"
    label: ClassVar[str] = "期满"


class CountedTerm(Recorded):
    """A term counted out: its first instant after, and the days counted."""

    due: datetime
    days: tuple[date, ...]


class EnforcementFindings(Findings):
    """Terms counted from now on, by name.

    ``cured``: whether what was missing has been made good; None where nobody has looked.
    """

    terms: dict[str, CountedTerm] = Field(default_factory=dict)
    cured: bool | None = None


class AskedTerm(Recorded):
    """A term to be counted: from ``now``, or from the end of the term ``after``."""

    name: str
    term: CitedTerm
    after: str = ""


class PrepareEnforcement(Recorded):
    """Asks for terms counted from ``now``, and whether a case was approved after ``since``."""

    now: datetime
    terms: tuple[AskedTerm, ...] = ()
    about: str = ""
    since: datetime | None = None
