"""What can be asked of a certificate's case beside what every case is asked."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.case.commands import Command, Document, Revision, Sha256
from domain.certificates.certificate import Ended
from domain.certificates.issuing import Decided, Purpose


class Apply(Command):
    """Somebody applies with a saved revision: for a certificate, for a change, for more scope.

    ``change`` is the id of the rules' kind of change. ``decided`` is what the issuing authority
    has decided outside this system; only its clerk may say so, and the note names who decided.
    """

    kind: Literal["apply"] = "apply"
    label: ClassVar[str] = "申请"
    purpose: Purpose
    change: Annotated[str, Field(max_length=64)] = ""
    revision: Revision
    content_sha256: Sha256
    decided: Decided | None = None


class Reject(Command):
    """The reviewer refuses what was applied for, with the reason."""

    kind: Literal["reject"] = "reject"
    label: ClassVar[str] = "不予批准"


class EndCertificate(Command):
    """The issuing authority ends a certificate; the note holds reason and approver."""

    kind: Literal["end_certificate"] = "end_certificate"
    label: ClassVar[str] = "终止证书"
    ending: Ended
    on: date
    document: Annotated[Document, Field(min_length=1)]


class CorrectEnd(Command):
    """The issuing authority corrects an end that it put on record by mistake.

    Without ``ending`` the certificate should not have ended: it is as it was before. Otherwise it
    ended this way, ``on`` this day. The note holds reason and approver.
    """

    kind: Literal["correct_end"] = "correct_end"
    label: ClassVar[str] = "更正终止"
    ending: Ended | None = None
    on: date | None = None
    document: Annotated[Document, Field(min_length=1)]


class Expire(Command):
    """The last day of a certificate is over (a timer's command)."""

    kind: Literal["expire"] = "expire"
    label: ClassVar[str] = "登记届满"
    unhurried: ClassVar[bool] = True


class Supersede(Command):
    """The certificate that takes this one's place has been issued (the system's command)."""

    kind: Literal["supersede"] = "supersede"
    label: ClassVar[str] = "登记换发"
    by: str
    on: date


class NotePredecessor(Command):
    """The certificate that this one replaces is marked as superseded (the system's command)."""

    kind: Literal["note_predecessor"] = "note_predecessor"
    label: ClassVar[str] = "登记原证书已换发"
    predecessor: str


class CertificateEvent(StrEnum):
    """What only happens to certificates."""

    APPLICATION_BEGUN = "application_begun"
    TAKEN_OVER = "taken_over"
    NUMBER_VOIDED = "number_voided"
    NUMBERED = "numbered"
    ISSUED = "issued"
    CERTIFICATE_CHANGED = "certificate_changed"
    CHANGE_ABANDONED = "change_abandoned"
    EXPIRED = "expired"
    CERTIFICATE_ENDED = "certificate_ended"
    END_CORRECTED = "end_corrected"
    SUPERSEDED = "superseded"
    PREDECESSOR_SUPERSEDED = "predecessor_superseded"
