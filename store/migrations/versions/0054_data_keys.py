"""what is known of a case, a contact, a note is hidden under a key of its own

What was written before stays as it was and is read as it stands.
There is no way back but a copy: what is hidden is no JSON.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0054"
down_revision: str | None = "0057"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = (("revisions", "content"), ("notes", "note"), ("proposed_acts", "body"))
_WITH_KEY = """
CREATE FUNCTION with_key(stored text, whose text, line text) RETURNS text
LANGUAGE sql STABLE
RETURN CASE WHEN starts_with(stored, 'hidden:v2:') THEN
    'with-key:v2:' || coalesce((
        SELECT CASE WHEN k.destroyed_at IS NULL THEN k.wrapped ELSE 'destroyed' END
        FROM data_keys k WHERE k.subject = whose), '')
    || ' ' || line || ' ' || whose || ' ' || stored
ELSE stored END;
COMMENT ON FUNCTION with_key IS '加密的内容，前面加上其数据密钥（以主密钥加密）；未加密的原样';
"""


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "data_keys",
        sa.Column("subject", sa.Text(), nullable=False, comment="关于谁：办件、联系人、说明的编号"),
        sa.Column(
            "wrapped", sa.Text(), nullable=False, comment="以主密钥加密的数据密钥；空为已销毁"
        ),
        sa.Column(
            "made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False, server_default="", comment="依哪一条规则销毁"),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_data_keys")),
        comment="数据密钥：加密某一办件、某一联系人等的内容；销毁后其内容不能再读",
    )
    op.create_index(
        "ix_data_keys_master",
        "data_keys",
        [sa.text("split_part(wrapped, ':', 1)"), "subject"],
    )
    op.execute("REVOKE UPDATE, DELETE ON data_keys FROM zhibao_application")
    op.execute("GRANT UPDATE (wrapped, destroyed_at, rule) ON data_keys TO zhibao_application")
    op.execute(_WITH_KEY)
    for table, column in _JSON:
        op.execute(f"ALTER TABLE {table} ALTER {column} TYPE text USING {column}::text")
    op.execute(
        "ALTER TABLE filing_files ALTER content TYPE text"
        " USING replace(encode(content, 'base64'), E'\\n', '')"
    )
    # its seals are made of what its rows hold
    op.execute("SELECT seal_table('proposed_acts')")
