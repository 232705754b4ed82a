"""samples of the quality check, and campaigns that are closed or opened again

The way back is the copy taken before: a sample that was drawn cannot be drawn otherwise.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "campaigns",
        sa.Column(
            "opening", sa.Integer(), nullable=False, server_default="1", comment="第几次开启"
        ),
    )
    op.add_column("campaigns", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "sample_draws",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="第几次抽样"),
        sa.Column("opening", sa.Integer(), nullable=False, comment="统计工作第几次开启时"),
        sa.Column("seed", sa.Text(), nullable=False, comment="种子，抽样之前保密"),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.case_id"], name=op.f("fk_sample_draws_campaign_campaigns")
        ),
        sa.PrimaryKeyConstraint("campaign", "number", name=op.f("pk_sample_draws")),
        comment="质量审查的抽样；种子的哈希事先公布",
    )
    op.create_table(
        "sampled_cases",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "number"],
            ["sample_draws.campaign", "sample_draws.number"],
            name=op.f("fk_sampled_cases_campaign_sample_draws"),
        ),
        sa.PrimaryKeyConstraint("campaign", "number", "case_id", name=op.f("pk_sampled_cases")),
        comment="参加抽样的办件，抽中与否",
    )
    op.create_index("ix_sampled_cases_case_id", "sampled_cases", ["case_id"])
    op.create_table(
        "campaign_summaries",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("opening", sa.Integer(), nullable=False, comment="统计工作第几次开启"),
        sa.Column("document", sa.Text(), nullable=False, comment="封存的汇总，规范 JSON"),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"],
            ["campaigns.case_id"],
            name=op.f("fk_campaign_summaries_campaign_campaigns"),
        ),
        sa.PrimaryKeyConstraint("campaign", "opening", name=op.f("pk_campaign_summaries")),
        comment="统计工作关闭时封存的汇总",
    )
