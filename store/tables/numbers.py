"""Report numbers: files, numbers, withdrawals and corrections, lookups."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.numbers.report_numbers import UploadStage
from store.tables.base import instant, metadata, one_of

uploads = Table(
    "uploads",
    metadata,
    Column("no", Integer, Identity(always=True), primary_key=True),
    Column("id", Text, nullable=False, comment="对外的上传编号"),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False),
    Column("institution_no", Integer, ForeignKey("institutions.no"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("accept", Text, nullable=False, comment="all：有错即不收；good：只收无误的行"),
    Column("declared_bytes", BigInteger, nullable=True),
    Column("received_bytes", BigInteger, nullable=False, server_default="0"),
    Column("sha256", Text, nullable=False, server_default="", comment="收齐之后的文件哈希"),
    Column("stage", Text, nullable=False, server_default="receiving"),
    Column("rows", BigInteger, nullable=False, server_default="0", comment="已读的行数"),
    Column("bad", BigInteger, nullable=False, server_default="0", comment="有错的行数"),
    Column("accepted", BigInteger, nullable=False, server_default="0", comment="收下的编号数"),
    Column("digest", Text, nullable=False, server_default="", comment="所收下编号的合计哈希"),
    Column("repeats", Text, nullable=True, comment="同一文件先前的上传编号"),
    instant("visible_from", nullable=True),
    Column("created_by", Text, nullable=False),
    instant("created_at"),
    instant("received_at", nullable=True),
    instant("decided_at", nullable=True),
    Column("command", JSONB(none_as_null=True), nullable=True, comment="收齐之后要交给报送的指令"),
    Column("trouble", Text, nullable=False, server_default="", comment="何事使文件暂不能读取"),
    UniqueConstraint("id"),
    CheckConstraint("media IN ('csv', 'xlsx', 'correction')", name="media"),
    CheckConstraint("accept IN ('all', 'good')", name="accept"),
    CheckConstraint(one_of("stage", [stage.value for stage in UploadStage]), name="stage"),
    Index(None, "case_id", "no"),
    Index("ix_uploads_queued", "no", postgresql_where=text("stage = 'queued'")),
    comment="报告编号的上传",
)

upload_pieces = Table(
    "upload_pieces",
    metadata,
    Column("upload_no", Integer, ForeignKey("uploads.no"), primary_key=True),
    Column("at_byte", BigInteger, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    comment="上传文件的各段；读完即删",
)

upload_problems = Table(
    "upload_problems",
    metadata,
    Column("upload_no", Integer, ForeignKey("uploads.no"), nullable=False),
    Column("row", BigInteger, nullable=False, comment="文件中的行号，表头为第 1 行"),
    Column("column", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="例如先前所在的行或季度"),
    Index(None, "upload_no", "row"),
    comment="上传文件中每一处有错的行",
)

report_numbers = Table(
    "report_numbers",
    metadata,
    Column("number", Text, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("institution_no", Integer, nullable=False),
    Column("upload_no", Integer, nullable=False),
    Column("change_no", Integer, nullable=True, comment="撤回或更正；空为有效"),
    Index("ix_report_numbers_number", text("hashtextextended(number, 0)"), "institution_no"),
    # a file's rows lie together
    Index("ix_report_numbers_upload_no", "upload_no", postgresql_using="brin"),
    postgresql_partition_by="RANGE (issued_on)",
    comment="报告编号，按出具年份分区；同一机构的编号不重复",
)

number_changes = Table(
    "number_changes",
    metadata,
    Column("no", Integer, Identity(always=True), primary_key=True),
    Column("id", Text, nullable=False),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False),
    Column("institution_no", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", JSONB, nullable=False, comment="所撤回或更正的编号"),
    Column("sha256", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    instant("asked_at"),
    instant("made_at", nullable=True),
    UniqueConstraint("id"),
    CheckConstraint("kind IN ('withdrawn', 'corrected')", name="kind"),
    Index(None, "case_id", "no"),
    comment="已上传编号的撤回和更正",
)

lookup_counts = Table(
    "lookup_counts",
    metadata,
    Column("day", Date, primary_key=True),
    Column("province", Text, primary_key=True, comment="机构所在省；未找到的为 000000"),
    Column("answer", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    comment="公众查询次数，按日、省、结果；不记录查询人",
)
