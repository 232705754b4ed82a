"""acts that one person proposes and another confirms

The way back drops them: what waits has to be proposed anew.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0049"
down_revision: str | None = "0047"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _text(name: str, comment: str = "", *, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(
        name, sa.Text(), nullable=False, server_default=default, comment=comment or None
    )


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "proposed_acts",
        _text("id"),
        _text("act"),
        sa.Column("number", sa.Integer(), nullable=False, comment="涉及多少件"),
        _text("path", "确认后以提出人的名义办理的请求"),
        sa.Column("body", JSONB(), nullable=False),
        _text("body_sha256"),
        _text("command_id"),
        sa.Column("proposed_by", JSONB(), nullable=False),
        _text("scope", "提出人的部门或辖区"),
        _instant("proposed_at"),
        _instant("ends_at"),
        _text("state"),
        _text("decided_by", default=""),
        _instant("decided_at", nullable=True),
        _text("note_sha256", "不予确认的理由", default=""),
        _text("outcome", "不能办理的，是何原因", default=""),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposed_acts")),
        comment="一人提出、须另一人确认才办理的事项",
    )
    op.create_index(
        op.f("ix_proposed_acts_scope_proposed_acts_proposed_at"),
        "proposed_acts",
        ["scope", "proposed_at"],
    )
    # only how far an act has come may change, never what was proposed or by whom
    op.execute("REVOKE UPDATE, DELETE ON proposed_acts FROM zhibao_application")
    op.execute(
        "GRANT UPDATE (state, decided_by, decided_at, note_sha256, outcome)"
        " ON proposed_acts TO zhibao_application"
    )
    op.execute("SELECT seal_table('proposed_acts')")


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("proposed_acts")
    op.execute("DELETE FROM seals WHERE \"table\" = 'proposed_acts'")
