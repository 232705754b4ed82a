"""Connected mode: what a provincial approval system delivers, and the receipt it gets.

The models of deliveries are version 1 of the published interface. A published version does not
change: what is to be different becomes another version, another model.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel, StringConstraints

from domain.case.commands import Actor, Role
from domain.certificates.certificate import CertificateContent, CertificateStatus, Ended
from domain.certificates.issuing import Decided
from domain.certificates.warnings import CertificateWarning
from domain.ids import AuthorityShape, CertificateNumber
from domain.model import Value
from domain.text import AllDigits, Trimmed, Unmarked, Visible

DeliveryId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$"), Unmarked, AllDigits]
_SAID = r"^[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x1f\x7f]*$"
Said = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=_SAID), Trimmed, Visible
]
"""One line that says something."""
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=_SAID), Trimmed, Visible
]

Action = Literal["issue", "change", "extension", "end"]
ACTION_WORDS: dict[Action, str] = {
    "issue": "发证",
    "change": "变更",
    "extension": "扩项",
    "end": "终止",
}


class Decision(Value):
    """When, under which document and by whom the issuing authority decided."""

    approved_on: date
    document: Said
    approver: Said

    def decided(self) -> Decided:
        """The decision without the name of who made it."""
        return Decided(**self.model_dump(exclude={"approver"}))


class IssueDecision(Decision):
    """With ``number`` and days, where the certificate exists already and keeps them."""

    number: CertificateNumber = ""
    valid_from: date | None = None
    valid_to: date | None = None


class InstitutionDetails(Value):
    """What puts an institution on record that the register does not know yet."""

    region: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
    legal_person: bool


class _Delivery(Value):
    version: Literal[1]
    delivery_id: DeliveryId


class IssueDelivery(_Delivery):
    """A certificate granted; ``renews`` is the number of the one it replaces."""

    action: Literal["issue"]
    content: CertificateContent
    decision: IssueDecision
    institution: InstitutionDetails | None = None
    renews: CertificateNumber = ""


class ChangeDelivery(_Delivery):
    """A change granted, of a kind that the rules know: the whole content after it."""

    action: Literal["change"]
    number: Number
    change: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    content: CertificateContent
    decision: Decision


class ExtensionDelivery(_Delivery):
    """More scope granted: the whole content after it."""

    action: Literal["extension"]
    number: Number
    content: CertificateContent
    decision: Decision


class EndDelivery(_Delivery):
    """An end before the last day of validity."""

    action: Literal["end"]
    number: Number
    ending: Ended
    on: date
    document: Said
    reason: Reason
    approver: Said


AnyDelivery = IssueDelivery | ChangeDelivery | ExtensionDelivery | EndDelivery


class Delivery(RootModel[Annotated[AnyDelivery, Field(discriminator="action")]]):
    """One delivery of any kind, told by its ``action``."""


class DeliveryReceipt(Value):
    """What became of a delivery: the certificate as it stood then, and the step that proves it.

    ``qr`` is what the QR code says. From the sandbox: numbers and codes that no real certificate
    has, no signed statement, no step. ``warnings`` are to be looked at; the delivery was taken.
    """

    delivery_id: DeliveryId
    action: Action
    sandbox: bool
    number: str
    code: str
    qr: str
    status: CertificateStatus
    status_label: str
    issued_on: date
    valid_from: date
    valid_to: date
    case_id: str
    sequence: int
    hash: str
    received_at: datetime
    warnings: tuple[CertificateWarning, ...] = ()


class ApiClient(Value):
    """A provincial approval system as it is on record; its secrets are kept as hashes only."""

    id: str
    authority: AuthorityShape
    name: str
    sandbox: bool
    created_by: str
    created_at: datetime
    revoked_at: datetime | None

    @property
    def actor(self) -> Actor:
        """As whom it acts."""
        return actor_of(self.id, self.authority)


_CLIENT = "client-"


def actor_of(client_id: str, authority: str) -> Actor:
    """As whom a client acts: as a clerk of its authority, under a subject of its own."""
    return Actor(subject=f"{_CLIENT}{client_id}", role=Role.CLERK, scope=authority)


def client_of(actor: Actor) -> str:
    """The id of the client that acts; "" for a person."""
    if actor.role is not Role.CLERK or not actor.subject.startswith(_CLIENT):
        return ""
    return actor.subject.removeprefix(_CLIENT)


def sandbox_number(year: int, serial: int) -> str:
    """A number for the sandbox: twelve digits of an issuing authority, 99, that there is not."""
    return f"{year % 100:02}99{serial % 10**8:08}"
