"""Whom another set of rules would move: obligation, reviewer, chain, dates, parts, measures. Pure.

Institutions whose facts are alike, as far as the rules can tell, are decided on once.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from domain.case.plan import WINDOWS
from domain.case.status import Status
from domain.enforcement.consequences import EnforcementFacts, FilingFacts
from domain.facts import CertificateFacts, Facts
from domain.jurisdictions import known
from domain.model import Value
from rules.compiled import CompiledRules, FactsIncomplete
from rules.filing.derived_facts import first_day, valid_on, valid_years

ASPECTS = {
    "obligation": "填报义务",
    "reviewer": "审核部门",
    "chain": "审核层级",
    "dates": "期限",
    "parts": "填报内容",
    "measures": "逾期的后续处理",
}
"""What is compared, with its Chinese name."""

RuleSets = Mapping[str, CompiledRules]
"""The sets of a year by jurisdiction, or one set by its own."""


class Listed(NamedTuple):
    """An institution of a roster or of the register."""

    name: str
    facts: Facts


class Moved(Value):
    """One institution for which something changes: old and new, by aspect."""

    institution: str
    name: str
    region: str
    changes: dict[str, tuple[str, str]]


class Counted(Value):
    """How many institutions of a province there are, and for how many what changes."""

    name: str
    institutions: int
    changed: int
    aspects: dict[str, int]


class Impact(Value):
    """What changes for whom. ``total`` counts all, ``by_jurisdiction`` by province's code."""

    total: Counted
    by_jurisdiction: dict[str, Counted]
    rows: tuple[Moved, ...]


def impact(
    before: RuleSets, after: RuleSets, listed: Iterable[Listed], names: Mapping[str, str]
) -> Impact:
    """What changes from some rule sets to others; ``names`` are those of areas by their codes."""
    comparing = _Comparing(before, after)
    institutions: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    aspects: dict[str, Counter[str]] = {}
    rows = []
    for name, facts in listed:
        region = facts.institution.region
        province = known().province(region)
        institutions[province] += 1
        changes = comparing.changes(facts)
        if not changes:
            continue
        changed[province] += 1
        aspects.setdefault(province, Counter()).update(changes.keys())
        rows.append(
            Moved(institution=facts.institution.id, name=name, region=region, changes=changes)
        )

    def counted(name: str, places: Iterable[str]) -> Counted:
        all_of = [place for place in places if place in institutions]
        sums = {a: sum(aspects.get(p, Counter())[a] for p in all_of) for a in ASPECTS}
        return Counted(
            name=name,
            institutions=sum(institutions[place] for place in all_of),
            changed=sum(changed[place] for place in all_of),
            aspects=sums,
        )

    return Impact(
        total=counted("合计", institutions),
        by_jurisdiction={
            place: counted(names.get(place, place), [place]) for place in sorted(institutions)
        },
        rows=tuple(rows),
    )


_READS = {
    "number": re.compile(r"\b(number|field|industry)\b"),
    "scope": re.compile(r"\bscope\b"),
    "valid": re.compile(r"\bvalid_(from|to)\b"),
    "outcomes": re.compile(r"\blast_year_filing\b"),
    "id": re.compile(r"\binstitution\.id\b|\bholder\b"),
}
"""Facts that rules seldom read: where none of both sets does, they tell nobody apart."""


