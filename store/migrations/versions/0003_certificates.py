"""certificates: the register's entries, allotted numbers, serials"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _text(name: str, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False, comment=comment)


def upgrade() -> None:
    """Applies the change."""
    op.drop_constraint("ck_cases_kind", "cases")
    op.create_check_constraint(
        "kind", "cases", "kind IN ('filing', 'report-numbers', 'complaint', 'certificate')"
    )
    for column in (
        sa.Column("origin", sa.Text(), server_default="roster", nullable=False, comment="从何而来"),
        sa.Column("code", sa.Text(), nullable=True, comment="二维码网址里的永久代码"),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Text(),
            server_default="valid",
            nullable=False,
            comment="过期按 valid_to 判断",
        ),
        _text("holder"),
        _text("uscc"),
        _text("parent_uscc"),
        _text("field"),
        _text("industry"),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("ended_on", sa.Date(), nullable=True),
        _text("document", "终止所依据的文书"),
        _text("superseded_by", "新证的代码"),
        _text("renews", "原证的代码"),
        sa.Column(
            "revision", sa.Integer(), server_default="0", nullable=False, comment="现行内容是第几稿"
        ),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="证书内容；名录里的证书没有",
        ),
        _text("statement", "二维码里的签名内容"),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    ):
        op.add_column("certificates", column)
    op.create_check_constraint(
        "origin", "certificates", "origin IN ('roster', 'register', 'issued')"
    )
    op.create_check_constraint(
        "status",
        "certificates",
        "status IN ('valid', 'expired', 'superseded', 'deregistered', 'revoked', 'rescinded')",
    )
    op.create_unique_constraint(op.f("uq_certificates_code"), "certificates", ["code"])
    op.create_foreign_key(
        op.f("fk_certificates_case_id_cases"), "certificates", "cases", ["case_id"], ["case_id"]
    )
    op.create_index(op.f("ix_certificates_case_id"), "certificates", ["case_id"], unique=True)
    op.create_index(
        op.f("ix_certificates_issuer_certificates_valid_to"),
        "certificates",
        ["issuer", "valid_to"],
        unique=False,
    )
    op.create_index(op.f("ix_certificates_uscc"), "certificates", ["uscc"], unique=False)
    op.create_index(
        op.f("ix_certificates_parent_uscc"), "certificates", ["parent_uscc"], unique=False
    )
    op.create_index(op.f("ix_certificates_renews"), "certificates", ["renews"], unique=False)
    op.create_table_comment("certificates", "资质认定证书登记", existing_comment="资质认定证书")
    op.create_table(
        "certificate_numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column(
            "allotted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_certificate_numbers_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_certificate_numbers")),
        sa.UniqueConstraint("code", name=op.f("uq_certificate_numbers_code")),
        sa.UniqueConstraint("case_id", name=op.f("uq_certificate_numbers_case_id")),
        comment="已分配的证书编号和代码，从不重复使用",
    )
    op.create_table(
        "certificate_serials",
        sa.Column("authority_code", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False, comment="已用到的流水号，含纸质发放的"),
        sa.CheckConstraint("last BETWEEN 0 AND 9999", name=op.f("ck_certificate_serials_last")),
        sa.PrimaryKeyConstraint("authority_code", "year", name=op.f("pk_certificate_serials")),
        comment="发证机关每年的流水号",
    )
