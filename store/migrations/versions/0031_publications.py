"""which rule sets were published when, by whom and why"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0031"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "publications",
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="规则文件自己的修订号"),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("published_by", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note_sha256", sa.Text(), nullable=False, comment="发布的理由"),
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_set"], ["rule_sets.sha256"], name=op.f("fk_publications_rule_set_rule_sets")
        ),
        sa.PrimaryKeyConstraint("year", "jurisdiction", "revision", name=op.f("pk_publications")),
        comment="规则集的发布；一个年度、一个辖区以最后发布的为现行",
    )
    op.execute("SELECT seal_table('publications')")


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("publications")
    op.execute("DELETE FROM seals WHERE \"table\" = 'publications'")
