"""extensions as objects, lists for bulk jobs, deputies, revocations, since when a case waits

The way back is the copy taken before: extensions and who acts for whom have no older form.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    _extensions()
    _waiting()
    _lists()
    _people()
    op.create_index("ix_journal_at", "journal", ["at"], postgresql_using="brin")
    op.create_index("ix_refusals_at", "refusals", ["at"], postgresql_using="brin")


def _text(name: str, comment: str = "", *, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(
        name, sa.Text(), nullable=False, server_default=default, comment=comment or None
    )


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _extensions() -> None:
    op.create_table(
        "extensions",
        _text("id", "也是其批办的编号"),
        _text("kind"),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("quarter", sa.Integer(), nullable=False, comment="0 为年度统计"),
        _text("jurisdiction", "在哪一辖区给予"),
        sa.Column("standing", sa.Boolean(), nullable=False, comment="整个辖区，后来列入的同样延期"),
        _instant("until"),
        _instant("given_until"),
        _text("document", "批准延期的文件"),
        _text("authorised_by", "批准人或批准机关"),
        _text("note_sha256", "理由"),
        sa.Column("granted_by", postgresql.JSONB(), nullable=False),
        _instant("granted_at"),
        _text("shortened_by", default=""),
        _text("shortened_note", "缩短或收回的理由", default=""),
        _text("shortened_job", default=""),
        _instant("shortened_at", nullable=True),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name=op.f("fk_extensions_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extensions")),
        comment="延期：一件、一份名单或整个辖区，到期自行恢复原定期限",
    )
    op.create_index(
        op.f("ix_extensions_year_extensions_quarter_extensions_granted_at_extensions_id"),
        "extensions",
        ["year", "quarter", "granted_at", "id"],
    )
    op.add_column("cases", _text("extension", "现行延期的编号", default=""))
    op.create_index(
        "ix_cases_extension", "cases", ["extension"], postgresql_where=sa.text("extension <> ''")
    )


def _waiting() -> None:
    """Since when a case stands where it stands, filled in from the journal."""
    op.add_column(
        "cases",
        sa.Column(
            "waiting_since",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
    )
    op.execute(
        """
        UPDATE cases c SET waiting_since = coalesce(j.since, c.updated_at)
        FROM (
            SELECT k.case_id, (
                SELECT min(s.at) FROM journal s
                WHERE s.case_id = k.case_id AND s.sequence > coalesce((
                    SELECT max(b.sequence) FROM journal b
                    WHERE b.case_id = k.case_id
                      AND (b.step -> 'position' ->> 'status',
                           (b.step -> 'position' ->> 'level')::int,
                           b.step -> 'position' ->> 'authority')
                          IS DISTINCT FROM (k.status, k.level, k.authority)
                ), 0)
            ) AS since
            FROM cases k
        ) j
        WHERE j.case_id = c.case_id
        """
    )
    op.create_index(
        "ix_cases_waiting", "cases", ["authority", "status", "waiting_since", "case_id"]
    )


def _lists() -> None:
    op.create_table(
        "job_lists",
        _text("id", "内容与上传人的 SHA-256"),
        _text("filename"),
        sa.Column(
            "ids",
            postgresql.JSONB(),
            nullable=False,
            comment="机构编号或办件编号，按文件中的次序",
        ),
        sa.Column("added_by", postgresql.JSONB(), nullable=False),
        _instant("added_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_lists")),
        comment="批办用的名单，来自上传的表格",
    )


def _people() -> None:
    op.create_table(
        "deputies",
        _text("id"),
        _text("authority"),
        _text("person", "离岗的人"),
        _text("deputy", "代为办理的人；空为只登记离岗"),
        _instant("starts"),
        _instant("ends"),
        _text("named_by"),
        _text("note_sha256", "事由", default=""),
        _instant("named_at"),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deputies")),
        comment="离岗与代办：某人离岗期间由谁代为办理",
    )
    for other in ("deputy", "person"):
        name = op.f(f"ix_deputies_authority_deputies_{other}")
        op.create_index(name, "deputies", ["authority", other])
    op.create_table(
        "revocations",
        _text("id"),
        _text("authority"),
        _text("person"),
        _text("revoked_by"),
        _text("note_sha256", "理由"),
        _text("job_id", "退领其待办的批办", default=""),
        _instant("revoked_at"),
        _text("restored_by", default=""),
        _instant("restored_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocations")),
        comment="停用：某人不再能为某部门办事",
    )
    op.create_index(
        op.f("ix_revocations_person_revocations_authority"), "revocations", ["person", "authority"]
    )
