"""certificate imports: files of issuing offices, each certificate's outcome, each problem"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _text(name: str, comment: str | None = None, *, default: bool = False) -> sa.Column[str]:
    given = "" if default else None
    return sa.Column(name, sa.Text(), server_default=given, nullable=False, comment=comment)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "certificate_imports",
        _text("id", "文件、方式、发证机关的 SHA-256 前 32 位"),
        _text("authority"),
        _text("filename"),
        _text("sha256"),
        _text("mode"),
        _text("stage"),
        sa.Column("lines", sa.Integer(), nullable=False, comment="数据行数"),
        sa.Column("total", sa.Integer(), nullable=False, comment="证书张数"),
        _text("requested_by"),
        sa.Column(
            "institutions",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="新登记的机构数",
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "mode IN ('check', 'all', 'good')", name=op.f("ck_certificate_imports_mode")
        ),
        sa.CheckConstraint(
            "stage IN ('checked', 'rejected', 'working', 'done')",
            name=op.f("ck_certificate_imports_stage"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_imports")),
        comment="证书批量导入",
    )
    op.create_index(
        "ix_certificate_imports_requested",
        "certificate_imports",
        ["authority", "requested_at", "id"],
    )
    op.create_table(
        "certificate_import_rows",
        _text("import_id"),
        sa.Column(
            "row", sa.Integer(), nullable=False, comment="该证书在文件中的首行，表头为第 1 行"
        ),
        _text("sha256", "内容的哈希：同一内容不重复办理"),
        sa.Column(
            "place", sa.Integer(), nullable=False, comment="办理次序：先已有编号的，后新分配的"
        ),
        _text("institution_id"),
        _text("holder"),
        _text("outcome"),
        _text("number", default=True),
        _text("code", default=True),
        _text("case_id", default=True),
        _text("problem", "未办成的原因代码", default=True),
        _text("message", default=True),
        sa.Column(
            "given",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="要办理的内容；办完即删",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "outcome IN ('bad', 'ready', 'waiting', 'issued', 'applied', 'repeated', 'failed')",
            name=op.f("ck_certificate_import_rows_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["certificate_imports.id"],
            name=op.f("fk_certificate_import_rows_import_id_certificate_imports"),
        ),
        sa.PrimaryKeyConstraint("import_id", "row", name=op.f("pk_certificate_import_rows")),
        comment="批量导入的每一张证书及其结果",
    )
    op.create_index(
        "ix_certificate_import_rows_outcome",
        "certificate_import_rows",
        ["import_id", "outcome", "place", "row"],
    )
    op.create_table(
        "certificate_import_problems",
        _text("import_id"),
        sa.Column("no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        _text("column"),
        _text("code"),
        _text("message"),
        _text("mend"),
        _text("level"),
        sa.CheckConstraint(
            "level IN ('error', 'notice')", name=op.f("ck_certificate_import_problems_level")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["certificate_imports.id"],
            name=op.f("fk_certificate_import_problems_import_id_certificate_imports"),
        ),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_certificate_import_problems")),
        comment="批量导入中每一处有错或需留意的地方",
    )
    op.create_index(
        "ix_certificate_import_problems_no", "certificate_import_problems", ["import_id", "no"]
    )
