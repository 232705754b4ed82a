"""Facts the conditions read, derived from what is known of an institution. Pure."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache, partial
from typing import Any

from domain.certificates.number import CENTURY
from domain.days import months_before
from domain.facts import CertificateFacts, Facts, FilingEnd, FilingRecord, InstitutionFacts
from domain.ids import NATION
from domain.jurisdictions import Tree, authority_of
from rules.conditions import certificate_fact, institution_fact
from rules.file.document import RuleDocument
from rules.file.number_schema import LatestYear

_NO_CERTIFICATE = certificate_fact()
_CODED = re.compile(r"\d{4}(\d{2})(\d{2})\d{4}")
"""A number as 市监检测 codes it: year and authority, field, industry, serial number."""


class FactTable(dict[str, Any]):
    """Facts by name. What is costly in CEL's own form is kept as a function until it is read.

    ``widest_certificate`` is the widest of those that count, None if there is none or a tie.
    """

    widest_certificate: CertificateFacts | None = None

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if callable(value):
            value = self[name] = value()
        return value


class Areas:
    """The regulators an area stands under, looked up once per area."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.regulators = lru_cache(maxsize=8192)(self._regulators)

    def _regulators(self, region: str) -> dict[str, str]:
        found = {"local": authority_of(region)}
        for level in ("county", "city", "province"):
            area = self._tree.at_level(region, level)
            found[level] = authority_of(area) if area else ""
        return found


def first_day(certificate: CertificateFacts, years: int | None) -> date | None:
    """A certificate's first day: the one stated, or one that two readings agree on.

    A number's first two digits are the year of issue; where ``years`` counted back from the last
    day come to that year too, the certificate began then. None: nobody knows.
    """
    if certificate.valid_from is not None or years is None:
        return certificate.valid_from
    if not _CODED.fullmatch(certificate.number):
        return None
    try:
        first = months_before(certificate.valid_to + timedelta(days=1), 12 * years)
    except (OverflowError, ValueError):
        return None
    return first if first.year == CENTURY + int(certificate.number[:2]) else None


def valid_on(certificate: CertificateFacts, first: date, last: date, years: int | None) -> bool:
    """Whether a certificate is valid on any of the days from ``first`` to ``last``."""
    if not certificate.counts(first, last):
        return False
    if certificate.valid_from is not None or years is None:
        return True
    if certificate.number[:2] < str(last.year)[2:]:  # of an earlier year, whenever in it
        return True
    began = first_day(certificate, years)
    return began is None or began <= last


def valid_years(document: RuleDocument) -> int | None:
    """How long a certificate is valid whose first day nobody has stated; None: not said."""
    first_day = document.filing.certificates.first_day
    return first_day.valid_years if first_day is not None else None


def basic_facts(
    facts: Facts,
    as_of: date,
    areas: Areas,
    until: date | None = None,
    *,
    year: int = 0,
    valid_years: int | None = None,
) -> FactTable:
    """Every fact of the scope ``facts`` by name.

    A certificate counts when valid on ``as_of``, or on any day from then to ``until``; an issuer
    is as wide as its widest one. ``year`` is the one that the rules are of, ``valid_years`` how
    long a certificate is valid whose first day nobody has stated, None: as if it had begun.
    """
    last = until if until is not None else as_of
    institution, region = facts.institution, facts.institution.region
    certificates = facts.certificates
    counted = [one for one in certificates if valid_on(one, as_of, last, valid_years)]
    best = _widest_by_issuer(counted)
    widest, tied = _widest(best)
    provincial = [one.scope for one in best if one.level == "provincial"]
    national = [one.scope for one in best if one.level == "national"]
    table = FactTable(
        {
            # CEL's own form of these is costly, and most decisions never read it
            "institution": partial(_institution, institution),
            "certs": lambda: [_as_fact(one, one in counted, valid_years) for one in certificates],
            "review_group": institution.review_group or "",
            "choice": facts.choice or "",
            "previous_reviewer": facts.previous_reviewer or "",
            "holder_kind": facts.holder_kind,
            "last_year_filing": facts.outcomes.get(year - 1, FilingEnd.NOT_OPENED).value,
            **areas.regulators(region),
            "has_certificate": bool(counted),
            "has_provincial": bool(provincial),
            "has_national": bool(national),
            "provincial_scope": max(provincial, default=0),
            "national_scope": max(national, default=0),
            "issuers": [one.issuer for one in best],
            "widest": partial(_as_fact, widest, True, valid_years)
            if widest is not None
            else _NO_CERTIFICATE,
            "tied": tied,
        }
    )
    table.widest_certificate = widest
    return table


