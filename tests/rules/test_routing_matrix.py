"""Every combination of certificates, scope, accreditation, group, choice and previous reviewer,
against what the four notices say, written once more in plain Python."""

from datetime import date
from itertools import product

import pytest

from domain.facts import CertificateFacts, Facts, InstitutionFacts
from rules.compiled import CompiledRules

GROUP = "group-railway"
STRANGER = "amr-620000"
HOME = {
    (2020, "000000"): "35",
    (2024, "000000"): "35",
    (2023, "350000"): "35",
    (2023, "430000"): "43",
}
OTHER = {"35": "amr-430000", "43": "amr-350000"}


def _certificates(home: str, other: str, as_of: date) -> dict[str, tuple[CertificateFacts, ...]]:
    expired = as_of.replace(day=30)

    def one(issuer: str, scope: int, until: date = as_of, number: int = 1) -> CertificateFacts:
        return CertificateFacts(
            number=f"{issuer}-{number}",
            level="national" if issuer == "samr" else "provincial",
            issuer=issuer,
            scope=scope,
            valid_to=until,
        )

    return {
        "none": (),
        "expired": (one(home, 5, expired), one("samr", 5, expired)),
        "home": (one(home, 5),),
        "other province": (one(other, 5),),
        "national": (one("samr", 5),),
        "home wider": (one(home, 6), one("samr", 5)),
        "national wider": (one(home, 5), one("samr", 6)),
        "equal": (one(home, 5), one("samr", 5)),
        "not added up": (one(home, 4), one(home, 4, number=2), one("samr", 5)),
        "widest expired": (one(home, 5), one("samr", 9, expired)),
        "two provinces": (one(home, 6), one(other, 5)),
        "two provinces equal": (one(home, 5), one(other, 5)),
        "three, national widest": (one(home, 5), one(other, 6), one("samr", 7)),
        "three, two widest": (one(home, 7), one(other, 7), one("samr", 6)),
    }


class Notice:
    """One institution under one notice; `expected` is (reviewer, refusal)."""

    def __init__(self, year: int, home: str, facts: Facts) -> None:
        self.year, self.home, self.facts = year, home, facts
        counted = [c for c in facts.certificates if c.valid_to >= date(year, 12, 31)]
        self.scopes: dict[str, int] = {}
        for certificate in counted:
            known = self.scopes.get(certificate.issuer, -1)
            self.scopes[certificate.issuer] = max(known, certificate.scope)
        self.national = "samr" in self.scopes
        self.provinces = {i: s for i, s in self.scopes.items() if i != "samr"}
        self.departments = [self.department(issuer) for issuer in self.scopes]

    def department(self, issuer: str) -> str:
        if issuer != "samr":
            return issuer
        institution = self.facts.institution
        if institution.review_group:
            return institution.review_group
        if self.year == 2024:
            return "caiq"
        if self.year == 2020 and institution.accredited:
            return "cnas"
        return "samr"

    def chosen(self) -> str | None:
        if self.facts.choice == "samr" and self.national:
            return self.department("samr")
        return self.facts.choice if self.facts.choice in self.departments else None

    def widest(self) -> tuple[str | None, str | None]:
        greatest = max(self.scopes.values())
        widest = [issuer for issuer, scope in self.scopes.items() if scope == greatest]
        return (self.department(widest[0]), None) if len(widest) == 1 else (None, "choice_needed")

    def without_certificate(self) -> tuple[str | None, str | None]:
        if not self.facts.institution.other_qualifications:
            return None, "nobody_applies"
        if self.year == 2020:
            return "samr", None
        if self.year == 2023 and self.home == "amr-350000":
            return "amr-350000", None
        return f"amr-{self.facts.institution.region}", None

    def expected(self) -> tuple[str | None, str | None]:
        if self.year == 2020 and self.facts.institution.under_samr:
            return "samr", None
        if self.year == 2023 and self.home == "amr-430000":
            return self.hunan()
        if self.facts.choice and self.scopes:
            chosen = self.chosen()
            return (chosen, None) if chosen else (None, "choice_not_an_issuer")
        if not self.scopes:
            return self.without_certificate()
        both = self.national and self.provinces
        previous = self.facts.previous_reviewer
        if previous == "samr" and self.national:
            previous = self.department("samr")
        if both and self.year != 2024 and previous in self.departments:
            return previous, None
        return self.widest()

    def hunan(self) -> tuple[str | None, str | None]:
        if not self.scopes:
            return self.without_certificate()
        if not self.national:
            return "amr-430000", None
        if not self.provinces or self.scopes["samr"] > max(self.provinces.values()):
            return self.department("samr"), None
        if self.scopes["samr"] < max(self.provinces.values()):
            return "amr-430000", None
        if not self.facts.choice:
            return None, "choice_needed"
        chosen = self.chosen()
        if chosen in ("amr-430000", self.department("samr")):
            return chosen, None
        return None, "choice_not_an_issuer"

    def chain(self, reviewer: str | None) -> tuple[str, ...]:
        if reviewer is None:
            return ()
        region = self.facts.institution.region
        fujian = self.year == 2023 and self.home == "amr-350000"
        if not fujian or reviewer != "amr-350000" or not region.startswith("35"):
            return (reviewer,)
        return {
            "350102": ("amr-350102", "amr-350100", "amr-350000"),
            "350100": ("amr-350100", "amr-350000"),
            "350128": ("amr-350128", "amr-350000"),
            "350000": ("amr-350000",),
        }[region]


