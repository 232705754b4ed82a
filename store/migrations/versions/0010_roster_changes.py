"""what a roster changed; whose certificate a problem of an import is about"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "roster_imports",
        sa.Column(
            "changes", JSONB(), nullable=False, server_default="[]", comment="逐家改动，旧值和新值"
        ),
    )
    op.add_column(
        "roster_imports",
        sa.Column(
            "added", sa.Integer(), nullable=False, server_default="0", comment="新登记的机构数"
        ),
    )
    for name in ("institution_id", "holder"):
        op.add_column(
            "certificate_import_problems",
            sa.Column(name, sa.Text(), nullable=False, server_default=""),
        )
