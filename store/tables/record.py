"""Cases: their read model, the journal behind it, and what people wrote."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    cast,
    func,
    literal,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.case.status import Status
from store.hidden import OF_CASE, HiddenJson
from store.tables.base import instant, metadata, one_of

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("quarter", Integer, nullable=False, server_default="0"),
    Column("institution_id", Text, ForeignKey("institutions.id"), nullable=True),
    Column("jurisdiction", Text, nullable=False, comment="所用规则集的辖区"),
    Column("campaign", Text, nullable=False),
    Column("rule_set", Text, ForeignKey("rule_sets.sha256"), nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("authority", Text, nullable=False, comment="现由哪个部门办理；空为无"),
    Column("claimed_by", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    instant("due", nullable=True),
    Column(
        "obligation", Text, nullable=False, server_default="", comment="must 应填报，may 可填报"
    ),
    instant("submitted_at", nullable=True),
    Column("late", Boolean, nullable=False, server_default="false", comment="首次提交为补报"),
    instant("extended_until", nullable=True),
    Column("extension", Text, nullable=False, server_default="", comment="现行延期的编号"),
    instant("waiting_since", now=True),
    Column("reviewer", Text, nullable=False, server_default="", comment="最近一次分派的第一级"),
    Column(
        "return_asked",
        Boolean,
        nullable=False,
        server_default="false",
        comment="填报人已申请退回，尚未答复",
    ),
    Column(
        "signer_asked",
        Boolean,
        nullable=False,
        server_default="false",
        comment="填报人已申请免予单位负责人确认，尚未答复",
    ),
    Column(
        "waiver_asked",
        Boolean,
        nullable=False,
        server_default="false",
        comment="填报人已申请豁免校验，尚未全部答复",
    ),
    Column("sequence", Integer, nullable=False),
    Column("head", Text, nullable=False, comment="最后一步的哈希"),
    instant("opened_at"),
    instant("updated_at"),
    Column(
        "launched",
        Boolean,
        nullable=False,
        server_default="true",
        comment="流程是否已建立；成批列入的先入列，再逐件建立流程",
    ),
    CheckConstraint("kind = split_part(case_id, '/', 1)", name="kind"),
    CheckConstraint(one_of("status", [status.value for status in Status]), name="status"),
    Index(None, "authority", "status", "due", "case_id"),
    Index(None, "institution_id", "year"),
    # with all that policies of rows go by: campaigns are counted out of the index alone
    Index(
        None,
        "campaign",
        "status",
        postgresql_include=["case_id", "kind", "institution_id", "authority", "jurisdiction"],
    ),
    Index("ix_cases_waiting", "authority", "status", "waiting_since", "case_id"),
    Index("ix_cases_waiver_asked", "case_id", postgresql_where="waiver_asked"),
    Index("ix_cases_extension", "extension", postgresql_where="extension <> ''"),
    Index("ix_cases_to_launch", "campaign", "case_id", postgresql_where="NOT launched"),
    comment="办件的当前状态（读模型）；以 journal 为准",
)

assignments = Table(
    "assignments",
    metadata,
    Column("authority", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Index(None, "case_id"),
    comment="曾分派到哪些部门：部门可以查看经手过的办件",
)

journal = Table(
    "journal",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("event", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("step", JSONB, nullable=False),
    Column("hash", Text, nullable=False),
    instant("at"),
    instant("recorded_at", now=True),
    Index(None, "case_id", "command_id"),
    # rows come in the order of time: the smallest index there is finds a day's
    Index("ix_journal_at", "at", postgresql_using="brin"),
    Index("ix_journal_actor", text("((step -> 'actor') ->> 'subject')"), "at"),
    comment="日志：每一步一行，只增不改，逐件哈希相连",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("transaction", BigInteger, nullable=False, server_default=func.txid_current()),
    Column(
        "to_tell",
        Boolean,
        nullable=False,
        server_default="false",
        comment="这一步还要通知有关的人",
    ),
    UniqueConstraint("case_id", "sequence"),
    Index(None, "transaction", "id"),
    Index("ix_outbox_to_tell", "id", postgresql_where="to_tell"),
    comment="待外发事件，供下游系统按序读取",
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("refusal", JSONB, nullable=False),
    instant("at"),
    Column("number", Integer, nullable=False, comment="该件的第几次拒绝"),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, comment="逐件哈希相连"),
    Index(None, "case_id", "id"),
    Index("ix_refusals_at", "at", postgresql_using="brin"),
    UniqueConstraint("case_id", "number"),
    comment="被拒绝的操作：谁、何事、为何",
)

refusal_heads = Table(
    "refusal_heads",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", Text, nullable=False),
    comment="每一件的拒绝记录到第几次、最后一次的哈希",
)

refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("hour", DateTime(timezone=True), primary_key=True, comment="这一小时之始"),
    Column("subject", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("times", BigInteger, nullable=False, comment="被拒绝的次数"),
    Column("kept", BigInteger, nullable=False, comment="其中逐次记入拒绝记录的次数"),
    instant("last_at"),
    comment="被拒绝的操作按人按小时计数，超出部分只计数",
)

signed_starts = Table(
    "signed_starts",
    metadata,
    Column("since", DateTime(timezone=True), primary_key=True),
    comment="自此起，流程只能由网关签名启动；此前启动的没有签名",
)

revisions = Table(
    "revisions",
    metadata,
    Column("case_id", Text, ForeignKey("cases.case_id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column(
        "content",
        HiddenJson("revisions.content", OF_CASE, lambda t: cast(t.c.revision, Text)),
        nullable=False,
    ),
    Column("saved_by", Text, nullable=False),
    instant("saved_at"),
    Column("no", BigInteger, Identity(always=True), nullable=False, comment="封存点据以计到哪里"),
    UniqueConstraint("no"),
    comment="填报内容的各稿；统计资料，仅限统计使用",
)

notes = Table(
    "notes",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column(
        "note",
        HiddenJson("notes.note", lambda t: literal("note/").concat(t.c.sha256)),
        nullable=False,
    ),
    instant("written_at", now=True),
    Column("no", BigInteger, Identity(always=True), nullable=False),
    UniqueConstraint("no"),
    comment="理由和说明，按内容的 SHA-256 保存",
)

requests = Table(
    "requests",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="身份与 Idempotency-Key 的 SHA-256"),
    Column("body_sha256", Text, nullable=False),
    instant("first_seen_at", now=True),
    comment="已用过的 Idempotency-Key",
)
