"""Rule sets as published, the campaigns that pin them, their samples and sealed summaries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
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

publications = Table(
    "publications",
    metadata,
    Column("year", Integer, primary_key=True),
    Column("jurisdiction", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, comment="规则文件自己的修订号"),
    Column("rule_set", Text, ForeignKey("rule_sets.sha256"), nullable=False),
    Column("published_by", JSONB, nullable=False),
    instant("published_at"),
    Column("note_sha256", Text, nullable=False, comment="发布的理由"),
    Column("command_id", Text, nullable=False),
    comment="规则集的发布；一个年度、一个辖区以最后发布的为现行",
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
    Column("uncomputable", Integer, nullable=False, server_default="0"),
    Column("elsewhere", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("launched", Integer, nullable=False, server_default="0", comment="流程已建立的件数"),
    Column("late", Boolean, nullable=False, server_default="false", comment="填报期限过后才开启"),
    Column("note_sha256", Text, nullable=False, server_default="", comment="开启或作废的理由"),
    instant("opened_at", now=True),
    instant("started_at", nullable=True),
    instant("annulled_at", nullable=True),
    Column("opening", Integer, nullable=False, server_default="1", comment="第几次开启"),
    instant("closed_at", nullable=True),
    UniqueConstraint("year", "quarter", "jurisdiction", name="uq_campaigns_period"),
    comment="年度统计和季度报告编号报送工作",
)

sample_draws = Table(
    "sample_draws",
    metadata,
    Column("campaign", Text, ForeignKey("campaigns.case_id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="第几次抽样"),
    Column("opening", Integer, nullable=False, comment="统计工作第几次开启时"),
    Column("seed", Text, nullable=False, comment="种子，抽样之前保密"),
    instant("committed_at"),
    instant("drawn_at", nullable=True),
    comment="质量审查的抽样；种子的哈希事先公布",
)

sampled_cases = Table(
    "sampled_cases",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("case_id", Text, primary_key=True),
    Column("rule_set", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("drawn", Boolean, nullable=False),
    ForeignKeyConstraint(["campaign", "number"], ["sample_draws.campaign", "sample_draws.number"]),
    Index(None, "case_id"),
    comment="参加抽样的办件，抽中与否",
)

campaign_summaries = Table(
    "campaign_summaries",
    metadata,
    Column("campaign", Text, ForeignKey("campaigns.case_id"), primary_key=True),
    Column("opening", Integer, primary_key=True, comment="统计工作第几次开启"),
    Column("document", Text, nullable=False, comment="封存的汇总，规范 JSON"),
    Column("sha256", Text, nullable=False),
    instant("sealed_at"),
    comment="统计工作关闭时封存的汇总",
)
