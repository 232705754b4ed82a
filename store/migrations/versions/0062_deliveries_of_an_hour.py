"""deliveries of an hour: how many a program has had begun, counted by an index

The way back takes the index away; nothing that is kept changes.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0062"
down_revision: str | None = "0061"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_certificate_deliveries_hour"


def upgrade() -> None:
    """Applies the change."""
    op.create_index(_INDEX, "certificate_deliveries", ["client_id", "received_at"])


def downgrade() -> None:
    """Undoes the change."""
    op.drop_index(_INDEX, "certificate_deliveries")
