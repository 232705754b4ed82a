"""signatories, deliveries, what imports told, documents of enforcement are hidden at rest

What was written before stays as it was, and is hidden by `zhibao keys hide`; signatories stand in a
column of their own from now on, and are found by what stands for a whole name.
There is no way back but a copy: what is hidden is no JSON.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0059"
down_revision: str | None = "0058"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = (
    ("certificate_deliveries", "body"),
    ("certificate_import_rows", "given"),
    ("roster_imports", "problems"),
)

# a seal is made of how a row stands: those that were right are made anew, and no others
_RIGHT = """
CREATE TEMPORARY TABLE sealed_rightly ON COMMIT DROP AS
SELECT s."table", s.key, t.keys, t.columns
FROM seals s JOIN (
    SELECT c.relname AS "table", split_part(encode(g.tgargs, 'escape'), '\\000', 1) AS keys,
           split_part(encode(g.tgargs, 'escape'), '\\000', 2) AS columns
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
    WHERE g.tgname = c.relname || '_sealed_on_insert'
) t ON t."table" = s."table"
JOIN (
    SELECT 'certificate_deliveries' AS "table", to_jsonb(r) AS j FROM certificate_deliveries r
    UNION ALL
    SELECT 'certificate_import_rows', to_jsonb(r) FROM certificate_import_rows r
    WHERE given IS NOT NULL
    UNION ALL
    SELECT 'roster_imports', to_jsonb(r) FROM roster_imports r
) n ON n."table" = s."table" AND seal_key(n.j, t.keys) = s.key
WHERE s.sha256 = seal_of(n.j, t.columns)
"""
_SEALED_ANEW = """
WITH given AS (
    UPDATE seals s SET sha256 = seal_of(n.j, o.columns)
    FROM sealed_rightly o JOIN (
        SELECT 'certificate_deliveries' AS "table", to_jsonb(r) AS j FROM certificate_deliveries r
        UNION ALL
        SELECT 'certificate_import_rows', to_jsonb(r) FROM certificate_import_rows r
        UNION ALL
        SELECT 'roster_imports', to_jsonb(r) FROM roster_imports r
    ) n ON n."table" = o."table" AND seal_key(n.j, o.keys) = o.key
    WHERE s."table" = o."table" AND s.key = o.key
    RETURNING s."table", s.key, s.sha256
)
INSERT INTO seal_log ("table", key, sha256) SELECT * FROM given
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute("SET LOCAL timezone = 'UTC'")
    op.add_column(
        "certificates",
        sa.Column("signatories", sa.Text(), nullable=True, comment="证书内容中的授权签字人"),
    )
    op.execute(
        "COMMENT ON COLUMN certificates.content IS '证书内容，授权签字人除外；名录里的证书没有'"
    )
    op.execute(
        "UPDATE certificates SET signatories = content ->> 'signatories',"
        " content = content - 'signatories' WHERE content ? 'signatories'"
    )
    op.execute(
        "COMMENT ON COLUMN certificate_lines.words IS"
        " '供检索的文字，已统一写法；签字人的是姓名的带密钥摘要，不是姓名'"
    )
    op.drop_index("ix_certificate_lines_signatory", table_name="certificate_lines")
    op.create_index(
        "ix_certificate_lines_signatory",
        "certificate_lines",
        ["words", "number"],
        postgresql_where=sa.text("kind = 'signatory'"),
    )
    op.execute(_RIGHT)
    for table, column in _JSON:
        op.execute(f"ALTER TABLE {table} ALTER {column} TYPE text USING {column}::text")
    op.execute(_SEALED_ANEW)
    op.execute(
        "ALTER TABLE enforcement_documents ALTER content TYPE text"
        " USING replace(encode(content, 'base64'), E'\\n', '')"
    )
