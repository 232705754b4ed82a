"""Duties as the rules of a year and those of certificates answer with them. Pure."""

from domain.citation import Citation
from domain.duties import Duty, DutyMeasure, DutyTerm
from domain.working_days import Term
from rules.file.duty_schema import DutyRule, EventTerm


def duty_of(rule: DutyRule, cite: Citation) -> Duty:
    """The duty that a rule states, with the citation that stands alone."""
    term, measured = rule.term, rule.measured
    return Duty(
        id=rule.id,
        label=rule.label,
        who=rule.who,
        due=rule.due,
        term=DutyTerm(event=term.event, term=length_of(term)) if term is not None else None,
        once=rule.once,
        years=rule.years,
        measure=measured.by if measured is not None else DutyMeasure.BY_HAND,
        share=(measured.share or "") if measured is not None else "",
        cite=cite,
    )


def length_of(term: EventTerm) -> Term:
    """How long the term is."""
    if term.working_days is not None:
        return Term(days=term.working_days, unit="working_days")
    if term.months is not None:
        return Term(days=term.months, unit="months", rolls=term.rolls)
    assert term.days is not None
    return Term(days=term.days, unit="days", rolls=term.rolls)
