"""Served notices (送达的通知): what kinds there are, over which channels, and what becomes of them.

A 催报 is one of them: what keeps filing late apart from not filing after being reminded (统计法
第四十四条、第四十五条) is when, how and by whom it was served, and when it was seen.
"""

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.case.commands import Actor, Role
from domain.model import Value

NOTICE_SERVED = "notice_served"
NOTICE_DELIVERED = "notice_delivered"
NOTICE_SEEN = "notice_seen"


class NoticeKind(StrEnum):
    """What a notice is."""

    REMINDER_TO_FILE = "reminder_to_file"
    REMINDER = "reminder"
    QUESTION = "question"
    ANSWER = "answer"
    RETURN_ASKED = "return_asked"
    RETURN_DECLINED = "return_declined"
    DOCUMENT = "document"
    AMENDMENT = "amendment"
    WAIVER_ASKED = "waiver_asked"
    WAIVER_ANSWERED = "waiver_answered"
    SIGNER_ASKED = "signer_asked"
    SIGNER_ANSWERED = "signer_answered"


NOTICE_KIND_LABELS: dict[NoticeKind, str] = {
    NoticeKind.REMINDER_TO_FILE: "催报",
    NoticeKind.REMINDER: "提醒",
    NoticeKind.QUESTION: "提问",
    NoticeKind.ANSWER: "答复",
    NoticeKind.RETURN_ASKED: "申请退回",
    NoticeKind.RETURN_DECLINED: "不予退回",
    NoticeKind.DOCUMENT: "文书",
    NoticeKind.AMENDMENT: "规则修订",
    NoticeKind.WAIVER_ASKED: "申请豁免校验",
    NoticeKind.WAIVER_ANSWERED: "豁免校验的答复",
    NoticeKind.SIGNER_ASKED: "申请免予确认",
    NoticeKind.SIGNER_ANSWERED: "免予确认的答复",
}

EVIDENCE = frozenset({NoticeKind.REMINDER_TO_FILE, NoticeKind.DOCUMENT})
"""Kinds whose service has to be proved: it stands in a journal of the notice's own."""


class Channel(StrEnum):
    """How a notice reaches whom it is for."""

    MESSAGE = "message"
    MAIL = "mail"
    WEBHOOK = "webhook"


CHANNEL_LABELS: dict[Channel, str] = {
    Channel.MESSAGE: "站内消息",
    Channel.MAIL: "电子邮件",
    Channel.WEBHOOK: "网络推送",
}


class DeliveryState(StrEnum):
    """What has become of a notice on one channel.

    ``unaddressed``: nobody has said where to; ``failed``: given up, until it is replayed.
    """

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNADDRESSED = "unaddressed"


DELIVERY_STATE_LABELS: dict[DeliveryState, str] = {
    DeliveryState.WAITING: "待送达",
    DeliveryState.DELIVERED: "已送达",
    DeliveryState.FAILED: "未能送达",
    DeliveryState.UNADDRESSED: "没有登记地址",
}


class NewNotice(Value):
    """A notice that is to be served.

    ``addressee`` is an institution's or an authority's id, as ``audience`` says; an operator's is
    that of the market regulator of its jurisdiction. ``institution`` is whom it is about, empty for
    what is about a place, served on its regulator. ``key`` names it
    within its case: the same one served again is one notice. ``document_sha256`` is the document
    that is served by it, empty for none. Over ``message`` it is served in any case.
    """

    case_id: str
    key: str
    kind: NoticeKind
    institution: str
    audience: Role = Role.FILER
    addressee: str
    title: str
    body: str
    document_sha256: str = ""
    served_by: Actor
    served_at: datetime
    channels: tuple[Channel, ...] = Field(default=(Channel.MESSAGE, Channel.MAIL))

    @property
    def id(self) -> str:
        """The notice's id: the same for the same notice, however often it is served."""
        named = f"{self.case_id}\n{self.key}\n{self.audience}\n{self.addressee}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]


def notice_case_id(notice: str) -> str:
    """The id under which a notice's service stands in the journal: ``notice/<id>``."""
    return f"notice/{notice}"
