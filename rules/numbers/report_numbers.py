"""Report numbers under one rule set: who uploads, when, behind which gate, and who answers. Pure.

Certificates count differently here than in an annual filing: for the obligation of a quarter those
valid on any of its days, for everything asked today those valid today.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from domain.case.plan import FOREVER, CasePlan, NumberTerms, Reminder, Window
from domain.citation import Citation
from domain.clock import day_of, first_instant
from domain.decision import (
    Eligibility,
    GateDecision,
    Obligation,
    PublicAnswer,
    ReviewLevel,
    RuleSetRef,
)
from domain.facts import Facts, FilingRecord
from domain.numbers.quarters import Quarter
from domain.numbers.report_numbers import Answer
from rules.conditions import Condition, ConditionFailed, Known, TextExpression, names_of
from rules.file.document import RuleDocument
from rules.file.number_schema import ComplaintRule, GateRule, ReportNumbers
from rules.file.shapes import LevelRule
from rules.filing.derived_facts import no_facts, standing_facts
from rules.filing.reviewers import Precedence


@dataclass(frozen=True, slots=True)
class _Gate:
    rule: GateRule
    when: Condition
    cite: Citation


@dataclass(frozen=True, slots=True)
class _Assignment:
    """A rule that yields an authority where its condition holds: a level, or a complaint's."""

    rule: LevelRule | ComplaintRule
    when: Condition
    authority: TextExpression
    cite: Citation

    def level(self, known: Known) -> ReviewLevel | None:
        """The level with its authority, None where the rule does not hold or yields nothing."""
        authority = self.authority.text(known) if self.when.holds(known) else ""
        if not authority:
            return None
        rule = self.rule
        return ReviewLevel(id=rule.id, authority=authority, label=rule.label, cite=self.cite)


