"""Which rules can ever decide: every combination of facts that matters, tried.

The combinations are built from the rules themselves: their authorities, the areas and numbers
their conditions name. A rule that none of them reaches is dead text.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Any

from domain.decision import ReviewerDecision, ReviewLevel
from domain.facts import CertificateFacts, Facts, FilingEnd, FilingRecord, InstitutionFacts
from domain.ids import NATION
from domain.numbers.quarters import Quarter
from rules.compiled import CompiledRules
from rules.conditions import ConditionFailed
from rules.numbers.report_numbers import NumberRules

_STANDINGS = (
    FilingRecord(),
    *(
        FilingRecord(latest_closed_year=2000, end=end, completed_years=years)
        for end in FilingEnd
        for years in (0, 1)
    ),
)
_SAMPLE_PROVINCES = ("350000", "430000")
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMBER = re.compile(r"(?<![\w'.-])\d{1,6}(?![\w'.-])")


@dataclass
class Reach:
    """What happened over all combinations.

    ``deciding`` counts the decisions of each rule, ``taken_by`` says for each rule whose condition
    is the same as an earlier one's which that is, ``authorities`` all ids that came out, each with
    the rule that yielded it, ``failures`` conditions that could not be computed.
    """

    tried: int = 0
    deciding: dict[str, int] = field(default_factory=dict)
    levels: set[str] = field(default_factory=set)
    authorities: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def explore(rules: CompiledRules, areas: Collection[str]) -> Reach:
    """Decide every combination of `combinations`; ``areas`` are the codes there are."""
    reach = Reach()
    for facts in combinations(rules, areas):
        reach.tried += 1
        try:
            decision = rules.route(facts)
        except ConditionFailed as failed:
            reach.failures.append(str(failed))
            if len(reach.failures) >= 3:
                break
            continue
        _note(reach, decision)
    return reach


@dataclass
class NumberReach:
    """What happened to the section on report numbers over all combinations.

    ``complaints`` and ``levels`` are the ids that came out, ``authorities`` all authorities, each
    with the path of the rule that yielded it, ``failures`` conditions that could not be computed.
    """

    complaints: set[str] = field(default_factory=set)
    levels: set[str] = field(default_factory=set)
    authorities: dict[str, tuple[str, str]] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)


def explore_numbers(
    numbers: NumberRules, rules: CompiledRules, areas: Collection[str]
) -> NumberReach:
    """Ask for the section's decisions with every combination, and for no institution at all."""
    reach = NumberReach()
    seen: set[tuple[Any, ...]] = set()
    _ask(reach, numbers, None)
    for facts in combinations(rules, areas):
        # nobody picks a reviewer for report numbers
        bare = facts.model_copy(update={"choice": None, "previous_reviewer": None})
        key = (bare.institution, bare.certificates)
        if key not in seen:
            seen.add(key)
            _ask(reach, numbers, bare)
        if len(reach.failures) >= 3:
            break
    return reach


def _ask(reach: NumberReach, numbers: NumberRules, facts: Facts | None) -> None:
    year = numbers.document.year
    days = (date(year, 1, 1), date(year, 12, 31), date(year + 1, 12, 31))

    def note(name: str, level: ReviewLevel) -> None:
        reach.authorities.setdefault(level.authority, (name, level.id))

    def complaints() -> None:
        for day in days:
            level = numbers.complaint(facts, day)
            reach.complaints.add(level.id)
            note("complaints", level)

    asked: list[tuple[str, Callable[[], object]]] = [("complaints", complaints)]
    if facts is not None:
        known = facts

        def levels() -> None:
            for number in (1, 4):
                for level in numbers.levels(known, Quarter(year, number)):
                    reach.levels.add(level.id)
                    note("review_chain", level)

        asked += [
            ("review_chain", levels),
            ("obligation", lambda: numbers.obligation(known, Quarter(year, 1))),
            ("eligible", lambda: [numbers.eligibility(known, day) for day in days]),
            ("gate", lambda: [numbers.gate(known, one, days[0]) for one in _STANDINGS]),
        ]
    for name, ask in asked:
        try:
            ask()
        except ConditionFailed as failed:
            reach.failures.append((name, str(failed)))


def _note(reach: Reach, decision: ReviewerDecision) -> None:
    if decision.rule is None:
        return
    reach.deciding[decision.rule] = reach.deciding.get(decision.rule, 0) + 1
    for level in decision.levels:
        reach.levels.add(level.id)
        reach.authorities.setdefault(level.authority, decision.rule)
    if decision.reviewer is not None:
        reach.authorities.setdefault(decision.reviewer, decision.rule)


