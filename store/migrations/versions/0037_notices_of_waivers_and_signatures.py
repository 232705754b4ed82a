"""notices of waivers asked for and answered, and of filings that nobody is left to sign

The way back is the copy taken before: notices of these kinds have no older form.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0039"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = (
    "reminder_to_file", "reminder", "question", "answer", "return_asked", "return_declined",
    "document", "amendment", "waiver_asked", "waiver_answered", "signer_asked", "signer_answered",
)  # fmt: skip


def upgrade() -> None:
    """Applies the change."""
    op.drop_constraint(op.f("ck_notices_kind"), "notices", type_="check")
    listed = ", ".join(repr(kind) for kind in _KINDS)
    op.create_check_constraint(op.f("ck_notices_kind"), "notices", f"kind IN ({listed})")
    op.alter_column(
        "notices",
        "audience",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="filer 填报，reviewer 审核，operator 经办",
        existing_comment="filer 填报人，reviewer 审核人",
    )
