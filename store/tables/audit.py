"""What proves the record: checkpoints over it, and the histories that outlive the engine's."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
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
"""Written by triggers, and only for connections of the application (see `store.database`)."""

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
    "sessions",
    "signed_starts",
    "tokens",
    "uploads",
)
"""The tables whose rows have seals. What their rows hold of content is hashed elsewhere."""

HASHED_ELSEWHERE = {
    "announcement_files": "content",
    "authority_figures": "content",
    "certificates": "content",
    "enforcement_attachments": "content",
    "enforcement_documents": "content",
    "filing_files": "content",
    "histories": "content",
    "notes": "note",
    "revisions": "content",
    "rule_sets": "document",
}
"""Of sealed tables the column that seals leave out, since its hash stands in another."""

SEALED_IN_PART = {"cases": ("case_id", "plan")}
"""Of the tables that steps tell all of: the columns that have a seal beside, to the letter."""

FUNCTIONS = {
    "keep_plan_seal": "e59a78c79e1f339a9a539faff7d3adf2614e4ae93e82931bf725e055e07521ef",
    "keep_seals": "524ea7ffb6fab2011c867490cbe357245328bb7ff1ff2a55f6f965df10753a03",
    "refuse_change": "e773863d69af3f05a99a2b93fb2a98b91ba286d2dfa4ef235179f514c3cff31d",
    "seal_key": "18c51af8f288dda0f44e4197aae25b2b773b282c1032b7f79252ed3433e9a722",
    "seal_of": "fb67acb64415c077134fa3262f3a2762f922ca470e1454c999d8f5f5dda9dda5",
}
"""The SHA-256 of the source of each function that triggers of the record run."""

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
