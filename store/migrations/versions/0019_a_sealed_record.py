"""a sealed record: checkpoints, archived histories, refusals in chains

The way back drops what proves the record and leaves the record as it is.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SEALED = {
    "addresses": "",
    "announcement_files": "content",
    "announcement_versions": "",
    "announcements": "",
    "api_client_secrets": "",
    "api_clients": "",
    "campaigns": "",
    "certificate_deliveries": "",
    "certificate_import_problems": "",
    "certificate_import_rows": "given",
    "certificate_imports": "",
    "certificate_numbers": "",
    "certificate_serials": "",
    "certificates": "content",
    "complaints": "",
    "contacts": "",
    "histories": "content",
    "institution_acts": "",
    "institutions": "",
    "job_items": "",
    "jobs": "",
    "notice_deliveries": "",
    "notices": "",
    "number_changes": "",
    "province_plans": "",
    "registration_requests": "",
    "revisions": "content",
    "roster_imports": "",
    "uploads": "",
}
"""Tables whose rows are sealed; of each the column that is hashed elsewhere, if any."""

_FUNCTIONS = """
    CREATE FUNCTION seal_key(r jsonb, keys text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT string_agg(r ->> k, '|' ORDER BY o)
        FROM string_to_table(keys, ',') WITH ORDINALITY AS u(k, o)
    $$;
    CREATE FUNCTION seal_of(r jsonb, columns text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT encode(sha256(convert_to(jsonb_object_agg(key, value)::text, 'UTF8')), 'hex')
        FROM jsonb_each(r) WHERE key = ANY(string_to_array(columns, ','))
    $$;
    CREATE FUNCTION keep_seals() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
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
            SELECT TG_TABLE_NAME, seal_key(j, keys), seal_of(j, columns)
            FROM (SELECT to_jsonb(r) AS j FROM new_rows r) n
            ON CONFLICT ("table", key) DO UPDATE SET sha256 = '';
        ELSIF TG_OP = 'UPDATE' THEN
            -- what was changed by hand before stays so
            UPDATE seals s
            SET sha256 = CASE WHEN s.sha256 = seal_of(o.j, columns)
                              THEN seal_of(n.j, columns) ELSE '' END
            FROM (SELECT to_jsonb(r) AS j FROM new_rows r) n
            JOIN (SELECT to_jsonb(r) AS j FROM old_rows r) o
              ON seal_key(o.j, keys) = seal_key(n.j, keys)
            WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(n.j, keys);
        ELSE
            DELETE FROM seals s USING (SELECT to_jsonb(r) AS j FROM old_rows r) o
            WHERE s."table" = TG_TABLE_NAME AND s.key = seal_key(o.j, keys);
        END IF;
        RETURN NULL;
    END $$;
    -- for this and every later migration: a table, or one with other columns than before
    CREATE FUNCTION seal_table(named text, left_out text DEFAULT '') RETURNS void
    LANGUAGE plpgsql SET timezone = 'UTC' AS $$
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
        DELETE FROM seals WHERE "table" = named;
        EXECUTE format(
            'INSERT INTO seals SELECT %L, seal_key(j, %L), seal_of(j, %L) '
            'FROM (SELECT to_jsonb(r) AS j FROM %I r) n', named, keys, columns, named);
    END $$;
"""

_GROWING = {"revisions": "封存点据以计到哪里", "notes": None, "rule_sets": None}


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "body", postgresql.JSONB(), nullable=False, comment="所签的内容，见 docs/audit.md"
        ),
        sa.Column("sha256", sa.Text(), nullable=False, comment="所签内容的哈希"),
        sa.Column("key", sa.Text(), nullable=False, comment="签名密钥的名称；空为没有密钥"),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoints")),
        comment="封存点：全部记录的签名摘要，逐个相连，只增不改",
    )
    op.execute(
        "CREATE TRIGGER checkpoints_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.create_table(
        "histories",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="存档时该件的最后一步"),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="这一轮流程是否已经结束"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="JSON 原文的哈希"),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="gzip 压缩的 JSON"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "run_id", name=op.f("pk_histories")),
        sa.UniqueConstraint("no", name=op.f("uq_histories_no")),
        comment="流程历史的存档，比流程引擎保留得久",
    )
    for table, comment in _GROWING.items():
        op.add_column(
            table,
            sa.Column(
                "no", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment=comment
            ),
        )
        op.create_unique_constraint(op.f(f"uq_{table}_no"), table, ["no"])
    _refusals()
    _seals()


def _seals() -> None:
    op.create_table(
        "seals",
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="主键各列，以 | 相连"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="行的哈希；空为此前已被人改动"),
        sa.PrimaryKeyConstraint("table", "key", name=op.f("pk_seals")),
        comment="不由日志推出的各表，每行由系统写入时的哈希；手工改动的对不上",
    )
    op.execute(_FUNCTIONS)
    for table, left_out in _SEALED.items():
        op.execute(f"SELECT seal_table('{table}', '{left_out}')")


def _refusals() -> None:
    op.create_table(
        "refusal_heads",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_refusal_heads")),
        comment="每一件的拒绝记录到第几次、最后一次的哈希",
    )
    for column in (
        sa.Column("number", sa.Integer(), nullable=True, comment="该件的第几次拒绝"),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=True, comment="逐件哈希相连"),
    ):
        op.add_column("refusals", column)
    _chain(op.get_bind())
    for name in ("number", "previous_hash", "hash"):
        op.alter_column("refusals", name, nullable=False)
    op.create_unique_constraint(
        op.f("uq_refusals_case_id_number"), "refusals", ["case_id", "number"]
    )


def _chain(connection: sa.Connection) -> None:
    """Chains what was refused before, in the order in which it was."""
    heads: dict[str, tuple[int, str]] = {}
    rows = connection.execute(sa.text("SELECT * FROM refusals ORDER BY id")).mappings().all()
    for row in rows:
        number, head = heads.get(row["case_id"], (0, "0" * 64))
        said = ("case_id", "command_id", "action", "subject", "role", "scope", "refusal")
        hashed = {
            **{name: row[name] for name in said},
            "number": number + 1,
            "previous_hash": head,
            "at": row["at"].astimezone(UTC).isoformat(),
        }
        # no refusal has a number with a fraction: this is RFC 8785
        text = json.dumps(hashed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        hash_ = hashlib.sha256(text.encode()).hexdigest()
        heads[row["case_id"]] = number + 1, hash_
        connection.execute(
            sa.text(
                "UPDATE refusals SET number = :number, previous_hash = :head, hash = :hash WHERE id = :id"
            ),
            {"number": number + 1, "head": head, "hash": hash_, "id": row["id"]},
        )
    for case_id, (number, hash_) in heads.items():
        connection.execute(
            sa.text("INSERT INTO refusal_heads VALUES (:case_id, :number, :hash)"),
            {"case_id": case_id, "number": number, "hash": hash_},
        )


def downgrade() -> None:
    """Undoes the change."""
    for table in _SEALED:
        for act in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER {table}_sealed_on_{act} ON {table}")
    op.execute("DROP FUNCTION seal_table, keep_seals, seal_of, seal_key")
    op.drop_table("seals")
    op.drop_constraint(op.f("uq_refusals_case_id_number"), "refusals")
    for name in ("number", "previous_hash", "hash"):
        op.drop_column("refusals", name)
    op.drop_table("refusal_heads")
    for table in _GROWING:
        op.drop_column(table, "no")
    op.drop_table("histories")
    op.drop_table("checkpoints")
