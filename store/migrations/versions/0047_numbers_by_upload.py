"""numbers by upload: a file's numbers lie together, and are found without reading those of others

The way back drops the index.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0047"
down_revision: str | None = "0044"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    # a summary of pages: it takes next to nothing where millions of rows come in
    op.create_index(
        "ix_report_numbers_upload_no", "report_numbers", ["upload_no"], postgresql_using="brin"
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_report_numbers_upload_no", "report_numbers")
