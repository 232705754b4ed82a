"""campaigns through their year: launched in bulk, opened late, annulled

The way back is the copy taken before: a database in which a case is annulled has no older form.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATUSES = (
    "scheduled",
    "draft",
    "submitted",
    "in_review",
    "returned",
    "approved",
    "quality_check",
    "completed",
    "lapsed",
    "withdrawn",
    "cancelled",
    "after_window",
    "annulled",
)


def upgrade() -> None:
    """Applies the change."""
    op.drop_constraint(op.f("ck_cases_status"), "cases")
    named = ", ".join(repr(status) for status in _STATUSES)
    op.create_check_constraint(op.f("ck_cases_status"), "cases", f"status IN ({named})")
    launched = "流程是否已建立；成批列入的先入列，再逐件建立流程"
    op.add_column(
        "cases",
        sa.Column(
            "launched", sa.Boolean(), nullable=False, server_default="true", comment=launched
        ),
    )
    op.create_index(
        "ix_cases_to_launch",
        "cases",
        ["campaign", "case_id"],
        postgresql_where=sa.text("NOT launched"),
    )
    for column in (
        sa.Column(
            "launched",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="流程已建立的件数",
        ),
        sa.Column(
            "late",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="填报期限过后才开启",
        ),
        sa.Column(
            "note_sha256",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="开启或作废的理由",
        ),
        sa.Column("annulled_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("campaigns", column)
    _milestones()
    _jobs()


def _milestones() -> None:
    """What figures are counted from, filled in from the journal."""
    for column in (
        sa.Column(
            "obligation",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="must 应填报，may 可填报",
        ),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "late", sa.Boolean(), nullable=False, server_default="false", comment="首次提交为补报"
        ),
        sa.Column("extended_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "reviewer",
            sa.Text(),
            nullable=False,
            server_default="",
            comment="最近一次分派的第一级",
        ),
    ):
        op.add_column("cases", column)
    op.execute("UPDATE cases SET obligation = coalesce(plan -> 'obligation' ->> 'outcome', '')")
    op.execute(
        """
        UPDATE cases c
        SET submitted_at = j.submitted_at, late = coalesce(j.late, false),
            extended_until = j.extended_until, reviewer = coalesce(j.reviewer, '')
        FROM (
            SELECT case_id,
                min(at) FILTER (WHERE event = 'submitted') AS submitted_at,
                bool_or((step -> 'body' ->> 'late')::boolean) FILTER (WHERE event = 'submitted')
                    AS late,
                (array_agg((step -> 'body' ->> 'until')::timestamptz ORDER BY sequence DESC)
                    FILTER (WHERE event IN ('extended', 'reopened')
                            AND step -> 'body' ->> 'until' ~ '^2[0-9]{3}-[0-9]{2}-[0-9]{2}T'))[1]
                    AS extended_until,
                (array_agg(step -> 'body' -> 'levels' -> 0 ->> 'authority' ORDER BY sequence DESC)
                    FILTER (WHERE event = 'assigned'))[1] AS reviewer
            FROM journal GROUP BY case_id
        ) j
        WHERE j.case_id = c.case_id
        """
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "about", sa.Text(), nullable=False, server_default="", comment="所属的统计工作，空为无"
        ),
        sa.Column("work", postgresql.JSONB(), nullable=False, comment="对每一件做什么、由谁做"),
        sa.Column(
            "asked_sha256",
            sa.Text(),
            nullable=False,
            comment="所要求内容的哈希：同一键只是一项批办",
        ),
        sa.Column("scope", sa.Text(), nullable=False, comment="发起人的辖区或部门"),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'stopped', 'done')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        comment="批办：对许多办件做同一件事",
    )
    op.create_index(op.f("ix_jobs_created_at_jobs_id"), "jobs", ["created_at", "id"])
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, server_default=""),
        sa.Column("refusal", postgresql.JSONB(), nullable=True, comment="未办的原因"),
        sa.Column("sequence", sa.Integer(), nullable=True, comment="办成的是该件的第几步"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("outcome IN ('', 'done', 'refused')", name=op.f("ck_job_items_outcome")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_items_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_items")),
        comment="批办中的每一件及其结果",
    )
    op.create_index(
        "ix_job_items_waiting",
        "job_items",
        ["job_id", "number"],
        postgresql_where=sa.text("outcome = ''"),
    )
