"""Batch imports of certificates by an issuing office: what a row brings, and how it stands."""

from enum import StrEnum

from domain.canonical import sha256_of
from domain.certificates.certificate import CertificateContent
from domain.certificates.issuing import Decided
from domain.model import Value
from domain.orders import Sent

IMPORT_WORKFLOW = "certificate-import"
WORK_THROUGH_IMPORT = "work_through_import"
MAX_CERTIFICATES = 5_000
"""At most so many certificates come in one file."""


class ImportMode(StrEnum):
    """What is to be done with a file."""

    CHECK = "check"
    ALL = "all"
    GOOD = "good"


IMPORT_MODE_LABELS: dict[ImportMode, str] = {
    ImportMode.CHECK: "只核对",
    ImportMode.ALL: "有错即不办理",
    ImportMode.GOOD: "只办理无误的",
}


class ImportStage(StrEnum):
    """How an import as a whole stands."""

    CHECKED = "checked"
    REJECTED = "rejected"
    WORKING = "working"
    DONE = "done"


IMPORT_STAGE_LABELS: dict[ImportStage, str] = {
    ImportStage.CHECKED: "已核对",
    ImportStage.REJECTED: "有错未办理",
    ImportStage.WORKING: "办理中",
    ImportStage.DONE: "已办完",
}


class RowOutcome(StrEnum):
    """How one certificate of an import stands."""

    BAD = "bad"
    READY = "ready"
    WAITING = "waiting"
    ISSUED = "issued"
    APPLIED = "applied"
    REPEATED = "repeated"
    FAILED = "failed"


ROW_OUTCOME_LABELS: dict[RowOutcome, str] = {
    RowOutcome.BAD: "有错",
    RowOutcome.READY: "可以办理",
    RowOutcome.WAITING: "等待办理",
    RowOutcome.ISSUED: "已发证",
    RowOutcome.APPLIED: "已提交申请",
    RowOutcome.REPEATED: "此前已办理",
    RowOutcome.FAILED: "未办成",
}


class ImportedCertificate(Value):
    """One certificate as a file brings it.

    ``row`` is its first row in the file, ``rows`` all of them. Without ``decided`` it is an
    application. ``renews`` is the number of the certificate it replaces. ``region`` and
    ``legal_person`` are used only for an institution that is not on record.
    """

    row: int
    rows: tuple[int, ...]
    content: CertificateContent
    decided: Decided | None = None
    approver: str = ""
    renews: str = ""
    region: str = ""
    legal_person: bool = True

    @property
    def number(self) -> str:
        """The number it has already, "" if it is to be given one."""
        return self.decided.number if self.decided is not None else ""

    def sha256(self) -> str:
        """Tells deliveries of the same thing, in whichever file they come."""
        return sha256_of(
            {
                "content": self.content.model_dump(mode="json"),
                "decided": self.decided.model_dump(mode="json") if self.decided else None,
                "approver": self.approver,
                "renews": self.renews,
            }
        )

    def place(self) -> int:
        """When it is its turn: a number brought along is taken before numbers are allotted."""
        if self.decided is None:
            return 2
        return 0 if self.decided.number else 1


class ImportStart(Sent):
    """Input of the workflow of an import, and of the activity that works through it."""

    import_id: str
