"""roles: who owns, who applies, who is shown what is public, who audits

The way back gives nothing away: what the roles may do is taken from them, and they stay, since they
belong to the whole server.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0043"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PRESENT = """
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(named, '、') INTO missing
    FROM unnest(ARRAY['zhibao_owner', 'zhibao_application', 'zhibao_public', 'zhibao_enforcement',
                      'zhibao_auditor']) AS named
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'ZH001', MESSAGE = format(
            '数据库缺少角色 %s，它们只有数据库管理员能建立。'
            '请管理员连接到这个数据库，执行 deploy/database/roles.sql，'
            '然后以 zhibao_migrator 的身份再运行 zhibao migrate。', missing);
    END IF;
END $$;
"""

_GROWING = ("journal", "checkpoints", "rule_sets", "refusals", "revisions", "notes")
"""What is only ever added to: not even the application can change or take away a row."""

_APPLICATION = f"""
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public
TO zhibao_application, zhibao_public, zhibao_enforcement, zhibao_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO zhibao_application;
REVOKE UPDATE, DELETE ON {", ".join(_GROWING)} FROM zhibao_application;
REVOKE INSERT, UPDATE, DELETE ON alembic_version, seals FROM zhibao_application;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO zhibao_auditor;
GRANT SELECT ON filing_dates, reminder_dates, enforcement_register TO zhibao_enforcement;
-- and so it is for what later migrations make
ALTER DEFAULT PRIVILEGES IN SCHEMA public
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO zhibao_application;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO zhibao_auditor;
-- seals are written by the triggers alone, whoever writes the rows
ALTER FUNCTION keep_seals() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION seal_table(text, text) SET search_path = public, pg_temp;
"""

_OWNERS_WORK = """
CREATE FUNCTION stand_still() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    LOCK TABLE outbox, refusals, revisions, notes, rule_sets, histories IN SHARE MODE;
END $$;
COMMENT ON FUNCTION stand_still IS '到事务结束为止，封存点所计的各表没有人写入';

