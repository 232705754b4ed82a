"""Extensions: more time for one case, a selection, or a place and whoever comes into it."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.base import instant, metadata

extensions = Table(
    "extensions",
    metadata,
    Column("id", Text, ForeignKey("jobs.id"), primary_key=True, comment="也是其批办的编号"),
    Column("kind", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("quarter", Integer, nullable=False, comment="0 为年度统计"),
    Column("jurisdiction", Text, nullable=False, comment="在哪一辖区给予"),
    Column("standing", Boolean, nullable=False, comment="整个辖区，后来列入的同样延期"),
    instant("until"),
    instant("given_until"),
    Column("document", Text, nullable=False, comment="批准延期的文件"),
    Column("authorised_by", Text, nullable=False, comment="批准人或批准机关"),
    Column("note_sha256", Text, nullable=False, comment="理由"),
    Column("granted_by", JSONB, nullable=False),
    instant("granted_at"),
    Column("shortened_by", Text, nullable=False, server_default=""),
    Column("shortened_note", Text, nullable=False, server_default="", comment="缩短或收回的理由"),
    Column("shortened_job", Text, nullable=False, server_default=""),
    instant("shortened_at", nullable=True),
    Index(None, "year", "quarter", "granted_at", "id"),
    comment="延期：一件、一份名单或整个辖区，到期自行恢复原定期限",
)

amendments = Table(
    "amendments",
    metadata,
    Column("id", Text, ForeignKey("jobs.id"), primary_key=True, comment="也是其批办的编号"),
    Column("campaign", Text, ForeignKey("campaigns.case_id"), nullable=False),
    Column("opening", Integer, nullable=False, comment="统计工作第几次开启时"),
    Column("before", JSONB, nullable=False, comment="辖区代码 → 原来的规则集 SHA-256"),
    Column("after", JSONB, nullable=False, comment="辖区代码 → 修订后的规则集 SHA-256"),
    Column("document", Text, nullable=False, comment="修订所依据的文件"),
    Column("note_sha256", Text, nullable=False, comment="理由"),
    Column("made_by", JSONB, nullable=False),
    instant("made_at"),
    Index(None, "campaign", "made_at"),
    comment="修订：正在办理的填报改按新发布的规则",
)
