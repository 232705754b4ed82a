"""certificates: what they are found by, how often they are looked up"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# All characters and all pairs of neighbours; of its own, because pg_trgm has no trigram of
# Chinese in the locale C, and none of one or two characters in any.
_GRAMS = """
    CREATE FUNCTION certificate_grams(words text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ARRAY(
        SELECT DISTINCT substr(words, place, size)
        FROM generate_series(1, length(words)) AS place, generate_series(1, 2) AS size
    )
"""

# as store.certificate_lines.folded: under "C" only A to Z have small letters, wherever it runs
_FOLDED = """
    CREATE FUNCTION certificate_folded(words text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(normalize(words, NFKC) COLLATE "C")
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_GRAMS)
    op.execute(_FOLDED)
    op.create_table(
        "certificate_lines",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="在证书内容里是第几项，从 0 起"),
        sa.Column("words", sa.Text(), nullable=False, comment="供检索的文字，已统一写法"),
        sa.Column(
            "standard", sa.Text(), server_default="", nullable=False, comment="标准号，不含年份"
        ),
        sa.Column("year", sa.Text(), server_default="", nullable=False, comment="标准的年份"),
        sa.CheckConstraint(
            "kind IN ('capability', 'equipment', 'signatory')",
            name=op.f("ck_certificate_lines_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["number"],
            ["certificates.number"],
            name=op.f("fk_certificate_lines_number_certificates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", "kind", "line", name=op.f("pk_certificate_lines")),
        comment="证书内容中可检索的各项：能力、设备、签字人；随证书内容重写",
    )
    for kind in ("capability", "equipment", "signatory"):
        op.create_index(
            f"ix_certificate_lines_{kind}",
            "certificate_lines",
            [sa.text("certificate_grams(words)")],
            postgresql_using="gin",
            postgresql_where=sa.text(f"kind = '{kind}'"),
        )
    op.create_index(
        "ix_certificate_lines_standard", "certificate_lines", ["standard", "year", "number"]
    )
    for table, column in (("institutions", "name"), ("certificates", "holder")):
        op.create_index(
            f"ix_{table}_{column}_grams",
            table,
            [sa.text(f"certificate_grams(certificate_folded({column}))")],
            postgresql_using="gin",
        )
    op.create_table(
        "certificate_counts",
        sa.Column("month", sa.Text(), nullable=False, comment="如 2025-03"),
        sa.Column("province", sa.Text(), nullable=False, comment="发证机关所在省；没有的为 000000"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(r"month ~ '^\d{4}-\d{2}$'", name=op.f("ck_certificate_counts_month")),
        sa.CheckConstraint("what IN ('scan', 'search')", name=op.f("ck_certificate_counts_what")),
        sa.PrimaryKeyConstraint(
            "month", "province", "what", "answer", name=op.f("pk_certificate_counts")
        ),
        comment="公众扫码和查询证书的次数，按月、省、结果；不记录查询人",
    )
