"""second signatures, waivers and receipts of filings; all levels of a review see what is filed"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0026"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ASKED = {
    "signer_asked": "填报人已申请免予单位负责人确认，尚未答复",
    "waiver_asked": "填报人已申请豁免校验，尚未全部答复",
}

_LEVELS = """
    INSERT INTO assignments (authority, case_id)
    SELECT DISTINCT level ->> 'authority', j.case_id
    FROM journal j, jsonb_array_elements(j.step #> '{body,levels}') AS level
    WHERE j.event = 'assigned' AND level ->> 'authority' <> ''
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Applies the change."""
    for name, comment in _ASKED.items():
        op.add_column(
            "cases",
            sa.Column(name, sa.Boolean(), server_default="false", nullable=False, comment=comment),
        )
    op.create_table(
        "filing_receipts",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="回执所记的是哪一步提交"),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="签名所用的密钥"),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "sequence", name=op.f("pk_filing_receipts")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_filing_receipts_case_id_cases")
        ),
        comment="提交回执，一经签名不再改动",
    )
    op.execute("SELECT seal_table('filing_receipts', '')")
    op.execute(_LEVELS)


def downgrade() -> None:
    """Undoes the change."""
    op.drop_table("filing_receipts")
    op.execute("DELETE FROM seals WHERE \"table\" = 'filing_receipts'")
    for name in _ASKED:
        op.drop_column("cases", name)
