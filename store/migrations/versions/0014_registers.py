"""contacts of institutions; which roster named them last; into whom they were merged"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    _contacts()
    _register()


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="空为已删去"),
        sa.Column("phone", sa.Text(), nullable=False, server_default=""),
        sa.Column("mail", sa.Text(), nullable=False, server_default=""),
        sa.Column("source", sa.Text(), nullable=False, comment="由谁填写：机构、经办人、名录"),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('liaison', 'statistics', 'head')", name=op.f("ck_contacts_role")
        ),
        sa.CheckConstraint(
            "source IN ('filer', 'operator', 'roster')", name=op.f("ck_contacts_source")
        ),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_contacts_institution_id_institutions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        comment="机构的联系人：每次改动一行，只增不改；个人信息，仅限本机构和负责的部门查看",
    )
    op.create_index(
        op.f("ix_contacts_institution_id_contacts_role_contacts_id"),
        "contacts",
        ["institution_id", "role", "id"],
    )


def _register() -> None:
    op.add_column("institutions", sa.Column("roster_at", sa.DateTime(timezone=True)))
    op.add_column(
        "institutions",
        sa.Column("merged_into", sa.Text(), comment="已并入的机构；只有它仍在名录中办理"),
    )
    op.create_foreign_key(
        op.f("fk_institutions_merged_into_institutions"),
        "institutions",
        "institutions",
        ["merged_into"],
        ["id"],
    )
    op.create_index(
        op.f("ix_institutions_merged_into"),
        "institutions",
        ["merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.add_column(
        "roster_imports",
        sa.Column("scope", sa.Text(), nullable=False, server_default="", comment="导入人的辖区"),
    )
