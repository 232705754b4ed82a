"""What would be proposed for one filing, with every candidate and its reason. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from domain.citation import Citation
from domain.decision import RuleSetRef
from domain.enforcement.consequences import (
    FINDING_LABELS,
    CitedTerm,
    ConsequenceCandidate,
    Consequences,
    EnforcementFacts,
    Law,
    MeasureTerms,
    Proposal,
    Standing,
    why_no_trigger,
)
from domain.facts import Facts
from rules.conditions import Condition, Known, TextExpression, known_facts, names_of
from rules.file.document import RuleDocument
from rules.file.enforcement_schema import Enforcement, LawRule, MeasureRule, TermRule, TriggerRule
from rules.filing.reviewers import Precedence

_NAMES = frozenset(fact.name for fact in known_facts("enforcement"))


@dataclass(frozen=True, slots=True)
class _Trigger:
    rule: TriggerRule
    when: Condition
    spent: Condition | None


@dataclass(frozen=True, slots=True)
class _Measure:
    rule: MeasureRule
    when: Condition
    proposes: TextExpression
    decides: TextExpression
    cite: Citation


class EnforcementRules:
    """The section ``enforcement`` of one document, compiled.

    Raises ConditionInvalid for a condition that does not compile.
    """

    def __init__(
        self, section: Enforcement, document: RuleDocument, ref: RuleSetRef, known: Precedence
    ) -> None:
        self.section = section
        self._document = document
        self._ref = ref
        self._facts = known.facts
        self._triggers = [
            _Trigger(
                rule,
                Condition(rule.when, "enforcement"),
                Condition(rule.spent, "enforcement") if rule.spent is not None else None,
            )
            for rule in section.triggers
        ]
        self._measures = {
            rule.id: _Measure(
                rule,
                Condition(rule.when, "enforcement"),
                TextExpression(rule.proposes, "departments"),
                TextExpression(rule.decides, "departments"),
                _founded(document.citation(rule.cite), rule),
            )
            for rule in section.measures
        }
        self._authority_names = names_of(
            *(one.proposes for one in self._measures.values()),
            *(one.decides for one in self._measures.values()),
        )

    def consequences(self, facts: EnforcementFacts, found: Standing, at: datetime) -> Consequences:
        """What would be proposed at ``at`` for a filing that stands like that.

        Raises ConditionFailed when a condition cannot be computed for these facts.
        """
        known = Known("enforcement", _NAMES, facts_of(facts, found))
        candidates: list[ConsequenceCandidate] = []
        grounds: dict[str, list[str]] = {}
        for trigger in self._triggers:
            for candidate in self._candidates(trigger, facts, found, known):
                candidates.append(candidate)
                if candidate.verdict == "proposed" and candidate.measure is not None:
                    grounds.setdefault(candidate.measure, []).append(trigger.rule.id)
        proposals = tuple(
            Proposal(
                measure=name,
                label=measure.rule.label,
                kind=measure.rule.kind,
                rule=grounds[name][0],
                grounds=tuple(grounds[name]),
                cite=measure.cite,
                laws=tuple(_law(law) for law in measure.rule.laws),
            )
            for name, measure in self._measures.items()
            if name in grounds
        )
        return Consequences(
            proposals=proposals,
            candidates=tuple(candidates),
            ruleset=self._ref,
            at=at,
            due=found.due,
            because=_summary(facts, found, bool(proposals)),
        )

    def measures(
        self, facts: EnforcementFacts, consequences: Consequences
    ) -> tuple[MeasureTerms, ...]:
        """What a case needs of every measure proposed."""
        ready = Known("departments", self._authority_names, self._facts(facts))
        return tuple(
            self._terms(self._measures[one.measure], one, ready) for one in consequences.proposals
        )

    def term(self, duty: str) -> CitedTerm | None:
        """The term that ``<measure>.<term>`` names, None if there is none."""
        return self.duties().get(duty)

    def duties(self) -> dict[str, CitedTerm]:
        """Every term that runs from an event, by ``<measure>.<term>``."""
        return {
            f"{name}.{term}": self._term(rule)
            for name, measure in self._measures.items()
            for term, rule in measure.rule.terms.items()
        }

    def reach(self) -> tuple[set[str], set[str]]:
        """Which triggers can ever hold, and which measures can ever be proposed.

        Raises ConditionFailed for a condition that some facts break.
        """
        triggers, measures = set(), set()
        for facts in _combinations():
            known = Known("enforcement", _NAMES, facts)
            for trigger in self._triggers:
                if not trigger.when.holds(known):
                    continue
                triggers.add(trigger.rule.id)
                spent = trigger.spent is not None and trigger.spent.holds(known)
                for name in trigger.rule.measures:
                    measure = self._measures[name]
                    cured = spent and "cured" in {end.by for end in measure.rule.ends}
                    if not cured and measure.when.holds(known):
                        measures.add(name)
        return triggers, measures

    @property
    def authorities_by_region(self) -> bool:
        """Whether who proposes and who decides depends on nothing but the region."""
        return self._authority_names <= {"local", "county", "city", "province"}

    def authorities(self, facts: Facts) -> list[tuple[str, str]]:
        """Measures, each with an authority that proposes or decides it for these facts."""
        ready = Known("departments", self._authority_names, self._facts(facts))
        return [
            (name, _authority(expression, ready))
            for name, measure in self._measures.items()
            for expression in (measure.proposes, measure.decides)
        ]

    # --- private steps -----------------------------------------------------------------------

    def _candidates(
        self, trigger: _Trigger, facts: EnforcementFacts, found: Standing, known: Known
    ) -> Iterator[ConsequenceCandidate]:
        rule = trigger.rule
        if rule.about != facts.filing.about:
            yield _none(rule, "这一条针对的不是这类填报")
            return
        if found.why_nothing:
            yield _none(rule, found.why_nothing)
            return
        if not trigger.when.holds(known):
            yield _none(rule, f"{rule.why_not}（{why_no_trigger(found)}）")
            return
        spent = trigger.spent is not None and trigger.spent.holds(known)
        for name in rule.measures:
            measure = self._measures[name]
            ends = {end.by for end in measure.rule.ends}
            if spent and "cured" in ends:
                because = "已经补报并通过审核，解除的条件已经满足，不再提出"
                yield _candidate(rule, name, "eliminated", because)
            elif not measure.when.holds(known):
                yield _candidate(rule, name, "eliminated", measure.rule.why_not)
            else:
                because = f"{rule.label}（{_ground(facts, found)}）；可以提出，由有权的人决定"
                yield _candidate(rule, name, "proposed", because)

    def _terms(self, measure: _Measure, proposal: Proposal, ready: Known) -> MeasureTerms:
        rule = measure.rule
        return MeasureTerms(
            id=rule.id,
            label=rule.label,
            kind=rule.kind,
            rule=proposal.rule,
            grounds=proposal.grounds,
            cite=measure.cite,
            laws=tuple(_law(law) for law in rule.laws),
            open_wording=rule.open_wording,
            proposes=_authority(measure.proposes, ready),
            decides=_authority(measure.decides, ready),
            steps=rule.steps,
            terms={name: self._term(term) for name, term in rule.terms.items()},
            ends=tuple(end.by for end in rule.ends),
            effects=tuple(effect.id for effect in rule.effects),
            says=rule.says,
            cure=rule.cure,
        )

    def _term(self, rule: TermRule) -> CitedTerm:
        if rule.law is not None:
            cite = _law(rule.law).citation()
            if rule.cite is not None:
                cite = cite.model_copy(update={"assumption": rule.cite.assume})
        else:
            assert rule.cite is not None
            cite = self._document.citation(rule.cite)
        return CitedTerm(days=rule.days, unit=rule.unit, rolls=rule.rolls, cite=cite)


def facts_of(facts: EnforcementFacts, found: Standing) -> dict[str, Any]:
    """The facts of the scope ``enforcement`` by name."""
    return {
        "owed": not found.why_nothing,
        "not_filed": found.not_filed,
        "late": found.late,
        "filed": found.handed_in is not None,
        "approved": found.approved,
        "reminded": found.reminded,
        "findings": [finding.value for finding in facts.findings],
    }


def _founded(cite: Citation, rule: MeasureRule) -> Citation:
    """What a measure rests on: the law itself where no notice names the measure."""
    if cite.document or not rule.laws:
        return cite
    law = _law(rule.laws[0]).citation()
    return law.model_copy(update={"assumption": cite.assumption})


def _authority(expression: TextExpression, ready: Known) -> str:
    """Who it names; the regulator of the supervising area where it names nobody."""
    return expression.text(ready) or str(ready.facts["local"])


def _law(rule: LawRule) -> Law:
    return Law(document=rule.document, clause=rule.clause, says=rule.says)


def _ground(facts: EnforcementFacts, found: Standing) -> str:
    labels = "、".join(FINDING_LABELS[finding] for finding in facts.findings)
    dates = why_no_trigger(found)
    return f"{dates}；承办人认定：{labels}" if labels else dates


def _summary(facts: EnforcementFacts, found: Standing, proposed: bool) -> str:
    if found.why_nothing:
        return f"{found.why_nothing}，所以什么也不提出"
    told = _ground(facts, found)
    return f"{told}；以下措施供选择，不自动适用" if proposed else f"{told}；没有可以提出的措施"


def _none(rule: TriggerRule, because: str) -> ConsequenceCandidate:
    return ConsequenceCandidate(rule=rule.id, measure=None, verdict="eliminated", because=because)


def _candidate(
    rule: TriggerRule, measure: str, verdict: Literal["proposed", "eliminated"], because: str
) -> ConsequenceCandidate:
    return ConsequenceCandidate(rule=rule.id, measure=measure, verdict=verdict, because=because)


def _combinations() -> Iterator[dict[str, Any]]:
    """Every combination of facts that the section's conditions can tell apart."""
    names = list(FINDING_LABELS)
    for owed, filed, late, approved in (
        (False, False, False, False),
        (False, True, False, True),
        (True, False, False, False),
        (True, True, False, False),
        (True, True, False, True),
        (True, True, True, False),
        (True, True, True, True),
    ):
        for overdue in (False, True) if not filed and owed else (False,):
            for reminded in (0, 1, 2, 3, 5, 10):
                for chosen in range(2 ** len(names)):
                    yield {
                        "owed": owed,
                        "not_filed": overdue,
                        "late": late,
                        "filed": filed,
                        "approved": approved,
                        "reminded": reminded,
                        "findings": [
                            name.value for at, name in enumerate(names) if chosen >> at & 1
                        ],
                    }
