"""The rules of certificates made ready to answer: days, codes, modes, changes, endings.

Built from the stored document alone. Compile once and keep: an instance is immutable. Months and
years are whole ones: three months from 30 November end where 1 March begins.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from domain.canonical import sha256_of
from domain.case.plan import FOREVER, CasePlan, Reminder, Window
from domain.certificates.certificate import Ended
from domain.certificates.number import NumberTables
from domain.citation import Citation
from domain.clock import day_of, first_instant
from domain.days import months_after, months_before
from domain.decision import Obligation, ReviewLevel, RuleSetRef
from domain.duties import SAID
from domain.ids import AuthorityShape, jurisdiction_of
from rules.check.evidence import source_findings
from rules.check.placing import Findings
from rules.file.certificate_schema import (
    CertificateDocument,
    CertificateFile,
    Content,
    Mode,
    Needed,
    RenewalStage,
)
from rules.file.document import CitedSource, reference
from rules.file.duties import duty_of
from rules.file.findings import Finding, RulesInvalid
from rules.file.folder import RuleFolder
from rules.file.library import ResolvedSet, RuleLibrary, RuleSetNotFound, current_library, origins
from rules.file.strict_yaml import Node
from rules.file.validation import validate


class NoAuthorityCode(LookupError):
    """An authority has no code in the number, so it cannot number certificates; in Chinese."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """What provinces have to have done by the end of ``last``."""

    id: str
    label: str
    last: date
    cite: Citation


@dataclass(frozen=True, slots=True)
class Change:
    """A kind of change, and what of the content it may touch."""

    id: str
    label: str
    may_change: tuple[Content, ...]
    cite: Citation


@dataclass(frozen=True, slots=True)
class Ending:
    """A way to end; ``id`` is the `CertificateStatus` it leads to, ``requires`` what it takes."""

    id: Ended
    label: str
    requires: tuple[Needed, ...]
    cite: Citation


class CertificateRules:
    """The answers of one document. Raises pydantic's ValidationError for what is none."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = CertificateDocument.model_validate(document)
        self.ref: RuleSetRef = reference(document)
        rules, cite = self.document, self.document.citation
        number = rules.number
        self.tables = NumberTables(
            authorities=number.authorities.codes,
            fields=number.fields.codes,
            industries=number.industries.codes,
        )
        self._code_of = {name: code for code, name in number.authorities.codes.items()}
        self.deadlines = tuple(
            Deadline(one.id, one.label, one.last, cite(one.cite)) for one in rules.deadlines
        )
        self.changes = tuple(
            Change(one.id, one.label, one.may_change, cite(one.cite)) for one in rules.changes
        )
        self.duties = tuple(duty_of(one, cite(one.cite)) for one in rules.duties)
        self.endings = tuple(
            Ending(one.id, one.label, one.requires, cite(one.cite)) for one in rules.endings
        )

    def validity(self, issued_on: date) -> tuple[date, date]:
        """The first and the last day of a certificate issued on a day, both inside."""
        end = months_after(issued_on, 12 * self.document.validity.years)
        return issued_on, end - timedelta(days=1)

    def renewal_opens(self, valid_to: date) -> date:
        """The first day to apply for renewal."""
        return months_before(
            valid_to + timedelta(days=1), self.document.renewal.opens_months_before
        )

    def renewal_due(self, valid_to: date) -> date:
        """The last day to apply for renewal, itself inside: whole months remain after it."""
        months = self.document.renewal.due_months_before
        return months_before(valid_to + timedelta(days=1), months) - timedelta(days=1)

    @property
    def renewal_cite(self) -> Citation:
        """Why renewal is due then."""
        return self.document.citation(self.document.renewal.due_months_before_cite)

    def renewal_stage(self, valid_to: date, on: date) -> RenewalStage:
        """Whether a day is before, inside or after the days to apply for renewal."""
        if on < self.renewal_opens(valid_to):
            return "early"
        return "open" if on <= self.renewal_due(valid_to) else "late"

    def reminders(self, valid_to: date) -> list[Reminder]:
        """The reminders to apply for renewal, each at 00:00 of its day in Beijing, in order."""
        due = self.renewal_due(valid_to)
        cite = self.document.citation
        found = [
            Reminder(
                id=one.id,
                label=one.label,
                at=first_instant(due - timedelta(days=one.days_before_due)),
                cite=cite(one.cite),
            )
            for one in self.document.reminders
        ]
        return sorted(found, key=lambda one: one.at)

    def plan(self, issuer: str, now: datetime) -> CasePlan:
        """What the case of a certificate runs on that is applied for now. No window closes."""
        cite, issuing = self.document.citation, self.document.issuing
        applied = cite(issuing.application_cite)
        check = issuing.quality_check
        always = Window(opens=now, closes=FOREVER, cite=applied)
        return CasePlan(
            year=day_of(now).year,
            jurisdiction=jurisdiction_of(issuer),
            ruleset=self.ref,
            obligation=Obligation(outcome="may", rule=None, cite=applied),
            fill=always,
            correct=always,
            review=always.model_copy(update={"cite": cite(issuing.elsewhere.cite)}),
            parts=("certificate",),
            lapse_unapproved=False,
            completion_cite=cite(self.document.number.cite),
            checker=_acting(check.by, issuer) if check is not None else None,
            checker_cite=cite(check.cite) if check is not None else None,
            levels=tuple(
                ReviewLevel(
                    id=one.id,
                    authority=_acting(one.by, issuer),
                    label=one.label,
                    cite=cite(one.cite),
                )
                for one in issuing.review
            ),
        )

    def authority_code(self, authority: str) -> str:
        """The two digits under which an authority issues. Raises NoAuthorityCode."""
        code = self._code_of.get(authority)
        if code is None:
            name = self.authority_name(authority)
            raise NoAuthorityCode(
                f"证书编号的代码表里没有{name}的发证机关代码；"
                "请由市场监管总局明确代码，并写进 certificates.yaml"
            )
        return code

    def authority_name(self, authority: str) -> str:
        """The authority's Chinese name; an unknown one is named by its id."""
        return self.document.names.get(authority, authority)

    def field_name(self, code: str) -> str | None:
        """The field behind two digits, None if there is none."""
        return self.tables.fields.get(code)

    def industry_name(self, code: str) -> str | None:
        """The industry behind two digits, None if there is none."""
        return self.tables.industries.get(code)

    def mode(self, authority: str) -> Mode:
        """How an authority has its certificates coded."""
        own = self.document.modes.provinces.get(authority)
        return own.mode if own is not None else self.document.modes.default

    def mode_cite(self, authority: str) -> Citation:
        """Why it is that mode."""
        modes = self.document.modes
        own = modes.provinces.get(authority)
        return self.document.citation(own.cite if own is not None else modes.cite)

    @cached_property
    def scan_cite(self) -> Citation:
        """Why the public can find out about a certificate by its code."""
        return self.document.citation(self.document.public.scan_cite)

    @cached_property
    def search_cite(self) -> Citation:
        """Why the public can search for certificates."""
        return self.document.citation(self.document.public.search_cite)

    @cached_property
    def number_cite(self) -> Citation:
        """Why a number is built as it is."""
        return self.document.citation(self.document.number.cite)


