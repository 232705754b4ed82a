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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.case.status import Kind, Status, UploadStage
from domain.certificates.certificate import CertificateStatus
from domain.certificates.imports import ImportMode, ImportStage, RowOutcome
from domain.certificates.public import Counted

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


def _grams_index(name: str, column: str) -> Index:
    """Finds any part of a name; see `store.certificates.register.search`."""
    grams = text(f"certificate_grams(certificate_folded({column}))")
    return Index(name, grams, postgresql_using="gin")


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
    Column("no", Integer, Identity(always=True), nullable=False, comment="报告编号表用的短编号"),
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
    UniqueConstraint("no"),
    Index(None, "region", "id"),
    Index(None, "uscc"),
    # names are compared as `domain.text.name_key` gives them
    Index("ix_institutions_name", text("normalize(name, NFKC)")),
    _grams_index("ix_institutions_name_grams", "name"),
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
    Column("origin", Text, nullable=False, server_default="roster", comment="从何而来"),
    Column("code", Text, nullable=True, comment="二维码网址里的永久代码"),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=True),
    Column("status", Text, nullable=False, server_default="valid", comment="过期按 valid_to 判断"),
    Column("holder", Text, nullable=False, server_default=""),
    Column("uscc", Text, nullable=False, server_default=""),
    Column("parent_uscc", Text, nullable=False, server_default=""),
    Column("field", Text, nullable=False, server_default=""),
    Column("industry", Text, nullable=False, server_default=""),
    Column("issued_on", Date, nullable=True),
    Column("valid_from", Date, nullable=True),
    Column("ended_on", Date, nullable=True),
    Column("document", Text, nullable=False, server_default="", comment="终止所依据的文书"),
    Column("superseded_by", Text, nullable=False, server_default="", comment="新证的代码"),
    Column("renews", Text, nullable=False, server_default="", comment="原证的代码"),
    Column("revision", Integer, nullable=False, server_default="0", comment="现行内容是第几稿"),
    Column("content", JSONB, nullable=True, comment="证书内容；名录里的证书没有"),
    Column("statement", Text, nullable=False, server_default="", comment="二维码里的签名内容"),
    _instant("updated_at", now=True),
    CheckConstraint("level IN ('provincial', 'national')", name="level"),
    CheckConstraint("origin IN ('roster', 'register', 'issued')", name="origin"),
    CheckConstraint(
        _one_of("status", [status.value for status in CertificateStatus]), name="status"
    ),
    UniqueConstraint("code"),
    Index(None, "case_id", unique=True),
    Index(None, "institution_id"),
    Index(None, "issuer", "valid_to"),
    Index(None, "uscc"),
    Index(None, "parent_uscc"),
    Index(None, "renews"),
    Index("ix_certificates_serial", text("left(number, 4)"), text("right(number, 4)")),
    _grams_index("ix_certificates_holder_grams", "holder"),
    comment="资质认定证书登记",
)

certificate_numbers = Table(
    "certificate_numbers",
    metadata,
    Column("number", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False),
    _instant("allotted_at", now=True),
    Column(
        "voided_at",
        DateTime(timezone=True),
        nullable=True,
        comment="作废的时间；作废的编号从不再用",
    ),
    Column("void_reason", Text, nullable=False, server_default="", comment="作废的原因"),
    UniqueConstraint("code"),
    Index(None, "case_id", unique=True, postgresql_where=text("voided_at IS NULL")),
    Index("ix_certificate_numbers_serial", text("left(number, 4)"), text("right(number, 4)")),
    comment="已分配的证书编号和代码，从不重复使用",
)

