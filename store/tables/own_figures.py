"""Who files for a legal person of several accounts; what authorities report of themselves."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from domain.legal_persons import Finding
from store.tables.base import instant, metadata, one_of

legal_person_findings = Table(
    "legal_person_findings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("finding", Text, nullable=False),
    Column("files_with", Text, ForeignKey("institutions.id"), nullable=True),
    Column("parent_uscc", Text, nullable=False, server_default="", comment="上级法人的信用代码"),
    Column("document", Text, nullable=False, comment="依据的文书"),
    Column("note_sha256", Text, nullable=False, comment="理由"),
    Column("found_by", Text, nullable=False),
    instant("found_at"),
    CheckConstraint(one_of("finding", [one.value for one in Finding]), name="finding"),
    Index("ix_legal_person_findings_institution_id_found_at", "institution_id", "found_at"),
    Index(None, "parent_uscc"),
    comment="同一法人各账号由谁填报的认定；只增不改，最近一次有效",
)

authority_figures = Table(
    "authority_figures",
    metadata,
    Column("year", Integer, primary_key=True),
    Column("subject", Text, primary_key=True, comment="规则里的编号"),
    Column("revision", Integer, primary_key=True),
    Column("authority", Text, nullable=False),
    Column("rule_set", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    instant("saved_at"),
    Column("submitted_by", Text, nullable=False, server_default=""),
    instant("submitted_at", nullable=True),
    comment="部门自己的统计（如认可业务）的各稿",
)
