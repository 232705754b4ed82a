"""refused acts are counted by actor and hour

The way back drops the counts; what stands in the refusals stays.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "refusal_counts",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="这一小时之始"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False, comment="被拒绝的次数"),
        sa.Column("kept", sa.BigInteger(), nullable=False, comment="其中逐次记入拒绝记录的次数"),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "subject", "role", "scope", "code", name=op.f("pk_refusal_counts")
        ),
        comment="被拒绝的操作按人按小时计数，超出部分只计数",
    )
    op.execute("SELECT seal_table('refusal_counts')")


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("refusal_counts")
    op.execute("DELETE FROM seals WHERE \"table\" = 'refusal_counts'")
