"""cases in sight: what people are shown of cases, their journal and numbers, by place and purpose

The way back takes the policies away; nothing that is kept changes.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0061"
down_revision: str | None = "0059"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ROLE = "(SELECT coalesce(current_setting('zhibao.role', true), ''))"
_SCOPE = "(SELECT coalesce(current_setting('zhibao.scope', true), ''))"
_REGIONS = "(SELECT coalesce(current_setting('zhibao.regions', true), ''))"
_ALL = """(SELECT coalesce(current_setting('zhibao.role', true), '') IN ('', 'system', 'auditor')
    OR current_setting('zhibao.role', true) = 'operator'
        AND current_setting('zhibao.regions', true) = '')"""
"""Asked once for each query: whoever sees all costs a query no more than that for a row."""
_CODES = """(SELECT string_to_array(
    coalesce(current_setting('zhibao.regions', true), ''), ','))::text[]"""

# Policies ask each other of cases; one that went by what another shows would take a case out of
# sight for one of no case on record. So they go by places, which are read with the owner's rights.
_PLACES = """
CREATE VIEW case_places AS SELECT case_id, kind, institution_id, authority FROM cases;
COMMENT ON VIEW case_places IS '各办件属于哪个机构、现由谁办理：行级策略据以判断';
CREATE VIEW case_turns AS SELECT authority, case_id FROM assignments;
COMMENT ON VIEW case_turns IS '各部门经手过的办件：行级策略据以判断';
CREATE VIEW journal_by_person AS SELECT * FROM journal;
COMMENT ON VIEW journal_by_person IS '一个人的全部记录，不论所办的后来归谁：本人查看自己的记录时读';
"""
_VIEWS = ("case_places", "case_turns", "journal_by_person")


# --- what stood under policies before -------------------------------------------------------------


def _near(region: str) -> str:
    return f"({_REGIONS} = '' OR {region} = ANY ({_CODES}))"


def _before(cases: str, turns: str) -> dict[str, str]:
    """The policies of migration 0057, by what they read cases and turns from."""
    assigned = f"""(c.authority = {_SCOPE} OR EXISTS (
        SELECT FROM {turns} a WHERE a.case_id = c.case_id AND a.authority = {_SCOPE}))"""
    survey = "c.kind IN ('filing', 'report-numbers')"
    content = f"""CASE
        WHEN {_ROLE} IN ('filer', 'responsible') THEN c.institution_id = {_SCOPE}
        WHEN {_ROLE} = 'operator' THEN {_near("i.region")}
        WHEN {_ROLE} IN ('reviewer', 'checker')
        THEN NOT {survey} OR {assigned} OR {_near("i.region")}
        ELSE NOT {survey} END"""
    complained = f"""CASE
        WHEN {_ROLE} = 'operator' THEN {_near("i.region")}
        WHEN {_ROLE} IN ('reviewer', 'checker') THEN {assigned} OR {_near("i.region")}
        ELSE false END"""
    enforced = f"""CASE
        WHEN {_ROLE} = 'filer' THEN c.institution_id = {_SCOPE}
        WHEN {_ROLE} = 'operator' THEN {_near("i.region")}
        ELSE {_ROLE} IN ('officer', 'decider') END"""
    reached = f"""{_ALL} OR EXISTS (
        SELECT FROM institutions i WHERE i.id = contacts.institution_id AND CASE
            WHEN {_ROLE} IN ('filer', 'responsible') THEN i.id = {_SCOPE}
            WHEN {_ROLE} = 'operator' THEN {_near("i.region")}
            WHEN {_ROLE} IN ('reviewer', 'checker') THEN {_near("i.region")} OR EXISTS (
                SELECT FROM {cases} c WHERE c.institution_id = i.id AND {assigned})
            ELSE false END)"""  # noqa: S608 - of constants, as all here

    def of_a_case(table: str, theirs: str) -> str:
        return f"""{_ALL} OR NOT EXISTS (
            SELECT FROM {cases} c LEFT JOIN institutions i ON i.id = c.institution_id
            WHERE c.case_id = {table}.case_id AND NOT coalesce({theirs}, true))"""

    return {
        "revisions": of_a_case("revisions", content),
        "filing_files": of_a_case("filing_files", content),
        "complaints": of_a_case("complaints", complained),
        "enforcement_attachments": of_a_case("enforcement_attachments", enforced),
        "enforcement_documents": of_a_case("enforcement_documents", enforced),
        "contacts": reached,
    }


# --- what stands under them now -------------------------------------------------------------------

# each looks into another table once: what is asked of every row is planned with every query
_PURPOSE = f"""CASE
    WHEN {_ROLE} = 'filer' THEN cases.kind <> 'complaint'
    WHEN {_ROLE} = 'responsible' THEN cases.kind IN ('filing', 'report-numbers')
    WHEN {_ROLE} = 'operator' THEN true
    WHEN {_ROLE} IN ('reviewer', 'checker') THEN cases.kind <> 'enforcement'
    WHEN {_ROLE} = 'clerk' THEN cases.kind = 'certificate'
    WHEN {_ROLE} IN ('officer', 'decider') THEN cases.kind IN ('certificate', 'enforcement')
    ELSE false END"""
_OWN = f"""(cases.institution_id = {_SCOPE} OR EXISTS (SELECT FROM institutions m
    WHERE m.id = cases.institution_id AND m.merged_into = {_SCOPE}))"""
"""What was of an institution merged into it is its own."""
_NEARBY = f"""({_REGIONS} = '' OR EXISTS (SELECT FROM institutions i
    WHERE i.id = cases.institution_id AND i.region = ANY ({_CODES})))"""
_INVOLVED = f"""(cases.authority = {_SCOPE} OR EXISTS (
    SELECT FROM case_turns t WHERE t.authority = {_SCOPE} AND t.case_id = cases.case_id))"""
_SET_UP_THERE = f"""CASE
    WHEN {_ROLE} = 'operator' THEN split_part(cases.campaign, '/', 3) = ANY ({_CODES})
    ELSE cases.kind = 'certificate' AND cases.jurisdiction = ANY ({_CODES}) END"""
"""What takes part in a campaign of the place stays in it, wherever its institution moves to; and
the case of a certificate is its issuer's from the first draft on."""

