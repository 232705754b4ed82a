"""who files for a legal person of several accounts; what authorities report of their own work"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "legal_person_findings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("files_with", sa.Text(), nullable=True),
        sa.Column(
            "parent_uscc",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="上级法人的信用代码",
        ),
        sa.Column("document", sa.Text(), nullable=False, comment="依据的文书"),
        sa.Column("note_sha256", sa.Text(), nullable=False, comment="理由"),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "finding IN ('keeps_account', 'separate', 'files_with')",
            name=op.f("ck_legal_person_findings_finding"),
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_legal_person_findings_institution_id_institutions"),
        ),
        sa.ForeignKeyConstraint(
            ["files_with"],
            ["institutions.id"],
            name=op.f("fk_legal_person_findings_files_with_institutions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_person_findings")),
        comment="同一法人各账号由谁填报的认定；只增不改，最近一次有效",
    )
    op.create_index(
        op.f("ix_legal_person_findings_institution_id_found_at"),
        "legal_person_findings",
        ["institution_id", "found_at"],
    )
    op.create_index(
        op.f("ix_legal_person_findings_parent_uscc"), "legal_person_findings", ["parent_uscc"]
    )
    op.create_table(
        "authority_figures",
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="规则里的编号"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_by", sa.Text(), server_default="", nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("year", "subject", "revision", name=op.f("pk_authority_figures")),
        comment="部门自己的统计（如认可业务）的各稿",
    )
    op.execute("SELECT seal_table('legal_person_findings', '')")
    op.execute("SELECT seal_table('authority_figures', 'content')")


def downgrade() -> None:
    """Undoes the change."""
    for table in ("authority_figures", "legal_person_findings"):
        op.drop_table(table)
        op.execute(f"DELETE FROM seals WHERE \"table\" = '{table}'")  # noqa: S608
