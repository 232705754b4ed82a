"""a case's kind is the first word of its id, whatever kinds there are"""

from collections.abc import Sequence

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.drop_constraint(op.f("ck_cases_kind"), "cases")
    op.create_check_constraint(op.f("ck_cases_kind"), "cases", "kind = split_part(case_id, '/', 1)")
