"""The keys that hide what is known of each subject."""

from sqlalchemy import Column, Index, Table, Text, text

from store.tables.base import instant, metadata

data_keys = Table(
    "data_keys",
    metadata,
    Column("subject", Text, primary_key=True, comment="关于谁：办件、联系人、说明的编号"),
    Column("wrapped", Text, nullable=False, comment="以主密钥加密的数据密钥；空为已销毁"),
    instant("made_at", now=True),
    instant("destroyed_at", nullable=True),
    Column("rule", Text, nullable=False, server_default="", comment="依哪一条规则销毁"),
    # which are still wrapped by a key that is to be ended
    Index("ix_data_keys_master", text("split_part(wrapped, ':', 1)"), "subject"),
    comment="数据密钥：加密某一办件、某一联系人等的内容；销毁后其内容不能再读",
)
