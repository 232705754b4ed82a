"""tokens on record, secrets of programs, browsers that are known, tries counted, providers

The way back drops them: tokens cannot be revoked one by one then, programs get none.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0039"
down_revision: str | None = "0043"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SEALED = ("identities", "known_browsers", "program_secrets", "tokens")


def _text(name: str, comment: str = "", *, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(
        name, sa.Text(), nullable=False, server_default=default, comment=comment or None
    )


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "tokens",
        _text("id", "凭证里的编号"),
        _text("person"),
        _text("role"),
        _text("scope"),
        _text("issued_by"),
        _instant("issued_at"),
        _instant("ends_at"),
        _text("revoked_by", default=""),
        _instant("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        comment="凭证：发给了谁，到何时为止，是否已作废；凭证本身不保存",
    )
    op.create_index(op.f("ix_tokens_person"), "tokens", ["person"])
    op.create_table(
        "program_secrets",
        _text("id"),
        _text("program", "程序的账号"),
        _text("sha256", "密钥的哈希"),
        _text("made_by"),
        _instant("made_at"),
        _instant("ends_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_program_secrets")),
        comment="程序的密钥：凭它换取短期凭证",
    )
    op.create_index(op.f("ix_program_secrets_program"), "program_secrets", ["program"])
    op.create_table(
        "known_browsers",
        _text("sha256", "浏览器所存标记的哈希"),
        _text("person"),
        _instant("made_at"),
        _instant("ends_at"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_known_browsers")),
        comment="登录过的浏览器：别处的猜测不妨碍它登录",
    )
    op.create_index(op.f("ix_known_browsers_person"), "known_browsers", ["person"])
    op.create_table(
        "tries",
        _text("key", "所数之物的哈希"),
        sa.Column("count", sa.Integer(), nullable=False),
        _instant("ends_at"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tries")),
        comment="登录次数：各进程合计，过时即删",
    )
    op.create_index(op.f("ix_tries_ends_at"), "tries", ["ends_at"])
    op.create_table(
        "identities",
        _text("issuer", "统一身份认证"),
        _text("subject", "其中的编号"),
        _text("person"),
        _text("tied_by"),
        _instant("tied_at"),
        _text("untied_by", default=""),
        _instant("untied_at", nullable=True),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
        comment="统一身份认证中的谁，是哪个账号",
    )
    op.create_index(op.f("ix_identities_person"), "identities", ["person"])
    op.create_table(
        "provider_sign_ins",
        _text("state", "随跳转带去又带回之值的哈希"),
        _text("nonce"),
        _text("verifier"),
        _text("leads_to", default=""),
        _text("link", "由一次性链接绑定账号时，链接的密钥的哈希", default=""),
        _instant("ends_at"),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_provider_sign_ins")),
        comment="正在统一身份认证处登录的浏览器，用过或过时即删",
    )
    for name in ("issuer", "subject", "provider_session"):
        op.add_column("sessions", _text(name, default=""))
    op.create_index(op.f("ix_sessions_issuer_sessions_subject"), "sessions", ["issuer", "subject"])
    op.create_index(
        "ix_journal_actor", "journal", [sa.text("((step -> 'actor') ->> 'subject')"), "at"]
    )
    op.execute("SELECT seal_table('sessions')")
    for table in _SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def downgrade() -> None:
    """Undoes the change."""
    for table in (*_SEALED, "tries", "provider_sign_ins"):
        op.drop_table(table)
        op.execute(f"DELETE FROM seals WHERE \"table\" = '{table}'")  # noqa: S608
    op.drop_index("ix_journal_actor", "journal")
    op.drop_index(op.f("ix_sessions_issuer_sessions_subject"), "sessions")
    for name in ("issuer", "subject", "provider_session"):
        op.drop_column("sessions", name)
    op.execute("SELECT seal_table('sessions')")
