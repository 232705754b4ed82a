"""voided numbers of certificates stay on record; the serials of a year are found by an index"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "certificate_numbers",
        sa.Column(
            "voided_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="作废的时间；作废的编号从不再用",
        ),
    )
    op.add_column(
        "certificate_numbers",
        sa.Column(
            "void_reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="作废的原因",
        ),
    )
    op.drop_constraint(
        op.f("uq_certificate_numbers_case_id"), "certificate_numbers", type_="unique"
    )
    op.create_index(
        op.f("ix_certificate_numbers_case_id"),
        "certificate_numbers",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text("voided_at IS NULL"),
    )
    for table in ("certificates", "certificate_numbers"):
        op.create_index(
            f"ix_{table}_serial",
            table,
            [sa.literal_column("left(number, 4)"), sa.literal_column("right(number, 4)")],
        )
