"""how many institutions of a campaign the rules come to no result for; waivers asked for found

The way back drops the count and the index.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0050"
down_revision: str | None = "0049"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "campaigns", sa.Column("uncomputable", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute("SELECT seal_table('campaigns')")
    op.create_index(
        "ix_cases_waiver_asked", "cases", ["case_id"], postgresql_where=sa.text("waiver_asked")
    )


def downgrade() -> None:
    """Undoes the change."""
    op.drop_index("ix_cases_waiver_asked", "cases")
    op.drop_column("campaigns", "uncomputable")
    op.execute("SELECT seal_table('campaigns')")
