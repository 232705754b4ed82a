"""What may follow from one filing: the facts it is judged by, and what would be proposed. Pure.

Only the fact and the dates of a filing are looked at, never a figure out of a form (统计法实施条例
第三十条). That something was concealed, false or omitted is an officer's finding.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from domain.case.status import STATUS_LABELS, Status
from domain.citation import Citation
from domain.clock import BEIJING
from domain.decision import RuleSetRef
from domain.facts import Facts
from domain.messages import closing_time, local_time
from domain.model import Recorded, Value
from domain.working_days import Term


class Finding(StrEnum):
    """What an officer can find, with evidence from outside the survey."""

    CONCEALED = "concealed"
    FALSE = "false"
    OMITTED = "omitted"


FINDING_LABELS: dict[Finding, str] = {
    Finding.CONCEALED: "瞒报",
    Finding.FALSE: "错报",
    Finding.OMITTED: "漏报",
}

MeasureKind = Literal["penalty", "management", "referral"]
KIND_LABELS: dict[MeasureKind, str] = {
    "penalty": "行政处罚",
    "management": "管理措施",
    "referral": "移送",
}
About = Literal["filing", "report_numbers"]

_HANDED_IN = (
    Status.SUBMITTED,
    Status.IN_REVIEW,
    Status.RETURNED,
    Status.APPROVED,
    Status.QUALITY_CHECK,
    Status.COMPLETED,
)
_APPROVED = (Status.APPROVED, Status.QUALITY_CHECK, Status.COMPLETED)
_NOTHING_DUE = {
    Status.ANNULLED: "所属的统计工作已作废，不计入任何统计",
    Status.CANCELLED: "该件已取消，不应存在",
    Status.AFTER_WINDOW: "期限过后才列入，延期之前不计应报",
}


class FilingFacts(Value):
    """The fact and the dates of one filing, or of a quarter's batch of report numbers.

    ``due`` is the first instant no longer in time, and so is ``extended_until``; written as the
    last second of a day (23:59:59), that second still counts. ``obligation`` and ``due`` left out
    are those of the rules.
    """

    status: Status
    about: About = "filing"
    obligation: Literal["must", "may", "none"] | None = None
    due: AwareDatetime | None = None
    submitted_at: AwareDatetime | None = None
    approved_at: AwareDatetime | None = None
    extended_until: AwareDatetime | None = None
    reminders_served: tuple[AwareDatetime, ...] = ()
    annulled: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.approved_at is not None and self.submitted_at is None:
            raise ValueError("有 approved_at 而没有 submitted_at：没有提交的不会通过审核")
        if self.approved_at and self.submitted_at and self.approved_at < self.submitted_at:
            raise ValueError("approved_at 早于 submitted_at")
        if self.submitted_at is None and self.status in _HANDED_IN:
            label = STATUS_LABELS[self.status]
            raise ValueError(f"status 是 {self.status}（{label}），就要写 submitted_at")
        if self.submitted_at is not None and self.status in (Status.SCHEDULED, Status.DRAFT):
            label = STATUS_LABELS[self.status]
            raise ValueError(f"status 是 {self.status}（{label}），还没有提交，不写 submitted_at")
        return self


class EnforcementFacts(Facts):
    """What ``zhibao rules consequences --facts`` reads: as for ``route``, and what was filed."""

    filing: FilingFacts
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.findings)) < len(self.findings):
            raise ValueError("findings 里有重复的认定；每种只写一次")
        return self


class Standing(Value):
    """How a filing stands at an instant, as far as consequences depend on it.

    ``why_nothing`` says why nothing is owed, "" where it is. ``due`` is the extended one. The rest
    are the facts that triggers may name; ``reminded`` counts what was served before the filing.
    """

    why_nothing: str
    due: datetime
    not_due_yet: bool
    handed_in: datetime | None
    not_filed: bool
    late: bool
    approved: bool
    reminded: int


def standing(
    filing: FilingFacts,
    obligation: Literal["must", "may", "none"],
    due: datetime,
    at: datetime,
    *,
    correct_until: datetime | None,
    reviewers_may_be_late: bool,
) -> Standing:
    """How a filing stands at ``at``; what happened later has not happened yet.

    A lapsed filing is not handed in, though it once was: it was sent back or taken back and not
    submitted again. Only where rules want it approved in time may it be its reviewers that were
    late (``reviewers_may_be_late``); then it counts as handed in. One that was sent back counts
    as handed in until its time to be corrected is over (``correct_until``, or the extension).
    """
    due = max(_closing(due), _closing(filing.extended_until) if filing.extended_until else due)
    submitted = filing.submitted_at
    taken_back = (
        filing.status is Status.WITHDRAWN
        or (filing.status is Status.LAPSED and not reviewers_may_be_late)
        or (filing.status is Status.RETURNED and at >= max(due, correct_until or due))
    )
    if submitted is not None and (submitted > at or taken_back):
        submitted = None
    approved = filing.approved_at is not None and filing.approved_at <= at
    if filing.approved_at is None and submitted is not None:
        approved = filing.status in _APPROVED
    until = submitted if submitted is not None else at
    owed = {"may": "自愿填报，没有填报的义务", "none": "不在应当填报之列"}
    why = (
        _NOTHING_DUE[Status.ANNULLED]
        if filing.annulled
        else _NOTHING_DUE.get(filing.status) or owed.get(obligation, "")
    )
    return Standing(
        why_nothing=why,
        due=due,
        not_due_yet=at < due,
        handed_in=submitted,
        not_filed=not why and submitted is None and at >= due,
        late=not why and submitted is not None and submitted >= due,
        approved=approved,
        reminded=sum(served <= until for served in filing.reminders_served),
    )


def why_no_trigger(found: Standing) -> str:
    """The dates that keep a trigger of a missed term from holding, as a Chinese sentence."""
    if found.why_nothing:
        return found.why_nothing
    if found.handed_in is not None:
        side = "，在期限之后" if found.late else "，没有逾期"
        return f"已于 {local_time(found.handed_in)}提交{side}"
    if found.not_due_yet:
        return f"期限到 {closing_time(found.due)}为止，尚未届满"
    return f"期限已于 {closing_time(found.due)}届满，没有提交"


class Law(Recorded):
    """A statute or regulation by its name and article; ``says`` is what it says, in short."""

    document: str
    clause: str
    says: str = ""

    def citation(self) -> Citation:
        """As citations elsewhere are."""
        return Citation(document=self.document, clause=self.clause)


class Proposal(Recorded):
    """One measure that may be proposed; nothing follows by itself.

    ``rule`` is the trigger that yields it first, ``grounds`` all that do.
    """

    measure: str
    label: str
    kind: MeasureKind
    rule: str
    grounds: tuple[str, ...]
    cite: Citation
    laws: tuple[Law, ...] = ()


class ConsequenceCandidate(Recorded):
    """One trigger with one of its measures, or with none where it does not hold."""

    rule: str
    measure: str | None
    verdict: Literal["proposed", "eliminated"]
    because: str


class Consequences(Recorded):
    """What would be proposed for one filing at an instant, with every candidate's reason."""

    proposals: tuple[Proposal, ...]
    candidates: tuple[ConsequenceCandidate, ...]
    ruleset: RuleSetRef
    at: datetime
    due: datetime
    because: str


