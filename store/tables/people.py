"""Accounts, roles and sign-ins; who acts for whom; who has lost a capacity."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

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

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True, comment="账号，与凭证上的一致"),
    Column("password_hash", Text, nullable=False, server_default="", comment="空为还不能登录"),
    Column("totp_salt", Text, nullable=False, server_default="", comment="空为没有动态口令"),
    Column(
        "totp_used", BigInteger, nullable=False, server_default="0", comment="用过的最后一个时间步"
    ),
    instant("made_at"),
    comment="账号：谁可以登录",
)

memberships = Table(
    "memberships",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False, comment="机构、部门或辖区"),
    Column("administers", Boolean, nullable=False, comment="可以给予和收回同一范围内的身份"),
    instant("starts"),
    instant("ends", nullable=True),
    Column("given_by", Text, nullable=False),
    Column("note_sha256", Text, nullable=False, server_default="", comment="事由"),
    instant("given_at"),
    Column("ended_by", Text, nullable=False, server_default=""),
    instant("ended_at", nullable=True),
    Index(None, "person", "role", "scope"),
    Index(None, "scope"),
    comment="身份：谁在何时以何种身份为哪个机构、部门或辖区办事，由谁给予",
)

account_links = Table(
    "account_links",
    metadata,
    Column("sha256", Text, primary_key=True, comment="一次性链接的哈希"),
    Column("person", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    instant("made_at"),
    instant("ends_at"),
    instant("used_at", nullable=True),
    Index(None, "person"),
    comment="一次性链接：本人由此设定密码和动态口令",
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", Text, primary_key=True, comment="浏览器所存密钥的哈希"),
    Column("person", Text, nullable=False),
    Column("membership", Text, nullable=False, comment="以哪个身份办事"),
    Column("second_factor", Boolean, nullable=False, comment="登录时用了动态口令"),
    Column("agent", Text, nullable=False, server_default="", comment="浏览器自报的名称"),
    instant("began_at"),
    instant("ends_at"),
    instant("ended_at", nullable=True),
    Column("issuer", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False, server_default=""),
    Column("provider_session", Text, nullable=False, server_default=""),
    Index(None, "person"),
    Index(None, "issuer", "subject"),
    comment="登录：谁的浏览器以哪个身份登录，到何时为止",
)

sign_in_uses = Table(
    "sign_in_uses",
    metadata,
    Column("sha256", Text, primary_key=True, comment="浏览器所存密钥的哈希"),
    instant("used_at"),
    comment="登录最近一次有人使用的时间，精确到一分钟；不是记录的一部分",
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True, comment="凭证里的编号"),
    Column("person", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("issued_by", Text, nullable=False),
    instant("issued_at"),
    instant("ends_at"),
    Column("revoked_by", Text, nullable=False, server_default=""),
    instant("revoked_at", nullable=True),
    Index(None, "person"),
    comment="凭证：发给了谁，到何时为止，是否已作废；凭证本身不保存",
)

program_secrets = Table(
    "program_secrets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("program", Text, nullable=False, comment="程序的账号"),
    Column("sha256", Text, nullable=False, comment="密钥的哈希"),
    Column("made_by", Text, nullable=False),
    instant("made_at"),
    instant("ends_at", nullable=True),
    Index(None, "program"),
    comment="程序的密钥：凭它换取短期凭证",
)

known_browsers = Table(
    "known_browsers",
    metadata,
    Column("sha256", Text, primary_key=True, comment="浏览器所存标记的哈希"),
    Column("person", Text, nullable=False),
    instant("made_at"),
    instant("ends_at"),
    Index(None, "person"),
    comment="登录过的浏览器：别处的猜测不妨碍它登录",
)

tries = Table(
    "tries",
    metadata,
    Column("key", Text, primary_key=True, comment="所数之物的哈希"),
    Column("count", Integer, nullable=False),
    instant("ends_at"),
    Index(None, "ends_at"),
    comment="登录次数：各进程合计，过时即删",
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True, comment="统一身份认证"),
    Column("subject", Text, primary_key=True, comment="其中的编号"),
    Column("person", Text, nullable=False),
    Column("tied_by", Text, nullable=False),
    instant("tied_at"),
    Column("untied_by", Text, nullable=False, server_default=""),
    instant("untied_at", nullable=True),
    Index(None, "person"),
    comment="统一身份认证中的谁，是哪个账号",
)

provider_sign_ins = Table(
    "provider_sign_ins",
    metadata,
    Column("state", Text, primary_key=True, comment="随跳转带去又带回之值的哈希"),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("leads_to", Text, nullable=False, server_default=""),
    Column(
        "link",
        Text,
        nullable=False,
        server_default="",
        comment="由一次性链接绑定账号时，链接的密钥的哈希",
    ),
    instant("ends_at"),
    comment="正在统一身份认证处登录的浏览器，用过或过时即删",
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("person", Text, primary_key=True, comment="账号"),
    Column("name", Text, primary_key=True, comment="本人起的名字"),
    Column("wanted", JSONB, nullable=False, comment="筛选的各项"),
    instant("saved_at"),
    comment="保存的筛选：某人怎样看待办",
)
