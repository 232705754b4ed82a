"""Enforcement: what its cases are about, the documents served, the files that institutions add."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, UniqueConstraint, cast

from store.hidden import OF_CASE, HiddenFile
from store.tables.base import instant, metadata

enforcement_cases = Table(
    "enforcement_cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("about", Text, ForeignKey("cases.case_id"), nullable=False, comment="针对哪一件"),
    Column("n", Integer, nullable=False, comment="针对同一件的第几件"),
    Column("authority", Text, nullable=False, comment="立案的部门"),
    Column("year", Integer, nullable=False, comment="立案的年份（北京时间）"),
    Column("serial", Integer, nullable=False, comment="该部门该年的第几件"),
    Column("key", Text, nullable=False, comment="同一请求只立一件"),
    Column("opened_by", Text, nullable=False),
    instant("opened_at"),
    UniqueConstraint("about", "n", name="uq_enforcement_cases_n"),
    UniqueConstraint("about", "key", name="uq_enforcement_cases_key"),
    UniqueConstraint("authority", "year", "serial", name="uq_enforcement_cases_serial"),
    comment="后续处理的立案：针对哪一件、文书的编号",
)

enforcement_documents = Table(
    "enforcement_documents",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="文书所记的是哪一步"),
    Column("kind", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column(
        "content",
        HiddenFile("enforcement_documents.content", OF_CASE, lambda t: cast(t.c.sequence, Text)),
        nullable=False,
        comment="PDF，制作后不变",
    ),
    instant("made_at"),
    comment="后续处理的文书，一经制作不再改动",
)

enforcement_attachments = Table(
    "enforcement_attachments",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column(
        "content",
        HiddenFile("enforcement_attachments.content", OF_CASE, lambda t: t.c.sha256),
        nullable=False,
    ),
    Column("given_by", Text, nullable=False),
    instant("given_at"),
    comment="机构陈述、申辩、提出异议时附的材料",
)
