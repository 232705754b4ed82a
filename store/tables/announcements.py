"""What is published for an audience: announcements, help, questions and answers."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.announcements import Audience, PieceKind
from store.tables.base import instant, metadata, one_of

announcements = Table(
    "announcements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("jurisdiction", Text, nullable=False, comment="发布者的辖区，也是适用的辖区"),
    Column("version", Integer, nullable=False, comment="现行的是第几版"),
    Column("title", Text, nullable=False),
    Column("audience", ARRAY(Text), nullable=False),
    Column("campaign", Text, nullable=False, server_default="", comment="有关的统计工作，空为不限"),
    instant("shown_from"),
    instant("shown_until", nullable=True),
    instant("withdrawn_at", nullable=True),
    CheckConstraint(one_of("kind", [kind.value for kind in PieceKind]), name="kind"),
    CheckConstraint(
        "audience <@ ARRAY[" + ", ".join(repr(one.value) for one in Audience) + "]",
        name="audience",
    ),
    Index("ix_announcements_kind", "kind", "shown_from", "id"),
    Index(
        "ix_announcements_standing",
        "shown_from",
        postgresql_where=text("withdrawn_at IS NULL"),
    ),
    comment="公告、帮助、常见问题；各版内容在 announcement_versions",
)

announcement_versions = Table(
    "announcement_versions",
    metadata,
    Column("announcement_id", Text, ForeignKey("announcements.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False, comment="限用的 Markdown"),
    Column("audience", ARRAY(Text), nullable=False),
    Column("campaign", Text, nullable=False, server_default=""),
    instant("shown_from"),
    instant("shown_until", nullable=True),
    Column("published_by", Text, nullable=False),
    instant("published_at"),
    Column("sha256", Text, nullable=False, comment="这一版内容的 SHA-256，也记入日志"),
    comment="公告的各版，只增不改",
)

announcement_files = Table(
    "announcement_files",
    metadata,
    Column("announcement_id", Text, ForeignKey("announcements.id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("added_by", Text, nullable=False),
    instant("added_at"),
    instant("removed_at", nullable=True),
    comment="公告的附件",
)