class NumberRules:
    """The section ``report_numbers`` of one document, compiled.

    Answers for a mere base too, so that its examples run; `rules.compiled.CompiledRules` is what
    refuses those. Raises ConditionInvalid for a condition that does not compile.
    """

    def __init__(
        self, section: ReportNumbers, document: RuleDocument, ref: RuleSetRef, known: Precedence
    ) -> None:
        cite = document.citation
        self.section = section
        self.document = document
        self._ref = ref
        self._facts = known.facts
        self._obligations = [
            (
                Condition(rule.when, "departments"),
                Obligation(outcome=rule.outcome, rule=rule.id, cite=cite(rule.cite)),
            )
            for rule in section.obligation
        ]
        self._levels = [
            _Assignment(
                rule,
                Condition(rule.when, "departments"),
                TextExpression(rule.authority, "departments"),
                cite(rule.cite),
            )
            for rule in section.review_chain
        ]
        self._gate = [
            _Gate(rule, Condition(rule.when, "gate"), cite(rule.cite)) for rule in section.gate
        ]
        self._eligible = Condition(section.eligible.when, "departments")
        self._complaints = [
            _Assignment(
                rule,
                Condition(rule.when, "complaint"),
                TextExpression(rule.assign, "complaint"),
                cite(rule.cite),
            )
            for rule in section.complaints
        ]
        self._batch_names = names_of(
            *(when for when, _ in self._obligations),
            *(level.when for level in self._levels),
            *(level.authority for level in self._levels),
        )
        self._gate_names = names_of(*(one.when for one in self._gate))
        self._complaint_names = names_of(
            *(one.when for one in self._complaints), *(one.authority for one in self._complaints)
        )
        self.answers: dict[Answer, PublicAnswer] = {
            answer: self._words(answer) for answer in Answer
        }

    def governs(self, quarter: Quarter) -> bool:
        """Whether the set is about this quarter."""
        return quarter.year == self.document.year

    def obligation(self, facts: Facts, quarter: Quarter) -> Obligation:
        """Whether the institution must or may upload the quarter's numbers."""
        known = self._of_quarter(facts, quarter)
        for when, obligation in self._obligations:
            if when.holds(known):
                return obligation
        return Obligation(outcome="none", rule=None, cite=None)

    def levels(self, facts: Facts, quarter: Quarter) -> tuple[ReviewLevel, ...]:
        """The review levels of the quarter's batch; a level without an authority is left out."""
        known = self._of_quarter(facts, quarter)
        found = (level.level(known) for level in self._levels)
        return tuple(level for level in found if level is not None)

    def windows(self, quarter: Quarter) -> dict[str, Window]:
        """The windows of a quarter's batch by name: fill, supplement (if any), correct, review.

        ``correct`` lasts as long as late numbers are taken; ``review`` has no end, since nothing
        lapses for want of a review.
        """
        window, late = self.section.window, self.section.late
        cite = self.document.citation
        first = quarter.first_day if window.opens == "with_quarter" else quarter.after(0)
        opens = first_instant(first)
        due = window.due_months
        closes = FOREVER if due is None else first_instant(quarter.after(due))
        found = {"fill": Window(opens=opens, closes=closes, cite=cite(window.cite))}
        correct = found["fill"]
        if late is not None:
            until = first_instant(quarter.after(late.until_months))
            found["supplement"] = Window(opens=closes, closes=until, cite=cite(late.cite))
            correct = Window(opens=opens, closes=until, cite=cite(late.cite))
        review = self._levels[0].cite if self._levels else found["fill"].cite
        return found | {
            "correct": correct,
            "review": Window(opens=opens, closes=FOREVER, cite=review),
        }

    def reminders(self, quarter: Quarter) -> tuple[Reminder, ...]:
        """The reminders of a quarter's batch, earliest first; none where nothing is ever due."""
        due = self.section.window.due_months
        if due is None:
            return ()
        last_day = quarter.after(due) - timedelta(days=1)
        found = (
            Reminder(
                id=rule.id,
                label=rule.label,
                at=first_instant(last_day - timedelta(days=rule.days_before_due)),
                cite=self.document.citation(rule.cite),
            )
            for rule in self.section.reminders
        )
        return tuple(sorted(found, key=lambda one: (one.at, one.id)))

    def plan(self, facts: Facts, quarter: Quarter) -> CasePlan:
        """What the quarter's batch runs on; see `rules.compiled.CompiledRules.batch_plan`."""
        cite, section = self.document.citation, self.section
        windows = self.windows(quarter)
        return CasePlan(
            year=quarter.year,
            jurisdiction=self.document.jurisdiction,
            ruleset=self._ref,
            obligation=self.obligation(facts, quarter),
            fill=windows["fill"],
            supplement=windows.get("supplement"),
            correct=windows["correct"],
            review=windows["review"],
            lapse_unapproved=False,
            completion_cite=cite(section.completion.cite),
            levels=self.levels(facts, quarter),
            reminders=self.reminders(quarter),
            numbers=NumberTerms(
                quarter=str(quarter),
                first_day=quarter.first_day,
                last_day=quarter.last_day,
                days_until_visible=section.visible.days,
                visible_cite=cite(section.visible.cite),
                longest=section.longest_number.characters,
            ),
        )

    def visible_from(self, uploaded: datetime) -> datetime:
        """From when what is uploaded at an instant can be looked up."""
        days = self.section.visible.days
        if days == 0:
            return uploaded
        return first_instant(day_of(uploaded) + timedelta(days=days))

    def gate(self, facts: Facts, standing: FilingRecord, today: date) -> GateDecision:
        """Whether the institution may upload now: every condition holds, or the first that fails.

        Where all hold, ``rule`` and ``cite`` are those of the last, None without any.
        """
        read = standing_facts(standing, self.section.latest_year)
        inputs: dict[str, Any] = {
            "today": today.isoformat(),
            "standing": standing.model_dump(mode="json"),
        }
        if self._gate_names - read.keys():
            read |= self._facts(facts, today)
            inputs["facts"] = facts.model_dump(mode="json")
        known = Known("gate", self._gate_names, read)
        passed: _Gate | None = None
        for gate in self._gate:
            if not gate.when.holds(known):
                return GateDecision(
                    allowed=False,
                    rule=gate.rule.id,
                    because=gate.rule.because,
                    code=gate.rule.code,
                    cite=gate.cite,
                    ruleset=self._ref,
                    inputs=inputs,
                )
            passed = gate
        return GateDecision(
            allowed=True,
            rule=passed.rule.id if passed is not None else None,
            because="；".join(gate.rule.label for gate in self._gate),
            cite=passed.cite if passed is not None else None,
            ruleset=self._ref,
            inputs=inputs,
        )

    @property
    def gate_reads_institution(self) -> bool:
        """Whether the gate asks for more than what is on record of annual filings."""
        read = standing_facts(FilingRecord(), self.section.latest_year)
        return bool(self._gate_names - read.keys())

    def eligibility(self, facts: Facts, today: date) -> Eligibility:
        """Whether the public lookup answers for the institution's numbers today."""
        rule = self.section.eligible
        known = Known("departments", self._eligible.names, self._facts(facts, today))
        eligible = self._eligible.holds(known)
        because = "" if eligible else rule.because
        return Eligibility(
            eligible=eligible, because=because, cite=self.document.citation(rule.cite)
        )

    def complaint(self, facts: Facts | None, today: date) -> ReviewLevel:
        """Who handles a complaint: the authority, with its rule's id, label and citation.

        Without ``facts`` nobody knows which institution it is about. Raises ConditionFailed when
        no rule yields an authority, which the check of the rule file finds before any case can.
        """
        about: Mapping[str, Any] = no_facts() if facts is None else self._facts(facts, today)
        known = Known(
            "complaint",
            self._complaint_names,
            {**about, "known_institution": facts is not None},
        )
        for rule in self._complaints:
            level = rule.level(known)
            if level is not None:
                return level
        raise ConditionFailed("report_numbers.complaints", "没有一条得出承办部门")

    def complaint_plan(self, facts: Facts | None, received: datetime) -> CasePlan:
        """What a complaint runs on; see `rules.compiled.CompiledRules.complaint_plan`."""
        level = self.complaint(facts, day_of(received))
        assert level.cite is not None
        always = Window(opens=received, closes=FOREVER, cite=level.cite)
        return CasePlan(
            year=self.document.year,
            jurisdiction=self.document.jurisdiction,
            ruleset=self._ref,
            obligation=Obligation(outcome="may", rule=level.id, cite=level.cite),
            fill=always,
            correct=always,
            review=always,
            lapse_unapproved=False,
            completion_cite=level.cite,
            levels=(level,),
        )

    def _of_quarter(self, facts: Facts, quarter: Quarter) -> Known:
        known = self._facts(facts, quarter.first_day, quarter.last_day)
        return Known("departments", self._batch_names, known)

    def _words(self, answer: Answer) -> PublicAnswer:
        words = self.section.answers.of(answer)
        return PublicAnswer(
            **words.model_dump(exclude={"cites"}),
            cites=tuple(self.document.citation(cite) for cite in words.cites),
        )


