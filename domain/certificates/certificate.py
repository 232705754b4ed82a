"""A certificate (资质认定证书): what it says, and how it stands."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.ids import AuthorityShape, InstitutionId
from domain.model import Value
from domain.text import Unmarked, Visible

_CONTROL = r"\x00-\x1f\x7f"
Line = Annotated[
    str, StringConstraints(max_length=300, pattern=f"^[^{_CONTROL}]*$"), Unmarked, Visible
]
"""One line of text, possibly empty, as a person sees it."""
Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$"
    ),
    Unmarked,
    Visible,
]
TwoDigits = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]


Ended = Literal["deregistered", "revoked", "rescinded"]
"""How a certificate can be ended before its last day: 注销, 撤销, 吊销."""


class CertificateStatus(StrEnum):
    """How a certificate stands. All but the first are normal answers too.

    ``NOT_YET_VALID`` is never recorded: it follows from the first day.
    """

    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    DEREGISTERED = "deregistered"
    REVOKED = "revoked"
    RESCINDED = "rescinded"


RECORDED_STATUSES = tuple(
    status for status in CertificateStatus if status is not CertificateStatus.NOT_YET_VALID
)

CERTIFICATE_STATUS_LABELS: dict[CertificateStatus, str] = {
    CertificateStatus.VALID: "有效",
    CertificateStatus.NOT_YET_VALID: "尚未生效",
    CertificateStatus.EXPIRED: "过期",
    CertificateStatus.SUPERSEDED: "已换发",
    CertificateStatus.DEREGISTERED: "注销",
    CertificateStatus.REVOKED: "撤销",
    CertificateStatus.RESCINDED: "吊销",
}


class Capability(Value):
    """One line of the annex of capabilities (检测能力附表).

    ``item`` is a product or a parameter, ``standard`` the standard's number without its year,
    ``year`` that year ("" if it has none), ``limits`` what is excluded or restricted.
    """

    category: Name
    item: Name
    standard: Name
    year: Annotated[str, StringConstraints(pattern=r"^([0-9]{4})?$")] = ""
    limits: Line = ""


class Signatory(Value):
    """A person authorised to sign reports, and for which field."""

    name: Name
    field: Line = ""


class Equipment(Value):
    """One piece of equipment."""

    name: Name
    model: Line = ""


class CertificateContent(Value):
    """What a certificate says beside its number, its dates and its status.

    ``holder`` may be two names joined by ``/``. ``field`` and ``industry`` are the two-digit codes
    of the numbering rule. ``parent_uscc`` is that of the unit the holder belongs to, if any.
    """

    institution: InstitutionId
    holder: Name
    uscc: Annotated[str, StringConstraints(pattern=r"^([0-9A-Z]{18})?$")] = ""
    parent_uscc: Annotated[str, StringConstraints(pattern=r"^([0-9A-Z]{18})?$")] = ""
    address: Line = ""
    sites: tuple[Line, ...] = Field(default=(), max_length=200)
    level: Literal["provincial", "national"]
    issuer: AuthorityShape
    field: TwoDigits
    industry: TwoDigits
    capabilities: tuple[Capability, ...] = Field(default=(), max_length=20_000)
    signatories: tuple[Signatory, ...] = Field(default=(), max_length=1_000)
    equipment: tuple[Equipment, ...] = Field(default=(), max_length=20_000)


class Certificate(Value):
    """An issued certificate. ``valid_to`` is its last day; ``code`` its permanent public id.

    ``superseded_by`` is the code of the certificate that took its place, "" if none did.
    """

    code: str
    number: str
    issued_on: date
    valid_from: date
    valid_to: date
    status: CertificateStatus
    superseded_by: str = ""
    content: CertificateContent


def status_at(certificate: Certificate, day: date) -> CertificateStatus:
    """How a certificate stands on a day: begun or not yet, over or not, recorded or not."""
    return status_on(certificate.status, certificate.valid_to, day, certificate.valid_from)


def status_on(
    status: CertificateStatus, valid_to: date, day: date, valid_from: date | None = None
) -> CertificateStatus:
    """What a recorded status comes to on a day. Every page, answer and list asks this.

    ``valid_from`` is the first day where it is to be told; acts do not ask, since a certificate
    may be changed, extended and ended before its first day.
    """
    ahead = valid_from is not None and day < valid_from
    if status is CertificateStatus.VALID and ahead:
        return CertificateStatus.NOT_YET_VALID
    if status is CertificateStatus.VALID and day > valid_to:
        return CertificateStatus.EXPIRED
    return status
