"""A resolved rule set made ready to answer: reviewer, obligation, parts, plan, stages.

Built from the stored document alone, so a decision can be computed again years later with no
rule file at hand. Compile once and keep: an instance is immutable and safe to share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from domain.case.plan import FOREVER, NEEDED_WINDOWS, CasePlan, Reminder, Window
from domain.citation import Citation
from domain.decision import (
    Eligibility,
    GateDecision,
    Obligation,
    PublicAnswer,
    ReviewerDecision,
    ReviewLevel,
    RuleSetRef,
)
from domain.duties import Duty
from domain.enforcement.consequences import (
    CitedTerm,
    Consequences,
    EnforcementFacts,
    EnforcementTerms,
    FilingFacts,
    Standing,
    standing,
)
from domain.facts import Facts, FilingRecord
from domain.filing.findings import Correction
from domain.notices import Channel
from domain.numbers.quarters import Quarter
from domain.numbers.report_numbers import Answer
from domain.sampling import Sampling
from rules.conditions import Condition, Known, names_of
from rules.enforcement.consequences import EnforcementRules
from rules.file.catalogue import SHIPPED, cached_catalogue
from rules.file.document import RuleDocument, reference
from rules.file.duties import duty_of
from rules.file.findings import RulesInvalid
from rules.file.schema import Span
from rules.filing.forms.model import Form
from rules.filing.reminders import reminder, written
from rules.filing.reviewers import Precedence
from rules.filing.windows import window
from rules.numbers.report_numbers import NumberRules


class FactsIncomplete(ValueError):
    """Facts that leave out what the rules do not say either; the text says what, in Chinese."""


class NotPublishable(ValueError):
    """A set was asked for what it does not govern; the text says why, in Chinese."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a filing: the form to fill in, by id."""

    id: str
    form: str
    label: str
    cite: Citation


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the campaign, as the notice orders the work of the authorities."""

    id: str
    label: str
    window: Window
    cite: Citation


class CompiledRules:
    """The answers of one rule set; ``source`` is the document it was made of.

    Raises pydantic's ValidationError for what is no document, ConditionInvalid for a condition
    that does not compile.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.source = document
        self.document = RuleDocument.model_validate(document)
        self.ref: RuleSetRef = reference(document)
        filing = self.document.filing
        cite = self.document.citation
        self._precedence = Precedence(self.document, self.ref, self.authority_name)
        self._obligations = [
            (
                Condition(rule.when, "departments"),
                Obligation(outcome=rule.outcome, rule=rule.id, cite=cite(rule.cite)),
            )
            for rule in filing.obligation
        ]
        self._parts = [
            (
                Condition(rule.required_when, "departments"),
                Part(rule.id, rule.form, rule.label, cite(rule.cite)),
            )
            for rule in filing.parts
        ]
        section = self.document.report_numbers
        self.numbers: NumberRules | None = (
            NumberRules(section, self.document, self.ref, self._precedence)
            if section is not None
            else None
        )
        self.enforcement: EnforcementRules | None = (
            EnforcementRules(self.document.enforcement, self.document, self.ref, self._precedence)
            if self.document.enforcement is not None
            else None
        )
        self._duties = [
            (Condition(rule.when, "departments"), duty_of(rule, cite(rule.cite)))
            for rule in self.document.duties
        ]
        check = filing.quality_check
        self._checked = Condition(check.when, "departments") if check is not None else None
        self._check_levels = [
            Condition(level.when, "departments")
            for level in (check.levels if check is not None else ())
        ]
        self._names = names_of(
            *(when for when, _ in self._obligations),
            *(when for when, _ in self._parts),
            *(when for when, _ in self._duties),
            *self._check_levels,
            self._checked,
        )
        self.reads: frozenset[str] = self._names
        self._form_of = {rule.id: rule.form for rule in filing.parts}
        self._labels = {rule.id: rule.label for rule in filing.parts}
        self.stages: list[Stage] = [
            Stage(stage.id, stage.label, self._window(stage), cite(stage.cite))
            for stage in filing.stages
        ]

    def route(self, facts: Facts, as_of: date | None = None) -> ReviewerDecision:
        """Who reviews, through which levels, and why not the others.

        Certificates valid on ``as_of`` count, on the rules' own day without it.
        """
        return self._precedence.decide(facts, as_of)

    def obligation(self, facts: Facts, as_of: date | None = None) -> Obligation:
        """Whether the institution must file, may file, or is outside the statistics."""
        ready = self._known(facts, as_of)
        for when, obligation in self._obligations:
            if when.holds(ready):
                return obligation
        return Obligation(outcome="none", rule=None, cite=None)

    def parts(self, facts: Facts) -> list[Part]:
        """The parts this institution has to file, in the rules' order."""
        ready = self._known(facts)
        return [part for when, part in self._parts if when.holds(ready)]

    @property
    def duties(self) -> tuple[Duty, ...]:
        """All duties of the set beside the filing itself, in the rules' order."""
        return tuple(duty for _, duty in self._duties)

    def duties_of(self, facts: Facts) -> list[Duty]:
        """The duties of this institution."""
        ready = self._known(facts)
        return [
            duty for when, duty in self._duties if "institution" in duty.who and when.holds(ready)
        ]

    def terms(self) -> dict[str, CitedTerm]:
        """Every term that runs from an event: ``<measure>.<term>``, or a duty's id."""
        found = self.enforcement.duties() if self.enforcement is not None else {}
        return found | {
            duty.id: CitedTerm(**duty.term.term.model_dump(), cite=duty.cite)
            for duty in self.duties
            if duty.term is not None
        }

    def checks(self, facts: Facts) -> tuple[ReviewLevel, ...] | None:
        """The levels of this institution's quality check, None where it is not checked at all.

        A check at one level has none listed.
        """
        check = self.document.filing.quality_check
        if check is None or self._checked is None:
            return None
        ready = self._known(facts)
        if not self._checked.holds(ready):
            return None
        levels = tuple(
            ReviewLevel(
                id=level.id,
                authority=level.by,
                label=level.label,
                cite=self.document.citation(level.cite),
            )
            for when, level in zip(self._check_levels, check.levels, strict=True)
            if when.holds(ready)
        )
        return levels if levels or not check.levels else None

    def form(self, part: str) -> Form:
        """The form of a part, as pinned with the set. Raises KeyError for an unknown part."""
        return self.document.forms[self._form_of[part]]

    def part_label(self, part: str) -> str:
        """The Chinese name of a part. Raises KeyError for an unknown one."""
        return self._labels[part]

    @property
    def part_ids(self) -> frozenset[str]:
        """The ids of all parts of the set, whoever has to file them."""
        return frozenset(self._form_of)

    def forms_of(self, parts: Iterable[str]) -> dict[str, Form]:
        """The forms of parts, as pinned with the set, in the order of the parts."""
        return {part: self.form(part) for part in parts}

    def plan(self, facts: Facts) -> CasePlan:
        """What this institution's filing runs on. Raises NotPublishable for a mere base."""
        windows, completion = self.windows, self.document.filing.completion
        if completion is None or not windows.keys() >= set(NEEDED_WINDOWS):
            reason = self.document.not_publishable or "缺少填报、修改、审核窗口或完成条件"
            raise NotPublishable(f"规则集 {self.ref.id} 不能用来开展统计：{reason}")
        check = self.document.filing.quality_check
        checks = self.checks(facts)
        checked = check if checks is not None else None
        stated: dict[str, Any] = windows
        return CasePlan(
            year=self.document.year,
            jurisdiction=self.document.jurisdiction,
            ruleset=self.ref,
            obligation=self.obligation(facts),
            parts=tuple(part.id for part in self.parts(facts)),
            **stated,
            lapse_unapproved=completion.require == "approved_inside_window",
            completion_cite=self.document.citation(completion.cite),
            checker=(checks[0].authority if checks else checked.by) if checked else None,
            checker_cite=self.document.citation(checked.cite) if checked is not None else None,
            reminders=self.reminders,
            checks=checks or (),
            sample=self.sample if checked is not None else None,
        )

    @cached_property
    def attestation(self) -> Citation | None:
        """The clause by which the unit's responsible person confirms; None where nobody has to."""
        rule = self.document.filing.attestation
        if rule is None:
            return None
        cite = self.document.citation(rule.cite)
        law = {"document": rule.law.document, "clause": rule.law.clause}
        return cite.model_copy(update={**law, "quote": ""})

    @cached_property
    def corrections(self) -> tuple[Correction, ...]:
        """The reasons for correcting what was completed; none where the rules name none."""
        return tuple(
            Correction(code=rule.id, label=rule.label, material=rule.material)
            for rule in self.document.filing.corrections
        )

    @cached_property
    def sample(self) -> Sampling | None:
        """How the quality check draws, None where it checks all or there is none."""
        check = self.document.filing.quality_check
        if check is None or check.sample is None:
            return None
        return Sampling.model_validate(
            {
                **check.sample.model_dump(exclude={"cite"}),
                "cite": self.document.citation(check.sample.cite),
            }
        )

    def reminder_text(self, reminder: str, **words: str) -> tuple[str, tuple[Channel, ...]]:
        """What a filing's reminder says, and over which channels. Raises KeyError for none."""
        rule = {one.id: one for one in self.document.filing.reminders}[reminder]
        return written(rule, **words), rule.channels

    def batch_obligation(self, facts: Facts, quarter: Quarter) -> Obligation:
        """Whether the institution must, may or need not upload the quarter's report numbers.

        Raises NotPublishable where the set does not govern the quarter; see `batch_plan`.
        """
        return self._of_quarter(quarter).obligation(facts, quarter)

    def batch_plan(self, facts: Facts, quarter: Quarter) -> CasePlan:
        """What the institution's batch of report numbers of a quarter runs on.

        ``fill`` lasts until the numbers are due, ``supplement`` is where late ones are taken,
        ``correct`` lasts as long as either, ``review`` never closes; a window no rule closes ends
        at `domain.case.plan.FOREVER`. A reminder is at 00:00 Beijing time of the day its number of
        days before the last day of ``fill``: 0 is the last day itself, 23:59:59 of which is still
        in time. Raises NotPublishable where the set is a mere base, says nothing about report
        numbers, or is of another year than the quarter.
        """
        return self._of_quarter(quarter).plan(facts, quarter)

    def gate(self, facts: Facts, standing: FilingRecord, today: date) -> GateDecision:
        """Whether the institution may upload report numbers on ``today``, a Beijing day.

        Raises NotPublishable where the set is a mere base or says nothing about report numbers.
        """
        return self._governing().gate(facts, standing, today)

    def number_eligibility(self, facts: Facts, today: date) -> Eligibility:
        """Whether the public lookup answers for the institution's numbers on ``today``.

        Certificates still valid on that Beijing day count. Raises NotPublishable as `gate` does.
        """
        return self._governing().eligibility(facts, today)

    def complaint_plan(self, facts: Facts | None, received: datetime) -> CasePlan:
        """What a complaint runs on: one level, the authority that handles it, and no deadline.

        ``facts`` is None when nobody knows which institution the complaint is about; ``received``
        is an instant with a zone. Raises NotPublishable as `gate` does.
        """
        return self._governing().complaint_plan(facts, received)

    @cached_property
    def public_answers(self) -> dict[Answer, PublicAnswer]:
        """The words of the public lookup's answers. Raises NotPublishable as `gate` does."""
        return self._governing().answers

    def consequences(self, facts: EnforcementFacts, at: datetime) -> Consequences:
        """What would be proposed for one filing at an instant, and why not the rest.

        Raises FactsIncomplete where neither the facts nor the rules say until when to file.
        """
        found = self._standing(facts, at)
        if self.enforcement is None:
            nothing = f"{self.document.title}的规则没有规定后续处理措施，所以什么也不提出"
            return Consequences(
                proposals=(),
                candidates=(),
                ruleset=self.ref,
                at=at,
                due=found.due,
                because=nothing,
            )
        return self.enforcement.consequences(facts, found, at)

    def enforcement_terms(self, facts: EnforcementFacts, at: datetime) -> EnforcementTerms:
        """What a case of enforcement opened at ``at`` would run on. Raises FactsIncomplete."""
        found = self.consequences(facts, at)
        measures = self.enforcement.measures(facts, found) if self.enforcement else ()
        return EnforcementTerms(
            consequences=found, measures=measures, filing=facts.filing, findings=facts.findings
        )

    def enforcement_plan(self, facts: EnforcementFacts, at: datetime) -> CasePlan:
        """The plan of a case of enforcement opened at ``at``; no window closes it.

        Raises FactsIncomplete, and NotPublishable where nothing would be proposed.
        """
        terms = self.enforcement_terms(facts, at)
        if not terms.measures:
            raise NotPublishable(terms.consequences.because)
        cite = terms.measures[0].cite
        always = Window(opens=at, closes=FOREVER, cite=cite)
        return CasePlan(
            year=self.document.year,
            jurisdiction=self.document.jurisdiction,
            ruleset=self.ref,
            obligation=Obligation(outcome="must", rule=terms.measures[0].rule, cite=cite),
            fill=always,
            correct=always,
            review=always,
            completion_cite=cite,
            enforcement=terms,
        )

    def _standing(self, facts: EnforcementFacts, at: datetime) -> Standing:
        """How a filing stands at ``at`` under these rules. Raises FactsIncomplete."""
        filing, completion = facts.filing, self.document.filing.completion
        correct = self.windows.get("correct") if filing.about == "filing" else None
        return standing(
            filing,
            filing.obligation or self.obligation(facts).outcome,
            filing.due or self._due(filing),
            at,
            correct_until=correct.closes if correct is not None else None,
            reviewers_may_be_late=(
                completion is not None and completion.require == "approved_inside_window"
            ),
        )

    def _due(self, filing: FilingFacts) -> datetime:
        """Until when annual filings are handed in. Raises FactsIncomplete."""
        fill = self.windows.get("fill") if filing.about == "filing" else None
        if fill is None:
            why = "报告编号的期限因季度而异" if filing.about != "filing" else "规则没有填报窗口"
            raise FactsIncomplete(f"filing.due：缺少这一项，{why}，要写明期限届满的时刻")
        return fill.closes

    def _governing(self) -> NumberRules:
        if self.numbers is None:
            raise NotPublishable(f"规则集 {self.ref.id} 没有规定检验检测报告编号")
        if self.document.not_publishable is not None:
            reason = self.document.not_publishable
            raise NotPublishable(f"规则集 {self.ref.id} 只是基础：{reason}")
        return self.numbers

    def _of_quarter(self, quarter: Quarter) -> NumberRules:
        numbers = self._governing()
        if not numbers.governs(quarter):
            year = self.document.year
            raise NotPublishable(
                f"规则集 {self.ref.id} 只管 {year} 年的四个季度，不管 {quarter}；请用该年的规则"
            )
        return numbers

    @cached_property
    def windows(self) -> dict[str, Window]:
        """The windows the rules state, by name; see `domain.case.plan.WINDOWS`."""
        stated = self.document.filing.windows.stated()
        return {name: self._window(span) for name, span in stated.items()}

    @cached_property
    def reminders(self) -> tuple[Reminder, ...]:
        """The reminders of a filing, in the rules' order."""
        filing = self.document.filing
        cite = self.document.citation
        return tuple(reminder(one, filing.windows, cite(one.cite)) for one in filing.reminders)

    def authority_name(self, authority: str) -> str:
        """The authority's Chinese name: the document's own, else the shipped catalogue's."""
        name = self.document.names.get(authority)
        if name is not None:
            return name
        try:
            return cached_catalogue(SHIPPED).authority_name(authority)
        except RulesInvalid:
            return authority

    def _known(self, facts: Facts, as_of: date | None = None) -> Known:
        return Known("departments", self._names, self._precedence.facts(facts, as_of))

    def _window(self, span: Span) -> Window:
        return window(span, self.document.citation(span.cite))
