"""What a rule file may say: its keys and their shapes. Unknown keys are errors.

The same models describe a base and, after merging, an overlay; what only a set that opens a
campaign must have (windows, for one) is asked for in `rules.check.checks`.
"""

from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from domain.case import plan
from domain.case.commands import Role
from domain.facts import FilingEnd, FilingRecord, InstitutionFacts
from domain.ids import AuthorityShape, JurisdictionCode
from domain.model import Value
from domain.notices import Channel
from domain.sampling import Strata
from domain.uscc import HolderKind
from rules.file.duty_schema import Duties, FactRules
from rules.file.enforcement_schema import Enforcement, LawRule
from rules.file.number_schema import GateCode, ReportNumbers
from rules.file.shapes import (
    Cite,
    CountedDay,
    Day,
    Expression,
    Id,
    LevelRule,
    Moment,
    Obligations,
    QuarterName,
    Text,
    unique,
    worded,
    worded_if_any,
)
from rules.filing.forms.model import FieldId

_PATH = r"^[a-z_]+(\.[a-z_]+)*(\[[a-z0-9-]+\])?$"

Refusal = Literal["choice_not_an_issuer", "choice_needed", "nobody_applies"]


class Source(Value):
    """A notice. ``text`` names its wording under ``sources/``; ``restates`` what it implements."""

    document: Text
    title: Text
    text: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*\.txt$")]
    restates: str = ""
    note: str = ""


class Span(Value):
    """Days of Beijing time, first and last included."""

    first: CountedDay = Field(alias="from")
    last: CountedDay = Field(alias="to")
    cite: Cite


class InForce(Value):
    """From when until when a standing file is in force, first and last day included."""

    first: Day = Field(alias="from")
    last: Day | None = Field(default=None, alias="to")
    cite: Cite

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError("in_force 的 to 早于 from；请更正")
        return self


class Stage(Span):
    """A stage of the campaign. ``overlaps`` names stages it may share days with."""

    id: Id
    label: Text
    overlaps: tuple[Id, ...] = ()


class Windows(plan.Windows[Span]):
    """When what is accepted; see `domain.case.plan.Windows`."""

    model_config = Value.model_config


class Completion(Value):
    """Whether a filing must be approved, or only submitted, inside its window."""

    require: Literal["approved_inside_window", "submitted_inside_window"]
    cite: Cite


class FirstDay(Value):
    """When a certificate began whose first day nobody has stated: so many years before its end.

    Only where the number's first two digits, its year of issue, say the same year.
    """

    valid_years: Annotated[StrictInt, Field(ge=1, le=30)]
    cite: Cite


class Counting(Value):
    """Which certificates count: still valid on ``as_of``; an issuer's widest one stands for it.

    Without ``first_day`` a certificate whose first day nobody has stated counts as begun.
    """

    as_of: CountedDay
    first_day: FirstDay | None = None
    cite: Cite
    scope: Literal["greatest_of_issuer"]
    scope_cite: Cite


class PartRule(Value):
    """A part of the filing: a form, and who has to fill it in."""

    id: Id
    form: Id
    label: Text
    required_when: Expression
    cite: Cite


class DepartmentRule(Value):
    """Which department reviews for national certificates. The first whose ``when`` holds."""

    id: Id
    when: Expression
    assign: Expression
    cite: Cite


class ReviewerRule(Value):
    """One rule of the precedence list.

    ``when`` holds and ``assign`` yields an authority: that one reviews. ``must`` fails: refused
    with ``otherwise``. ``refuse``: nobody reviews until what its code names is done. ``label``
    says what the rule does, ``why_not`` why it does not apply, ``otherwise_because`` why refused.
    """

    id: Id
    label: Text
    when: Expression
    why_not: Text
    must: Expression | None = None
    otherwise: Refusal | None = None
    otherwise_because: Annotated[str, AfterValidator(worded_if_any)] = ""
    assign: Expression | None = None
    refuse: Refusal | None = None
    cite: Cite

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.assign is None) == (self.refuse is None):
            raise ValueError(
                f"规则 {self.id} 要写 assign（由谁审核）或 refuse（拒绝代码），只写一个"
            )
        given = (self.must is None, self.otherwise is None, not self.otherwise_because)
        if len(set(given)) != 1:
            raise ValueError(
                f"规则 {self.id} 的 must、otherwise、otherwise_because 要么都写，要么都不写"
            )
        return self


