"""Acts that wait for a second person."""

from sqlalchemy import Column, Index, Integer, Table, Text, literal
from sqlalchemy.dialects.postgresql import JSONB

from store.hidden import HiddenJson
from store.tables.base import instant, metadata

proposed_acts = Table(
    "proposed_acts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("act", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="涉及多少件"),
    Column("path", Text, nullable=False, comment="确认后以提出人的名义办理的请求"),
    Column(
        "body",
        HiddenJson("proposed_acts.body", lambda t: literal("confirmation/").concat(t.c.id)),
        nullable=False,
    ),
    Column("body_sha256", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("proposed_by", JSONB, nullable=False),
    Column("scope", Text, nullable=False, comment="提出人的部门或辖区"),
    instant("proposed_at"),
    instant("ends_at"),
    Column("state", Text, nullable=False),
    Column("decided_by", Text, nullable=False, server_default=""),
    instant("decided_at", nullable=True),
    Column("note_sha256", Text, nullable=False, server_default="", comment="不予确认的理由"),
    Column("outcome", Text, nullable=False, server_default="", comment="不能办理的，是何原因"),
    Index(None, "scope", "proposed_at"),
    comment="一人提出、须另一人确认才办理的事项",
)
