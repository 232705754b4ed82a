"""refused acts are counted by actor and hour; since when processes are begun by signed starts

The way back drops both; what stands in the refusals stays.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("refusal_counts", "signed_starts")


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
    op.create_table(
        "signed_starts",
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_signed_starts")),
        comment="自此起，流程只能由网关签名启动；此前启动的没有签名",
    )
    op.execute("INSERT INTO signed_starts VALUES (now())")
    op.execute("REVOKE INSERT, UPDATE, DELETE ON signed_starts FROM zhibao_application")
    op.execute("REVOKE DELETE ON refusal_counts FROM zhibao_application")
    for table in _TABLES:
        op.execute(f"SELECT seal_table('{table}')")


def downgrade() -> None:
    """Undoes the change."""
    for table in _TABLES:
        op.drop_table(table)
        op.execute(f"DELETE FROM seals WHERE \"table\" = '{table}'")  # noqa: S608
