"""tables made since, and campaigns with their new columns, are sealed"""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SEALED = {
    "campaign_summaries": "",
    "campaigns": "",
    "deputies": "",
    "enforcement_attachments": "content",
    "enforcement_cases": "",
    "enforcement_documents": "content",
    "extensions": "",
    "job_lists": "",
    "notes": "note",
    "revocations": "",
    "rule_sets": "document",
    "sample_draws": "",
    "sampled_cases": "",
}
"""Of each table the column that is hashed elsewhere, if any."""


def upgrade() -> None:
    """Applies the change."""
    for table, left_out in _SEALED.items():
        op.execute(f"SELECT seal_table('{table}', '{left_out}')")


def downgrade() -> None:
    """Undoes the change."""
    for table in _SEALED.keys() - {"campaigns"}:
        for act in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER {table}_sealed_on_{act} ON {table}")
        op.execute(f"DELETE FROM seals WHERE \"table\" = '{table}'")  # noqa: S608