CREATE FUNCTION open_year(year int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    named text := format('report_numbers_%s', lpad(year::text, 4, '0'));
BEGIN
    IF year NOT BETWEEN 1 AND 9998 THEN
        RAISE EXCEPTION 'no such year' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass('public.' || named) IS NOT NULL THEN
        RETURN;
    END IF;
    -- attaching, unlike creating in place, waits for nobody who is writing other years
    EXECUTE format('CREATE TABLE %I (LIKE report_numbers INCLUDING ALL)', named);
    EXECUTE format(
        'ALTER TABLE report_numbers ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        named, make_date(year, 1, 1), make_date(year + 1, 1, 1));
END $$;
COMMENT ON FUNCTION open_year IS '建立一年的报告编号分区；已有的不动';
REVOKE ALL ON FUNCTION stand_still(), open_year(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stand_still(), open_year(int) TO zhibao_application;
"""

_REGIONS = """
CREATE FUNCTION seen_regions() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN bool_or(rolname = 'zhibao_region_000000') THEN '^()'
           ELSE '^(' || string_agg(regexp_replace(substr(rolname, 15), '(00)+$', ''), '|') || ')'
           END
    FROM pg_roles
    WHERE rolname ~ '^zhibao_region_[0-9]{6}$' AND pg_has_role(session_user, oid, 'MEMBER')
$$;
COMMENT ON FUNCTION seen_regions IS
'审计账号所属的 zhibao_region_ 加辖区代码各角色：只看见这些辖区，000000 为全国；没有的什么也看不见';
"""

_BY_REGION = {
    "institutions": "region ~ (SELECT seen_regions())",
    "cases": "(SELECT seen_regions()) = '^()' OR institution_id IN (SELECT id FROM institutions)",
    "contacts": "institution_id IN (SELECT id FROM institutions)",
    "complaints": "case_id IN (SELECT case_id FROM cases)",
    "revisions": "case_id IN (SELECT case_id FROM cases)",
    "filing_files": "case_id IN (SELECT case_id FROM cases)",
    "journal": "(SELECT seen_regions()) = '^()' OR case_id IN (SELECT case_id FROM cases)",
    "refusals": "(SELECT seen_regions()) = '^()' OR case_id IN (SELECT case_id FROM cases)",
}
"""What an auditor sees of a table. What belongs to no institution is the nation's."""

_PUBLISHED = """
CREATE SCHEMA published;
GRANT USAGE ON SCHEMA published TO zhibao_public, zhibao_application, zhibao_auditor;
CREATE VIEW published.public_numbers AS
    SELECT r.number, r.institution_no, r.issued_on, r.change_no, u.visible_from,
           coalesce(c.kind, '') AS change_kind, coalesce(c.reason, '') AS change_reason,
           coalesce(c.made_at, c.asked_at) AS changed_at
    FROM public.report_numbers r
    JOIN public.uploads u ON u.no = r.upload_no AND u.stage = 'accepted' AND u.visible_from IS NOT NULL
    LEFT JOIN public.number_changes c ON c.no = r.change_no;
COMMENT ON VIEW published.public_numbers IS '已受理的报告编号及其更正，公众查询所见';
CREATE VIEW published.institutions AS
    SELECT id, no, name, uscc, region, legal_person, under_samr, accredited, review_group,
           other_qualifications, national_centres, NULL::text AS previous_reviewer,
           NULL::timestamptz AS roster_at, merged_into, updated_at
    FROM public.institutions;
CREATE VIEW published.institution_acts AS
    SELECT institution_id, kind, old_uscc, new_uscc, effective_on FROM public.institution_acts;
CREATE VIEW published.certificates AS
    SELECT number, institution_id, level, issuer, scope, valid_to, origin, code,
           NULL::text AS case_id, status, holder, uscc, parent_uscc, field, industry, issued_on,
           valid_from, ended_on, document, superseded_by, renews, revision,
           content - ARRAY['equipment', 'signatories'] AS content, statement, updated_at
    FROM public.certificates;
CREATE VIEW published.certificate_lines AS
    SELECT * FROM public.certificate_lines WHERE kind = 'capability';
CREATE VIEW published.enforcement_register AS
    SELECT * FROM public.enforcement_register
    WHERE published OR effects ? 'show_on_certificate';
CREATE VIEW published.announcements AS
    SELECT * FROM public.announcements
    WHERE withdrawn_at IS NULL AND shown_from <= now()
      AND (shown_until IS NULL OR shown_until > now()) AND 'public' = ANY (audience);
CREATE VIEW published.announcement_versions AS
    SELECT v.* FROM public.announcement_versions v
    JOIN published.announcements a ON a.id = v.announcement_id AND a.version = v.version;
CREATE VIEW published.announcement_files AS
    SELECT f.* FROM public.announcement_files f
    JOIN published.announcements a ON a.id = f.announcement_id WHERE f.removed_at IS NULL;
CREATE VIEW published.lookup_counts AS SELECT * FROM public.lookup_counts;
CREATE VIEW published.certificate_counts AS SELECT * FROM public.certificate_counts;
GRANT SELECT ON ALL TABLES IN SCHEMA published TO zhibao_public;
GRANT INSERT, UPDATE ON published.lookup_counts, published.certificate_counts TO zhibao_public;
GRANT SELECT ON published.public_numbers TO zhibao_application, zhibao_auditor;
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_PRESENT)
    op.execute(_APPLICATION)
    op.execute(_OWNERS_WORK)
    op.execute(_REGIONS)
    for table, seen in _BY_REGION.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY application ON {table} TO zhibao_application"
            " USING (true) WITH CHECK (true)"
        )
        op.execute(f"CREATE POLICY auditor ON {table} FOR SELECT TO zhibao_auditor USING ({seen})")
    op.execute(_PUBLISHED)


def downgrade() -> None:
    """Undoes the change."""
    op.execute("DROP SCHEMA published CASCADE")
    for table in _BY_REGION:
        op.execute(f"DROP POLICY auditor ON {table}")
        op.execute(f"DROP POLICY application ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP FUNCTION seen_regions, open_year, stand_still")
    op.execute("ALTER FUNCTION keep_seals() SECURITY INVOKER RESET search_path")
    op.execute("ALTER FUNCTION seal_table(text, text) RESET search_path")
    for role, rights in (
        ("zhibao_application", "SELECT, INSERT, UPDATE, DELETE"),
        ("zhibao_auditor", "SELECT"),
    ):
        op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        op.execute(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE {rights} ON TABLES FROM {role}"
        )
    op.execute(
        "REVOKE USAGE ON SCHEMA public"
        " FROM zhibao_application, zhibao_public, zhibao_enforcement, zhibao_auditor"
    )
    op.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
