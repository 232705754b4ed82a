"""report numbers: batches, uploads, numbers by year of issue, complaints"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "institutions",
        sa.Column(
            "no",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="报告编号表用的短编号",
        ),
    )
    op.create_index(
        "ix_institutions_name",
        "institutions",
        [sa.literal_column("normalize(name, NFKC)")],
        unique=False,
    )
    op.create_unique_constraint(op.f("uq_institutions_no"), "institutions", ["no"])
    op.create_index(
        op.f("ix_outbox_transaction_outbox_id"), "outbox", ["transaction", "id"], unique=False
    )
    op.add_column(
        "campaigns",
        sa.Column(
            "quarter", sa.Integer(), server_default="0", nullable=False, comment="0 为年度统计"
        ),
    )
    op.drop_constraint(op.f("uq_campaigns_year_jurisdiction"), "campaigns", type_="unique")
    op.create_unique_constraint(
        "uq_campaigns_period", "campaigns", ["year", "quarter", "jurisdiction"]
    )
    op.create_table_comment(
        "campaigns", "年度统计和季度报告编号报送工作", existing_comment="年度统计工作", schema=None
    )
    op.add_column("cases", sa.Column("quarter", sa.Integer(), server_default="0", nullable=False))
    op.alter_column("cases", "institution_id", existing_type=sa.TEXT(), nullable=True)
    op.drop_constraint("ck_cases_kind", "cases")
    op.create_check_constraint("kind", "cases", "kind IN ('filing', 'report-numbers', 'complaint')")
    op.create_table(
        "lookup_counts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("province", sa.Text(), nullable=False, comment="机构所在省；未找到的为 000000"),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "province", "answer", name=op.f("pk_lookup_counts")),
        comment="公众查询次数，按日、省、结果；不记录查询人",
    )
    op.create_table(
        "report_numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("institution_no", sa.Integer(), nullable=False),
        sa.Column("upload_no", sa.Integer(), nullable=False),
        sa.Column("change_no", sa.Integer(), nullable=True, comment="撤回或更正；空为有效"),
        comment="报告编号，按出具年份分区；同一机构的编号不重复",
        postgresql_partition_by="RANGE (issued_on)",
    )
    op.create_index(
        "ix_report_numbers_number",
        "report_numbers",
        [sa.literal_column("hashtextextended(number, 0)"), "institution_no"],
        unique=False,
    )
    op.create_table(
        "complaints",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column(
            "receipt_sha256", sa.Text(), nullable=False, comment="回执码的哈希；回执码本身不保存"
        ),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=True),
        sa.Column("institution_name", sa.Text(), nullable=False, comment="投诉人写的机构名称"),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False, comment="投诉人自愿留下的联系方式"),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("reply", sa.Text(), server_default="", nullable=False, comment="给投诉人的答复"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution_id"],
            ["institutions.id"],
            name=op.f("fk_complaints_institution_id_institutions"),
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_complaints")),
        sa.UniqueConstraint("receipt_sha256", name=op.f("uq_complaints_receipt_sha256")),
        comment="社会公众的投诉",
    )
    op.create_index(
        op.f("ix_complaints_institution_id"), "complaints", ["institution_id"], unique=False
    )
    op.create_table(
        "number_changes",
        sa.Column("no", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("institution_no", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="所撤回或更正的编号",
        ),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('withdrawn', 'corrected')", name=op.f("ck_number_changes_kind")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_number_changes_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_number_changes")),
        sa.UniqueConstraint("id", name=op.f("uq_number_changes_id")),
        comment="已上传编号的撤回和更正",
    )
    op.create_index(
        op.f("ix_number_changes_case_id_number_changes_no"),
        "number_changes",
        ["case_id", "no"],
        unique=False,
    )
    op.create_table(
        "uploads",
        sa.Column("no", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="对外的上传编号"),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("institution_no", sa.Integer(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column(
            "accept", sa.Text(), nullable=False, comment="all：有错即不收；good：只收无误的行"
        ),
        sa.Column("declared_bytes", sa.BigInteger(), nullable=True),
        sa.Column("received_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "sha256", sa.Text(), server_default="", nullable=False, comment="收齐之后的文件哈希"
        ),
        sa.Column("stage", sa.Text(), server_default="receiving", nullable=False),
        sa.Column(
            "rows", sa.BigInteger(), server_default="0", nullable=False, comment="已读的行数"
        ),
        sa.Column("bad", sa.BigInteger(), server_default="0", nullable=False, comment="有错的行数"),
        sa.Column(
            "accepted", sa.BigInteger(), server_default="0", nullable=False, comment="收下的编号数"
        ),
        sa.Column(
            "digest", sa.Text(), server_default="", nullable=False, comment="所收下编号的合计哈希"
        ),
        sa.Column("repeats", sa.Text(), nullable=True, comment="同一文件先前的上传编号"),
        sa.Column("visible_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("accept IN ('all', 'good')", name=op.f("ck_uploads_accept")),
        sa.CheckConstraint("media IN ('csv', 'xlsx', 'correction')", name=op.f("ck_uploads_media")),
        sa.CheckConstraint(
            "stage IN ('receiving', 'queued', 'reading', 'checking', 'accepted', 'rejected', 'repeated', 'abandoned')",
            name=op.f("ck_uploads_stage"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name=op.f("fk_uploads_case_id_cases")
        ),
        sa.ForeignKeyConstraint(
            ["institution_no"],
            ["institutions.no"],
            name=op.f("fk_uploads_institution_no_institutions"),
        ),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_uploads")),
        sa.UniqueConstraint("id", name=op.f("uq_uploads_id")),
        comment="报告编号的上传",
    )
    op.create_index(
        op.f("ix_uploads_case_id_uploads_no"), "uploads", ["case_id", "no"], unique=False
    )
    op.create_table(
        "upload_pieces",
        sa.Column("upload_no", sa.Integer(), nullable=False),
        sa.Column("at_byte", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_no"], ["uploads.no"], name=op.f("fk_upload_pieces_upload_no_uploads")
        ),
        sa.PrimaryKeyConstraint("upload_no", "at_byte", name=op.f("pk_upload_pieces")),
        comment="上传文件的各段；读完即删",
    )
    op.create_table(
        "upload_problems",
        sa.Column("upload_no", sa.Integer(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False, comment="文件中的行号，表头为第 1 行"),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, comment="例如先前所在的行或季度"),
        sa.ForeignKeyConstraint(
            ["upload_no"], ["uploads.no"], name=op.f("fk_upload_problems_upload_no_uploads")
        ),
        comment="上传文件中每一处有错的行",
    )
    op.create_index(
        op.f("ix_upload_problems_upload_no_upload_problems_row"),
        "upload_problems",
        ["upload_no", "row"],
        unique=False,
    )
    # pieces are files already: compressing them again costs more than it saves
    op.execute("ALTER TABLE upload_pieces ALTER COLUMN content SET STORAGE EXTERNAL")