_CASES = f"""CASE
    WHEN {_ALL} THEN true
    WHEN {_ROLE} IN ('filer', 'responsible') THEN {_PURPOSE} AND {_OWN}
    ELSE {_PURPOSE} AND ({_SET_UP_THERE} OR {_NEARBY} OR {_INVOLVED}) END"""


def _of_a_case(table: str) -> str:
    """Rows of a case that is in sight itself, and so by its policy."""
    return f"{_ALL} OR EXISTS (SELECT FROM cases c WHERE c.case_id = {table}.case_id)"


def _of_a_case_or_none(table: str) -> str:
    """The same, and what is of no case: acts on campaigns, registers, people need the ends."""
    return f"""{_of_a_case(table)} OR split_part({table}.case_id, '/', 1) NOT IN
        ('filing', 'report-numbers', 'complaint', 'certificate', 'enforcement')"""


_IN_SIGHT = {
    "cases": _CASES,
    "assignments": _of_a_case("assignments"),
    "journal": _of_a_case_or_none("journal"),
    "refusals": _of_a_case_or_none("refusals"),
    "uploads": _of_a_case("uploads"),
    "number_changes": _of_a_case("number_changes"),
}
_NEWLY = ("assignments", "uploads", "number_changes")
"""Tables that had no policy before."""


_GONE_BY = ["case_id", "kind", "institution_id", "authority", "jurisdiction"]
"""What the policy of cases goes by, beside what the index has: so campaigns are counted in it."""


def _index(included: Sequence[str]) -> None:
    op.drop_index("ix_cases_campaign_cases_status", "cases")
    op.create_index(
        "ix_cases_campaign_cases_status",
        "cases",
        ["campaign", "status"],
        postgresql_include=list(included) or None,
    )


def upgrade() -> None:
    """Applies the change."""
    _index(_GONE_BY)
    op.execute(_PLACES)
    for view in _VIEWS:
        # written through a view, a row would be written with the owner's rights
        op.execute(f"REVOKE ALL ON {view} FROM zhibao_application, zhibao_auditor")
        op.execute(f"GRANT SELECT ON {view} TO zhibao_application")
    for table, seen in _before("case_places", "case_turns").items():
        op.execute(f"ALTER POLICY in_sight ON {table} USING ({seen})")
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


def downgrade() -> None:
    """Undoes the change."""
    for table in _IN_SIGHT:
        op.execute(f"DROP POLICY in_sight ON {table}")
    for table in _NEWLY:
        op.execute(f"DROP POLICY auditor ON {table}")
        op.execute(f"DROP POLICY application ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table, seen in _before("cases", "assignments").items():
        op.execute(f"ALTER POLICY in_sight ON {table} USING ({seen})")
    for view in _VIEWS:
        op.execute(f"DROP VIEW {view}")
    _index(())
