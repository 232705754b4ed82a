"""initial schema"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% 只增不改', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "institutions",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="机构编号（账号），不是统一社会信用代码"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "uscc",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="统一社会信用代码，可对应多个账号",
        ),
        sa.Column("region", sa.Text(), nullable=False, comment="监管区域代码"),
        sa.Column("legal_person", sa.Boolean(), nullable=False),
        sa.Column("under_samr", sa.Boolean(), nullable=False),
        sa.Column("accredited", sa.Boolean(), nullable=False),
        sa.Column("review_group", sa.Text(), nullable=True),
        sa.Column("other_qualifications", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("national_centres", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_reviewer", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("region ~ '^\\d{6}$'", name=op.f("ck_institutions_region")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_institutions")),
        comment="检验检测机构名录",
    )
    op.create_index(
        op.f("ix_institutions_region_institutions_id"),
        "institutions",
        ["region", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_institutions_uscc"), "institutions", ["uscc"], unique=False)
    op.create_table(
        "journal",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("step", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("case_id", "sequence", name=op.f("pk_journal")),
        comment="日志：每一步一行，只增不改，逐件哈希相连",
    )
    op.create_index(
        op.f("ix_journal_case_id_journal_command_id"),
        "journal",
        ["case_id", "command_id"],
        unique=False,
    )
    op.create_table(
        "notes",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("note", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_notes")),
        comment="理由和说明，按内容的 SHA-256 保存",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "transaction", sa.BigInteger(), server_default=sa.text("txid_current()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("case_id", "sequence", name=op.f("uq_outbox_case_id_sequence")),
        comment="待外发事件，供下游系统按序读取",
    )
    op.create_table(
        "refusals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("refusal", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        comment="被拒绝的操作：谁、何事、为何",
    )
    op.create_index(
        op.f("ix_refusals_case_id_refusals_id"), "refusals", ["case_id", "id"], unique=False
    )
    op.create_table(
        "requests",
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="身份与 Idempotency-Key 的 SHA-256"
        ),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_requests")),
        comment="已用过的 Idempotency-Key",
    )
    op.create_table(
        "roster_imports",
        sa.Column("id", sa.Text(), nullable=False, comment="文件与方式的 SHA-256"),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("accept_good_rows", sa.Boolean(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_imports")),
        comment="名录导入及其逐行报告",
    )
    op.create_table(
        "rule_sets",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_rule_sets")),
        comment="已发布的规则集，按内容的 SHA-256 永久保存",
    )
    op.create_table(
        "campaigns",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column(
            "rule_sets",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="辖区代码 → 规则集 SHA-256",
        ),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("considered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started", sa.Integer(), server_default="0", nullable=False),
        sa.Column("voluntary", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outside", sa.Integer(), server_default="0", nullable=False),
        sa.Column("without_rules", sa.Integer(), server_default="0", nullable=False),
        sa.Column("elsewhere", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["rule_set"], ["rule_sets.sha256"], name=op.f("fk_campaigns_rule_set_rule_sets")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("year", "jurisdiction", name=op.f("uq_campaigns_year_jurisdiction")),
        comment="年度统计工作",
    )
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False, comment="所用规则集的辖区"),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False, comment="现由哪个部门办理；空为无"),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False, comment="最后一步的哈希"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('filing')", name=op.f("ck_cases_kind")),
        sa.CheckConstraint(
            "status IN ('scheduled', 'draft', 'submitted', 'in_review', 'returned', 'approved', 'quality_check', 'completed', 'lapsed', 'withdrawn', 'cancelled')",
            name=op.f("ck_cases_status"),
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_cases_institution_id_institutions"),
        ),
        sa.ForeignKeyConstraint(
            ["rule_set"], ["rule_sets.sha256"], name=op.f("fk_cases_rule_set_rule_sets")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
        comment="办件的当前状态（读模型）；以 journal 为准",
    )
    op.create_index(
        op.f("ix_cases_authority_cases_status_cases_due_cases_case_id"),
        "cases",
        ["authority", "status", "due", "case_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_cases_campaign_cases_status"), "cases", ["campaign", "status"], unique=False
    )
    op.create_index(
        op.f("ix_cases_institution_id_cases_year"),
        "cases",
        ["institution_id", "year"],
        unique=False,
    )
    op.create_table(
        "certificates",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "level IN ('provincial', 'national')", name=op.f("ck_certificates_level")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_certificates_institution_id_institutions"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_certificates")),
        comment="资质认定证书",
    )
    op.create_index(
        op.f("ix_certificates_institution_id"), "certificates", ["institution_id"], unique=False
    )
    op.create_table(
        "assignments",
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_assignments_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("authority", "case_id", name=op.f("pk_assignments")),
        comment="曾分派到哪些部门：部门可以查看经手过的办件",
    )
    op.create_index(op.f("ix_assignments_case_id"), "assignments", ["case_id"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_revisions_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("case_id", "revision", name=op.f("pk_revisions")),
        comment="填报内容的各稿；统计资料，仅限统计使用",
    )
    op.execute(_REFUSE_CHANGE)
    for table in ("journal", "rule_sets"):
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
