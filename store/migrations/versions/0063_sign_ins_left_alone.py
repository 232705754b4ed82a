"""when somebody last did something with a sign-in

The way back drops it: sign-ins then last for their hours, used or not.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0063"
down_revision: str | None = "0062"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "sign_in_uses",
        sa.Column("sha256", sa.Text(), nullable=False, comment="浏览器所存密钥的哈希"),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sign_in_uses")),
        comment="登录最近一次有人使用的时间，精确到一分钟；不是记录的一部分",
    )


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("sign_in_uses")
