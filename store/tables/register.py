"""The register: institutions and their certificates, and what certificates are found by."""

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
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.certificates.certificate import RECORDED_STATUSES
from domain.certificates.public import Counted
from store.hidden import OF_CASE, ROSTER, HiddenJson
from store.tables.base import grams_index, instant, metadata, one_of

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
    instant("roster_at", nullable=True),
    Column(
        "merged_into",
        Text,
        ForeignKey("institutions.id"),
        nullable=True,
        comment="已并入的机构；只有它仍在名录中办理",
    ),
    instant("updated_at", now=True),
    CheckConstraint(r"region ~ '^\d{6}$'", name="region"),
    UniqueConstraint("no"),
    Index(None, "region", "id"),
    Index(None, "uscc"),
    Index(None, "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    # names are compared as `domain.text.name_key` gives them
    Index("ix_institutions_name", text("name_key(name)")),
    grams_index("ix_institutions_name_grams", "name"),
    comment="检验检测机构名录",
)

roster_imports = Table(
    "roster_imports",
    metadata,
    Column("id", Text, primary_key=True, comment="文件与方式的 SHA-256"),
    Column("filename", Text, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("scope", Text, nullable=False, server_default="", comment="导入人的辖区"),
    Column("accept_good_rows", Boolean, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("problems", HiddenJson("roster_imports.problems", ROSTER), nullable=False),
    Column("changes", JSONB, nullable=False, server_default="[]", comment="逐家改动，旧值和新值"),
    Column("added", Integer, nullable=False, server_default="0", comment="新登记的机构数"),
    instant("imported_at", now=True),
    comment="名录导入及其逐行报告",
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
    Column("content", JSONB, nullable=True, comment="证书内容，授权签字人除外；名录里的证书没有"),
    Column(
        "signatories",
        HiddenJson("certificates.signatories", OF_CASE),
        nullable=True,
        comment="证书内容中的授权签字人",
    ),
    Column("statement", Text, nullable=False, server_default="", comment="二维码里的签名内容"),
    instant("updated_at", now=True),
    CheckConstraint("level IN ('provincial', 'national')", name="level"),
    CheckConstraint("origin IN ('roster', 'register', 'issued')", name="origin"),
    CheckConstraint(
        one_of("status", [status.value for status in RECORDED_STATUSES]), name="status"
    ),
    UniqueConstraint("code"),
    Index(None, "case_id", unique=True),
    Index(None, "institution_id"),
    Index(None, "issuer", "valid_to"),
    Index(None, "uscc"),
    Index(None, "parent_uscc"),
    Index(None, "renews"),
    Index("ix_certificates_serial", text("left(number, 4)"), text("right(number, 4)")),
    grams_index("ix_certificates_holder_grams", "holder"),
    comment="资质认定证书登记",
)

certificate_numbers = Table(
    "certificate_numbers",
    metadata,
    Column("number", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("case_id", Text, ForeignKey("cases.case_id"), nullable=False),
    instant("allotted_at", now=True),
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

certificate_lines = Table(
    "certificate_lines",
    metadata,
    Column("number", Text, ForeignKey("certificates.number", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("line", Integer, primary_key=True, comment="在证书内容里是第几项，从 0 起"),
    Column(
        "words",
        Text,
        nullable=False,
        comment="供检索的文字，已统一写法；签字人的是姓名的带密钥摘要，不是姓名",
    ),
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
        "words",
        "number",
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
    CheckConstraint(one_of("what", [one.value for one in Counted]), name="what"),
    comment="公众扫码和查询证书的次数，按月、省、结果；不记录查询人",
)