certificate_serials = Table(
    "certificate_serials",
    metadata,
    Column("authority_code", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False, comment="已用到的流水号，含纸质发放的"),
    CheckConstraint("last BETWEEN 0 AND 9999", name="last"),
    comment="发证机关每年的流水号",
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
    Column("changes", JSONB, nullable=False, server_default="[]", comment="逐家改动，旧值和新值"),
    Column("added", Integer, nullable=False, server_default="0", comment="新登记的机构数"),
    _instant("imported_at", now=True),
    comment="名录导入及其逐行报告",
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("quarter", Integer, nullable=False, server_default="0", comment="0 为年度统计"),
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
    UniqueConstraint("year", "quarter", "jurisdiction", name="uq_campaigns_period"),
    comment="年度统计和季度报告编号报送工作",
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("quarter", Integer, nullable=False, server_default="0"),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=True),
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
    CheckConstraint(_one_of("kind", [kind.value for kind in Kind]), name="kind"),
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
    Index(None, "transaction", "id"),
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
    _instant("visible_from", nullable=True),
    Column("created_by", Text, nullable=False),
    _instant("created_at"),
    _instant("received_at", nullable=True),
    _instant("decided_at", nullable=True),
    Column("command", JSONB(none_as_null=True), nullable=True, comment="收齐之后要交给报送的指令"),
    UniqueConstraint("id"),
    CheckConstraint("media IN ('csv', 'xlsx', 'correction')", name="media"),
    CheckConstraint("accept IN ('all', 'good')", name="accept"),
    CheckConstraint(_one_of("stage", [stage.value for stage in UploadStage]), name="stage"),
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
    _instant("asked_at"),
    _instant("made_at", nullable=True),
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

complaints = Table(
    "complaints",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("receipt_sha256", Text, nullable=False, comment="回执码的哈希；回执码本身不保存"),
    Column("number", Text, nullable=False),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=True),
    Column("institution_name", Text, nullable=False, comment="投诉人写的机构名称"),
    Column("about", Text, nullable=False),
    Column("contact", Text, nullable=False, comment="投诉人自愿留下的联系方式"),
    Column("outcome", Text, nullable=False, server_default=""),
    Column("reply", Text, nullable=False, server_default="", comment="给投诉人的答复"),
    _instant("received_at"),
    _instant("resolved_at", nullable=True),
    UniqueConstraint("receipt_sha256"),
    Index(None, "institution_id"),
    comment="社会公众的投诉",
)

