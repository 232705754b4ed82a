"""enforcement: cases, documents, attachments; views that show no figure of a form

The way back is the copy taken before: what was decided and served stands nowhere else.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
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
    "in_force",
)

_VIEWS = """
CREATE VIEW filing_dates AS
SELECT c.case_id, c.kind, c.year, c.quarter, c.institution_id, c.jurisdiction, c.rule_set,
       c.status, c.obligation, (c.plan -> 'fill' ->> 'closes')::timestamptz AS due,
       c.submitted_at, c.extended_until,
       (SELECT max(j.at) FROM journal j
        WHERE j.case_id = c.case_id AND j.event IN ('approved', 'completed')
          AND j.at >= c.opened_at) AS approved_at
FROM cases c WHERE c.kind IN ('filing', 'report-numbers');

COMMENT ON VIEW filing_dates IS '填报与否和日期，没有任何填报数据：后续处理只能看这些';

CREATE VIEW reminder_dates AS
SELECT j.case_id, j.at FROM journal j JOIN cases c ON c.case_id = j.case_id
WHERE j.event = 'reminder_served' AND j.at >= c.opened_at;

COMMENT ON VIEW reminder_dates IS '催报送达的时间';

CREATE VIEW enforcement_register AS
SELECT c.case_id, e.about, c.institution_id, i.name AS institution_name, i.region, c.year,
       e.authority, c.jurisdiction,
       t.step -> 'body' ->> 'measure' AS measure,
       t.step -> 'body' ->> 'label' AS label,
       t.step -> 'body' ->> 'kind' AS kind,
       t.step -> 'body' -> 'effects' AS effects,
       (t.step -> 'body' ->> 'published')::boolean AS published,
       (t.step -> 'body' ->> 'effective_at')::timestamptz AS effective_at,
       (t.step -> 'body' ->> 'expires_at')::timestamptz AS expires_at,
       t.step -> 'body' ->> 'cure' AS cure,
       t.step -> 'cite' AS cite,
       x.at AS ended_at,
       x.step -> 'body' ->> 'by' AS ended_by,
       (t.step -> 'body' -> 'ends' ? 'cured' AND EXISTS (
           SELECT 1 FROM filing_dates f
           WHERE f.case_id = e.about AND f.status IN ('approved', 'quality_check', 'completed')
             AND f.approved_at > c.opened_at
       )) AS cured
FROM enforcement_cases e
JOIN cases c ON c.case_id = e.case_id
JOIN institutions i ON i.id = c.institution_id
JOIN journal t ON t.case_id = c.case_id AND t.event = 'measure_took_effect'
LEFT JOIN journal x ON x.case_id = c.case_id AND x.event = 'measure_ended'
  AND x.sequence > t.sequence;

COMMENT ON VIEW enforcement_register IS '生效和已终止的措施';
"""


def upgrade() -> None:
    """Applies the change."""
    op.drop_constraint(op.f("ck_cases_status"), "cases")
    named = ", ".join(repr(status) for status in _STATUSES)
    op.create_check_constraint(op.f("ck_cases_status"), "cases", f"status IN ({named})")
    op.create_table(
        "enforcement_cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False, comment="针对哪一件"),
        sa.Column("n", sa.Integer(), nullable=False, comment="针对同一件的第几件"),
        sa.Column("authority", sa.Text(), nullable=False, comment="立案的部门"),
        sa.Column("year", sa.Integer(), nullable=False, comment="立案的年份（北京时间）"),
        sa.Column("serial", sa.Integer(), nullable=False, comment="该部门该年的第几件"),
        sa.Column("key", sa.Text(), nullable=False, comment="同一请求只立一件"),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["about"], ["cases.case_id"], name=op.f("fk_enforcement_cases_about_cases")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_enforcement_cases")),
        sa.UniqueConstraint("about", "n", name="uq_enforcement_cases_n"),
        sa.UniqueConstraint("about", "key", name="uq_enforcement_cases_key"),
        sa.UniqueConstraint("authority", "year", "serial", name="uq_enforcement_cases_serial"),
        comment="后续处理的立案：针对哪一件、文书的编号",
    )
    op.create_table(
        "enforcement_documents",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="文书所记的是哪一步"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="PDF，制作后不变"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "sequence", name=op.f("pk_enforcement_documents")),
        comment="后续处理的文书，一经制作不再改动",
    )
    op.create_table(
        "enforcement_attachments",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "sha256", name=op.f("pk_enforcement_attachments")),
        comment="机构陈述、申辩、提出异议时附的材料",
    )
    op.execute(_VIEWS)
