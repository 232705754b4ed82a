"""amendments of the rules of filings under way, and notices of them

The way back is the copy taken before: filings that were amended have no older form.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = (
    "reminder_to_file", "reminder", "question", "answer", "return_asked", "return_declined",
    "document",
)  # fmt: skip


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "amendments",
        sa.Column("id", sa.Text(), nullable=False, comment="也是其批办的编号"),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("opening", sa.Integer(), nullable=False, comment="统计工作第几次开启时"),
        sa.Column(
            "before", postgresql.JSONB(), nullable=False, comment="辖区代码 → 原来的规则集 SHA-256"
        ),
        sa.Column(
            "after", postgresql.JSONB(), nullable=False, comment="辖区代码 → 修订后的规则集 SHA-256"
        ),
        sa.Column("document", sa.Text(), nullable=False, comment="修订所依据的文件"),
        sa.Column("note_sha256", sa.Text(), nullable=False, comment="理由"),
        sa.Column("made_by", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name=op.f("fk_amendments_id_jobs")),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.case_id"], name=op.f("fk_amendments_campaign_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendments")),
        comment="修订：正在办理的填报改按新发布的规则",
    )
    op.create_index(
        op.f("ix_amendments_campaign_amendments_made_at"), "amendments", ["campaign", "made_at"]
    )
    _check_kinds((*_KINDS, "amendment"))
    op.execute("SELECT seal_table('amendments')")


def _check_kinds(kinds: Sequence[str]) -> None:
    op.drop_constraint(op.f("ck_notices_kind"), "notices", type_="check")
    listed = ", ".join(repr(kind) for kind in kinds)
    op.create_check_constraint(op.f("ck_notices_kind"), "notices", f"kind IN ({listed})")