def _acting(by: str, issuer: str) -> str:
    return issuer if by == "issuer" else by


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadCertificates:
    """A file read and valid in shape; not yet checked for meaning."""

    node: Node
    file: CertificateFile


def read_certificates(folder: RuleFolder, name: str) -> ReadCertificates:
    """The file ``2019/certificates``. Raises RulesInvalid."""
    node = folder.read(name)
    return ReadCertificates(node, validate(CertificateFile, node))


def certificate_meaning(folder: RuleFolder, read: ReadCertificates) -> list[Finding]:
    """What a certificate could stumble over: sources, quotes, authorities, the order of days."""
    found = Findings(read.node)
    file = read.file
    found.all += source_findings(folder, read.node, read.node, file.sources)
    seen: dict[str, str] = {}
    for code, authority in file.number.authorities.codes.items():
        path = ("number", "authorities", "codes", code)
        if not folder.catalogue.knows(authority):
            found.add("unknown_authority", path, f"没有部门 {authority}")
        elif authority in seen:
            message = f"{authority} 已有代码 {seen[authority]}；一个部门只有一个代码"
            found.add("duplicate_code", path, message)
        seen[authority] = code
    acting = {("issuing", "review"): [one.by for one in file.issuing.review]}
    if file.issuing.quality_check is not None:
        acting["issuing", "quality_check"] = [file.issuing.quality_check.by]
    for place, names in acting.items():
        for name in names:
            if name != "issuer" and not folder.catalogue.knows(name):
                found.add("unknown_authority", place, f"没有部门 {name}")
    for authority in file.modes.provinces:
        area = authority.removeprefix("amr-")
        known = folder.catalogue.knows(authority)
        if not known or folder.catalogue.tree.level(area) != "province":
            message = f"{authority} 不是省级市场监管部门；模式按省写"
            found.add("unknown_authority", ("modes", "provinces", authority), message)
    if file.renewal.opens_months_before <= file.renewal.due_months_before:
        message = "opens_months_before 要大于 due_months_before，否则没有一天可以申请延续"
        found.add("reversed_window", ("renewal", "opens_months_before"), message)
    for number, duty in enumerate(file.duties):
        if duty.measured is not None and duty.measured.by not in SAID:
            message = (
                f"{duty.measured.by} 看的是某一年度的填报，证书规则不属于哪个年度；"
                f"请改用 {'、'.join(sorted(SAID))}，或把这项职责写进年度的规则"
            )
            found.add("unknown_value", ("duties", number, "measured", "by"), message)
    return found.all