class CheckLevel(Value):
    """One level of the quality check. Whoever passed one level does not pass another.

    Filings of institutions for which ``when`` fails do without it.
    """

    id: Id
    label: Text
    by: AuthorityShape
    when: Expression = "true"
    cite: Cite


class SampleRule(Value):
    """How many of the approved filings are checked; see `domain.sampling.Sampling`."""

    share: Annotated[str, StringConstraints(pattern=r"^(0\.[0-9]{1,4}|1)$")] | None = None
    count: Annotated[StrictInt, Field(ge=1)] | None = None
    at_least: Annotated[StrictInt, Field(ge=0)] = 0
    strata: Strata = "all"
    cite: Cite

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.share is None) == (self.count is None):
            raise ValueError('抽样要写 share（比例，如 "0.05"）或 count（件数），只写一个')
        if self.share is not None and not float(self.share):
            raise ValueError("share 要大于 0")
        return self


class QualityCheck(Value):
    """Who checks the quality of approved filings: all of them, or a ``sample``.

    ``levels``, where there are several: ``by`` is then the first one's. Filings of institutions for
    which ``when`` fails are not checked.
    """

    by: AuthorityShape
    when: Expression = "true"
    levels: Annotated[tuple[CheckLevel, ...], AfterValidator(unique)] = ()
    sample: SampleRule | None = None
    cite: Cite

    @model_validator(mode="after")
    def _first(self) -> Self:
        if self.levels and self.levels[0].by != self.by:
            raise ValueError("quality_check 的 by 要与第一级 levels 的 by 相同")
        return self


class ByField(Value):
    """Figures by field: a table of the form, its column of fields, and columns of figures.

    Each column of figures is named with the value of the form that it adds up to.
    """

    table: FieldId
    column: FieldId
    adds_up_to: Annotated[dict[FieldId, FieldId], Field(min_length=1, max_length=20)]


class PublishedFigures(Value):
    """Which figures of a part are published, added up by area with kind and with field.

    None is shown where fewer than ``fewest`` institutions have one other than zero, or the largest
    of them has more than ``dominant`` percent of it.
    """

    part: Id
    values: Annotated[tuple[FieldId, ...], Field(min_length=1, max_length=60)]
    by_field: ByField | None = None
    dominant: Annotated[StrictInt, Field(ge=50, le=99)]
    cite: Cite


class Publication(Value):
    """What of a closed year may be published: no number of filings from 1 to below ``fewest``.

    ``figures``: of the filings that are complete, added up. Left out, none are.
    """

    fewest: Annotated[StrictInt, Field(ge=2, le=1000)]
    figures: PublishedFigures | None = None
    cite: Cite


class AuthorityFigures(Value):
    """Figures that an authority reports of its own work, on a form of their own, until ``due``."""

    id: Id
    label: Text
    by: AuthorityShape
    form: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    due: Day
    cite: Cite


class OneFiling(Value):
    """That one legal person files once, whatever certificates, names and sites it has.

    ``accounts_kept``: bodies that are no legal person may go on with the account they have;
    ``joint_centres``: a national centre of several units is reported by one of them.
    """

    cite: Cite
    accounts_kept: Cite | None = None
    joint_centres: Cite | None = None


