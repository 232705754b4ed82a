"""every seal ever given stands in order, checkpoints seal them, and no superuser gives any

There is no way back but a copy: a seal given since stands in no earlier form.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0044"
down_revision: str | None = "0041"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FUNCTIONS = """
    -- whoever says to be the application, and may do anything, is not the application
    CREATE FUNCTION writes_as_application() RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
        SELECT coalesce(current_setting('zhibao.writer', true), '') = 'on'
           AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = session_user AND rolsuper)
    $$;
    CREATE OR REPLACE FUNCTION keep_seals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    DECLARE
        keys text := TG_ARGV[0];
        columns text := TG_ARGV[1];
    BEGIN
        IF NOT writes_as_application() THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'INSERT' THEN
            -- in the place of a row that was deleted by hand
            WITH given AS (
                INSERT INTO seals AS s ("table", key, sha256)
                SELECT TG_TABLE_NAME, seal_key(j, keys), seal_of(j, columns)
                FROM (SELECT to_jsonb(r) AS j FROM new_rows r) n
                ON CONFLICT ("table", key) DO UPDATE SET sha256 = ''
                RETURNING s."table", s.key, s.sha256
            )
            INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given;
        ELSIF TG_OP = 'UPDATE' THEN
            -- what was changed by hand before stays so
            WITH given AS (
                UPDATE seals s
                SET sha256 = CASE WHEN s.sha256 = seal_of(o.j, columns)
                                  THEN seal_of(n.j, columns) ELSE '' END
                FROM (SELECT to_jsonb(r) AS j FROM new_rows r) n
                JOIN (SELECT to_jsonb(r) AS j FROM old_rows r) o
                  ON seal_key(o.j, keys) = seal_key(n.j, keys)
                WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(n.j, keys)
                  AND n.j <> o.j
                RETURNING s."table", s.key, s.sha256
            )
            INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given;
        ELSE
            WITH taken AS (
                DELETE FROM seals s USING (SELECT to_jsonb(r) AS j FROM old_rows r) o
                WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(o.j, keys)
                RETURNING s."table", s.key
            )
            INSERT INTO seal_log ("table", key) SELECT * FROM taken;
        END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION keep_plan_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    DECLARE
        keys text := TG_ARGV[0];
        columns text := TG_ARGV[1];
    BEGIN
        IF NOT writes_as_application() THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'INSERT' THEN
            -- in the place of a row that was deleted by hand
            WITH given AS (
                INSERT INTO seals AS s ("table", key, sha256)
                VALUES (TG_TABLE_NAME, seal_key(to_jsonb(NEW), keys),
                        seal_of(to_jsonb(NEW), columns))
                ON CONFLICT ("table", key) DO UPDATE SET sha256 = ''
                RETURNING s."table", s.key, s.sha256
            )
            INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given;
        ELSE
            -- what was changed by hand before stays so
            WITH given AS (
                UPDATE seals s
                SET sha256 = CASE WHEN s.sha256 = seal_of(to_jsonb(OLD), columns)
                                  THEN seal_of(to_jsonb(NEW), columns) ELSE '' END
                WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(to_jsonb(NEW), keys)
                RETURNING s."table", s.key, s.sha256
            )
            INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given;
        END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION seal_table(named text, left_out text DEFAULT '') RETURNS void
    LANGUAGE plpgsql SET timezone = 'UTC' SET search_path = public, pg_temp AS $$
    DECLARE
        keys text;
        columns text;
        act text;
        rows text;
    BEGIN
        SELECT string_agg(a.attname, ',' ORDER BY array_position(i.indkey::int[], a.attnum::int))
        INTO keys FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE i.indrelid = named::regclass AND i.indisprimary;
        SELECT string_agg(attname, ',' ORDER BY attnum) INTO columns FROM pg_attribute
        WHERE attrelid = named::regclass AND attnum > 0 AND NOT attisdropped
          AND attname <> left_out;
        FOREACH act IN ARRAY ARRAY['insert', 'update', 'delete'] LOOP
            rows := CASE act WHEN 'insert' THEN 'NEW TABLE AS new_rows'
                             WHEN 'delete' THEN 'OLD TABLE AS old_rows'
                             ELSE 'OLD TABLE AS old_rows NEW TABLE AS new_rows' END;
            EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', named || '_sealed_on_' || act, named);
            EXECUTE format(
                'CREATE TRIGGER %I AFTER %s ON %I REFERENCING %s FOR EACH STATEMENT '
                'EXECUTE FUNCTION keep_seals(%L, %L)',
                named || '_sealed_on_' || act, act, named, rows, keys, columns);
        END LOOP;
        WITH taken AS (DELETE FROM seals WHERE "table" = named RETURNING "table", key)
        INSERT INTO seal_log ("table", key) SELECT * FROM taken;
        EXECUTE format(
            'WITH given AS (INSERT INTO seals SELECT %L, seal_key(j, %L), seal_of(j, %L) '
            'FROM (SELECT to_jsonb(r) AS j FROM %I r) n RETURNING "table", key, sha256) '
            'INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given',
            named, keys, columns, named);
    END $$;
    -- in the order in which they were given, as far as they are committed
    CREATE FUNCTION number_seals() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE seal_log l SET no = m.no
        FROM (SELECT id, (SELECT coalesce(max(no), 0) FROM seal_log)
                         + row_number() OVER (ORDER BY id) AS no
              FROM seal_log WHERE no IS NULL) m
        WHERE l.id = m.id;
    END $$;
    COMMENT ON FUNCTION number_seals IS '封存前给新的封条编号；封存时只有一个进程调用';
    REVOKE ALL ON FUNCTION number_seals() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION number_seals() TO zhibao_application;
"""


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "seal_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=True, comment="封存点据以计到哪里；空为尚未封存"),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True, comment="空为行已删除"),
        sa.Column(
            "login",
            sa.Text(),
            server_default=sa.text("SESSION_USER"),
            nullable=False,
            comment="以哪个数据库账号写入",
        ),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_log")),
        comment="每一行的哈希每次由系统改写的记录，按次序，只增不改",
    )
    op.create_index("ix_seal_log_no", "seal_log", ["no"], unique=True)
    op.create_index(
        "ix_seal_log_not_sealed", "seal_log", ["id"], postgresql_where=sa.text("no IS NULL")
    )
    op.execute("REVOKE INSERT, UPDATE, DELETE ON seal_log FROM zhibao_application")
    op.execute('INSERT INTO seal_log ("table", key, sha256) SELECT "table", key, sha256 FROM seals')
    op.execute(_FUNCTIONS)