certificate_lines = Table(
    "certificate_lines",
    metadata,
    Column("number", Text, ForeignKey("certificates.number", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("line", Integer, primary_key=True, comment="在证书内容里是第几项，从 0 起"),
    Column("words", Text, nullable=False, comment="供检索的文字，已统一写法"),
    Column("standard", Text, nullable=False, server_default="", comment="标准号，不含年份"),
    Column("year", Text, nullable=False, server_default="", comment="标准的年份"),
    CheckConstraint("kind IN ('capability', 'equipment', 'signatory')", name="kind"),
    Index(
        "ix_certificate_lines_capability",
        text("certificate_grams(words)"),
        postgresql_using="gin",
        postgresql_where=text("kind = 'capability'"),
    ),
    Index(
        "ix_certificate_lines_equipment",
        text("certificate_grams(words)"),
        postgresql_using="gin",
        postgresql_where=text("kind = 'equipment'"),
    ),
    Index(
        "ix_certificate_lines_signatory",
        text("certificate_grams(words)"),
        postgresql_using="gin",
        postgresql_where=text("kind = 'signatory'"),
    ),
    Index("ix_certificate_lines_standard", "standard", "year", "number"),
    comment="证书内容中可检索的各项：能力、设备、签字人；随证书内容重写",
)

certificate_counts = Table(
    "certificate_counts",
    metadata,
    Column("month", Text, primary_key=True, comment="如 2025-03"),
    Column("province", Text, primary_key=True, comment="发证机关所在省；没有的为 000000"),
    Column("what", Text, primary_key=True),
    Column("answer", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    CheckConstraint(r"month ~ '^\d{4}-\d{2}$'", name="month"),
    CheckConstraint(_one_of("what", [one.value for one in Counted]), name="what"),
    comment="公众扫码和查询证书的次数，按月、省、结果；不记录查询人",
)

certificate_imports = Table(
    "certificate_imports",
    metadata,
    Column("id", Text, primary_key=True, comment="文件、方式、发证机关的 SHA-256 前 32 位"),
    Column("authority", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("lines", Integer, nullable=False, comment="数据行数"),
    Column("total", Integer, nullable=False, comment="证书张数"),
    Column("requested_by", Text, nullable=False),
    Column("institutions", Integer, nullable=False, server_default="0", comment="新登记的机构数"),
    _instant("requested_at"),
    _instant("finished_at", nullable=True),
    CheckConstraint(_one_of("mode", [one.value for one in ImportMode]), name="mode"),
    CheckConstraint(_one_of("stage", [one.value for one in ImportStage]), name="stage"),
    Index("ix_certificate_imports_requested", "authority", "requested_at", "id"),
    comment="证书批量导入",
)

certificate_import_rows = Table(
    "certificate_import_rows",
    metadata,
    Column("import_id", Text, ForeignKey("certificate_imports.id"), primary_key=True),
    Column("row", Integer, primary_key=True, comment="该证书在文件中的首行，表头为第 1 行"),
    Column("sha256", Text, nullable=False, comment="内容的哈希：同一内容不重复办理"),
    Column("place", Integer, nullable=False, comment="办理次序：先已有编号的，后新分配的"),
    Column("institution_id", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("number", Text, nullable=False, server_default=""),
    Column("code", Text, nullable=False, server_default=""),
    Column("case_id", Text, nullable=False, server_default=""),
    Column("problem", Text, nullable=False, server_default="", comment="未办成的原因代码"),
    Column("message", Text, nullable=False, server_default=""),
    Column("given", JSONB(none_as_null=True), nullable=True, comment="要办理的内容；办完即删"),
    _instant("updated_at", now=True),
    CheckConstraint(_one_of("outcome", [one.value for one in RowOutcome]), name="outcome"),
    Index("ix_certificate_import_rows_outcome", "import_id", "outcome", "place", "row"),
    comment="批量导入的每一张证书及其结果",
)

certificate_import_problems = Table(
    "certificate_import_problems",
    metadata,
    Column("import_id", Text, ForeignKey("certificate_imports.id"), nullable=False),
    Column("no", BigInteger, Identity(always=True), primary_key=True),
    Column("row", Integer, nullable=False),
    Column("column", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("mend", Text, nullable=False),
    Column("level", Text, nullable=False),
    CheckConstraint("level IN ('error', 'notice')", name="level"),
    Column("institution_id", Text, nullable=False, server_default=""),
    Column("holder", Text, nullable=False, server_default=""),
    Index("ix_certificate_import_problems_no", "import_id", "no"),
    comment="批量导入中每一处有错或需留意的地方",
)

api_clients = Table(
    "api_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("authority", Text, nullable=False, comment="代哪个发证机关送达"),
    Column("name", Text, nullable=False),
    Column("sandbox", Boolean, nullable=False, comment="只用于联调，不写入登记"),
    Column("created_by", Text, nullable=False),
    _instant("created_at"),
    _instant("revoked_at", nullable=True),
    Index(None, "authority"),
    comment="联网系统（各省审批系统）",
)

api_client_secrets = Table(
    "api_client_secrets",
    metadata,
    Column("id", Text, primary_key=True, comment="由操作的标识得出，重发不会再发一个密钥"),
    Column("client_id", Text, ForeignKey("api_clients.id"), nullable=False),
    Column("sha256", Text, nullable=False, comment="密钥的哈希；密钥本身不保存"),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    Index(None, "client_id"),
    comment="联网系统的密钥；轮换期内可以同时有两个",
)

certificate_deliveries = Table(
    "certificate_deliveries",
    metadata,
    Column("no", BigInteger, Identity(always=True), nullable=False),
    Column("authority", Text, primary_key=True),
    Column("sandbox", Boolean, primary_key=True),
    Column("delivery_id", Text, primary_key=True, comment="各省自己的送达编号"),
    Column("client_id", Text, ForeignKey("api_clients.id"), nullable=False),
    Column("action", Text, nullable=False),
    Column("body", JSONB, nullable=False, comment="送来的内容"),
    Column("body_sha256", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("attempt", Integer, nullable=False, comment="被拒绝之后第几次重送"),
    Column("number", Text, nullable=False, server_default=""),
    Column("receipt", JSONB, nullable=True),
    Column("refusal", JSONB, nullable=True),
    _instant("received_at"),
    _instant("answered_at", nullable=True),
    CheckConstraint("action IN ('issue', 'change', 'extension', 'end')", name="action"),
    CheckConstraint("stage IN ('working', 'accepted', 'refused')", name="stage"),
    UniqueConstraint("no"),
    Index(None, "number"),
    comment="联网赋码的送达及回执",
)

province_plans = Table(
    "province_plans",
    metadata,
    Column("authority", Text, primary_key=True),
    Column("received_on", Date, nullable=False),
    Column("document", Text, nullable=False),
    Column("mode", Text, nullable=False, comment="方案选用的赋码模式"),
    Column("recorded_by", Text, nullable=False),
    _instant("recorded_at"),
    CheckConstraint("mode IN ('manual', 'connected')", name="mode"),
    comment="各省报送的赋码系统对接方案",
)