def no_facts() -> dict[str, Any]:
    """Every fact of the scopes ``facts`` and ``departments`` when no institution is known."""
    texts = dict.fromkeys(
        (
            "review_group", "choice", "previous_reviewer", "local", "county", "city", "province",
            "national_department", "chosen", "widest_department", "holder_kind",
            "last_year_filing",
        ),
        "",
    )  # fmt: skip
    return {
        **texts,
        "institution": institution_fact(),
        "certs": [],
        "has_certificate": False,
        "has_provincial": False,
        "has_national": False,
        "provincial_scope": 0,
        "national_scope": 0,
        "issuers": [],
        "widest": _NO_CERTIFICATE,
        "tied": False,
        "departments": [],
    }


def first_day_notes(
    certificates: Sequence[CertificateFacts], as_of: date, years: int | None
) -> list[str]:
    """What to say of certificates whose first day nobody has stated.

    From when such a one is counted; and which count though their numbers are of a later year.
    """
    notes = []
    for one in certificates:
        first = first_day(one, years)
        if first != one.valid_from:
            notes.append(
                f"证书 {one.number} 没有写 valid_from（生效日），按编号的年份和有效期推定为 {first}"
            )
        elif first is None and one.valid_to >= as_of and _CODED.fullmatch(one.number):
            year = CENTURY + int(one.number[:2])
            if year > as_of.year:
                notes.append(
                    f"证书 {one.number} 的编号是 {year} 年的，事实里没有 valid_from，"
                    f"按 {as_of} 已经生效计；请补上 valid_from（生效日）"
                )
    return notes


def standing_facts(standing: FilingRecord, latest_year: LatestYear | None) -> dict[str, Any]:
    """The facts that the scope ``gate`` adds.

    Sets published before ``latest_year`` was a section count any filing but a complete one as owed.
    """
    if latest_year is not None:
        counts = latest_year.of(standing.end).counts
    elif standing.end is FilingEnd.NOT_OPENED:
        counts = "not_owed"
    else:
        counts = "complete" if standing.end is FilingEnd.COMPLETED else "owed"
    return {
        "latest_closed_year": standing.latest_closed_year,
        "latest_closed_year_expected": counts != "not_owed",
        "latest_closed_year_completed": counts == "complete",
        "completed_years": standing.completed_years,
    }


def add_departments(facts: FactTable, national_department: str) -> None:
    """Add the facts of the scope ``departments`` in place.

    ``national_department`` reviews for national certificates, "" where there are none. A choice
    or a previous reviewer means a department when it names it, or an issuer for which it reviews.
    """
    national = {authority_of(NATION), national_department} if facts["has_national"] else set()
    provincial = [issuer for issuer in facts["issuers"] if issuer not in national]
    departments = provincial + ([national_department] if national_department else [])
    choice, widest = facts["choice"], facts.widest_certificate
    if facts["previous_reviewer"] in national:
        facts["previous_reviewer"] = national_department
    facts["national_department"] = national_department
    facts["departments"] = departments
    facts["chosen"] = (
        national_department if choice in national else choice if choice in departments else ""
    )
    if widest is None:
        facts["widest_department"] = ""
    else:
        facts["widest_department"] = (
            national_department if widest.level == "national" else widest.issuer
        )


def _widest_by_issuer(counted: Sequence[CertificateFacts]) -> list[CertificateFacts]:
    """Each issuer's widest certificate, by the issuer's id; the lower number among equals."""
    best: dict[str, CertificateFacts] = {}
    for one in counted:
        known = best.get(one.issuer)
        if known is None or (-one.scope, one.number) < (-known.scope, known.number):
            best[one.issuer] = one
    return [best[issuer] for issuer in sorted(best)]


def _widest(best: Sequence[CertificateFacts]) -> tuple[CertificateFacts | None, bool]:
    """The widest of the issuers' certificates and whether two issuers share that scope."""
    if not best:
        return None, False
    greatest = max(one.scope for one in best)
    widest = [one for one in best if one.scope == greatest]
    return (widest[0], False) if len(widest) == 1 else (None, True)


def _institution(institution: InstitutionFacts) -> Any:
    return institution_fact(
        id=institution.id,
        region=institution.region,
        legal_person=institution.legal_person,
        under_samr=institution.under_samr,
        accredited=institution.accredited,
        other_qualifications=institution.other_qualifications,
        national_centres=institution.national_centres,
    )


def _as_fact(certificate: CertificateFacts, valid: bool, years: int | None) -> Any:
    first, coded = first_day(certificate, years), _CODED.fullmatch(certificate.number)
    return certificate_fact(
        number=certificate.number,
        level=certificate.level,
        issuer=certificate.issuer,
        scope=certificate.scope,
        valid=valid,
        field=coded[1] if coded is not None else "",
        industry=coded[2] if coded is not None else "",
        valid_from=first.isoformat() if first is not None else "",
        valid_to=certificate.valid_to.isoformat(),
    )
