"""What a campaign means for one institution: whether it must file, and by which rules. Pure."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from domain.case.plan import Window
from domain.facts import Facts, InstitutionFacts
from domain.numbers.quarters import Period, Quarter
from domain.refusals import Refusal
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed

Outcome = Literal["must", "may", "outside", "without_rules", "uncomputable"]


def windows_of(rules: CompiledRules, period: Period) -> dict[str, Window]:
    """The windows that a rule set gives a year's filings, or a quarter's batches, by name.

    Raises NotPublishable where the set does not govern the period.
    """
    if not period.quarter:
        return rules.windows
    # the windows of a batch depend on the quarter alone, so any institution's do
    anybody = Facts(institution=InstitutionFacts(id="0", region=rules.document.jurisdiction))
    return rules.batch_plan(anybody, Quarter(*period)).stated()


def filing_closes(windows: Mapping[str, Window]) -> Window:
    """The window after which nobody can submit for the first time."""
    return windows.get("supplement") or windows["fill"]


class Considered(NamedTuple):
    """Whether an institution must file, and the jurisdiction whose rule set says so.

    ``refusal``: why that cannot be computed under these rules, where it cannot.
    """

    outcome: Outcome
    place: str = ""
    refusal: Refusal | None = None


def consider(
    rule_sets: Mapping[str, CompiledRules],
    jurisdiction: str,
    facts: Facts,
    period: Period,
    files_with_another: bool = False,
) -> Considered:
    """The outcome for one institution in the campaign of a jurisdiction.

    ``rule_sets`` are those that the campaign pins, by jurisdiction, its own among them; the
    most specific one that an institution's region lies in decides. Whoever
    ``files_with_another`` account of its legal person files nothing for a year of its own.
    """
    places = rule_sets[jurisdiction].document.tree.upwards(facts.institution.region)
    place = next((place for place in places if place in rule_sets), None)
    if place is None:
        return Considered("without_rules")
    rules = rule_sets[place]
    try:
        if period.quarter:
            obligation = rules.batch_obligation(facts, Quarter(*period)).outcome
        else:
            obligation = "none" if files_with_another else rules.obligation(facts).outcome
    except ConditionFailed as failed:
        # one institution that a rule was not made for holds up none of the others
        return Considered("uncomputable", place, failed.refusal)
    return Considered("outside" if obligation == "none" else obligation, place)
