"""the register has one row of a measure that ended and was corrected afterwards

`ended_at` is when it first ended, `ended_by` how it stands since.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BEFORE_ENDS = """
CREATE OR REPLACE VIEW enforcement_register AS
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
"""
_AFTER_ENDS = """
       (t.step -> 'body' -> 'ends' ? 'cured' AND EXISTS (
           SELECT 1 FROM filing_dates f
           WHERE f.case_id = e.about AND f.status IN ('approved', 'quality_check', 'completed')
             AND f.approved_at > c.opened_at
       )) AS cured
FROM enforcement_cases e
JOIN cases c ON c.case_id = e.case_id
JOIN institutions i ON i.id = c.institution_id
JOIN journal t ON t.case_id = c.case_id AND t.event = 'measure_took_effect'
"""
_ONE_END = """
LEFT JOIN LATERAL (
    SELECT min(j.at) AS at,
           (array_agg(j.step -> 'body' ->> 'by' ORDER BY j.sequence DESC))[1] AS ended_by
    FROM journal j
    WHERE j.case_id = c.case_id AND j.event = 'measure_ended' AND j.sequence > t.sequence
) x ON true
"""
_EACH_END = """
LEFT JOIN journal x ON x.case_id = c.case_id AND x.event = 'measure_ended'
  AND x.sequence > t.sequence
"""


def upgrade() -> None:
    """Applies the change."""
    ended = "x.at AS ended_at, x.ended_by,"
    op.execute(f"{_BEFORE_ENDS} {ended} {_AFTER_ENDS} {_ONE_END}")


def downgrade() -> None:
    """Undoes the change."""
    ended = "x.at AS ended_at, x.step -> 'body' ->> 'by' AS ended_by,"
    op.execute(f"{_BEFORE_ENDS} {ended} {_AFTER_ENDS} {_EACH_END}")
