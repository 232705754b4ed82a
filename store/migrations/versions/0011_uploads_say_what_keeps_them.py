"""uploads say what keeps them from being read"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "uploads",
        sa.Column(
            "trouble",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="何事使文件暂不能读取",
        ),
    )
