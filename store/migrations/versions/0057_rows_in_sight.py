"""rows in sight: what people are shown of content and personal data, by place and purpose

The way back takes the policies away; nothing that is kept changes.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0057"
down_revision: str | None = "0053"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ROLE = "(SELECT coalesce(current_setting('zhibao.role', true), ''))"
_SCOPE = "(SELECT coalesce(current_setting('zhibao.scope', true), ''))"
_REGIONS = "(SELECT coalesce(current_setting('zhibao.regions', true), ''))"

_NEARBY = f"({_REGIONS} = '' OR i.region = ANY (string_to_array({_REGIONS}, ',')))"
_ASSIGNED = f"""(c.authority = {_SCOPE} OR EXISTS (
    SELECT FROM assignments a WHERE a.case_id = c.case_id AND a.authority = {_SCOPE}))"""
_SURVEY = "c.kind IN ('filing', 'report-numbers')"


def _of_a_case(table: str, theirs: str) -> str:
    """Rows of a case that the one who asks may see; of no case on record, anybody's."""
    return f"""{_ROLE} IN ('', 'system', 'auditor') OR NOT EXISTS (
        SELECT FROM cases c LEFT JOIN institutions i ON i.id = c.institution_id
        WHERE c.case_id = {table}.case_id AND NOT coalesce({theirs}, true))"""


_CONTENT = f"""CASE
    WHEN {_ROLE} IN ('filer', 'responsible') THEN c.institution_id = {_SCOPE}
    WHEN {_ROLE} = 'operator' THEN {_NEARBY}
    WHEN {_ROLE} IN ('reviewer', 'checker')
    THEN NOT {_SURVEY} OR {_ASSIGNED} OR {_NEARBY}
    ELSE NOT {_SURVEY} END"""
"""What was filed is for statistics: whoever issues or enforces sees none of it."""

_COMPLAINED = f"""CASE
    WHEN {_ROLE} = 'operator' THEN {_NEARBY}
    WHEN {_ROLE} IN ('reviewer', 'checker') THEN {_ASSIGNED} OR {_NEARBY}
    ELSE false END"""
"""Whoever is complained of does not see who complains."""

_ENFORCED = f"""CASE
    WHEN {_ROLE} = 'filer' THEN c.institution_id = {_SCOPE}
    WHEN {_ROLE} = 'operator' THEN {_NEARBY}
    ELSE {_ROLE} IN ('officer', 'decider') END"""

_REACHED = f"""{_ROLE} IN ('', 'system', 'auditor') OR EXISTS (
    SELECT FROM institutions i WHERE i.id = contacts.institution_id AND CASE
        WHEN {_ROLE} IN ('filer', 'responsible') THEN i.id = {_SCOPE}
        WHEN {_ROLE} = 'operator' THEN {_NEARBY}
        WHEN {_ROLE} IN ('reviewer', 'checker') THEN {_NEARBY} OR EXISTS (
            SELECT FROM cases c WHERE c.institution_id = i.id AND {_ASSIGNED})
        ELSE false END)"""  # noqa: S608 - of constants, as all here

_IN_SIGHT = {
    "revisions": _of_a_case("revisions", _CONTENT),
    "filing_files": _of_a_case("filing_files", _CONTENT),
    "complaints": _of_a_case("complaints", _COMPLAINED),
    "enforcement_attachments": _of_a_case("enforcement_attachments", _ENFORCED),
    "enforcement_documents": _of_a_case("enforcement_documents", _ENFORCED),
    "contacts": _REACHED,
}
_NEWLY = ("enforcement_attachments", "enforcement_documents")
"""Tables that had no policy before."""

_NEARBY_DATES = f"""({_ROLE} NOT IN ('officer', 'decider') OR {_REGIONS} = ''
    OR EXISTS (SELECT FROM institutions i
               WHERE i.id = c.institution_id
                 AND i.region = ANY (string_to_array({_REGIONS}, ',')))
    OR EXISTS (SELECT FROM enforcement_cases e
               WHERE e.about = c.case_id AND e.authority = {_SCOPE}))"""  # noqa: S608
"""Whoever enforces sees the dates of its own places, and of what it has a case about."""

_REMINDED = """
CREATE OR REPLACE VIEW reminder_dates AS
SELECT j.case_id, j.at FROM journal j JOIN cases c ON c.case_id = j.case_id
WHERE j.event = 'reminder_served' AND j.at >= c.opened_at
"""
_DATES = f"""
CREATE VIEW filing_dates_in_sight AS
SELECT f.* FROM filing_dates f JOIN cases c ON c.case_id = f.case_id WHERE {_NEARBY_DATES};
COMMENT ON VIEW filing_dates_in_sight IS '填报与否和日期：后续处理的人只看见本辖区和本机关立案的';
GRANT SELECT ON filing_dates_in_sight TO zhibao_enforcement;
-- what is in force is known to all who enforce: the register goes on reading all dates itself
REVOKE SELECT ON filing_dates FROM zhibao_enforcement;
"""  # noqa: S608


def upgrade() -> None:
    """Applies the change."""
    for table in _NEWLY:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY application ON {table} TO zhibao_application"
            " USING (true) WITH CHECK (true)"
        )
        op.execute(
            f"CREATE POLICY auditor ON {table} FOR SELECT TO zhibao_auditor"  # noqa: S608
            " USING (case_id IN (SELECT case_id FROM cases))"
        )
    for table, seen in _IN_SIGHT.items():
        op.execute(
            f"CREATE POLICY in_sight ON {table} AS RESTRICTIVE FOR SELECT TO zhibao_application"
            f" USING ({seen})"
        )
    op.execute(_DATES)
    op.execute(f"{_REMINDED} AND {_NEARBY_DATES}")


def downgrade() -> None:
    """Undoes the change."""
    op.execute("GRANT SELECT ON filing_dates TO zhibao_enforcement")
    op.execute("DROP VIEW filing_dates_in_sight")
    op.execute(_REMINDED)
    for table in _IN_SIGHT:
        op.execute(f"DROP POLICY in_sight ON {table}")
    for table in _NEWLY:
        op.execute(f"DROP POLICY auditor ON {table}")
        op.execute(f"DROP POLICY application ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
