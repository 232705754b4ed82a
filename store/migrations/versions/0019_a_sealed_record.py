"""a sealed record: checkpoints, archived histories, refusals in chains

The way back drops what proves the record and leaves the record as it is.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_GROWING = {"revisions": "封存点据以计到哪里", "notes": None, "rule_sets": None}


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "body", postgresql.JSONB(), nullable=False, comment="所签的内容，见 docs/audit.md"
        ),
        sa.Column("sha256", sa.Text(), nullable=False, comment="所签内容的哈希"),
        sa.Column("key", sa.Text(), nullable=False, comment="签名密钥的名称；空为没有密钥"),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoints")),
        comment="封存点：全部记录的签名摘要，逐个相连，只增不改",
    )
    op.execute(
        "CREATE TRIGGER checkpoints_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.create_table(
        "histories",
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="存档时该件的最后一步"),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="这一轮流程是否已经结束"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="JSON 原文的哈希"),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="gzip 压缩的 JSON"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "run_id", name=op.f("pk_histories")),
        sa.UniqueConstraint("no", name=op.f("uq_histories_no")),
        comment="流程历史的存档，比流程引擎保留得久",
    )
    for table, comment in _GROWING.items():
        op.add_column(
            table,
            sa.Column(
                "no", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment=comment
            ),
        )
        op.create_unique_constraint(op.f(f"uq_{table}_no"), table, ["no"])
    _refusals()


def _refusals() -> None:
    op.create_table(
        "refusal_heads",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_refusal_heads")),
        comment="每一件的拒绝记录到第几次、最后一次的哈希",
    )
    columns = {
        "number": (sa.Integer(), "该件的第几次拒绝"),
        "previous_hash": (sa.Text(), None),
        "hash": (sa.Text(), "逐件哈希相连"),
    }
    for name, (kind, comment) in columns.items():
        op.add_column("refusals", sa.Column(name, kind, nullable=True, comment=comment))
    _chain(op.get_bind())
    for name in columns:
        op.alter_column("refusals", name, nullable=False)
    op.create_unique_constraint(
        op.f("uq_refusals_case_id_number"), "refusals", ["case_id", "number"]
    )


def _chain(connection: sa.Connection) -> None:
    """Chains what was refused before, in the order in which it was."""
    heads: dict[str, tuple[int, str]] = {}
    rows = connection.execute(sa.text("SELECT * FROM refusals ORDER BY id")).mappings().all()
    for row in rows:
        number, head = heads.get(row["case_id"], (0, "0" * 64))
        said = ("case_id", "command_id", "action", "subject", "role", "scope", "refusal")
        hashed = {
            **{name: row[name] for name in said},
            "number": number + 1,
            "previous_hash": head,
            "at": row["at"].astimezone(UTC).isoformat(),
        }
        # no refusal has a number with a fraction: this is RFC 8785
        text = json.dumps(hashed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        hash_ = hashlib.sha256(text.encode()).hexdigest()
        heads[row["case_id"]] = number + 1, hash_
        connection.execute(
            sa.text(
                "UPDATE refusals SET number = :number, previous_hash = :head, hash = :hash WHERE id = :id"
            ),
            {"number": number + 1, "head": head, "hash": hash_, "id": row["id"]},
        )
    for case_id, (number, hash_) in heads.items():
        connection.execute(
            sa.text("INSERT INTO refusal_heads VALUES (:case_id, :number, :hash)"),
            {"case_id": case_id, "number": number, "hash": hash_},
        )


def downgrade() -> None:
    """Undoes the change."""
    op.drop_constraint(op.f("uq_refusals_case_id_number"), "refusals")
    for name in ("number", "previous_hash", "hash"):
        op.drop_column("refusals", name)
    op.drop_table("refusal_heads")
    for table in _GROWING:
        op.drop_column(table, "no")
    op.drop_table("histories")
    op.drop_table("checkpoints")
