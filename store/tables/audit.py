"""What proves the record: checkpoints over it, and the histories that outlive the engine's."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.base import instant, metadata

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("body", JSONB, nullable=False, comment="所签的内容，见 docs/audit.md"),
    Column("sha256", Text, nullable=False, comment="所签内容的哈希"),
    Column("key", Text, nullable=False, comment="签名密钥的名称；空为没有密钥"),
    Column("signature", Text, nullable=False),
    instant("made_at"),
    comment="封存点：全部记录的签名摘要，逐个相连，只增不改",
)

seals = Table(
    "seals",
    metadata,
    Column("table", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="主键各列，以 | 相连"),
    Column("sha256", Text, nullable=False, comment="行的哈希；空为此前已被人改动"),
    comment="不由日志推出的各表，每行由系统写入时的哈希；手工改动的对不上",
)
"""Written by triggers, and only for connections of the application (see `store.database`): of no
superuser, whatever it says of itself."""

seal_log = Table(
    "seal_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("no", BigInteger, comment="封存点据以计到哪里；空为尚未封存"),
    Column("table", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sha256", Text, comment="空为行已删除"),
    Column(
        "login",
        Text,
        nullable=False,
        server_default=text("SESSION_USER"),
        comment="以哪个数据库账号写入",
    ),
    instant("at", now=True),
    comment="每一行的哈希每次由系统改写的记录，按次序，只增不改",
)
"""Every seal that was ever given or taken away, in order.

Checkpoints seal it: what a seal was at one of them cannot be made otherwise afterwards.
"""
Index("ix_seal_log_no", seal_log.c.no, unique=True)
Index("ix_seal_log_not_sealed", seal_log.c.id, postgresql_where=text("no IS NULL"))

SEALED_BY_ROW = (
    "account_links",
    "accounts",
    "addresses",
    "amendments",
    "announcement_files",
    "announcement_versions",
    "announcements",
    "api_client_secrets",
    "api_clients",
    "authority_figures",
    "campaign_summaries",
    "campaigns",
    "certificate_deliveries",
    "certificate_import_problems",
    "certificate_import_rows",
    "certificate_imports",
    "certificate_numbers",
    "certificate_serials",
    "certificates",
    "complaints",
    "contacts",
    "deputies",
    "enforcement_attachments",
    "enforcement_cases",
    "enforcement_documents",
    "extensions",
    "filing_files",
    "filing_receipts",
    "histories",
    "identities",
    "institution_acts",
    "institutions",
    "job_items",
    "job_lists",
    "jobs",
    "known_browsers",
    "memberships",
    "legal_person_findings",
    "notes",
    "notice_deliveries",
    "notices",
    "number_changes",
    "program_secrets",
    "proposed_acts",
    "province_plans",
    "publications",
    "refusal_counts",
    "registration_requests",
    "revisions",
    "revocations",
    "roster_imports",
    "rule_sets",
    "sample_draws",
    "sampled_cases",
    "saved_views",
    "sessions",
    "signed_starts",
    "tokens",
    "uploads",
)
"""The tables whose rows have seals. What their rows hold of content is hashed elsewhere."""

HASHED_ELSEWHERE = {
    "announcement_files": ("content",),
    "authority_figures": ("content",),
    "certificates": ("content", "signatories"),
    "enforcement_attachments": ("content",),
    "enforcement_documents": ("content",),
    "filing_files": ("content",),
    "histories": ("content",),
    "notes": ("note",),
    "revisions": ("content",),
    "rule_sets": ("document",),
}
"""Of sealed tables the columns that seals leave out, since their hash stands in another."""

SEALED_IN_PART = {"cases": ("case_id", "plan")}
"""Of the tables that steps tell all of: the columns that have a seal beside, to the letter."""

FUNCTIONS = {
    "keep_plan_seal": "17d58638960741c98995214ca6e722fdbca46952106520f5b49d5e24f0068d14",
    "keep_seals": "1a2e1ebfe77fd1e0bddf88d57c6534a6732aa85f86d886b2d6633f5363eb1ea9",
    "number_seals": "746fb31f91ae6e00355b40dca1c0c62550286de92e9752b65adaa7ed8b13f229",
    "refuse_change": "e773863d69af3f05a99a2b93fb2a98b91ba286d2dfa4ef235179f514c3cff31d",
    "seal_key": "18c51af8f288dda0f44e4197aae25b2b773b282c1032b7f79252ed3433e9a722",
    "seal_of": "fb67acb64415c077134fa3262f3a2762f922ca470e1454c999d8f5f5dda9dda5",
    "writes_as_application": "1b98e40402bbcfcfe2afa5e6eb769f293bdc5c2f3aa832ce3b4f3878e56907e8",
}
"""The SHA-256 of the source of each function that triggers and checkpoints of the record run."""

GUARDED = ("checkpoints", "journal", "rule_sets")
"""The tables in which the database itself refuses to change or delete a row."""

histories = Table(
    "histories",
    metadata,
    Column("no", BigInteger, Identity(always=True), nullable=False),
    Column("case_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("sequence", Integer, nullable=False, comment="存档时该件的最后一步"),
    Column("events", Integer, nullable=False),
    Column("closed", Boolean, nullable=False, comment="这一轮流程是否已经结束"),
    Column("sha256", Text, nullable=False, comment="JSON 原文的哈希"),
    Column("content", LargeBinary, nullable=False, comment="gzip 压缩的 JSON"),
    instant("started_at"),
    instant("archived_at"),
    UniqueConstraint("no"),
    comment="流程历史的存档，比流程引擎保留得久",
)
