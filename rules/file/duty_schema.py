"""What a rule file may say beside the filing: declared facts, and duties with their deadlines."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from domain.duties import DutyMeasure
from domain.ids import AuthorityShape
from domain.model import Value
from rules.file.shapes import Cite, CountedDay, Expression, Id, Text, unique

Level = Literal["nation", "province", "city", "county"]


class FactRule(Value):
    """A name that conditions may use for what ``means`` says; see `rules.file.declared_facts`."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    about: Text
    kind: Literal["yes-no", "text", "number"]
    means: Expression
    cite: Cite


class EventTerm(Value):
    """So long from an event on; its own day is not counted, the last day counts whole."""

    event: Text
    days: Annotated[StrictInt, Field(ge=1, le=1100)] | None = None
    working_days: Annotated[StrictInt, Field(ge=1, le=1100)] | None = None
    months: Annotated[StrictInt, Field(ge=1, le=120)] | None = None
    rolls: StrictBool = False

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if [self.days, self.working_days, self.months].count(None) != 2:
            raise ValueError("期限写 days、working_days、months 中的一个")
        if self.rolls and self.working_days is not None:
            raise ValueError("工作日期限的最后一日本来就是工作日；请去掉 rolls")
        return self


class MeasureRule(Value):
    """How one sees whether a duty is done; ``share`` of whom it must reach, such as "1"."""

    by: DutyMeasure
    share: Annotated[str, StringConstraints(pattern=r"^(0\.[0-9]{1,4}|1)$")] | None = None


class DutyRule(Value):
    """Who has to do what by when, beside filing itself.

    ``who`` are levels of regulators, authorities, or ``institution`` (those for whom ``when``
    holds). ``once``: it is done once and for all, for the earlier ``years`` if any are named.
    """

    id: Id
    label: Text
    who: Annotated[tuple[Level | Literal["institution"] | AuthorityShape, ...], Field(min_length=1)]
    when: Expression = "true"
    due: CountedDay | None = None
    term: EventTerm | None = None
    once: StrictBool = False
    years: tuple[Annotated[StrictInt, Field(ge=2000, le=2100)], ...] = ()
    measured: MeasureRule | None = None
    cite: Cite

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.due is not None and self.term is not None:
            raise ValueError("due（到哪一天）和 term（从某件事起多久）只写一个")
        if "institution" not in self.who and self.when.strip() != "true":
            raise ValueError("when 只用于机构的义务（who: [institution]）")
        if self.years and not self.once:
            raise ValueError("years 说的是补做哪些年度，只用于一次性的义务（once: true）")
        return self


FactRules = Annotated[tuple[FactRule, ...], AfterValidator(unique)]
Duties = Annotated[tuple[DutyRule, ...], AfterValidator(unique)]