def combinations(rules: CompiledRules, areas: Collection[str]) -> Iterator[Facts]:
    """Certificates × accreditation × group × choice × previous reviewer × the rest."""
    texts, numbers = _named(rules)
    groups = sorted({"group-railway", *(text for text in texts if text.startswith("group-"))})
    sides = ["samr", "cnas", "caiq", *groups]
    home, other = _provinces(rules)
    regions = _regions(rules, home, texts, areas)
    for region in regions:
        wide = region == regions[0]
        choices = (None, home, other, *sides, "amr-999999") if wide else (None, home)
        previous = (None, home, *sides, "amr-999999") if wide else (None,)
        for certificates in _certificates(rules, home, other, numbers):
            for accredited, group, choice, before, under, other_only in product(
                (False, True), (None, *groups), choices, previous, (False, True), (False, True)
            ):
                if under and (choice, before) != (None, None):
                    continue
                yield Facts(
                    institution=InstitutionFacts(
                        id="any",
                        region=region,
                        under_samr=under,
                        accredited=accredited,
                        review_group=group,
                        other_qualifications=("水利",) if other_only else (),
                    ),
                    certificates=certificates,
                    choice=choice,
                    previous_reviewer=before,
                )


def _named(rules: CompiledRules) -> tuple[list[str], list[int]]:
    """Texts and whole numbers that the conditions name."""
    filing = rules.document.filing
    sources = [rule.when for rule in filing.national_department]
    sources += [rule.assign for rule in filing.national_department]
    for rule in filing.reviewers:
        sources += [text for text in (rule.when, rule.must, rule.assign) if text is not None]
    for level in filing.review_chain:
        sources += [level.when, level.authority]
    numbers_section = rules.document.report_numbers
    if numbers_section is not None:
        sources += [rule.when for rule in numbers_section.obligation]
        sources += [rule.when for rule in numbers_section.gate]
        sources.append(numbers_section.eligible.when)
        for level in numbers_section.review_chain:
            sources += [level.when, level.authority]
        for complaint in numbers_section.complaints:
            sources += [complaint.when, complaint.assign]
    texts = {one or two for source in sources for one, two in _TEXT.findall(source)}
    numbers = {int(n) for source in sources for n in _NUMBER.findall(_TEXT.sub("", source))}
    return sorted(texts), sorted(numbers)


def _provinces(rules: CompiledRules) -> tuple[str, str]:
    own = rules.document.tree.at_level(rules.document.jurisdiction, "province")
    home = own or _SAMPLE_PROVINCES[0]
    other = next(code for code in _SAMPLE_PROVINCES if code != home)
    return f"amr-{home}", f"amr-{other}"


def _regions(
    rules: CompiledRules, home: str, texts: list[str], areas: Collection[str]
) -> list[str]:
    """A county, a city, the province, one outside, special areas, and areas conditions name."""
    province = home[4:]
    outside = "110101" if province != "110000" else "310101"
    special = [
        code
        for code, area in sorted(rules.document.tree.special.items())
        if area.parent == province
    ]
    named = [code for text in texts for code in re.findall(r"\d{6}", text) if code in areas]
    named = [code for code in named if code != NATION]
    own = sorted(code for code in areas if code.startswith(province[:2]))
    tree = rules.document.tree
    levels = [[code for code in own if tree.level(code) == name] for name in ("county", "city")]
    typical = [codes[0] for codes in levels if codes]
    return list(dict.fromkeys([*typical, province, outside, *special, *named]))


def _certificates(
    rules: CompiledRules, home: str, other: str, numbers: list[int]
) -> Iterator[tuple[CertificateFacts, ...]]:
    as_of = rules.document.filing.certificates.as_of
    expired = as_of - timedelta(days=1)

    def one(issuer: str, scope: int, valid: bool = True) -> CertificateFacts:
        return CertificateFacts(
            number=f"{issuer}-{scope}",
            level="national" if issuer == "samr" else "provincial",
            issuer=issuer,
            scope=scope,
            valid_to=as_of if valid else expired,
        )

    yield ()
    yield (one(home, 1, valid=False),)
    yield (one(home, 1),)
    yield (one(other, 1),)
    yield (one("samr", 1),)
    yield (one(home, 2), one(other, 1))
    yield (one(home, 1), one(other, 1))
    yield (one(home, 2), one("samr", 1))
    yield (one(home, 1), one("samr", 2))
    yield (one(home, 1), one("samr", 1))
    yield (one(other, 1), one("samr", 1))
    for number in numbers:
        if number > 2:
            for scope in (number, number + 1):
                yield (one(home, scope),)
                yield (one("samr", scope),)
                yield (one(home, scope), one("samr", number))
