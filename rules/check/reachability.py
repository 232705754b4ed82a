"""Which rules can ever decide: every combination of facts that matters, tried.

The combinations are built from the rules themselves: their authorities, the areas and numbers
their conditions name. A rule that none of them reaches is dead text.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Any, Literal, get_args

from domain.decision import ReviewerDecision, ReviewLevel
from domain.facts import CertificateFacts, Facts, FilingEnd, FilingRecord, InstitutionFacts
from domain.ids import NATION, jurisdiction_of
from domain.jurisdictions import authority_of
from domain.numbers.quarters import Quarter
from domain.uscc import HolderKind
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
_WORD = re.compile(r"[A-Za-z_]\w*")
_KNOWN_TEXT = re.compile(r"provincial|national|amr-.*|group-.*|\d*|.*[\^$\[\]{}\\|*+?].*")
_DERIVED = {"choice": ("chosen",)}
"""Facts that stand for another one which is varied."""

MOST_TEXTS = 6
"""How many texts named by expressions are tried as qualifications and national centres."""


@dataclass
class Reach:
    """What happened over all combinations.

    ``deciding`` counts the decisions of each rule, ``taken_by`` says for each rule whose condition
    is the same as an earlier one's which that is, ``authorities`` all ids that came out, each with
    the rule that yielded it, ``failures`` conditions that could not be computed, each with the
    list it stands in, ``nothing_to_file`` whether somebody must file and has no part to fill in,
    ``duties`` and ``checks`` the duties of institutions and the levels of the quality check.
    """

    tried: int = 0
    deciding: dict[str, int] = field(default_factory=dict)
    levels: set[str] = field(default_factory=set)
    authorities: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    nothing_to_file: bool = False
    duties: set[str] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)


def explore(rules: CompiledRules, tried: Iterable[Facts]) -> Reach:
    """Decide everything that is tried: the combinations, and the file's own examples."""
    reach = Reach()
    duties: set[Hashable] = set()
    beside = [read for names, read in _BESIDE if rules.reads & names]
    for facts in tried:
        reach.tried += 1
        try:
            decision = rules.route(facts)
        except ConditionFailed as failed:
            reach.failures.append(("reviewers", str(failed)))
        else:
            _note(reach, decision)
        duty = (facts.institution, facts.certificates, *(read(facts) for read in beside))
        if duty not in duties:
            duties.add(duty)
            _note_duty(reach, rules, facts)
        if len(reach.failures) >= 3:
            break
    return reach


_BESIDE: tuple[tuple[frozenset[str], Callable[[Facts], Hashable]], ...] = (
    (frozenset({"choice", "chosen"}), lambda facts: facts.choice),
    (frozenset({"previous_reviewer"}), lambda facts: facts.previous_reviewer),
    (frozenset({"holder_kind"}), lambda facts: facts.holder_kind),
    (frozenset({"last_year_filing"}), lambda facts: tuple(facts.outcomes.items())),
)
"""What a duty may depend on beside the institution and its certificates, by the facts it reads."""


def _note_duty(reach: Reach, rules: CompiledRules, facts: Facts) -> None:
    try:
        outcome = rules.obligation(facts).outcome
    except ConditionFailed as failed:
        reach.failures.append(("obligation", str(failed)))
        return
    try:
        parts = rules.parts(facts)
    except ConditionFailed as failed:
        reach.failures.append(("parts", str(failed)))
        return
    if outcome == "must" and not parts:
        reach.nothing_to_file = True
    try:
        reach.duties.update(duty.id for duty in rules.duties_of(facts))
    except ConditionFailed as failed:
        reach.failures.append(("duties", str(failed)))
    try:
        reach.checks.update(level.id for level in rules.checks(facts) or ())
    except ConditionFailed as failed:
        reach.failures.append(("quality_check", str(failed)))


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


