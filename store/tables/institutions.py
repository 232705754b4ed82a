"""Institutions beside what the rules read of them: contacts, requests, what became of them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.contacts import ContactRole, ContactSource
from domain.institutions import ActKind, RequestState
from store.hidden import CONTACT, HiddenText
from store.tables.base import instant, metadata, one_of

contacts = Table(
    "contacts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("name", HiddenText("contacts.name", CONTACT), nullable=False, comment="空为已删去"),
    Column("phone", HiddenText("contacts.phone", CONTACT), nullable=False, server_default=""),
    Column("mail", HiddenText("contacts.mail", CONTACT), nullable=False, server_default=""),
    Column("source", Text, nullable=False, comment="由谁填写：机构、经办人、名录"),
    Column("set_by", Text, nullable=False),
    instant("set_at"),
    CheckConstraint(one_of("role", [role.value for role in ContactRole]), name="role"),
    CheckConstraint(one_of("source", [source.value for source in ContactSource]), name="source"),
    Index(None, "institution_id", "role", "id"),
    comment="机构的联系人：每次改动一行，只增不改；个人信息，仅限本机构和负责的部门查看",
)

registration_requests = Table(
    "registration_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution_id", Text, nullable=False, comment="所申请的机构编号（账号）"),
    Column("name", Text, nullable=False),
    Column("uscc", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("legal_person", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    instant("asked_at"),
    Column("decided_by", Text, nullable=False, server_default=""),
    instant("decided_at", nullable=True),
    Column("note_sha256", Text, nullable=False, server_default="", comment="决定的理由"),
    CheckConstraint(one_of("state", [state.value for state in RequestState]), name="state"),
    CheckConstraint(r"region ~ '^\d{6}$'", name="region"),
    Index(
        "ix_registration_requests_waiting",
        "institution_id",
        unique=True,
        postgresql_where=text("state = 'asked'"),
    ),
    Index("ix_registration_requests_place", "region", "asked_at", "id"),
    comment="新机构的登记申请：由所在辖区的经办人同意或不予登记",
)

institution_acts = Table(
    "institution_acts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=False),
    Column("into_id", Text, ForeignKey("institutions.id"), nullable=True, comment="并入的机构"),
    Column("old_uscc", Text, nullable=False, server_default=""),
    Column("new_uscc", Text, nullable=False, server_default=""),
    Column("parts", JSONB, nullable=False, server_default="[]", comment="分立出的机构及其证书"),
    Column("effective_on", Date, nullable=False),
    Column("document", Text, nullable=False, comment="依据的文书"),
    Column("note_sha256", Text, nullable=False, comment="理由"),
    Column("done_by", Text, nullable=False),
    instant("done_at"),
    CheckConstraint(one_of("kind", [kind.value for kind in ActKind]), name="kind"),
    Index(None, "institution_id", "done_at"),
    Index(None, "into_id"),
    Index(None, "old_uscc"),
    comment="机构的变更：信用代码变更、合并、分立；只增不改",
)
