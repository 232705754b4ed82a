"""the plan that a case runs on is sealed as it stands, to the letter

A plan's hash in the journal is that of its values; a name taken out that says only what is meant
where nothing is said changes none. The seal is that of the stored document. The way back drops the
seals and leaves the record as it is.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0034"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# row by row, and only where a plan changes: cases are written with every step
_FUNCTION = """
    CREATE FUNCTION keep_plan_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    DECLARE
        keys text := TG_ARGV[0];
        columns text := TG_ARGV[1];
    BEGIN
        IF coalesce(current_setting('zhibao.writer', true), '') <> 'on' THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'INSERT' THEN
            -- in the place of a row that was deleted by hand
            INSERT INTO seals AS s ("table", key, sha256)
            VALUES (TG_TABLE_NAME, seal_key(to_jsonb(NEW), keys), seal_of(to_jsonb(NEW), columns))
            ON CONFLICT ("table", key) DO UPDATE SET sha256 = '';
        ELSE
            -- what was changed by hand before stays so
            UPDATE seals s
            SET sha256 = CASE WHEN s.sha256 = seal_of(to_jsonb(OLD), columns)
                              THEN seal_of(to_jsonb(NEW), columns) ELSE '' END
            WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(to_jsonb(NEW), keys);
        END IF;
        RETURN NULL;
    END $$
"""
_GIVEN = "EXECUTE FUNCTION keep_plan_seal('case_id', 'case_id,plan')"


def upgrade() -> None:
    """Applies the change."""
    op.execute(_FUNCTION)
    op.execute(f"CREATE TRIGGER cases_sealed_on_insert AFTER INSERT ON cases FOR EACH ROW {_GIVEN}")
    op.execute(
        "CREATE TRIGGER cases_sealed_on_update AFTER UPDATE OF plan ON cases FOR EACH ROW "
        f"WHEN (OLD.plan IS DISTINCT FROM NEW.plan) {_GIVEN}"
    )
    op.execute("""
        INSERT INTO seals ("table", key, sha256)
        SELECT 'cases', case_id,
               seal_of(jsonb_build_object('case_id', case_id, 'plan', plan), 'case_id,plan')
        FROM cases
    """)
    # what is still to be carried out of an import was vouched for by nothing
    op.execute("SELECT seal_table('certificate_import_rows')")


def downgrade() -> None:
    """Undoes the change."""
    op.execute("SELECT seal_table('certificate_import_rows', 'given')")
    op.execute("DROP TRIGGER cases_sealed_on_insert ON cases")
    op.execute("DROP TRIGGER cases_sealed_on_update ON cases")
    op.execute("DROP FUNCTION keep_plan_seal")
    op.execute("DELETE FROM seals WHERE \"table\" = 'cases'")
