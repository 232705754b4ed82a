"""What signing keys are for: each purpose has keys of its own, in a folder of its own."""

from enum import StrEnum


class KeyPurpose(StrEnum):
    """What a key signs."""

    CERTIFICATES = "certificates"
    CHECKPOINTS = "checkpoints"
    RECEIPTS = "receipts"


KEY_PURPOSE_LABELS: dict[KeyPurpose, str] = {
    KeyPurpose.CERTIFICATES: "证书的密钥",
    KeyPurpose.CHECKPOINTS: "封存点的密钥",
    KeyPurpose.RECEIPTS: "提交回执的密钥",
}
