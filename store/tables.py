"""All tables. One `MetaData`; comments in Chinese, since operators read them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.status import Status

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _instant(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


rule_sets = Table(
    "rule_sets",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    _instant("stored_at", now=True),
    comment="已发布的规则集，按内容的 SHA-256 永久保存",
)

institutions = Table(
    "institutions",
    metadata,
    Column("id", Text, primary_key=True, comment="机构编号（账号），不是统一社会信用代码"),
    Column("name", Text, nullable=False),
    Column(
        "uscc", Text, nullable=False, server_default="", comment="统一社会信用代码，可对应多个账号"
    ),
    Column("region", Text, nullable=False, comment="监管区域代码"),
    Column("legal_person", Boolean, nullable=False),
    Column("under_samr", Boolean, nullable=False),
    Column("accredited", Boolean, nullable=False),
    Column("review_group", Text, nullable=True),
    Column("other_qualifications", JSONB, nullable=False),
    Column("national_centres", JSONB, nullable=False),
    Column("previous_reviewer", Text, nullable=True),
    _instant("updated_at", now=True),
    CheckConstraint(r"region ~ '^\d{6}$'", name="region"),
    Index(None, "region", "id"),
    Index(None, "uscc"),
    comment="检验检测机构名录",
)

certificates = Table(
    "certificates",
    metadata,
    Column("number", Text, primary_key=True),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("level", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("scope", Integer, nullable=False),
    Column("valid_to", Date, nullable=False),
    CheckConstraint("level IN ('provincial', 'national')", name="level"),
    Index(None, "institution_id"),
    comment="资质认定证书",
)

roster_imports = Table(
    "roster_imports",
    metadata,
    Column("id", Text, primary_key=True, comment="文件与方式的 SHA-256"),
    Column("filename", Text, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("accept_good_rows", Boolean, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("problems", JSONB, nullable=False),
    _instant("imported_at", now=True),
    comment="名录导入及其逐行报告",
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("rule_sets", JSONB, nullable=False, comment="辖区代码 → 规则集 SHA-256"),
    Column("rule_set", Text, ForeignKey("rule_sets.sha256"), nullable=False),
    Column("stage", Text, nullable=False, server_default=""),
    Column("considered", Integer, nullable=False, server_default="0"),
    Column("started", Integer, nullable=False, server_default="0"),
    Column("voluntary", Integer, nullable=False, server_default="0"),
    Column("outside", Integer, nullable=False, server_default="0"),
    Column("without_rules", Integer, nullable=False, server_default="0"),
    Column("elsewhere", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    _instant("opened_at", now=True),
    _instant("started_at", nullable=True),
    UniqueConstraint("year", "jurisdiction"),
    comment="年度统计工作",
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("jurisdiction", Text, nullable=False, comment="所用规则集的辖区"),
    Column("campaign", Text, nullable=False),
    Column("rule_set", Text, ForeignKey("rule_sets.sha256"), nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("authority", Text, nullable=False, comment="现由哪个部门办理；空为无"),
    Column("claimed_by", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    _instant("due", nullable=True),
    Column("sequence", Integer, nullable=False),
    Column("head", Text, nullable=False, comment="最后一步的哈希"),
    _instant("opened_at"),
    _instant("updated_at"),
    CheckConstraint("kind IN ('filing')", name="kind"),
    CheckConstraint(_one_of("status", [status.value for status in Status]), name="status"),
    Index(None, "authority", "status", "due", "case_id"),
    Index(None, "institution_id", "year"),
    Index(None, "campaign", "status"),
    comment="办件的当前状态（读模型）；以 journal 为准",
)

assignments = Table(
    "assignments",
    metadata,
    Column("authority", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Index(None, "case_id"),
    comment="曾分派到哪些部门：部门可以查看经手过的办件",
)

journal = Table(
    "journal",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("event", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("step", JSONB, nullable=False),
    Column("hash", Text, nullable=False),
    _instant("at"),
    _instant("recorded_at", now=True),
    Index(None, "case_id", "command_id"),
    comment="日志：每一步一行，只增不改，逐件哈希相连",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("transaction", BigInteger, nullable=False, server_default=func.txid_current()),
    UniqueConstraint("case_id", "sequence"),
    comment="待外发事件，供下游系统按序读取",
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("refusal", JSONB, nullable=False),
    _instant("at"),
    Index(None, "case_id", "id"),
    comment="被拒绝的操作：谁、何事、为何",
)

revisions = Table(
    "revisions",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("saved_by", Text, nullable=False),
    _instant("saved_at"),
    comment="填报内容的各稿；统计资料，仅限统计使用",
)

notes = Table(
    "notes",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("note", JSONB, nullable=False),
    _instant("written_at", now=True),
    comment="理由和说明，按内容的 SHA-256 保存",
)

requests = Table(
    "requests",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="身份与 Idempotency-Key 的 SHA-256"),
    Column("body_sha256", Text, nullable=False),
    _instant("first_seen_at", now=True),
    comment="已用过的 Idempotency-Key",
)
