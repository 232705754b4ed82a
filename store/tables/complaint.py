"""Complaints from the public."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from store.hidden import OF_CASE, HiddenText
from store.tables.base import instant, metadata

complaints = Table(
    "complaints",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("receipt_sha256", Text, nullable=False, comment="回执码的哈希；回执码本身不保存"),
    Column("number", Text, nullable=False),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=True),
    Column("institution_name", Text, nullable=False, comment="投诉人写的机构名称"),
    Column("about", HiddenText("complaints.about", OF_CASE), nullable=False),
    Column(
        "contact",
        HiddenText("complaints.contact", OF_CASE),
        nullable=False,
        comment="投诉人自愿留下的联系方式",
    ),
    Column("outcome", Text, nullable=False, server_default=""),
    Column(
        "reply",
        HiddenText("complaints.reply", OF_CASE),
        nullable=False,
        server_default="",
        comment="给投诉人的答复",
    ),
    instant("received_at"),
    instant("resolved_at", nullable=True),
    UniqueConstraint("receipt_sha256"),
    Index(None, "institution_id"),
    comment="社会公众的投诉",
)
