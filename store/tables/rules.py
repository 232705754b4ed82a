"""Rule sets as published, and the campaigns that pin them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.base import instant, metadata

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    instant("stored_at", now=True),
    Column("no", BigInteger, Identity(always=True), nullable=False),
    UniqueConstraint("no"),
    comment="已发布的规则集，按内容的 SHA-256 永久保存",
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("quarter", Integer, nullable=False, server_default="0", comment="0 为年度统计"),
    Column("jurisdiction", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("rule_sets", JSONB, nullable=False, comment="辖区代码 → 规则集 SHA-256"),
    Column("rule_set", Text, ForeignKey("rule_sets.sha256"), nullable=False),
    Column("stage", Text, nullable=False, server_default=""),
    Column("considered", Integer, nullable=False, server_default="0"),
    Column("started", Integer, nullable=False, server_default="0"),
    Column("voluntary", Integer, nullable=False, server_default="0"),
    Column("outside", Integer, nullable=False, server_default="0"),
    Column("without_rules", Integer, nullable=False, server_default="0"),
    Column("elsewhere", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("launched", Integer, nullable=False, server_default="0", comment="流程已建立的件数"),
    Column("late", Boolean, nullable=False, server_default="false", comment="填报期限过后才开启"),
    Column("note_sha256", Text, nullable=False, server_default="", comment="开启或作废的理由"),
    instant("opened_at", now=True),
    instant("started_at", nullable=True),
    instant("annulled_at", nullable=True),
    UniqueConstraint("year", "quarter", "jurisdiction", name="uq_campaigns_period"),
    comment="年度统计和季度报告编号报送工作",
)
