"""Bulk jobs, and the outcome of each of their cases."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from domain.jobs import ItemOutcome, JobState
from store.tables.base import instant, metadata, one_of

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("about", Text, nullable=False, server_default="", comment="所属的统计工作，空为无"),
    Column("work", JSONB, nullable=False, comment="对每一件做什么、由谁做"),
    Column("asked_sha256", Text, nullable=False, comment="所要求内容的哈希：同一键只是一项批办"),
    Column("scope", Text, nullable=False, comment="发起人的辖区或部门"),
    Column("total", Integer, nullable=False),
    Column("state", Text, nullable=False),
    instant("created_at"),
    instant("ended_at", nullable=True),
    CheckConstraint(one_of("state", [state.value for state in JobState]), name="state"),
    Index(None, "created_at", "id"),
    comment="批办：对许多办件做同一件事",
)

job_items = Table(
    "job_items",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("outcome", Text, nullable=False, server_default=""),
    Column("refusal", JSONB, nullable=True, comment="未办的原因"),
    Column("sequence", Integer, nullable=True, comment="办成的是该件的第几步"),
    instant("at", nullable=True),
    CheckConstraint(one_of("outcome", [outcome.value for outcome in ItemOutcome]), name="outcome"),
    Index("ix_job_items_waiting", "job_id", "number", postgresql_where="outcome = ''"),
    comment="批办中的每一件及其结果",
)

job_lists = Table(
    "job_lists",
    metadata,
    Column("id", Text, primary_key=True, comment="内容与上传人的 SHA-256"),
    Column("filename", Text, nullable=False),
    Column("ids", JSONB, nullable=False, comment="机构编号或办件编号，按文件中的次序"),
    Column("added_by", JSONB, nullable=False),
    instant("added_at"),
    comment="批办用的名单，来自上传的表格",
)
