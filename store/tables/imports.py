"""Files of certificates, row by row."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    cast,
)

from domain.certificates.imports import ImportMode, ImportStage, RowOutcome
from store.hidden import IMPORT, HiddenJson, HiddenText
from store.tables.base import instant, metadata, one_of

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
    instant("requested_at"),
    instant("finished_at", nullable=True),
    CheckConstraint(one_of("mode", [one.value for one in ImportMode]), name="mode"),
    CheckConstraint(one_of("stage", [one.value for one in ImportStage]), name="stage"),
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
    Column(
        "given",
        HiddenJson("certificate_import_rows.given", IMPORT, lambda t: cast(t.c.row, Text)),
        nullable=True,
        comment="要办理的内容；办完即删",
    ),
    instant("updated_at", now=True),
    CheckConstraint(one_of("outcome", [one.value for one in RowOutcome]), name="outcome"),
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
    Column(
        "message",
        HiddenText("certificate_import_problems.message", IMPORT, lambda t: cast(t.c.row, Text)),
        nullable=False,
    ),
    Column("mend", Text, nullable=False),
    Column("level", Text, nullable=False),
    CheckConstraint("level IN ('error', 'notice')", name="level"),
    Column("institution_id", Text, nullable=False, server_default=""),
    Column("holder", Text, nullable=False, server_default=""),
    Index("ix_certificate_import_problems_no", "import_id", "no"),
    comment="批量导入中每一处有错或需留意的地方",
)
