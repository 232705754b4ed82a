"""Messages about issuing certificates: applications, allotted numbers, what a case holds."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, SerializationInfo, StringConstraints, field_serializer

from domain.case.plan import Reminder
from domain.case.workflow_messages import Newcomer, RecordRequest
from domain.certificates.certificate import CertificateStatus
from domain.clock import first_instant_after
from domain.ids import CertificateNumber
from domain.model import Recorded
from domain.orders import Order
from domain.text import Trimmed, Visible

CERTIFICATE_WORKFLOW = "certificate"
PREPARE_APPLICATION = "prepare_application"
ALLOT_NUMBER = "allot_number"
RECORD_CERTIFICATE = "record_certificate"
SUPERSEDE_PREDECESSOR = "supersede_predecessor"

Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Purpose(StrEnum):
    """What is applied for. A renewal is an issue that replaces an earlier certificate."""

    ISSUE = "issue"
    CHANGE = "change"
    EXTENSION = "extension"


PURPOSE_LABELS: dict[Purpose, str] = {
    Purpose.ISSUE: "发证",
    Purpose.CHANGE: "变更",
    Purpose.EXTENSION: "扩项",
}


class Decided(Recorded):
    """A decision that the issuing authority has made outside this system, under ``document``.

    ``number``, ``valid_from`` and ``valid_to`` are those of a certificate that exists already and
    keeps them; left out, a number is allotted and the validity follows from ``approved_on``.
    """

    approved_on: date
    document: Annotated[
        str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"), Trimmed, Visible
    ]
    number: CertificateNumber = ""
    valid_from: date | None = None
    valid_to: date | None = None


class Allotment(Recorded):
    """Number, permanent code and days of a certificate that is about to be issued.

    ``reminders`` are those to apply for renewal that are yet to come.
    """

    number: str
    code: str
    issued_on: date
    valid_from: date
    valid_to: date
    reminders: tuple[Reminder, ...] = ()

    @field_serializer("reminders")
    def _said(
        self, reminders: tuple[Reminder, ...], info: SerializationInfo
    ) -> list[dict[str, Any]]:
        # steps hold this: a field that came later is only there where it says something, so that
        # earlier steps keep their hashes when they are made anew
        return [
            one.model_dump(mode=info.mode, exclude=_LATER - one.model_fields_set)
            for one in reminders
        ]


_LATER = {"audience", "anchor", "days"}
"""Fields of a reminder that came after the first certificates were recorded."""


class HeldCertificate(Allotment):
    """The certificate of a case: what is in force is the content of ``revision``."""

    revision: int
    status: CertificateStatus = CertificateStatus.VALID
    ended_on: date | None = None
    document: str = ""
    superseded_by: str = ""

    @property
    def expires_at(self) -> datetime:
        """The first instant after its last day, in Beijing."""
        return first_instant_after(self.valid_to)


class PrepareApplication(Recorded):
    """What is to be found out about an application before the state machine decides on it.

    ``standing_revision`` is the revision in force, 0 before a certificate; ``renews`` the code of
    the certificate that is to be replaced; ``returned_revision`` what was sent back, 0 for nothing.
    """

    case_id: str
    institution: str
    issuer: str
    rule_set: str
    purpose: Purpose
    change: str
    revision: int
    content_sha256: str
    standing_revision: int
    renews: str
    decided: Decided | None
    at: datetime
    returned_revision: int = 0


class AllotNumber(Recorded):
    """Asks for number, code and days of the certificate of a case; again: the same number.

    Unless field or industry, which are digits of it, have changed since: then another one.

    ``renews`` is the code of the certificate that is to be replaced, ``orders`` what was sent to
    the process and led to this.
    """

    case_id: str
    issuer: str
    rule_set: str
    revision: int
    decided: Decided | None
    renews: str = ""
    at: datetime
    orders: tuple[Order, ...] = ()


class RecordCertificate(Recorded):
    """Steps that change what is in force, to be recorded together with the register's entry.

    ``newcomer``: its institution is put on record with it.
    """

    request: RecordRequest
    held: HeldCertificate
    renews: str = ""
    newcomer: Newcomer | None = None


class SupersedePredecessor(Recorded):
    """Asks for a certificate to be marked as replaced by the one of ``case_id``."""

    case_id: str
    predecessor: str
    by: str
    on: date
