"""connected mode: clients and their secrets, deliveries, the provinces' plans"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _instant(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "api_clients",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False, comment="代哪个发证机关送达"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False, comment="只用于联调，不写入登记"),
        sa.Column("created_by", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_clients")),
        comment="联网系统（各省审批系统）",
    )
    op.create_index(op.f("ix_api_clients_authority"), "api_clients", ["authority"])
    op.create_table(
        "api_client_secrets",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="由操作的标识得出，重发不会再发一个密钥"
        ),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="密钥的哈希；密钥本身不保存"),
        _instant("created_at"),
        _instant("expires_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["api_clients.id"],
            name=op.f("fk_api_client_secrets_client_id_api_clients"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_client_secrets")),
        comment="联网系统的密钥；轮换期内可以同时有两个",
    )
    op.create_index(op.f("ix_api_client_secrets_client_id"), "api_client_secrets", ["client_id"])
    op.create_table(
        "certificate_deliveries",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False, comment="各省自己的送达编号"),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False, comment="送来的内容"),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="被拒绝之后第几次重送"),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("receipt", postgresql.JSONB(), nullable=True),
        sa.Column("refusal", postgresql.JSONB(), nullable=True),
        _instant("received_at"),
        _instant("answered_at", nullable=True),
        sa.CheckConstraint(
            "action IN ('issue', 'change', 'extension', 'end')",
            name=op.f("ck_certificate_deliveries_action"),
        ),
        sa.CheckConstraint(
            "stage IN ('working', 'accepted', 'refused')",
            name=op.f("ck_certificate_deliveries_stage"),
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["api_clients.id"],
            name=op.f("fk_certificate_deliveries_client_id_api_clients"),
        ),
        sa.PrimaryKeyConstraint(
            "authority", "sandbox", "delivery_id", name=op.f("pk_certificate_deliveries")
        ),
        sa.UniqueConstraint("no", name=op.f("uq_certificate_deliveries_no")),
        comment="联网赋码的送达及回执",
    )
    op.create_index(op.f("ix_certificate_deliveries_number"), "certificate_deliveries", ["number"])
    op.create_table(
        "province_plans",
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False, comment="方案选用的赋码模式"),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        _instant("recorded_at"),
        sa.CheckConstraint("mode IN ('manual', 'connected')", name=op.f("ck_province_plans_mode")),
        sa.PrimaryKeyConstraint("authority", name=op.f("pk_province_plans")),
        comment="各省报送的赋码系统对接方案",
    )
