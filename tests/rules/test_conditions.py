"""Conditions: known names compile, others are refused, what cannot be computed is no answer."""

from datetime import UTC, date, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.case.status import Status
from domain.enforcement.consequences import EnforcementFacts, FilingFacts, standing
from domain.facts import CertificateFacts, Facts, FilingRecord, InstitutionFacts
from domain.jurisdictions import SpecialArea, Tree
from rules.conditions import (
    FACTS,
    Condition,
    ConditionFailed,
    ConditionInvalid,
    Fact,
    Known,
    Scope,
    TextExpression,
    known_facts,
    names_of,
)
from rules.enforcement.consequences import facts_of
from rules.filing.derived_facts import Areas, add_departments, basic_facts, no_facts, standing_facts

SCOPES = get_args(Scope)

TREE = Tree(no_city_level=("11",), special={"350128": SpecialArea(level="city", parent="350000")})


def known(
    *certificates: CertificateFacts, region: str = "350102", **more: object
) -> dict[str, object]:
    facts = Facts.model_validate(
        {
            "institution": InstitutionFacts(id="x", region=region),
            "certificates": certificates,
            **more,
        }
    )
    found = basic_facts(facts, date(2024, 12, 31), Areas(TREE))
    add_departments(found, "caiq" if found["has_national"] else "")
    return found


def one(issuer: str, scope: int, until: str = "2030-01-01", number: str = "1") -> CertificateFacts:
    level = "national" if issuer == "samr" else "provincial"
    return CertificateFacts.model_validate(
        {"number": number, "level": level, "issuer": issuer, "scope": scope, "valid_to": until}
    )


def in_scope(scope: Scope, *certificates: CertificateFacts) -> dict[str, object]:
    """Every fact a condition of ``scope`` may read."""
    more: dict[Scope, dict[str, object]] = {
        "chain": {"reviewer": "amr-350000"},
        "gate": standing_facts(FilingRecord(), None),
        "complaint": {"known_institution": True},
    }
    found = known(*certificates) | more.get(scope, {})
    if scope == "facts":
        found = basic_facts(
            Facts(institution=InstitutionFacts(id="x", region="350102"), certificates=certificates),
            date(2024, 12, 31),
            Areas(TREE),
        )
    if scope == "enforcement":
        # nothing of the institution: only what and when it filed
        filing = FilingFacts(status=Status.DRAFT)
        facts = EnforcementFacts(
            institution=InstitutionFacts(id="x", region="350102"), filing=filing
        )
        moment = datetime(2025, 1, 1, tzinfo=UTC)
        there = standing(
            filing, "must", moment, moment, correct_until=None, reviewers_may_be_late=False
        )
        found = facts_of(facts, there)
    return found


@pytest.mark.parametrize("scope", SCOPES)
def test_every_declared_fact_is_derived(scope: Scope) -> None:
    assert set(in_scope(scope)) == {fact.name for fact in known_facts(scope)}


def test_every_fact_is_known_somewhere() -> None:
    assert {fact for scope in SCOPES for fact in known_facts(scope)} == set(FACTS)


@pytest.mark.parametrize(("scope", "fact"), [(s, f) for s in SCOPES for f in known_facts(s)])
def test_every_declared_fact_has_its_declared_type(scope: Scope, fact: Fact) -> None:
    facts = in_scope(scope, one("amr-350000", 5))
    condition = Condition(f"{fact.name} == {fact.name}", scope)
    assert condition.holds(Known(scope, names_of(condition), facts))


def test_without_an_institution_every_fact_is_there_and_empty() -> None:
    nothing = no_facts()
    assert set(nothing) == {fact.name for fact in known_facts("departments")}
    for name in nothing:
        condition = Condition(f"{name} == {name}", "departments")
        assert condition.holds(Known("departments", names_of(condition), nothing)), name
    empty = Condition(
        "local == '' && institution.id == '' && !has_certificate && certs.size() == 0",
        "departments",
    )
    assert empty.holds(Known("departments", names_of(empty), nothing))


