"""Who reviews: the precedence list, compiled once, decided many times. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.canonical import sha256_of
from domain.citation import Citation
from domain.decision import Candidate, ReviewerDecision, ReviewLevel, RuleSetRef
from domain.facts import Facts
from rules.conditions import Condition, ConditionFailed, Known, TextExpression, names_of
from rules.file.document import RuleDocument
from rules.file.schema import DepartmentRule, ReviewerRule
from rules.file.shapes import LevelRule
from rules.filing.derived_facts import (
    Areas,
    FactTable,
    add_departments,
    basic_facts,
    valid_years,
)

_DAYS_KEPT = 16
"""For how many days the facts last asked about are kept."""

NOBODY = "nobody_applies"


@dataclass(frozen=True, slots=True)
class _Department:
    when: Condition
    assign: TextExpression

    @classmethod
    def of(cls, rule: DepartmentRule) -> "_Department":
        return cls(Condition(rule.when, "facts"), TextExpression(rule.assign, "facts"))


@dataclass(frozen=True, slots=True)
class _Reviewer:
    """A rule with what stays the same in every decision made once."""

    rule: ReviewerRule
    when: Condition
    must: Condition | None
    assign: TextExpression | None
    cite: Citation
    not_applying: Candidate
    not_reached: Candidate

    @classmethod
    def of(cls, rule: ReviewerRule, cite: Citation) -> "_Reviewer":
        later = "前面的规则已经得出结论，没有轮到这一条"
        return cls(
            rule=rule,
            when=Condition(rule.when, "departments"),
            must=Condition(rule.must, "departments") if rule.must is not None else None,
            assign=TextExpression(rule.assign, "departments") if rule.assign is not None else None,
            cite=cite,
            not_applying=_eliminated(rule, None, rule.why_not),
            not_reached=Candidate(
                rule=rule.id, authority=None, verdict="not_reached", because=later
            ),
        )


@dataclass(frozen=True, slots=True)
class _Level:
    rule: LevelRule
    when: Condition
    authority: TextExpression
    cite: Citation

    @classmethod
    def of(cls, rule: LevelRule, cite: Citation) -> "_Level":
        when, authority = Condition(rule.when, "chain"), TextExpression(rule.authority, "chain")
        return cls(rule, when, authority, cite)


class Precedence:
    """The precedence list, national departments and review chain of one rule set."""

    def __init__(self, document: RuleDocument, ref: RuleSetRef, name: Callable[[str], str]) -> None:
        filing = document.filing
        self._ref = ref
        self._name = name
        self._year = document.year
        self._as_of = filing.certificates.as_of
        self._valid_years = valid_years(document)
        self._areas = Areas(document.tree)
        # one institution is asked about again and again: its obligation, parts, reviewer
        self._derived: dict[tuple[date, date | None], tuple[Facts, FactTable]] = {}
        self._departments = [_Department.of(rule) for rule in filing.national_department]
        self._rules = [
            _Reviewer.of(rule, document.citation(rule.cite)) for rule in filing.reviewers
        ]
        self._levels = [
            _Level.of(rule, document.citation(rule.cite)) for rule in filing.review_chain
        ]
        self._department_names = names_of(
            *(one.when for one in self._departments), *(one.assign for one in self._departments)
        )
        self._rule_names = names_of(
            *(one.when for one in self._rules),
            *(one.must for one in self._rules),
            *(one.assign for one in self._rules),
        )
        self._level_names = names_of(
            *(one.when for one in self._levels), *(one.authority for one in self._levels)
        )

    def facts(
        self, facts: Facts, as_of: date | None = None, until: date | None = None
    ) -> FactTable:
        """Every fact of the scope ``departments``, by name.

        Certificates valid on ``as_of``, or by ``until``, count, for annual filings on the day the
        rules name.
        """
        first = as_of if as_of is not None else self._as_of
        asked, known = self._derived.get((first, until), (None, None))
        if asked is not facts or known is None:
            known = basic_facts(
                facts,
                first,
                self._areas,
                until,
                year=self._year,
                valid_years=self._valid_years,
            )
            add_departments(known, self._national_department(known))
            if len(self._derived) >= _DAYS_KEPT:
                self._derived.clear()
            self._derived[first, until] = (facts, known)
        return known

    def decide(self, facts: Facts, as_of: date | None = None) -> ReviewerDecision:
        """The reviewer with the chain, or a refusal; always with every candidate's fate.

        Certificates valid on ``as_of`` count, on the rules' own day without it.
        Raises ConditionFailed when a condition cannot be computed for these facts, which the
        check of the rule file finds before any case can meet it.
        """
        known = self.facts(facts, as_of)
        ready = Known("departments", self._rule_names, known)
        candidates: list[Candidate] = []
        for index, rule in enumerate(self._rules):
            if not rule.when.holds(ready):
                candidates.append(rule.not_applying)
                continue
            authority = rule.assign.text(ready) if rule.assign is not None else ""
            if rule.must is not None and not rule.must.holds(ready):
                because = rule.rule.otherwise_because
                named = authority or str(known["choice"]) or None
                candidates.append(_eliminated(rule.rule, named, because))
                return self._refused(facts, index, candidates, rule.rule.otherwise, because)
            if rule.rule.refuse is not None:
                because = rule.rule.label
                candidates.append(_eliminated(rule.rule, None, because))
                return self._refused(facts, index, candidates, rule.rule.refuse, because)
            if authority:
                return self._assigned(facts, index, candidates, authority, known)
            because = "条件成立，但得不出唯一的审核部门"
            candidates.append(_eliminated(rule.rule, None, because))
        return self._refused(facts, None, candidates, NOBODY, "没有规则适用于这个机构")

    def _national_department(self, known: Mapping[str, Any]) -> str:
        if not known["has_national"]:
            return ""
        ready = Known("facts", self._department_names, known)
        for department in self._departments:
            if department.when.holds(ready):
                return department.assign.text(ready)
        return ""

    def _assigned(
        self,
        facts: Facts,
        index: int,
        candidates: list[Candidate],
        authority: str,
        known: dict[str, Any],
    ) -> ReviewerDecision:
        rule = self._rules[index]
        because = f"{rule.rule.label}：{self._name(authority)}"
        candidates.append(
            Candidate(rule=rule.rule.id, authority=authority, verdict="chosen", because=because)
        )
        candidates += [later.not_reached for later in self._rules[index + 1 :]]
        return ReviewerDecision(
            reviewer=authority,
            rule=rule.rule.id,
            levels=self._chain(known, authority),
            cite=rule.cite,
            ruleset=self._ref,
            candidates=tuple(candidates),
            because=because,
            inputs_sha256=_inputs(facts),
        )

    def _refused(
        self,
        facts: Facts,
        index: int | None,
        candidates: list[Candidate],
        refusal: str | None,
        because: str,
    ) -> ReviewerDecision:
        rule = self._rules[index] if index is not None else None
        if index is not None:
            candidates += [later.not_reached for later in self._rules[index + 1 :]]
        return ReviewerDecision(
            reviewer=None,
            rule=rule.rule.id if rule is not None else None,
            levels=(),
            cite=rule.cite if rule is not None else None,
            ruleset=self._ref,
            candidates=tuple(candidates),
            refusal=refusal,
            because=because,
            inputs_sha256=_inputs(facts),
        )

    def _chain(self, known: dict[str, Any], reviewer: str) -> tuple[ReviewLevel, ...]:
        ready = Known("chain", self._level_names, {**known, "reviewer": reviewer})
        levels = []
        for level in self._levels:
            if not level.when.holds(ready):
                continue
            authority = level.authority.text(ready)
            if authority:
                rule = level.rule
                levels.append(
                    ReviewLevel(id=rule.id, authority=authority, label=rule.label, cite=level.cite)
                )
        if not levels:
            raise ConditionFailed("review_chain", f"审核部门 {reviewer} 没有任何审核层级")
        return tuple(levels)


def _eliminated(rule: ReviewerRule, authority: str | None, because: str) -> Candidate:
    return Candidate(rule=rule.id, authority=authority, verdict="eliminated", because=because)


def _inputs(facts: Facts) -> str:
    return sha256_of(facts.model_dump(mode="json"))