def explore_numbers(numbers: NumberRules, tried: Iterable[Facts]) -> NumberReach:
    """Ask for the section's decisions with every combination, and for no institution at all."""
    reach = NumberReach()
    seen: set[tuple[Any, ...]] = set()
    _ask(reach, numbers, None)
    for facts in tried:
        # nobody picks a reviewer for report numbers
        bare = facts.model_copy(update={"choice": None, "previous_reviewer": None})
        key = (bare.institution, bare.certificates)
        if key not in seen:
            seen.add(key)
            # a gate that reads nothing of the institution decides alike for all of them
            _ask(reach, numbers, bare, gate=numbers.gate_reads_institution or len(seen) == 1)
        if len(reach.failures) >= 3:
            break
    return reach


def _ask(
    reach: NumberReach, numbers: NumberRules, facts: Facts | None, *, gate: bool = False
) -> None:
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
        ]
        if gate:
            asked.append(
                ("gate", lambda: [numbers.gate(known, one, days[0]) for one in _STANDINGS])
            )
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


Section = Literal["filing", "report_numbers", "enforcement"]


def combinations(
    rules: CompiledRules, areas: Collection[str], section: Section = "filing"
) -> Iterator[Facts]:
    """Certificates × accreditation × group × choice × previous reviewer × the rest.

    Only facts that some expression of the section reads are varied. What an institution is beyond
    that (legal person, qualifications, national centres) is tried with every certificate in every
    region, choices aside.
    """
    sources = _sources(rules, section)
    named = _named(rules, sources)
    groups = sorted({"group-railway", *(t for t in named.texts if t.startswith("group-"))})
    sides = [*_fixed(rules), *groups]
    home, other = _provinces(rules)
    regions = _regions(rules, home, named.texts, areas)
    if not any(_looks_into(source) for source in sources):
        regions = _told_apart(rules, home, named.texts, regions)
    flags = (False, True)
    accreditation = named.varied("accredited", flags)
    review_groups = named.varied("review_group", (None, *groups))
    direct = named.varied("under_samr", flags)
    kinds = list(_kinds(named))
    year = rules.document.year - 1
    records = [
        {"holder_kind": holder, "outcomes": {year: end} if end is not None else {}}
        for holder in named.varied("holder_kind", get_args(HolderKind))
        for end in named.varied("last_year_filing", (None, *FilingEnd))
    ]
    for region in regions:
        wide = region == regions[0]
        choices = (None, home, other, *sides, "amr-999999") if wide else (None, home)
        previous = (None, home, *sides, "amr-999999") if wide else (None,)
        for certificates in _certificates(rules, home, other, named, wide):
            for accredited, group, choice, before, under in product(
                accreditation,
                review_groups,
                named.varied("choice", choices),
                named.varied("previous_reviewer", previous),
                direct,
            ):
                if under and (choice, before) != (None, None):
                    continue
                for kind in kinds if (choice, before) == (None, None) else kinds[:1]:
                    institution = InstitutionFacts(
                        id="any",
                        region=region,
                        under_samr=under,
                        accredited=accredited,
                        review_group=group,
                        **kind,
                    )
                    for record in records:
                        yield Facts(
                            institution=institution,
                            certificates=certificates,
                            choice=choice,
                            previous_reviewer=before,
                            **record,
                        )


def _kinds(named: "_Named") -> Iterator[dict[str, Any]]:
    """What kinds of institution the expressions tell apart, the plain one first."""
    words = named.free[:MOST_TEXTS]
    lists = ((), *((word,) for word in words or ("水利",)))
    for person, qualifications, centres in product(
        named.varied("legal_person", (True, False)),
        named.varied("other_qualifications", lists),
        named.varied("national_centres", lists),
    ):
        yield {
            "legal_person": person,
            "other_qualifications": qualifications,
            "national_centres": centres,
        }