@pytest.mark.parametrize(
    ("source", "scope", "words"),
    [
        ("completed_years > 0", "departments", "report_numbers.gate"),
        ("completed_years > 0", "complaint", "report_numbers.gate"),
        ("known_institution", "gate", "report_numbers.complaints"),
        ("reviewer == ''", "gate", "后面的步骤"),
    ],
)
def test_a_fact_of_another_scope_is_refused_and_says_whose_it_is(
    source: str, scope: Scope, words: str
) -> None:
    with pytest.raises(ConditionInvalid, match=words) as caught:
        Condition(source, scope)
    assert caught.value.code == "unknown_fact"


def test_an_unevaluable_condition_is_no_false() -> None:
    condition = Condition("certs[0].issuer == ''", "facts")
    with pytest.raises(ConditionFailed, match="算不出结果"):
        condition.holds(Known("facts", names_of(condition), known()))
    text = TextExpression("certs[0].issuer", "facts")
    with pytest.raises(ConditionFailed, match="算不出结果"):
        text.text(Known("facts", names_of(text), known()))


def test_a_long_or_deep_condition_is_refused_not_crashing() -> None:
    with pytest.raises(ConditionInvalid):
        Condition("(" * 300 + "true" + ")" * 300, "facts")


def test_areas_follow_the_tree() -> None:
    assert [known(region="350102")[key] for key in ("county", "city", "province")] == [
        "amr-350102",
        "amr-350100",
        "amr-350000",
    ]
    assert [known(region="350128")[key] for key in ("county", "city", "province")] == [
        "",
        "amr-350128",
        "amr-350000",
    ]
    assert [known(region="110101")[key] for key in ("county", "city", "province")] == [
        "amr-110101",
        "",
        "amr-110000",
    ]


def test_only_certificates_valid_on_the_day_count() -> None:
    facts = known(one("amr-350000", 9, "2024-12-30"), one("samr", 1, "2024-12-31"))
    assert facts["issuers"] == ["samr"]
    assert [certificate.valid for certificate in facts["certs"]] == [False, True]  # type: ignore[attr-defined]


def test_a_tie_leaves_no_widest() -> None:
    facts = known(one("amr-350000", 5), one("samr", 5))
    assert facts["tied"] is True
    assert facts["widest"].issuer == facts["widest_department"] == ""  # type: ignore[attr-defined]


def test_a_tie_within_one_issuer_is_none() -> None:
    facts = known(one("amr-350000", 5, number="2"), one("amr-350000", 5, number="1"))
    assert facts["tied"] is False
    assert facts["widest"].number == "1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [("samr", "caiq"), ("caiq", "caiq"), ("amr-350000", "amr-350000"), ("cnas", ""), (None, "")],
)
def test_a_choice_means_an_issuer_or_who_reviews_for_it(choice: str | None, chosen: str) -> None:
    assert known(one("amr-350000", 5), one("samr", 5), choice=choice)["chosen"] == chosen


PARTS = st.sampled_from(
    ["has_national", "!has_provincial", "tied", "choice != ''", "province == 'amr-350000'",
     "institution.legal_person", "provincial_scope > 3", "!has_certificate", "county == ''"]
)  # fmt: skip


@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans(), st.booleans(), st.integers(0, 5))
def test_a_conjunction_holds_as_cel_has_it(
    parts: list[str], person: bool, national: bool, scope: int
) -> None:
    certificate = {
        "number": "1",
        "level": "national" if national else "provincial",
        "issuer": "samr" if national else "amr-350000",
        "scope": scope,
        "valid_to": "2025-01-01",
    }
    facts = Facts.model_validate(
        {
            "institution": {"id": "any", "region": "350102", "legal_person": person},
            "certificates": [certificate],
        }
    )
    known = basic_facts(facts, date(2024, 12, 31), Areas(Tree()))
    source = " && ".join(parts)
    plain, asked = Condition(source, "facts"), Condition(f"true == ({source})", "facts")
    ready = Known("facts", names_of(plain, asked), known)
    assert plain.holds(ready) is asked.holds(ready)
