"""contacts; registration, merger, split of institutions; announcements"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    _contacts()
    _register()
    _published_and_done()


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="空为已删去"),
        sa.Column("phone", sa.Text(), nullable=False, server_default=""),
        sa.Column("mail", sa.Text(), nullable=False, server_default=""),
        sa.Column("source", sa.Text(), nullable=False, comment="由谁填写：机构、经办人、名录"),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('liaison', 'statistics', 'head')", name=op.f("ck_contacts_role")
        ),
        sa.CheckConstraint(
            "source IN ('filer', 'operator', 'roster')", name=op.f("ck_contacts_source")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_contacts_institution_id_institutions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        comment="机构的联系人：每次改动一行，只增不改；个人信息，仅限本机构和负责的部门查看",
    )
    op.create_index(
        op.f("ix_contacts_institution_id_contacts_role_contacts_id"),
        "contacts",
        ["institution_id", "role", "id"],
    )


def _register() -> None:
    op.add_column("institutions", sa.Column("roster_at", sa.DateTime(timezone=True)))
    op.add_column(
        "institutions",
        sa.Column("merged_into", sa.Text(), comment="已并入的机构；只有它仍在名录中办理"),
    )
    op.create_foreign_key(
        op.f("fk_institutions_merged_into_institutions"),
        "institutions",
        "institutions",
        ["merged_into"],
        ["id"],
    )
    op.create_index(
        op.f("ix_institutions_merged_into"),
        "institutions",
        ["merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.add_column(
        "roster_imports",
        sa.Column("scope", sa.Text(), nullable=False, server_default="", comment="导入人的辖区"),
    )


def _published_and_done() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "jurisdiction", sa.Text(), nullable=False, comment="发布者的辖区，也是适用的辖区"
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="现行的是第几版"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("audience", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "campaign",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="有关的统计工作，空为不限",
        ),
        sa.Column("shown_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shown_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "audience <@ ARRAY['public', 'filer', 'reviewer', 'checker', 'clerk', 'operator', 'auditor']",
            name=op.f("ck_announcements_audience"),
        ),
        sa.CheckConstraint(
            "kind IN ('announcement', 'help', 'question')", name=op.f("ck_announcements_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
        comment="公告、帮助、常见问题；各版内容在 announcement_versions",
    )
    op.create_index(
        "ix_announcements_kind", "announcements", ["kind", "shown_from", "id"], unique=False
    )
    op.create_index(
        "ix_announcements_standing",
        "announcements",
        ["shown_from"],
        unique=False,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "registration_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False, comment="所申请的机构编号（账号）"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uscc", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("legal_person", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "note_sha256", sa.Text(), server_default="", nullable=False, comment="决定的理由"
        ),
        sa.CheckConstraint("region ~ '^\\d{6}$'", name=op.f("ck_registration_requests_region")),
        sa.CheckConstraint(
            "state IN ('asked', 'approved', 'refused')", name=op.f("ck_registration_requests_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_requests")),
        comment="新机构的登记申请：由所在辖区的经办人同意或不予登记",
    )
    op.create_index(
        "ix_registration_requests_place",
        "registration_requests",
        ["region", "asked_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_registration_requests_waiting",
        "registration_requests",
        ["institution_id"],
        unique=True,
        postgresql_where=sa.text("state = 'asked'"),
    )
    op.create_table(
        "announcement_files",
        sa.Column("announcement_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_files_announcement_id_announcements"),
        ),
        sa.PrimaryKeyConstraint("announcement_id", "sha256", name=op.f("pk_announcement_files")),
        comment="公告的附件",
    )
    op.create_table(
        "announcement_versions",
        sa.Column("announcement_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="限用的 Markdown"),
        sa.Column("audience", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("campaign", sa.Text(), server_default="", nullable=False),
        sa.Column("shown_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shown_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="这一版内容的 SHA-256，也记入日志"),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_versions_announcement_id_announcements"),
        ),
        sa.PrimaryKeyConstraint(
            "announcement_id", "version", name=op.f("pk_announcement_versions")
        ),
        comment="公告的各版，只增不改",
    )
    op.create_table(
        "institution_acts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("into_id", sa.Text(), nullable=True, comment="并入的机构"),
        sa.Column("old_uscc", sa.Text(), server_default="", nullable=False),
        sa.Column("new_uscc", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "parts",
            postgresql.JSONB(),
            server_default="[]",
            nullable=False,
            comment="分立出的机构及其证书",
        ),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="依据的文书"),
        sa.Column("note_sha256", sa.Text(), nullable=False, comment="理由"),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('uscc_changed', 'merged', 'split')", name=op.f("ck_institution_acts_kind")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_institution_acts_institution_id_institutions"),
        ),
        sa.ForeignKeyConstraint(
            ["into_id"], ["institutions.id"], name=op.f("fk_institution_acts_into_id_institutions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_institution_acts")),
        comment="机构的变更：信用代码变更、合并、分立；只增不改",
    )
    op.create_index(
        op.f("ix_institution_acts_institution_id_institution_acts_done_at"),
        "institution_acts",
        ["institution_id", "done_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_institution_acts_into_id"), "institution_acts", ["into_id"], unique=False
    )
    op.create_index(
        op.f("ix_institution_acts_old_uscc"), "institution_acts", ["old_uscc"], unique=False
    )
