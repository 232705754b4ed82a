"""What ``<year>/certificates.yaml`` may say, and the document it becomes. Unknown keys are errors.

The document is plain JSON, self-contained, hashed and kept like a rule set's; examples and file
names stay outside it.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from domain.certificates.certificate import Ended, TwoDigits
from domain.certificates.number import NumberFault
from domain.citation import Citation
from domain.ids import AuthorityShape
from domain.model import Value
from rules.file.document import CitedSource
from rules.file.duty_schema import Duties
from rules.file.schema import Source
from rules.file.shapes import Cite, Day, Id, Text, unique

Mode = Literal["manual", "connected"]
"""手动赋码 and 系统联网自动赋码."""

Content = Literal[
    "holder",
    "uscc",
    "parent_uscc",
    "address",
    "sites",
    "capabilities",
    "signatories",
    "equipment",
]
"""What of `domain.certificates.certificate.CertificateContent` a change may touch."""


def _as_today(needed: object) -> object:
    """The word for one in a set that a case pinned when it was another."""
    return "approver" if needed == "authoriser" else needed


Needed = Annotated[Literal["reason", "document", "approver"], BeforeValidator(_as_today)]
RenewalStage = Literal["early", "open", "late"]


class AuthorityCodes(Value):
    """Two digits of the number to the authority that issues under them."""

    codes: Annotated[dict[TwoDigits, AuthorityShape], Field(min_length=1)]
    cite: Cite


class Names(Value):
    """Two digits of the number to a name."""

    codes: Annotated[dict[TwoDigits, Text], Field(min_length=1)]
    cite: Cite


class NumberRules(Value):
    """How a number is built; the tables of its codes."""

    cite: Cite
    authorities: AuthorityCodes
    fields: Names
    industries: Names


class IssuingLevel(Value):
    """A level of review: ``by`` is ``issuer`` or an authority."""

    id: Id
    label: Text
    by: Literal["issuer"] | AuthorityShape
    cite: Cite


class IssuingCheck(Value):
    """Who checks a certificate's quality before it is issued."""

    by: Literal["issuer"] | AuthorityShape
    cite: Cite


class Elsewhere(Value):
    """Why decisions made outside the system are taken over as they are."""

    cite: Cite


class Issuing(Value):
    """From application to certificate: who reviews, who checks."""

    application_cite: Cite
    review: Annotated[tuple[IssuingLevel, ...], Field(min_length=1), AfterValidator(unique)]
    quality_check: IssuingCheck | None = None
    elsewhere: Elsewhere


class Validity(Value):
    """How long a certificate is valid, and which day is its last."""

    years: Annotated[StrictInt, Field(ge=1, le=50)]
    cite: Cite
    last_day: Literal["day_before_anniversary"]
    last_day_cite: Cite


class Renewal(Value):
    """Whole months before the end in which renewal is applied for."""

    opens_months_before: Annotated[StrictInt, Field(ge=1, le=120)]
    opens_months_before_cite: Cite
    due_months_before: Annotated[StrictInt, Field(ge=0, le=120)]
    due_months_before_cite: Cite


class ReminderRule(Value):
    """A reminder so many days before the last day to apply for renewal."""

    id: Id
    label: Text
    days_before_due: Annotated[StrictInt, Field(ge=0, le=3660)]
    cite: Cite


class ProvinceMode(Value):
    """The mode one province has chosen."""

    mode: Mode
    cite: Cite


class Modes(Value):
    """How provinces have their certificates coded: the default, and who differs."""

    default: Mode
    cite: Cite
    provinces: dict[AuthorityShape, ProvinceMode] = Field(default_factory=dict)


class DeadlineRule(Value):
    """A last day for the provinces, itself inside."""

    id: Id
    label: Text
    last: Day
    cite: Cite


class ChangeRule(Value):
    """A kind of change: what it is called and what of the content it may touch."""

    id: Id
    label: Text
    may_change: tuple[Content, ...]
    cite: Cite


class EndingRule(Value):
    """A way in which a certificate ends before its last day, and what it takes."""

    id: Ended
    label: Text
    requires: Annotated[tuple[Needed, ...], Field(min_length=1)]
    cite: Cite


class PublicCites(Value):
    """What the public is shown as the basis of an answer to a scan, and to a search."""

    scan_cite: Cite
    search_cite: Cite