class _Comparing:
    def __init__(self, before: RuleSets, after: RuleSets) -> None:
        self._sides = (before, after)
        sets = [rules for side in self._sides for rules in side.values()]
        conditions = "\n".join(text for rules in sets for text in _conditions(rules.source))
        self._reads = {what for what, named in _READS.items() if named.search(conditions)}
        self._counted = {
            (rules.document.filing.certificates.as_of, valid_years(rules.document))
            for rules in sets
        }
        self._known: dict[Any, dict[str, tuple[str, str]]] = {}
        self._dates = {id(rules): _dates(rules) for rules in sets}

    def changes(self, facts: Facts) -> dict[str, tuple[str, str]]:
        """Old and new of each aspect that changes."""
        key = self._alike(facts)
        known = self._known.get(key)
        if known is None:
            old, new = (self._decided(side, facts) for side in self._sides)
            known = {name: (old[name], new[name]) for name in ASPECTS if old[name] != new[name]}
            self._known[key] = known
        return known

    # --- private steps -----------------------------------------------------------------------

    def _alike(self, facts: Facts) -> Any:
        of = facts.institution
        return (
            of.id if "id" in self._reads else "",
            of.region, of.legal_person, of.under_samr, of.accredited, of.review_group,
            of.other_qualifications, of.national_centres, facts.choice, facts.previous_reviewer,
            facts.holder_kind,
            tuple(sorted(facts.outcomes.items())) if "outcomes" in self._reads else (),
            tuple(self._certificate(one, alone=len(facts.certificates) == 1)
                  for one in facts.certificates),
        )  # fmt: skip

    def _certificate(self, one: CertificateFacts, *, alone: bool) -> Any:
        return (
            one.level,
            one.issuer,
            one.number if "number" in self._reads else "",
            # one certificate alone is the widest, however wide it is
            0 if alone and "scope" not in self._reads else one.scope,
            tuple(
                (first_day(one, years), one.valid_to)
                if "valid" in self._reads
                else valid_on(one, day, day, years)
                for day, years in self._counted
            ),
        )

    def _decided(self, side: RuleSets, facts: Facts) -> dict[str, str]:
        rules = _governing(side, facts.institution.region)
        if rules is None:
            return dict.fromkeys(ASPECTS, "没有规则")
        obligation = rules.obligation(facts).outcome
        if obligation == "none":
            return {**dict.fromkeys(ASPECTS, ""), "obligation": _OBLIGATIONS["none"]}
        decision = rules.route(facts)
        reviewer = decision.reviewer
        return {
            "obligation": _OBLIGATIONS[obligation],
            "reviewer": rules.authority_name(reviewer) if reviewer else str(decision.refusal),
            "chain": " → ".join(map(rules.authority_name, decision.chain)),
            "dates": self._dates[id(rules)],
            "parts": "、".join(part.label for part in rules.parts(facts)),
            "measures": _measures(rules, facts),
        }


_OBLIGATIONS = {"must": "必须填报", "may": "可以填报", "none": "不在范围"}


def _governing(side: RuleSets, region: str) -> CompiledRules | None:
    tree = next(iter(side.values())).document.tree
    return next((side[place] for place in tree.upwards(region) if place in side), None)


def _conditions(value: Any) -> Iterable[str]:
    """The texts of a document in which conditions can stand."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key in ("when", "must", "required_when", "spent", "assign") and below:
                yield str(below)
            elif key not in ("forms", "sources", "cite", "examples", "tree", "names"):
                yield from _conditions(below)
    elif isinstance(value, list):
        for below in value:
            yield from _conditions(below)


def _dates(rules: CompiledRules) -> str:
    stated = rules.document.filing.windows.stated()
    return "；".join(
        f"{WINDOWS[name].label} {span.first} 至 {span.last}" for name, span in stated.items()
    )


def _measures(rules: CompiledRules, facts: Facts) -> str:
    """What would be proposed for it a day after it has lapsed, without anything handed in."""
    fill = rules.windows.get("fill")
    if rules.enforcement is None or fill is None:
        return ""
    late = EnforcementFacts(
        **dict(facts), filing=FilingFacts(status=Status.LAPSED, due=_last(rules))
    )
    try:
        found = rules.consequences(late, _last(rules) + timedelta(days=1))
    except FactsIncomplete:
        return ""
    return "、".join(sorted(one.measure for one in found.proposals))


def _last(rules: CompiledRules) -> datetime:
    windows = rules.windows
    return (windows.get("supplement") or windows["fill"]).closes
