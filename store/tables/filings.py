"""What only annual filings have: the receipts of their submissions."""

from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.base import instant, metadata

filing_receipts = Table(
    "filing_receipts",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="回执所记的是哪一步提交"),
    Column("body", JSONB, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("key", Text, nullable=False, comment="签名所用的密钥"),
    Column("signature", Text, nullable=False),
    instant("made_at"),
    comment="提交回执，一经签名不再改动",
)
