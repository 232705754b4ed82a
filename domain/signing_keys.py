"""What keys are for: those that sign have a folder for each purpose, all others a ring."""

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

RING_LABELS = {
    "tokens": "凭证的密钥",
    "programs": "程序凭证的密钥",
    "totp": "动态码的密钥",
    "links": "一次性链接的密钥",
    "webhooks": "外发通知的密钥",
    "complaints": "投诉查询码的密钥",
    "columns": "加密各列的密钥",
    "names": "检索姓名的密钥",
    "commands": "办理指令的密钥",
    "payloads": "流程数据的密钥",
}
"""The keys of a system's rings, by their purpose (`store.keyring.Purpose`)."""
