"""files that institutions put beside their filings"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "filing_files",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "scanned",
            sa.Text(),
            nullable=False,
            comment="查毒结果：clean 已查，not_scanned 没有配置",
        ),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_filing_files_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("case_id", "sha256", name=op.f("pk_filing_files")),
        comment="填报的附件：移除的仍保存",
    )
    op.execute("SELECT seal_table('filing_files', 'content')")


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("filing_files")
    op.execute("DELETE FROM seals WHERE \"table\" = 'filing_files'")
