"""What a rule file may say: its keys and their shapes. Unknown keys are errors.

The same models describe a base and, after merging, an overlay; what only a set that opens a
campaign must have (windows, for one) is asked for in `rules.checks`.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from domain.facts import InstitutionFacts
from domain.ids import AuthorityId, JurisdictionCode
from domain.model import Value

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+08:00")
_PATH = r"^[a-z_]+(\.[a-z_]+)*(\[[a-z0-9-]+\])?$"


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f'日期写成带引号的 "年-月-日"，如 "2025-03-21"，不能是 {value!r}')
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} 不是真实存在的日期（平年没有2月29日）") from None


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError('时刻写成带引号的 "2025-03-21T23:59:59+08:00"（北京时间）')
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} 不是真实存在的时刻") from None


def _unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise ValueError(f"id {item.id} 重复；同一列表里每项的 id 要不同")
        seen.add(item.id)
    return items


Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": _MOMENT.pattern}),
]
Refusal = Literal["choice_not_an_issuer", "choice_needed", "nobody_applies"]


class Cite(Value):
    """Where a value comes from: a source with clause and quote, an assumption, or both."""

    source: str | None = None
    clause: str = ""
    quote: str = ""
    assume: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source is None:
            if not self.assume:
                raise ValueError("出处要写 source、clause 和 quote；没有出处的写 assume 和理由")
            if self.clause or self.quote:
                raise ValueError("写了 clause 或 quote，还要写 source")
        elif not self.clause or len(self.quote) < 2:
            raise ValueError("写了 source，就要写 clause（条款）和 quote（原文）")
        return self


class Source(Value):
    """A notice. ``text`` names its wording under ``sources/``; ``restates`` what it implements."""

    document: Text
    title: Text
    text: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*\.txt$")]
    restates: str = ""
    note: str = ""


class Span(Value):
    """Days of Beijing time, first and last included."""

    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    cite: Cite


class Stage(Span):
    """A stage of the campaign. ``overlaps`` names stages it may share days with."""

    id: Id
    label: Text
    overlaps: tuple[Id, ...] = ()


class Windows(Value):
    """When what is accepted; see `domain.plan.CasePlan`."""

    fill: Span | None = None
    supplement: Span | None = None
    correct: Span | None = None
    review: Span | None = None
    quality: Span | None = None


class Completion(Value):
    """Whether a filing must be approved, or only submitted, inside its window."""

    require: Literal["approved_inside_window", "submitted_inside_window"]
    cite: Cite


class Counting(Value):
    """Which certificates count: still valid on ``as_of``; an issuer's widest one stands for it."""

    as_of: Day
    cite: Cite
    scope: Literal["greatest_of_issuer"]
    scope_cite: Cite


class ObligationRule(Value):
    """Who must or may file. The first whose ``when`` holds decides; otherwise none."""

    id: Id
    label: Text
    when: Expression
    outcome: Literal["must", "may", "none"]
    cite: Cite


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
    otherwise_because: str = ""
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


class LevelRule(Value):
    """One level of the review chain; left out when ``when`` fails or ``authority`` yields ""."""

    id: Id
    label: Text
    when: Expression
    authority: Expression
    cite: Cite


class QualityCheck(Value):
    """Who checks the quality of approved filings."""

    by: AuthorityId
    cite: Cite


class Sanction(Value):
    """One measure the notice names; an official chooses, nothing follows by itself."""

    id: Id
    label: Text
    cite: Cite


Stages = Annotated[tuple[Stage, ...], AfterValidator(_unique)]
Obligations = Annotated[tuple[ObligationRule, ...], Field(min_length=1), AfterValidator(_unique)]
Parts = Annotated[tuple[PartRule, ...], Field(min_length=1), AfterValidator(_unique)]
Departments = Annotated[tuple[DepartmentRule, ...], AfterValidator(_unique)]
Reviewers = Annotated[tuple[ReviewerRule, ...], Field(min_length=1), AfterValidator(_unique)]
Levels = Annotated[tuple[LevelRule, ...], Field(min_length=1), AfterValidator(_unique)]
Sanctions = Annotated[tuple[Sanction, ...], AfterValidator(_unique)]


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
    sanctions: Sanctions = ()


class ExampleCertificate(Value):
    """A certificate of an example; what is left out is filled in by `rules.examples`."""

    level: Literal["provincial", "national"]
    issuer: AuthorityId
    scope: Annotated[StrictInt, Field(ge=0)] = 1
    valid_to: Day | None = None


class ExampleFacts(Value):
    """The facts of an example; ``institution`` takes the keys of `InstitutionFacts`."""

    institution: dict[str, Any]
    certificates: tuple[ExampleCertificate, ...] = ()
    choice: str | None = None
    previous_reviewer: str | None = None

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

    reviewer: AuthorityId | None = None
    rule: Id | None = None
    refusal: Refusal | None = None
    chain: tuple[AuthorityId, ...] | None = None
    obligation: Literal["must", "may", "none"] | None = None
    parts: tuple[Id, ...] | None = None
    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] | None = None


class Example(Value):
    """A worked example: ``facts`` for reviewers, obligation and parts; ``at`` for windows."""

    name: Text
    facts: ExampleFacts | None = None
    at: Moment | None = None
    expect: Expectation

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        wanted = self.expect.model_fields_set
        windows = wanted & {"inside", "outside"}
        if not wanted:
            raise ValueError(f"例子“{self.name}”没有写 expect 的内容")
        if windows and self.at is None:
            raise ValueError(f"例子“{self.name}”要写 at（时刻）才能判断窗口")
        if wanted - windows and self.facts is None:
            raise ValueError(f"例子“{self.name}”要写 facts 才能判断审核部门")
        return self


class RuleFile(Value):
    """One year's rules in one jurisdiction, an overlay's base merged in."""

    id: Id
    year: Annotated[StrictInt, Field(ge=2000, le=2100)]
    jurisdiction: JurisdictionCode
    title: Text
    extends: str | None = None
    revision: Annotated[StrictInt, Field(ge=1)]
    timezone: Literal["Asia/Shanghai"]
    not_publishable: str | None = None
    sources: dict[str, Source]
    overridable: tuple[Annotated[str, StringConstraints(pattern=_PATH)], ...] = ()
    filing: Filing
    examples: tuple[Example, ...] = ()
