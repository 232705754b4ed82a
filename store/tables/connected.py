"""Connected mode: clients, deliveries, the provinces' plans."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.hidden import DELIVERY, HiddenJson
from store.tables.base import instant, metadata

api_clients = Table(
    "api_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("authority", Text, nullable=False, comment="代哪个发证机关送达"),
    Column("name", Text, nullable=False),
    Column("sandbox", Boolean, nullable=False, comment="只用于联调，不写入登记"),
    Column("created_by", Text, nullable=False),
    instant("created_at"),
    instant("revoked_at", nullable=True),
    Index(None, "authority"),
    comment="联网系统（各省审批系统）",
)

api_client_secrets = Table(
    "api_client_secrets",
    metadata,
    Column("id", Text, primary_key=True, comment="由操作的标识得出，重发不会再发一个密钥"),
    Column("client_id", Text, ForeignKey("api_clients.id"), nullable=False),
    Column("sha256", Text, nullable=False, comment="密钥的哈希；密钥本身不保存"),
    instant("created_at"),
    instant("expires_at", nullable=True),
    Index(None, "client_id"),
    comment="联网系统的密钥；轮换期内可以同时有两个",
)

certificate_deliveries = Table(
    "certificate_deliveries",
    metadata,
    Column("no", BigInteger, Identity(always=True), nullable=False),
    Column("authority", Text, primary_key=True),
    Column("sandbox", Boolean, primary_key=True),
    Column("delivery_id", Text, primary_key=True, comment="各省自己的送达编号"),
    Column("client_id", Text, ForeignKey("api_clients.id"), nullable=False),
    Column("action", Text, nullable=False),
    Column(
        "body",
        HiddenJson("certificate_deliveries.body", DELIVERY),
        nullable=False,
        comment="送来的内容",
    ),
    Column("body_sha256", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("attempt", Integer, nullable=False, comment="被拒绝之后第几次重送"),
    Column("number", Text, nullable=False, server_default=""),
    Column("receipt", JSONB, nullable=True),
    Column("refusal", JSONB, nullable=True),
    instant("received_at"),
    instant("answered_at", nullable=True),
    CheckConstraint("action IN ('issue', 'change', 'extension', 'end')", name="action"),
    CheckConstraint("stage IN ('working', 'accepted', 'refused')", name="stage"),
    UniqueConstraint("no"),
    Index(None, "number"),
    Index("ix_certificate_deliveries_hour", "client_id", "received_at"),
    comment="联网赋码的送达及回执",
)

province_plans = Table(
    "province_plans",
    metadata,
    Column("authority", Text, primary_key=True),
    Column("received_on", Date, nullable=False),
    Column("document", Text, nullable=False),
    Column("mode", Text, nullable=False, comment="方案选用的赋码模式"),
    Column("recorded_by", Text, nullable=False),
    instant("recorded_at"),
    CheckConstraint("mode IN ('manual', 'connected')", name="mode"),
    comment="各省报送的赋码系统对接方案",
)
