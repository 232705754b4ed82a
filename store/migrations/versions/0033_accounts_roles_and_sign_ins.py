"""accounts, roles with a beginning and an end, one-time links, sign-ins

The way back drops them: tokens say who somebody is, as before.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("account_links", "accounts", "memberships", "sessions")


def _text(name: str, comment: str = "", *, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(
        name, sa.Text(), nullable=False, server_default=default, comment=comment or None
    )


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "accounts",
        _text("name", "账号，与凭证上的一致"),
        _text("password_hash", "空为还不能登录", default=""),
        _text("totp_salt", "空为没有动态口令", default=""),
        sa.Column(
            "totp_used",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="用过的最后一个时间步",
        ),
        _instant("made_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
        comment="账号：谁可以登录",
    )
    op.create_table(
        "memberships",
        _text("id"),
        _text("person"),
        _text("role"),
        _text("scope", "机构、部门或辖区"),
        sa.Column(
            "administers", sa.Boolean(), nullable=False, comment="可以给予和收回同一范围内的身份"
        ),
        _instant("starts"),
        _instant("ends", nullable=True),
        _text("given_by"),
        _text("note_sha256", "事由", default=""),
        _instant("given_at"),
        _text("ended_by", default=""),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        comment="身份：谁在何时以何种身份为哪个机构、部门或辖区办事，由谁给予",
    )
    op.create_index(
        op.f("ix_memberships_person_memberships_role_memberships_scope"),
        "memberships",
        ["person", "role", "scope"],
    )
    op.create_index(op.f("ix_memberships_scope"), "memberships", ["scope"])
    op.create_table(
        "account_links",
        _text("sha256", "一次性链接的哈希"),
        _text("person"),
        _text("made_by"),
        _instant("made_at"),
        _instant("ends_at"),
        _instant("used_at", nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_account_links")),
        comment="一次性链接：本人由此设定密码和动态口令",
    )
    op.create_index(op.f("ix_account_links_person"), "account_links", ["person"])
    op.create_table(
        "sessions",
        _text("sha256", "浏览器所存密钥的哈希"),
        _text("person"),
        _text("membership", "以哪个身份办事"),
        sa.Column("second_factor", sa.Boolean(), nullable=False, comment="登录时用了动态口令"),
        _text("agent", "浏览器自报的名称", default=""),
        _instant("began_at"),
        _instant("ends_at"),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sessions")),
        comment="登录：谁的浏览器以哪个身份登录，到何时为止",
    )
    op.create_index(op.f("ix_sessions_person"), "sessions", ["person"])
    for table in _TABLES:
        op.execute(f"SELECT seal_table('{table}')")


def downgrade() -> None:
    """Undoes the change."""
    for table in _TABLES:
        op.drop_table(table)
        op.execute(f"DELETE FROM seals WHERE \"table\" = '{table}'")  # noqa: S608