class FilingReminder(Value):
    """A reminder counted from a window, or from an extension's end; see `rules.filing.reminders`.

    ``audience`` is whoever has to act, ``text`` what it says, with placeholders in braces.
    """

    id: Id
    label: Text
    anchor: Literal[
        "fill.opening",
        "fill.closing",
        "supplement.opening",
        "supplement.closing",
        "correct.opening",
        "correct.closing",
        "review.opening",
        "review.closing",
        "extension.end",
    ]
    days: Annotated[StrictInt, Field(ge=-366, le=366)]
    audience: Literal[Role.FILER, Role.REVIEWER]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=3)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(worded)]
    cite: Cite


class ProgressReport(Value):
    """To whom the regulator of the place reports how far its institutions have come."""

    reported_to: AuthorityShape
    cite: Cite


class Attestation(Value):
    """That a filing is confirmed by its unit's responsible person, and by which law."""

    law: LawRule
    cite: Cite


class CorrectionRule(Value):
    """A reason to correct what was completed, and whether such a correction is material."""

    id: Id
    label: Text
    material: StrictBool
    cite: Cite


Stages = Annotated[tuple[Stage, ...], AfterValidator(unique)]
Parts = Annotated[tuple[PartRule, ...], Field(min_length=1), AfterValidator(unique)]
Departments = Annotated[tuple[DepartmentRule, ...], AfterValidator(unique)]
Reviewers = Annotated[tuple[ReviewerRule, ...], Field(min_length=1), AfterValidator(unique)]
Levels = Annotated[tuple[LevelRule, ...], Field(min_length=1), AfterValidator(unique)]
Reminders = Annotated[tuple[FilingReminder, ...], AfterValidator(unique)]
Corrections = Annotated[tuple[CorrectionRule, ...], AfterValidator(unique)]


class Filing(Value):
    """The rules of an annual filing."""

    certificates: Counting
    obligation: Obligations
    parts: Parts
    windows: Windows = Windows()
    completion: Completion | None = None
    stages: Stages = ()
    national_department: Departments = ()
    reviewers: Reviewers
    review_chain: Levels
    quality_check: QualityCheck | None = None
    reminders: Reminders = ()
    publication: Publication | None = None
    one_filing: OneFiling | None = None
    authority_figures: Annotated[tuple[AuthorityFigures, ...], AfterValidator(unique)] = ()
    progress_report: ProgressReport | None = None
    attestation: Attestation | None = None
    corrections: Corrections = ()


class ExampleCertificate(Value):
    """A certificate of an example; what is left out is filled in by `rules.check.examples`."""

    level: Literal["provincial", "national"]
    issuer: AuthorityShape
    number: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    scope: Annotated[StrictInt, Field(ge=0)] = 1
    valid_from: Day | None = None
    valid_to: Day | None = None


class ExampleFacts(Value):
    """The facts of an example; ``institution`` takes the keys of `InstitutionFacts`."""

    institution: dict[str, Any]
    certificates: tuple[ExampleCertificate, ...] = ()
    choice: str | None = None
    previous_reviewer: str | None = None
    holder_kind: HolderKind = ""
    outcomes: dict[Annotated[str, StringConstraints(pattern=r"^2\d{3}$")], FilingEnd] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _institution(self) -> Self:
        known = sorted(InstitutionFacts.model_fields)
        for key in self.institution:
            if key not in known:
                raise ValueError(f"institution 里不认识的键 {key}；可以写：{'、'.join(known)}")
        if "region" not in self.institution:
            raise ValueError("institution 里缺少 region（六位监管区域代码）")
        return self


