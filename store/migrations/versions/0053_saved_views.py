"""ways to look at an inbox that people have saved

The way back drops them: whoever saved some saves them anew.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0053"
down_revision: str | None = "0050"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "saved_views",
        sa.Column("person", sa.Text(), nullable=False, comment="账号"),
        sa.Column("name", sa.Text(), nullable=False, comment="本人起的名字"),
        sa.Column("wanted", JSONB(), nullable=False, comment="筛选的各项"),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person", "name", name=op.f("pk_saved_views")),
        comment="保存的筛选：某人怎样看待办",
    )
    op.execute("SELECT seal_table('saved_views')")


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("saved_views")
    op.execute("DELETE FROM seals WHERE \"table\" = 'saved_views'")