def _cases(key: tuple[int, str]) -> list[Facts]:
    prefix = HOME[key]
    home, other = f"amr-{prefix}0000", OTHER[prefix]
    certificates = _certificates(home, other, date(key[0], 12, 31))
    regions = ["350102", "350100", "350128", "350000", "440106"] if key[1] == "350000" else []
    choices = (None, home, other, "samr", "cnas", "caiq", GROUP, STRANGER)
    previous = (None, home, "samr", "cnas", "caiq", GROUP, STRANGER)
    return [
        Facts(
            institution=InstitutionFacts(
                id="x",
                region=region,
                under_samr=under,
                accredited=accredited,
                review_group=group,
                other_qualifications=("水利",) if qualified else (),
            ),
            certificates=held,
            choice=choice,
            previous_reviewer=before,
        )
        for region, held, accredited, group, choice, before, under, qualified in product(
            regions or [f"{prefix}0102"],
            certificates.values(),
            (False, True),
            (None, "railway"),
            choices,
            previous if not regions else previous[:4],
            (False, True) if key[0] == 2020 else (False,),
            (False, True),
        )
    ]


@pytest.mark.parametrize("key", HOME)
def test_every_combination_goes_where_the_notice_says(
    key: tuple[int, str], compiled: dict[tuple[int, str], CompiledRules]
) -> None:
    rules, home = compiled[key], f"amr-{HOME[key]}0000"
    cases = _cases(key)
    assert len(cases) > 5000
    for facts in cases:
        notice = Notice(key[0], home, facts)
        reviewer, refusal = notice.expected()
        decision = rules.route(facts)
        got = (decision.reviewer, decision.refusal, decision.chain)
        assert got == (reviewer, refusal, notice.chain(reviewer)), facts.model_dump_json()
        verdicts = [candidate.verdict for candidate in decision.candidates]
        assert len(verdicts) == len(rules.document.filing.reviewers)
        assert verdicts.count("chosen") == (1 if reviewer else 0)
        assert all(candidate.because for candidate in decision.candidates)
        assert decision.cite is not None
        assert decision.ruleset == rules.ref


def test_the_order_of_certificates_changes_nothing(
    compiled: dict[tuple[int, str], CompiledRules],
) -> None:
    rules = compiled[2020, "000000"]
    for facts in _cases((2020, "000000"))[::17]:
        turned = facts.model_copy(update={"certificates": facts.certificates[::-1]})
        one, two = rules.route(facts), rules.route(turned)
        assert (one.reviewer, one.refusal, one.rule) == (two.reviewer, two.refusal, two.rule)
