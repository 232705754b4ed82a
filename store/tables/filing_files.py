"""Files that an institution puts beside its filing."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from store.hidden import OF_CASE, HiddenFile
from store.tables.base import instant, metadata

filing_files = Table(
    "filing_files",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column(
        "content",
        HiddenFile("filing_files.content", OF_CASE, lambda t: t.c.sha256),
        nullable=False,
    ),
    Column("scanned", Text, nullable=False, comment="查毒结果：clean 已查，not_scanned 没有配置"),
    Column("added_by", Text, nullable=False),
    instant("added_at"),
    Column("removed_by", Text, nullable=False, server_default=""),
    instant("removed_at", nullable=True),
    comment="填报的附件：移除的仍保存",
)
