"""what institutions add to cases of enforcement is hidden under the key of the case

What was added before stays as it was, and is hidden by `zhibao keys hide`.
There is no way back but a copy: what is hidden is no file.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0058"
down_revision: str | None = "0054"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.execute(
        "ALTER TABLE enforcement_attachments ALTER content TYPE text"
        " USING replace(encode(content, 'base64'), E'\\n', '')"
    )