class Expectation(Value):
    """What an example must come to; only what is written is compared."""

    reviewer: AuthorityShape | None = None
    rule: Id | None = None
    refusal: Refusal | None = None
    chain: tuple[AuthorityShape, ...] | None = None
    obligation: Literal["must", "may", "none"] | None = None
    parts: tuple[Id, ...] | None = None
    duties: tuple[Id, ...] | None = None
    checks: tuple[AuthorityShape, ...] | None = None
    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] | None = None
    batch: Literal["must", "may", "none"] | None = None
    batch_inside: tuple[str, ...] | None = None
    batch_outside: tuple[str, ...] | None = None
    batch_chain: tuple[AuthorityShape, ...] | None = None
    reminders: tuple[Moment, ...] | None = None
    reminded_at: tuple[Moment, ...] | None = None
    upload: Literal["allowed"] | GateCode | None = None
    visible: StrictBool | None = None
    eligible: StrictBool | None = None
    complaint: AuthorityShape | None = None
    complaint_rule: Id | None = None


NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "reviewer",
            "rule",
            "refusal",
            "chain",
            "obligation",
            "parts",
            "duties",
            "checks",
        ),
        ("facts",),
    ),
    **dict.fromkeys(("inside", "outside"), ("at",)),
    **dict.fromkeys(("batch", "batch_chain"), ("facts", "quarter")),
    **dict.fromkeys(("batch_inside", "batch_outside"), ("quarter", "at")),
    "reminded_at": ("quarter",),
    "upload": ("facts", "standing", "at"),
    "visible": ("quarter", "uploaded", "at"),
    "eligible": ("facts", "at"),
    **dict.fromkeys(("complaint", "complaint_rule"), ("at",)),
}
"""What an example has to give for each thing it expects."""


class Example(Value):
    """A worked example: the circumstances, and what they must come to; see `NEEDS`.

    A complaint without ``facts`` is about a number of which nobody knows the institution.
    """

    name: Text
    facts: ExampleFacts | None = None
    at: Moment | None = None
    quarter: QuarterName | None = None
    standing: FilingRecord | None = None
    uploaded: Moment | None = None
    expect: Expectation

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        wanted = self.expect.model_fields_set
        if not wanted:
            raise ValueError(f"例子“{self.name}”没有写 expect 的内容")
        for key, needs in NEEDS.items():
            missing = [need for need in needs if getattr(self, need) is None]
            if key in wanted and missing:
                raise ValueError(f"例子“{self.name}”要写 {'、'.join(missing)} 才能判断 {key}")
        return self


class RuleFile(Value):
    """One year's rules in one jurisdiction, an overlay's base merged in."""

    id: Id
    year: Annotated[StrictInt, Field(ge=2000, le=2100)]
    jurisdiction: JurisdictionCode
    title: Text
    extends: str | None = None
    in_force: InForce | None = None
    revision: Annotated[StrictInt, Field(ge=1)]
    timezone: Literal["Asia/Shanghai"]
    not_publishable: str | None = None
    sources: dict[str, Source]
    overridable: tuple[Annotated[str, StringConstraints(pattern=_PATH)], ...] = ()
    facts: FactRules = ()
    filing: Filing
    report_numbers: ReportNumbers | None = None
    enforcement: Enforcement | None = None
    duties: Duties = ()
    examples: tuple[Example, ...] = ()


_LEVELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): RuleFile,
    ("filing",): Filing,
    ("filing", "windows"): Windows,
    ("report_numbers",): ReportNumbers,
    ("enforcement",): Enforcement,
}


def known_keys(path: tuple[str, ...]) -> list[str]:
    """The keys a file may have below ``path``: the top, or one of the mappings that merge."""
    return list(_LEVELS[path].model_fields)


@lru_cache(maxsize=64)
def needed_keys(path: tuple[str, ...]) -> frozenset[str]:
    """What every item of the list at ``path`` must have, beside its id and its citation."""
    model = _LEVELS.get(path[:-1])
    field = model.model_fields.get(path[-1]) if model is not None else None
    item = _item_of(field.annotation) if field is not None else None
    fields = item.model_fields if item is not None else {}
    needed = {one.alias or name for name, one in fields.items() if one.is_required()}
    return frozenset(needed - {"id", "cite"})


def _item_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((one for arg in get_args(annotation) if (one := _item_of(arg))), None)
