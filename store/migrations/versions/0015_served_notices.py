"""served notices, their delivery, and requests to have a submission returned

The way back is the copy taken before: what was served stands nowhere else.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = (
    "reminder_to_file",
    "reminder",
    "question",
    "answer",
    "return_asked",
    "return_declined",
    "document",
)


def _in(column: str, *values: str) -> str:
    return f"{column} IN ({', '.join(map(repr, values))})"


def _when(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _words(name: str, comment: str | None = None, *, default: bool = False) -> sa.Column[str]:
    return sa.Column(
        name, sa.Text(), nullable=False, server_default="" if default else None, comment=comment
    )


def upgrade() -> None:
    """Applies the change."""
    for table, column, index in (
        ("cases", ("return_asked", "填报人已申请退回，尚未答复"), False),
        ("outbox", ("to_tell", "这一步还要通知有关的人"), True),
    ):
        name, comment = column
        op.add_column(
            table,
            sa.Column(name, sa.Boolean(), nullable=False, server_default="false", comment=comment),
        )
        if index:
            op.create_index("ix_outbox_to_tell", table, ["id"], postgresql_where=sa.text("to_tell"))
    _notices()
    _deliveries()
    _addresses()


def _notices() -> None:
    op.create_table(
        "notices",
        _words("id"),
        _words("case_id"),
        _words("key", "在一件中区分各通知：同一键只送达一次"),
        _words("kind"),
        _words("institution", "所涉机构"),
        _words("audience", "filer 填报人，reviewer 审核人"),
        _words("addressee", "收件的机构或部门"),
        _words("title"),
        _words("body"),
        _words("document_sha256", "所送达的文书", default=True),
        _words("served_by"),
        _words("served_role"),
        _words("served_scope"),
        _when("served_at", nullable=False),
        _when("seen_at"),
        _words("seen_by", "收件人中谁先查看", default=True),
        sa.CheckConstraint(_in("kind", *_KINDS), name=op.f("ck_notices_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("case_id", "key", "audience", "addressee", name="uq_notices_key"),
        comment="送达的通知：催报、提醒、答复、文书",
    )
    for column in ("addressee", "institution"):
        op.create_index(
            op.f(f"ix_notices_{column}_notices_served_at_notices_id"),
            "notices",
            [column, "served_at", "id"],
        )


def _deliveries() -> None:
    op.create_table(
        "notice_deliveries",
        _words("id", "重复送达时不变"),
        _words("notice_id"),
        _words("channel"),
        _words("address_id", "登记的推送地址", default=True),
        _words("target", "最近一次送往何处", default=True),
        _words("state"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        _when("next_at"),
        _when("attempted_at"),
        _when("delivered_at"),
        _words("failure", "最近一次未送达的原因", default=True),
        sa.CheckConstraint(
            _in("channel", "message", "mail", "webhook"),
            name=op.f("ck_notice_deliveries_channel"),
        ),
        sa.CheckConstraint(
            _in("state", "waiting", "delivered", "failed", "unaddressed"),
            name=op.f("ck_notice_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_deliveries_notice_id_notices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_deliveries")),
        comment="每一通知在每一渠道上的送达",
    )
    op.create_index(op.f("ix_notice_deliveries_notice_id"), "notice_deliveries", ["notice_id"])
    op.create_index(
        "ix_notice_deliveries_due",
        "notice_deliveries",
        ["next_at", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        op.f("ix_notice_deliveries_state_notice_deliveries_id"),
        "notice_deliveries",
        ["state", "id"],
    )


def _addresses() -> None:
    op.create_table(
        "addresses",
        _words("id"),
        _words("addressee", "机构或部门"),
        _words("channel"),
        _words("target", "邮箱，或推送网址"),
        sa.Column("active", sa.Boolean(), nullable=False, server_default="true"),
        _words("registered_by"),
        _when("registered_at", nullable=False),
        _when("ended_at"),
        sa.CheckConstraint(_in("channel", "mail", "webhook"), name=op.f("ck_addresses_channel")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
        comment="部门的邮箱，以及机构和部门接收推送的网址",
    )
    op.create_index(
        op.f("ix_addresses_addressee_addresses_channel"), "addresses", ["addressee", "channel"]
    )
