"""uploads keep what their case is to be told, until it has been"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "uploads",
        sa.Column(
            "command",
            postgresql.JSONB(none_as_null=True),
            nullable=True,
            comment="收齐之后要交给报送的指令",
        ),
    )
    op.create_index(
        "ix_uploads_queued", "uploads", ["no"], postgresql_where=sa.text("stage = 'queued'")
    )