class Expected(Value):
    """What an example must come to; only what is written is compared."""

    valid_from: Day | None = None
    valid_to: Day | None = None
    renewal_opens: Day | None = None
    renewal_due: Day | None = None
    reminders: tuple[Day, ...] | None = None
    valid: StrictBool | None = None
    renewal: RenewalStage | None = None
    year: StrictInt | None = None
    authority: AuthorityShape | None = None
    field: str | None = None
    industry: str | None = None
    problem: NumberFault | None = None
    code: TwoDigits | None = None
    mode: Mode | None = None


_ABOUT_DATES = {"valid_from", "valid_to", "renewal_opens", "renewal_due", "reminders"}
_ABOUT_DAY = {"valid", "renewal"}
_ABOUT_NUMBER = {"year", "authority", "field", "industry", "problem"}
_ABOUT_AUTHORITY = {"code", "mode"}


class CertificateExample(Value):
    """A worked example about a certificate's days, one day of it, a number or an authority."""

    name: Text
    issued_on: Day | None = None
    valid_to: Day | None = None
    day: Day | None = None
    number: str | None = None
    issuer: AuthorityShape | None = None
    expect: Expected

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        wanted = self.expect.model_fields_set
        dated = self.issued_on is not None or self.valid_to is not None
        if not wanted:
            raise ValueError(f"例子“{self.name}”没有写 expect 的内容")
        if self.issued_on is not None and self.valid_to is not None:
            raise ValueError(f"例子“{self.name}”的 issued_on 和 valid_to 只写一个")
        if wanted & (_ABOUT_DATES | _ABOUT_DAY) and not dated:
            raise ValueError(f"例子“{self.name}”要写 issued_on 或 valid_to 才能算日期")
        if wanted & {"valid_from", "valid_to"} and self.issued_on is None:
            raise ValueError(f"例子“{self.name}”要写 issued_on 才能算有效期")
        if wanted & _ABOUT_DAY and self.day is None:
            raise ValueError(f"例子“{self.name}”要写 day（哪一天）")
        if wanted & _ABOUT_NUMBER and self.number is None:
            raise ValueError(f"例子“{self.name}”要写 number（证书编号）")
        if wanted & _ABOUT_AUTHORITY and self.issuer is None:
            raise ValueError(f"例子“{self.name}”要写 issuer（发证机关）")
        return self


def _all_endings(endings: tuple[EndingRule, ...]) -> tuple[EndingRule, ...]:
    missing = [one for one in Ended.__args__ if one not in {e.id for e in endings}]  # type: ignore[attr-defined]
    if missing:
        raise ValueError(f"endings 里缺少 {'、'.join(missing)}")
    return unique(endings)


class CertificateParts(Value):
    """What the file and the document have in common."""

    id: Id
    year: Annotated[StrictInt, Field(ge=2000, le=2100)]
    title: Text
    revision: Annotated[StrictInt, Field(ge=1)]
    number: NumberRules
    issuing: Issuing
    validity: Validity
    renewal: Renewal
    reminders: Annotated[tuple[ReminderRule, ...], AfterValidator(unique)] = ()
    modes: Modes
    deadlines: Annotated[tuple[DeadlineRule, ...], AfterValidator(unique)] = ()
    changes: Annotated[tuple[ChangeRule, ...], Field(min_length=1), AfterValidator(unique)]
    endings: Annotated[tuple[EndingRule, ...], AfterValidator(_all_endings)]
    public: PublicCites
    duties: Duties = ()


class CertificateFile(CertificateParts):
    """The file of a year, valid from that year until a later year has one."""

    sources: dict[str, Source]
    examples: Annotated[tuple[CertificateExample, ...], Field(min_length=1)]


class CertificateDocument(CertificateParts):
    """The rules of certificates as stored under their hash; ``names`` are the authorities'."""

    format: Literal[1] = 1
    kind: Literal["certificates"] = "certificates"
    jurisdiction: Literal["000000"] = "000000"
    sources: dict[str, CitedSource]
    names: dict[AuthorityShape, str]

    def citation(self, cite: Cite) -> Citation:
        """A citation that stands alone: the notice's number in place of its name here."""
        source = self.sources[cite.source] if cite.source is not None else None
        return Citation(
            document=source.document if source is not None else "",
            clause=cite.clause,
            quote=cite.quote,
            assumption=cite.assume,
        )