def contradictions(section: ReportNumbers, year: int) -> list[tuple[str, str, str]]:
    """What is wrong with a section: code, path below ``report_numbers``, Chinese sentence."""
    found = []
    due, late = section.window.due_months, section.late
    if late is not None and due is None:
        message = "没有截止（window.due_months），就没有逾期；请删去 late，或写上 due_months"
        found.append(("without_due", "late", message))
    if late is not None and due is not None and late.until_months <= due:
        message = (
            f"逾期补报到季度结束后 {late.until_months} 个月为止，"
            f"不晚于截止的 {due} 个月；请改大或删去 late"
        )
        found.append(("window_order", "late.until_months", message))
    for index, reminder in enumerate(section.reminders):
        path = f"reminders[{index}].days_before_due"
        if due is None:
            message = "没有截止（window.due_months），提醒无从算起；请删去，或写上 due_months"
            found.append(("without_due", path, message))
        elif any(
            quarter.after(due) - timedelta(days=1 + reminder.days_before_due) < first
            for quarter, first in _openings(section, year)
        ):
            message = f"截止前 {reminder.days_before_due} 天早于报送开始；请改小"
            found.append(("window_order", path, message))
    asked = {"latest_closed_year_expected", "latest_closed_year_completed"}
    if section.latest_year is None and asked & names_of(
        *(Condition(rule.when, "gate") for rule in section.gate)
    ):
        message = (
            "gate 问到最近一个统计年度，缺少 latest_year：每种结果各算已完成、未完成还是不要求"
        )
        found.append(("missing_key", "latest_year", message))
    if section.complaints[-1].when.strip() != "true":
        message = '最后一条投诉规则要总是适用（when: "true"），好让每件投诉都有人办理'
        found.append(("no_final_rule", f"complaints[{len(section.complaints) - 1}]", message))
    return found


def _openings(section: ReportNumbers, year: int) -> list[tuple[Quarter, date]]:
    quarters = [Quarter(year, number) for number in (1, 2, 3, 4)]
    with_quarter = section.window.opens == "with_quarter"
    return [(one, one.first_day if with_quarter else one.after(0)) for one in quarters]