@dataclass(frozen=True, slots=True)
class _Named:
    """What the expressions name: texts, whole numbers, and words (facts and their fields)."""

    texts: list[str]
    numbers: list[int]
    words: frozenset[str]
    fixed: frozenset[str]
    issuers: frozenset[str]

    @property
    def free(self) -> list[str]:
        """Texts that name no authority, area or level: qualifications, for one."""
        return [
            text
            for text in self.texts
            if text and text not in self.fixed and not _KNOWN_TEXT.fullmatch(text)
        ]

    def varied(self, fact: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values to try of a fact: only the first where nothing reads it."""
        return values if self.words & {fact, *_DERIVED.get(fact, ())} else values[:1]


def _sources(rules: CompiledRules, section: Section) -> list[str]:
    """The expressions that a section's decisions come from."""
    filing, numbers, enforcement = (
        rules.document.filing,
        rules.document.report_numbers,
        rules.document.enforcement,
    )
    departments = [text for one in filing.national_department for text in (one.when, one.assign)]
    sources: list[str] = []
    if section == "filing":
        sources += [rule.when for rule in filing.obligation]
        sources += [part.required_when for part in filing.parts]
        for rule in filing.reviewers:
            sources += [text for text in (rule.when, rule.must, rule.assign) if text is not None]
        for level in filing.review_chain:
            sources += [level.when, level.authority]
        sources += [duty.when for duty in rules.document.duties]
        if filing.quality_check is not None:
            sources.append(filing.quality_check.when)
            sources += [level.when for level in filing.quality_check.levels]
        return sources + departments
    if section == "report_numbers" and numbers is not None:
        sources += [rule.when for rule in numbers.obligation]
        sources += [rule.when for rule in numbers.gate]
        sources.append(numbers.eligible.when)
        for level in numbers.review_chain:
            sources += [level.when, level.authority]
        for complaint in numbers.complaints:
            sources += [complaint.when, complaint.assign]
    if section == "enforcement" and enforcement is not None:
        for measure in enforcement.measures:
            sources += [measure.proposes, measure.decides]
    reads = {word for source in sources for word in _WORD.findall(source)}
    return sources + (departments if reads & _OF_DEPARTMENTS else [])


_OF_DEPARTMENTS = {"national_department", "departments", "chosen", "widest_department"}
"""Facts that follow from who reviews for national certificates."""
_PLACES = re.compile(r"\b(region|local|county|city|province|reviewer|chosen)\b")
_LOOKING = re.compile(r"[<>+]|\.(?!exists\b|exists_one\b|all\b|filter\b|map\b)\w+\(")


def _looks_into(source: str) -> bool:
    """Whether an expression may ask for more of a place than whether it is another one."""
    return _PLACES.search(source) is not None and _LOOKING.search(source) is not None


def _told_apart(rules: CompiledRules, home: str, texts: list[str], regions: list[str]) -> list[str]:
    """The regions that expressions can tell apart, which only compare places: one of each kind.

    A kind is a level, which of the areas above are there, and which of them an expression names.
    """
    tree = rules.document.tree
    named = {code for text in texts for code in re.findall(r"\d{6}", text)} | {home[4:]}
    kinds: dict[Hashable, str] = {}
    for region in regions:
        above = list(tree.upwards(region))
        levels = tuple(tree.level(area) for area in above)
        kinds.setdefault((levels, frozenset(named.intersection(above))), region)
    return list(kinds.values())


def _named(rules: CompiledRules, sources: list[str]) -> _Named:
    texts = {one or two for source in sources for one, two in _TEXT.findall(source)}
    bare = [_TEXT.sub("", source) for source in sources]
    numbers = {int(n) for source in bare for n in _NUMBER.findall(source)}
    words = frozenset(word for source in bare for word in _WORD.findall(source))
    tree = rules.document.tree
    provinces = sorted(
        text
        for text in texts
        if text.startswith("amr-") and tree.level(jurisdiction_of(text)) == "province"
    )
    issuers = frozenset(provinces[:MOST_TEXTS])
    return _Named(sorted(texts), sorted(numbers), words, frozenset(_fixed(rules)), issuers)


def _fixed(rules: CompiledRules) -> list[str]:
    """Authorities that are neither a regulator of an area nor a review group."""
    return [name for name in rules.document.names if not name.startswith(("amr-", "group-"))]


def _provinces(rules: CompiledRules) -> tuple[str, str]:
    own = rules.document.tree.at_level(rules.document.jurisdiction, "province")
    home = own or _SAMPLE_PROVINCES[0]
    other = next(code for code in _SAMPLE_PROVINCES if code != home)
    return f"amr-{home}", f"amr-{other}"


def _regions(
    rules: CompiledRules, home: str, texts: list[str], areas: Collection[str]
) -> list[str]:
    """A county of every city, a city, the province, one outside, special and named areas.

    Of all these, those that the set governs.
    """
    tree, province = rules.document.tree, home[4:]
    own_place = rules.document.jurisdiction
    outside = "110101" if province != "110000" else "310101"
    special = [code for code, area in sorted(tree.special.items()) if area.parent == province]
    named = [code for text in texts for code in re.findall(r"\d{6}", text) if code in areas]
    named = [code for code in named if code != NATION]
    upwards = {code: list(tree.upwards(code)) for code in sorted(areas)}
    own = [code for code, path in upwards.items() if province in path]
    first_county: dict[str, str] = {}
    for code, path in upwards.items():
        if tree.level(code) == "county":
            for above in path:
                first_county.setdefault(above, code)
    cities = [code for code in own if tree.level(code) == "city"]
    counties = [first_county[code] for code in [*cities, *named] if code in first_county]
    below = [first_county[province]] if province in first_county else []
    typical = [*counties[:1], *below, *cities[:1]]
    tried = dict.fromkeys([*typical, province, own_place, outside, *special, *counties, *named])
    governed = [code for code in tried if code != NATION and own_place in tree.upwards(code)]
    return governed


def _certificates(
    rules: CompiledRules, home: str, other: str, named: _Named, wide: bool
) -> Iterator[tuple[CertificateFacts, ...]]:
    as_of = rules.document.filing.certificates.as_of
    expired = as_of - timedelta(days=1)

    def one(
        issuer: str, scope: int, valid: bool = True, number: str | None = None
    ) -> CertificateFacts:
        return CertificateFacts(
            number=number or f"{issuer}-{scope}",
            level="national" if issuer == authority_of(NATION) else "provincial",
            issuer=issuer,
            scope=scope,
            valid_to=as_of if valid else expired,
        )

    yield ()
    yield (one(home, 1, valid=False),)
    yield (one(home, 1),)
    yield (one(other, 1),)
    yield (one(authority_of(NATION), 1),)
    yield (one(home, 2), one(other, 1))
    yield (one(home, 1), one(other, 1))
    yield (one(home, 2), one(authority_of(NATION), 1))
    yield (one(home, 1), one(authority_of(NATION), 2))
    yield (one(home, 1), one(authority_of(NATION), 1))
    yield (one(other, 1), one(authority_of(NATION), 1))
    for issuer in sorted(named.issuers - {home, other}):
        yield (one(issuer, 1),)
        yield (one(home, 1), one(issuer, 2))
        yield (one(home, 2), one(issuer, 1))
    for number in named.numbers:
        if number > 2:
            for scope in (number, number + 1):
                yield (one(home, scope),)
                yield (one(authority_of(NATION), scope),)
                yield (one(home, scope), one(authority_of(NATION), number))
    if wide and named.words & {"number", "field", "industry"}:
        # year, authority, field, industry, serial: every field, then every industry
        for code in range(100):
            yield (one(home, 1, number=f"2400{code:02}010001"),)
            yield (one(home, 1, number=f"240001{code:02}0001"),)