class CitedTerm(Term):
    """A term with what it rests on."""

    cite: Citation


StepName = Literal["prior_notice", "decision", "service", "in_force", "publication", "refer"]
EndName = Literal["cured", "expired", "corrected", "withdrawn"]
EffectName = Literal["refuse_applications", "show_on_certificate"]


class MeasureTerms(Recorded):
    """All that a case needs of a measure, fixed when it is opened.

    ``steps`` are in order. ``terms`` by name: ``statement``, ``decision``, ``service``,
    ``correction``, ``lasts``, ``objection``. ``open_wording``: the officer writes what it is.
    """

    id: str
    label: str
    kind: MeasureKind
    rule: str
    grounds: tuple[str, ...]
    cite: Citation
    laws: tuple[Law, ...] = ()
    open_wording: bool = False
    proposes: str
    decides: str
    steps: tuple[StepName, ...]
    terms: dict[str, CitedTerm] = Field(default_factory=dict)
    ends: tuple[EndName, ...] = ()
    effects: tuple[EffectName, ...] = ()
    says: str = ""
    cure: str = ""


class EnforcementTerms(Recorded):
    """What a case of enforcement runs on: the facts it was opened for, and what may be chosen.

    ``about`` is the case it is about, ``number`` what its documents are numbered by.
    ``decision_due``: until when each measure can be decided, the first instant after.
    """

    consequences: Consequences
    measures: tuple[MeasureTerms, ...]
    filing: FilingFacts
    findings: tuple[Finding, ...] = ()
    about: str = ""
    number: str = ""
    evidence_sha256: str = ""
    decision_due: dict[str, datetime] = Field(default_factory=dict)

    def measure(self, id_: str) -> MeasureTerms | None:
        """The measure of this id among those that may be chosen."""
        return next((one for one in self.measures if one.id == id_), None)


def _closing(instant: datetime) -> datetime:
    """The first instant after a term: whoever writes a day's last second means to include it."""
    here = instant.astimezone(BEIJING)
    last = (here.hour, here.minute, here.second) == (23, 59, 59)
    return here.replace(microsecond=0) + timedelta(seconds=1) if last else instant
