"""Served notices, what becomes of them on each channel, and where they are sent."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from domain.notices import Channel, DeliveryState, NoticeKind
from store.hidden import OF_CASE, HiddenText
from store.tables.base import instant, metadata, one_of

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("key", Text, nullable=False, comment="在一件中区分各通知：同一键只送达一次"),
    Column("kind", Text, nullable=False),
    Column("institution", Text, nullable=False, comment="所涉机构"),
    Column("audience", Text, nullable=False, comment="filer 填报，reviewer 审核，operator 经办"),
    Column("addressee", Text, nullable=False, comment="收件的机构或部门"),
    Column("title", Text, nullable=False),
    Column(
        "body",
        HiddenText("notices.body", OF_CASE, lambda t: t.c.id),
        nullable=False,
    ),
    Column("document_sha256", Text, nullable=False, server_default="", comment="所送达的文书"),
    Column("served_by", Text, nullable=False),
    Column("served_role", Text, nullable=False),
    Column("served_scope", Text, nullable=False),
    instant("served_at"),
    instant("seen_at", nullable=True),
    Column("seen_by", Text, nullable=False, server_default="", comment="收件人中谁先查看"),
    CheckConstraint(one_of("kind", [kind.value for kind in NoticeKind]), name="kind"),
    UniqueConstraint("case_id", "key", "audience", "addressee", name="uq_notices_key"),
    Index(None, "addressee", "served_at", "id"),
    Index(None, "institution", "served_at", "id"),
    comment="送达的通知：催报、提醒、答复、文书",
)

notice_deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("id", Text, primary_key=True, comment="重复送达时不变"),
    Column("notice_id", Text, ForeignKey("notices.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("address_id", Text, nullable=False, server_default="", comment="登记的推送地址"),
    Column("target", Text, nullable=False, server_default="", comment="最近一次送往何处"),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    instant("next_at", nullable=True),
    instant("attempted_at", nullable=True),
    instant("delivered_at", nullable=True),
    Column("failure", Text, nullable=False, server_default="", comment="最近一次未送达的原因"),
    CheckConstraint(one_of("channel", [channel.value for channel in Channel]), name="channel"),
    CheckConstraint(one_of("state", [state.value for state in DeliveryState]), name="state"),
    Index(None, "notice_id"),
    Index("ix_notice_deliveries_due", "next_at", "id", postgresql_where="state = 'waiting'"),
    Index(None, "state", "id"),
    comment="每一通知在每一渠道上的送达",
)

addresses = Table(
    "addresses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("addressee", Text, nullable=False, comment="机构或部门"),
    Column("channel", Text, nullable=False),
    Column("target", Text, nullable=False, comment="邮箱，或推送网址"),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("registered_by", Text, nullable=False),
    instant("registered_at"),
    instant("ended_at", nullable=True),
    CheckConstraint(one_of("channel", ["mail", "webhook"]), name="channel"),
    Index(None, "addressee", "channel"),
    comment="部门的邮箱，以及机构和部门接收推送的网址",
)
