"""Whom to reach at an institution."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, Table, Text

from domain.contacts import ContactRole, ContactSource
from store.tables.base import instant, metadata, one_of

contacts = Table(
    "contacts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False, comment="空为已删去"),
    Column("phone", Text, nullable=False, server_default=""),
    Column("mail", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, comment="由谁填写：机构、经办人、名录"),
    Column("set_by", Text, nullable=False),
    instant("set_at"),
    CheckConstraint(one_of("role", [role.value for role in ContactRole]), name="role"),
    CheckConstraint(one_of("source", [source.value for source in ContactSource]), name="source"),
    Index(None, "institution_id", "role", "id"),
    comment="机构的联系人：每次改动一行，只增不改；个人信息，仅限本机构和负责的部门查看",
)