def resolve_certificates(library: RuleLibrary, year: int | None = None) -> ResolvedSet:
    """The rules in force in a year, by default the latest: those of the last file up to then.

    Raises RuleSetNotFound where none is that early, RulesInvalid.
    """
    names = {int(name[:4]): name for name in library.certificate_names}
    fitting = [one for one in names if year is None or one <= year]
    if not fitting:
        known = [(one, "certificates") for one in sorted(names)]
        raise RuleSetNotFound(year or 0, "certificates", known)
    return resolved_certificates(library, read_certificates(library, names[max(fitting)]))


def resolved_certificates(library: RuleLibrary, read: ReadCertificates) -> ResolvedSet:
    """A file as a resolved set with its document. Raises RulesInvalid."""
    findings = certificate_meaning(library, read)
    if findings:
        raise RulesInvalid(findings)
    file = read.file
    authorities: list[AuthorityShape] = [
        *file.number.authorities.codes.values(),
        *(f"amr-{code}" for code in library.catalogue.areas if _is_province(library, code)),
    ]
    document = CertificateDocument(
        **file.model_dump(exclude={"sources", "examples"}),
        sources={
            name: CitedSource(**source.model_dump(exclude={"text"}))
            for name, source in file.sources.items()
        },
        names={one: library.catalogue.authority_name(one) for one in sorted(set(authorities))},
    )
    plain = document.model_dump(mode="json", by_alias=True)
    return ResolvedSet(
        id=file.id,
        year=file.year,
        jurisdiction=document.jurisdiction,
        revision=file.revision,
        title=file.title,
        sha256=sha256_of(plain),
        document=plain,
        provenance=tuple(origins(read.node, document)),
    )


def current_certificate_rules(folder: Path, year: int | None = None) -> CertificateRules:
    """The rules in force in a year (by default the latest) as a folder's files are now.

    Raises RuleSetNotFound, RulesInvalid.
    """
    return _compiled(current_library(folder), year)


@lru_cache(maxsize=4)
def _compiled(library: RuleLibrary, year: int | None) -> CertificateRules:
    return CertificateRules(resolve_certificates(library, year).document)


def _is_province(library: RuleLibrary, code: str) -> bool:
    return library.catalogue.tree.level(code) == "province"
