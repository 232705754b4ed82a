"""Who acts for whom while somebody is away, and who has lost a capacity."""

from sqlalchemy import Column, Index, Table, Text

from store.tables.base import instant, metadata

deputies = Table(
    "deputies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("authority", Text, nullable=False),
    Column("person", Text, nullable=False, comment="离岗的人"),
    Column("deputy", Text, nullable=False, comment="代为办理的人；空为只登记离岗"),
    instant("starts"),
    instant("ends"),
    Column("named_by", Text, nullable=False),
    Column("note_sha256", Text, nullable=False, server_default="", comment="事由"),
    instant("named_at"),
    instant("ended_at", nullable=True),
    Index(None, "authority", "deputy"),
    Index(None, "authority", "person"),
    comment="离岗与代办：某人离岗期间由谁代为办理",
)

revocations = Table(
    "revocations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("authority", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("revoked_by", Text, nullable=False),
    Column("note_sha256", Text, nullable=False, comment="理由"),
    Column("job_id", Text, nullable=False, server_default="", comment="退领其待办的批办"),
    instant("revoked_at"),
    Column("restored_by", Text, nullable=False, server_default=""),
    instant("restored_at", nullable=True),
    Index(None, "person", "authority"),
    comment="停用：某人不再能为某部门办事",
)
