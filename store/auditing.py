"""The whole record as an auditor reads it: case by case, table by table, in one snapshot.

Nothing here is kept in memory but one case's rows: each table is read through a cursor of its own,
in the order of the cases' ids, and the cursors are walked side by side.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncResult

from store.hidden import Altered, Destroyed, said, shown
from store.keyring import KeyMissing
from store.tables import certificates, metadata

Row = Mapping[str, Any]

_DIGEST = (
    "sum(hashtextextended(r.number, 0)::numeric * (2 * (r.issued_on - date '2000-01-01') + 1))"
)

BY_CASE: dict[str, str] = {
    "journal": """SELECT case_id, sequence, event, command_id, step, hash, at FROM journal
        WHERE {one} ORDER BY case_id COLLATE "C", sequence""",
    "cases": """SELECT * FROM cases WHERE {one} ORDER BY case_id COLLATE "C" """,
    "campaigns": """SELECT * FROM campaigns WHERE {one} ORDER BY case_id COLLATE "C" """,
    "outbox": """SELECT id, case_id, sequence FROM outbox
        WHERE {one} ORDER BY case_id COLLATE "C", sequence, id""",
    "assignments": """SELECT case_id, authority FROM assignments
        WHERE {one} ORDER BY case_id COLLATE "C", authority""",
    "revisions": """SELECT case_id, revision, sha256, saved_by, saved_at,
            with_key(content, case_id, revision::text) AS content FROM revisions
        WHERE {one} ORDER BY case_id COLLATE "C", revision""",
    "refusals": """SELECT * FROM refusals
        WHERE {one} ORDER BY case_id COLLATE "C", number, id""",
    "refusal_heads": """SELECT * FROM refusal_heads WHERE {one} ORDER BY case_id COLLATE "C" """,
    "complaints": """SELECT case_id, receipt_sha256, number, institution_id, institution_name,
            with_key(about, case_id, '') AS about, with_key(contact, case_id, '') AS contact,
            with_key(reply, case_id, '') AS reply, outcome, received_at, resolved_at
        FROM complaints WHERE {one} ORDER BY case_id COLLATE "C" """,
    "uploads": """SELECT * FROM uploads WHERE {one} ORDER BY case_id COLLATE "C", no""",
    "number_changes": """SELECT * FROM number_changes
        WHERE {one} ORDER BY case_id COLLATE "C", no""",
    "report_numbers": """SELECT u.case_id, r.upload_no, count(*) AS numbers,
            sum(hashtextextended(r.number, 0)::numeric
                * (2 * (r.issued_on - date '2000-01-01') + 1)) AS total,
            bool_and(r.institution_no = u.institution_no) AS of_institution,
            min(r.issued_on) AS first_day, max(r.issued_on) AS last_day
        FROM report_numbers r JOIN uploads u ON u.no = r.upload_no
        WHERE {one} GROUP BY u.case_id, r.upload_no
        ORDER BY u.case_id COLLATE "C", r.upload_no""",
    "changed_numbers": """SELECT c.case_id, r.change_no, array_agg(r.number) AS numbers
        FROM report_numbers r JOIN number_changes c ON c.no = r.change_no
        WHERE {one} GROUP BY c.case_id, r.change_no ORDER BY c.case_id COLLATE "C", r.change_no""",
    "certificates": """SELECT <columns>,
            with_key(signatories, case_id, '') AS signatories FROM certificates
        WHERE {one} AND case_id IS NOT NULL ORDER BY case_id COLLATE "C" """.replace(
        "<columns>", ", ".join(one.name for one in certificates.c if one.name != "signatories")
    ),
    "certificate_numbers": """SELECT * FROM certificate_numbers
        WHERE {one} ORDER BY case_id COLLATE "C", allotted_at, number""",
    "filing_receipts": """SELECT * FROM filing_receipts
        WHERE {one} ORDER BY case_id COLLATE "C", sequence""",
    "histories": """SELECT * FROM histories
        WHERE {one} ORDER BY case_id COLLATE "C", started_at""",
}
"""What is read of each table, for all cases or for one."""

_OF = {"report_numbers": "u.case_id", "changed_numbers": "c.case_id"}
_PAGE = 400


@dataclass
class CaseRows:
    """All rows of one case or one chain of operators, by table."""

    case_id: str
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def __getitem__(self, table: str) -> list[Row]:
        return self.rows.get(table, [])


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that sees the database as it is now, however long it looks, and only reads."""
    async with engine.connect() as connection:
        await connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        async with connection.begin():
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            # the journal is walked along its index: no other plan gives its first row at once
            await connection.execute(text("SET LOCAL cursor_tuple_fraction = 0.5"))
            yield connection


_HIDDEN: Mapping[str, Sequence[str]] = {
    "revisions": ("content",),
    "complaints": ("about", "contact", "reply"),
    "certificates": ("signatories",),
}
"""The columns of what is read here that are hidden at rest, see `store.hidden`."""
_JSON = frozenset(
    {
        "revisions.content",
        "notes.note",
        "certificates.signatories",
        "certificate_deliveries.body",
        "roster_imports.problems",
    }
)


def opened(stored: str | None, column: str) -> tuple[Any, str]:
    """A hidden value as it was written, None for none, and "" or why it cannot be read.

    ``destroyed``: its key is no more; ``altered``: it is not what was written; ``no_key``: the key
    that its own is wrapped by is not at hand. The value is then None.
    """
    if stored is None:
        return None, ""
    try:
        read = said(stored, column) if column in _JSON else shown(stored, column)
    except (Altered, ValueError):
        return None, "altered"
    except KeyMissing:
        return None, "no_key"
    if isinstance(read, Destroyed):
        return None, "destroyed"
    return read.decode() if isinstance(read, bytes) else read, ""


def _opened(table: str, row: Row) -> Row:
    """A row as it was written; ``unread`` says why some of it cannot be read, "" if all can."""
    if table not in _HIDDEN:
        return row
    read = {name: opened(row[name], f"{table}.{name}") for name in _HIDDEN[table]}
    why = {reason for _, reason in read.values() if reason}
    unread = next((one for one in ("altered", "no_key", "destroyed") if one in why), "")
    return {**row, **{name: value for name, (value, _) in read.items()}, "unread": unread}


class _Cursor:
    """The rows of one table, in the order of cases."""

    def __init__(self, table: str, result: AsyncResult[Any]) -> None:
        self._table = table
        self._pages = aiter(result.mappings().partitions(_PAGE))
        self._waiting: deque[Row] = deque()

    async def next_case(self) -> str | None:
        """The case of the row that comes next, None after the last."""
        if not self._waiting:
            try:
                self._waiting.extend(cast(Any, await anext(self._pages)))
            except StopAsyncIteration:
                return None
        return str(self._waiting[0]["case_id"])

    async def take(self, case_id: str) -> list[Row]:
        """The rows of a case whose turn it is."""
        taken = []
        while await self.next_case() == case_id:
            taken.append(_opened(self._table, self._waiting.popleft()))
        return taken


async def by_case(
    connection: AsyncConnection, case_id: str = "", tables: Sequence[str] = tuple(BY_CASE)
) -> AsyncIterator[CaseRows]:
    """The rows of every case and every chain of operators, in the order of their ids; or of one."""
    statements = {
        table: BY_CASE[table].format(
            one=f"{_OF.get(table, 'case_id')} = :case_id" if case_id else "true"
        )
        for table in tables
    }
    values = {"case_id": case_id} if case_id else {}
    async for one in side_by_side(connection, statements, **values):
        yield one


async def of_campaign(
    connection: AsyncConnection, campaign: str, tables: Sequence[str], events: Sequence[str] = ()
) -> AsyncIterator[CaseRows]:
    """The rows of every case of a campaign, in the order of their ids.

    With ``events`` of the journal only each case's first step, and steps of these.
    """
    among = "{} IN (SELECT k.case_id FROM cases k WHERE k.campaign = :campaign)"
    statements = {
        table: BY_CASE[table].format(one=among.format(_OF.get(table, "case_id")))
        for table in tables
    }
    asked: dict[str, Any] = {"campaign": campaign}
    if events:
        statements["journal"] = statements["journal"].replace(
            "ORDER BY", "AND (sequence = 1 OR event = ANY(:events)) ORDER BY"
        )
        asked["events"] = list(events)
    async for one in side_by_side(connection, statements, **asked):
        yield one


async def side_by_side(
    connection: AsyncConnection, statements: Mapping[str, str], **values: Any
) -> AsyncIterator[CaseRows]:
    """The rows of several statements by their column ``case_id``, which each is ordered by."""
    cursors: dict[str, _Cursor] = {}
    for table, statement in statements.items():
        result = await connection.stream(
            text(statement), values, execution_options={"yield_per": _PAGE}
        )
        cursors[table] = _Cursor(table, result)
    while True:
        nexts = {table: await cursor.next_case() for table, cursor in cursors.items()}
        present = [one for one in nexts.values() if one is not None]
        if not present:
            return
        first = min(present)
        yield CaseRows(
            first,
            {
                table: await cursors[table].take(first)
                for table, one in nexts.items()
                if one == first
            },
        )


async def rows(connection: AsyncConnection, statement: str, **values: Any) -> AsyncIterator[Row]:
    """The rows of a statement, one after the other, through a cursor."""
    result = await connection.stream(
        text(statement), values, execution_options={"yield_per": _PAGE}
    )
    async for row in result.mappings():
        yield cast(Any, row)


# --- what no case's rows tell ---------------------------------------------------------------------

MISSING_NOTES = """
    SELECT j.case_id, j.sequence, j.step ->> 'note_sha256' AS sha256 FROM journal j
    WHERE j.step ->> 'note_sha256' <> ''
      AND NOT EXISTS (SELECT FROM notes n WHERE n.sha256 = j.step ->> 'note_sha256')
    ORDER BY j.case_id COLLATE "C", j.sequence
"""
MISSING_REPLIES = """
    SELECT j.case_id, j.sequence, j.step #>> '{body,reply_sha256}' AS sha256 FROM journal j
    WHERE j.event = 'complaint_resolved'
      AND NOT EXISTS (SELECT FROM notes n WHERE n.sha256 = j.step #>> '{body,reply_sha256}')
"""
NOTES = "SELECT sha256, with_key(note, 'note/' || sha256, '') AS note FROM notes"
DATA_KEYS = "SELECT subject, wrapped, destroyed_at FROM data_keys"
RULE_SETS = "SELECT sha256, id, year, jurisdiction, revision, document FROM rule_sets"
MISSING_RULE_SETS = """
    SELECT DISTINCT ON (j.step #>> '{body,ruleset,sha256}')
           j.case_id, j.sequence, j.step #>> '{body,ruleset,sha256}' AS sha256
    FROM journal j
    WHERE j.step #>> '{body,ruleset,sha256}' IS NOT NULL AND NOT EXISTS (
        SELECT FROM rule_sets r WHERE r.sha256 = j.step #>> '{body,ruleset,sha256}')
"""
NUMBERS_OF_NOBODY = """
    SELECT r.upload_no, count(*) AS numbers FROM report_numbers r
    WHERE NOT EXISTS (SELECT FROM uploads u WHERE u.no = r.upload_no)
    GROUP BY r.upload_no
"""
CHANGED_BY_NOBODY = """
    SELECT r.change_no, count(*) AS numbers FROM report_numbers r
    WHERE r.change_no IS NOT NULL
      AND NOT EXISTS (SELECT FROM number_changes c WHERE c.no = r.change_no)
    GROUP BY r.change_no
"""
ITEMS_OF_JOBS = """
    SELECT i.job_id, i.number, i.case_id, i.sequence FROM job_items i
    WHERE i.outcome = 'done' AND NOT EXISTS (
        SELECT FROM journal j WHERE j.case_id = i.case_id AND j.sequence = i.sequence)
"""
SERIALS = """
    SELECT s.authority_code, s.year, s.last, max(right(n.number, 4)::int) AS highest
    FROM certificate_serials s JOIN certificate_numbers n
      ON n.number ~ '^[0-9]{12}$'
     AND left(n.number, 4) = lpad((s.year % 100)::text, 2, '0') || s.authority_code
    GROUP BY s.authority_code, s.year, s.last
    HAVING max(right(n.number, 4)::int) > s.last
"""
IMPORTED_ROWS = """
    SELECT r.import_id, r.row, r.case_id, r.number FROM certificate_import_rows r
    WHERE r.outcome = 'issued' AND r.case_id <> '' AND NOT EXISTS (
        SELECT FROM certificate_numbers n
        WHERE n.number = r.number AND n.code = r.code AND n.case_id = r.case_id)
"""
FILES = """
    SELECT 'announcement_files' AS "table", '' AS case_id, announcement_id || ' ' || name AS name
    FROM announcement_files WHERE encode(sha256(content), 'hex') <> sha256
"""
HIDDEN_FILES = """
    SELECT 'filing_files' AS "table", case_id, name, sha256,
           with_key(content, case_id, sha256) AS content FROM filing_files
    UNION ALL
    SELECT 'enforcement_attachments', case_id, name, sha256,
           with_key(content, case_id, sha256) FROM enforcement_attachments
    UNION ALL
    SELECT 'enforcement_documents', case_id, sequence || ' ' || number, sha256,
           with_key(content, case_id, sequence::text) FROM enforcement_documents
"""
MISSING_FILES = """
    SELECT j.case_id, j.sequence, f.sha256
    FROM journal j CROSS JOIN jsonb_array_elements_text(j.step #> '{body,files}') AS f(sha256)
    WHERE j.event IN ('submitted', 'attested') AND j.case_id LIKE 'filing/%'
      AND NOT EXISTS (
        SELECT FROM filing_files b WHERE b.case_id = j.case_id AND b.sha256 = f.sha256)
    ORDER BY 1, 2, 3
"""
AUTHORITY_FIGURES = "SELECT authority, year, revision, sha256, content FROM authority_figures"
DELIVERIES = """
    SELECT authority, delivery_id, body_sha256, with_key(body, concat('delivery/', authority, '/',
        CASE WHEN sandbox THEN 'sandbox' ELSE 'register' END, '/', delivery_id), '') AS body
    FROM certificate_deliveries
"""
CONTENTS = """
    SELECT number AS case_id, content, with_key(signatories, case_id, '') AS signatories
    FROM certificates WHERE content IS NOT NULL ORDER BY number COLLATE "C"
"""
LINES = """
    SELECT number AS case_id, kind, line, words, standard, year FROM certificate_lines
    ORDER BY number COLLATE "C", kind, line
"""
COUNTS_OF_JOBS = """
    SELECT j.id, j.total, count(i.job_id) AS items
    FROM jobs j LEFT JOIN job_items i ON i.job_id = j.id
    GROUP BY j.id, j.total HAVING j.total <> count(i.job_id)
"""
OF_ROSTERS = (
    "id", "filename", "accept_good_rows", "rows", "accepted", "problems", "changes", "added",
)  # fmt: skip
"""The columns of an import that its step vouches for."""
ROSTERS = """
    SELECT <columns>, s.case_id, s.sequence, s.said,
           with_key(r.problems, 'roster-import/' || r.id, '') AS problems
    FROM roster_imports r LEFT JOIN (
        SELECT DISTINCT ON (step #>> '{body,import}') case_id, sequence,
               step #>> '{body,import}' AS import, step #>> '{body,report_sha256}' AS said
        FROM journal WHERE event = 'roster_imported'
        ORDER BY step #>> '{body,import}', sequence DESC
    ) s ON s.import = r.id
""".replace("<columns>", ", ".join(f"r.{name}" for name in OF_ROSTERS if name != "problems"))
MISSING_ROSTERS = """
    SELECT case_id, sequence FROM journal j
    WHERE event = 'roster_imported'
      AND NOT EXISTS (SELECT FROM roster_imports r WHERE r.id = j.step #>> '{body,import}')
"""
CLIENTS = """
    SELECT coalesce(c.id, substr(s.case_id, 8)) AS id FROM api_clients c FULL JOIN (
        SELECT case_id, min(step #>> '{actor,subject}') FILTER (WHERE sequence = 1) AS subject,
               min(at) FILTER (WHERE event = 'client_registered') AS registered,
               min(at) FILTER (WHERE event = 'client_revoked') AS revoked
        FROM journal WHERE case_id LIKE 'client/%' GROUP BY case_id
    ) s ON s.case_id = 'client/' || c.id
    WHERE c.id IS NULL OR s.case_id IS NULL OR c.created_by <> s.subject
       OR (c.revoked_at IS NULL) <> (s.revoked IS NULL)
"""
PLANS = """
    SELECT coalesce(p.authority, s.authority) AS authority FROM province_plans p FULL JOIN (
        SELECT DISTINCT ON (case_id) substr(case_id, 10) AS authority, step -> 'body' AS body,
               step #>> '{actor,subject}' AS subject
        FROM journal WHERE case_id LIKE 'province/%' AND event = 'plan_received'
        ORDER BY case_id, sequence DESC
    ) s ON s.authority = p.authority
    WHERE p.authority IS NULL OR s.authority IS NULL OR p.recorded_by <> s.subject
       OR p.document <> s.body ->> 'document' OR p.mode <> s.body ->> 'mode'
       OR p.received_on::text <> s.body ->> 'received_on'
"""
TRIGGERS = """
    SELECT c.relname AS "table", t.tgname AS name, t.tgenabled = 'O' AS enabled,
           t.tgargs AS given, p.pronamespace::regnamespace || '.' || p.proname AS function,
           btrim(coalesce(
               substring(pg_get_triggerdef(t.oid) FROM ' WHEN (.*) EXECUTE '), ''), '()') AS when
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
"""
KEYS_TOLD = """
    SELECT case_id, sequence, event, step -> 'body' AS body FROM journal
    WHERE case_id = 'register/keys'
      AND event NOT IN ('data_keys_wrapped', 'names_indexed', 'plain_values_hidden')
    ORDER BY sequence
"""
COLUMNS = """
    SELECT c.relname AS "table", a.attname AS column
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""
UNIQUE = """
    SELECT c.relname AS "table", array_agg(a.attname::text ORDER BY a.attname::text) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY c.relname, i.indexrelid
"""
SHADOWS = """
    SELECT n.nspname AS schema, c.relname AS "table"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY(:names) AND n.nspname NOT IN ('public', 'published')
      AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2
"""
SOURCES = """
    SELECT p.proname AS name, encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') AS sha256
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY(:names)
"""
REWRITTEN = """
    SELECT c.relname AS "table" FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:names)
      AND (c.relkind NOT IN ('r', 'p')
       OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid))
    ORDER BY 1
"""


def _set_back() -> str:
    """Numbers that are given out in order, against what has been given out already."""
    asked = [
        f"SELECT '{table.name}' AS \"table\", '{column.name}' AS column, s.last_value AS last, "  # noqa: S608
        f"(SELECT max({column.name}) FROM {table.name}) AS highest FROM pg_sequences s "
        f"WHERE format('%I.%I', s.schemaname, s.sequencename) "
        f"= pg_get_serial_sequence('public.{table.name}', '{column.name}') "
        "AND has_sequence_privilege(format('%I.%I', s.schemaname, s.sequencename), 'USAGE, SELECT')"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.identity is not None
    ]
    return (
        f"SELECT * FROM ({' UNION ALL '.join(asked)}) n "  # noqa: S608
        "WHERE highest > coalesce(last, 0)"
    )


SET_BACK = _set_back()
SEALS_APART = """
    SELECT coalesce(l."table", s."table") AS "table", coalesce(l.key, s.key) AS key
    FROM (SELECT DISTINCT ON ("table", key) "table", key, sha256 FROM seal_log
          ORDER BY "table", key, id DESC) l
    FULL JOIN seals s ON s."table" = l."table" AND s.key = l.key
    WHERE s.sha256 IS DISTINCT FROM l.sha256
      AND to_regclass('public.' || quote_ident(coalesce(l."table", s."table"))) IS NOT NULL
    ORDER BY 1, 2
"""
_UNSEALED = """
    SELECT x.case_id, coalesce(x.key, s.key) AS key, x.key IS NULL AS deleted,
           s.key IS NULL AS inserted
    FROM (
        SELECT j ->> 'case_id' AS case_id, seal_key(j, :keys) AS key, seal_of(j, :columns) AS sha256
        FROM (SELECT to_jsonb(r) AS j FROM (SELECT {sealed} FROM {table}{of_case}) r) n
    ) x {join} JOIN (
        SELECT key, sha256 FROM seals WHERE "table" = :table{of_seals}
    ) s ON s.key = x.key
    WHERE s.sha256 IS DISTINCT FROM x.sha256
    ORDER BY 2
"""


async def unsealed(
    connection: AsyncConnection, table: str, keys: str, columns: str, case_id: str = ""
) -> AsyncIterator[Row]:
    """The rows of a table that were written, changed or deleted by somebody else than us.

    ``keys`` and ``columns`` are what seals are made of, with commas between them. With ``case_id``
    only a case's own rows, none of a table that knows no cases.
    """
    names = dict.fromkeys((*keys.split(","), *columns.split(",")))
    if case_id and "case_id" not in names:
        return
    # a row that is gone is known by its seal, if the seal says whose it was
    first = keys.split(",", maxsplit=1)[0] == "case_id"
    statement = _UNSEALED.format(
        table=quoted(table),
        sealed=", ".join(map(quoted, names)),
        of_case=" WHERE case_id = :case_id" if case_id else "",
        join="FULL" if first or not case_id else "LEFT",
        of_seals=" AND (key = :case_id OR starts_with(key, :case_id || '|'))"
        if first and case_id
        else "",
    )
    given = {"table": table, "keys": keys, "columns": columns}
    await connection.execute(text("SET LOCAL timezone = 'UTC'"))
    if case_id:
        given["case_id"] = case_id
    async for row in rows(connection, statement, **given):
        yield row
    await connection.execute(text("SET LOCAL timezone = 'Asia/Shanghai'"))


def quoted(name: str) -> str:
    """A name as an identifier of a statement: names of triggers' arguments are nobody's promise."""
    return '"' + name.replace('"', '""') + '"'


NOT_LAUNCHED = """
    SELECT c.case_id, c.sequence FROM cases c
    WHERE NOT c.launched AND EXISTS (
        SELECT FROM journal j WHERE j.case_id = c.campaign AND j.at >= c.opened_at
          AND j.event IN ('filings_started', 'batches_started'))
"""
CASE_AS_OF = """
    SELECT case_id, sequence, step -> 'position' AS position FROM journal
    WHERE case_id = :what AND at <= :at AND step -> 'position' <> 'null'
    ORDER BY sequence DESC LIMIT 1
"""
CAMPAIGN_AS_OF = """
    SELECT j.case_id, j.sequence, j.step -> 'position' AS position FROM cases c
    JOIN LATERAL (
        SELECT * FROM journal j WHERE j.case_id = c.case_id AND j.at <= :at
        ORDER BY j.sequence DESC LIMIT 1
    ) j ON true
    WHERE c.campaign = :what AND c.case_id COLLATE "C" > :after
      AND (CAST(:status AS text) = '' OR j.step #>> '{position,status}' = :status)
    ORDER BY c.case_id COLLATE "C" LIMIT :size
"""
MOVED_BETWEEN = """
    SELECT c.case_id, b.status AS before, a.status AS after FROM cases c
    LEFT JOIN LATERAL (
        SELECT step #>> '{position,status}' AS status FROM journal j
        WHERE j.case_id = c.case_id AND j.at <= :before ORDER BY sequence DESC LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT step #>> '{position,status}' AS status FROM journal j
        WHERE j.case_id = c.case_id AND j.at <= :after ORDER BY sequence DESC LIMIT 1
    ) a ON true
    WHERE c.campaign = :campaign AND c.case_id COLLATE "C" > :last
      AND a.status IS DISTINCT FROM b.status
    ORDER BY c.case_id COLLATE "C" LIMIT :size
"""
IDS = """
    SELECT case_id FROM cases WHERE campaign = :what OR case_id = :what
    ORDER BY case_id COLLATE "C"
"""
WHOLE_RECORD = """
    SELECT * FROM (
        SELECT j.case_id, j.at, j.sequence AS place, j.step, j.hash,
               with_key(n.note, 'note/' || n.sha256, '') AS note, CAST(NULL AS jsonb) AS refused
        FROM journal j LEFT JOIN notes n
          ON n.sha256 = j.step ->> 'note_sha256' AND j.step #>> '{actor,role}' = 'operator'
        WHERE (CAST(:person AS text) = '' OR j.step #>> '{actor,subject}' = :person)
          AND (CAST(:action AS text) = '' OR j.event = :action)
          AND (CAST(:rule AS text) = '' OR j.step #>> '{body,rule}' = :rule
               OR j.step #>> '{cite,document}' = :rule)
        UNION ALL
        SELECT r.case_id, r.at, 1000000000 + r.number, NULL, r.hash, NULL, to_jsonb(r)
        FROM refusals r
        WHERE (CAST(:person AS text) = '' OR r.subject = :person)
          AND (CAST(:action AS text) IN ('', 'refused') OR r.action = :action)
          AND (CAST(:rule AS text) = '' OR r.refusal ->> 'code' = :rule
               OR r.refusal #>> '{cite,document}' = :rule)
    ) t
    WHERE (CAST(:case_id AS text) = '' OR case_id = :case_id)
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (at, case_id COLLATE "C", place)
              > (:after_at, CAST(:after_case AS text), :after_place))
    ORDER BY at, case_id COLLATE "C", place LIMIT :size
"""
CHECKPOINTS_TOLD = """
    SELECT coalesce(s.number, c.number) AS number, s.sha256 AS said
    FROM checkpoints c FULL JOIN (
        SELECT (step #>> '{body,number}')::int AS number, step #>> '{body,sha256}' AS sha256
        FROM journal WHERE event = 'checkpoint_made'
    ) s ON s.number = c.number
    WHERE s.number IS NULL OR c.number IS NULL OR s.sha256 <> c.sha256
    ORDER BY 1
"""


class Reference(NamedTuple):
    """One foreign key, and the statement that finds rows whose parent is not there."""

    child: str
    parent: str
    missing: str


def _references() -> list[Reference]:
    found = []
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            child, parent = table.name, key.column.table.name
            column, other = key.parent.name, key.column.name
            case = "c.case_id" if "case_id" in table.c else "CAST(NULL AS text)"
            missing = (
                f"SELECT {case} AS case_id, CAST(c.{column} AS text) AS key FROM {child} c "  # noqa: S608
                f"WHERE c.{column} IS NOT NULL AND NOT EXISTS ("
                f"SELECT FROM {parent} p WHERE p.{other} = c.{column})"
            )
            found.append(Reference(child, parent, missing))
    return found


REFERENCES = _references()
"""Every foreign key: a superuser can break what the database otherwise keeps."""


class Told(NamedTuple):
    """Rows of a table that each have their step: how a row and its step name each other.

    ``row`` and ``step`` are expressions over ``r``, a row, and ``j``, one of the journal.
    Rows and steps for which it comes to NULL are about something else.
    ``always``: each row has a step, and not only each step its row. ``kept``: each step has its
    row; without it, rows may have been written over. ``said``: what a row and its step both say,
    by the row's column, as conditions.
    """

    table: str
    events: tuple[str, ...]
    row: str
    step: str
    always: bool = False
    kept: bool = True
    said: Mapping[str, str] = MappingProxyType({})

    @property
    def apart(self) -> str:
        """The statement that finds a row without its step, a step without its row, or the column
        in which a row says something else than its step."""
        unlike = " ".join(
            f"WHEN r.key IS NOT NULL AND s.key IS NOT NULL AND NOT coalesce(s.{name}, false)"
            f" THEN '{name}'"
            for name in self.said
        )
        conditions = "".join(f", {same} AS {name}" for name, same in self.said.items())
        joined = f"JOIN {self.table} r ON {self.row} = {self.step}" if self.said else ""
        return f"""
            SELECT * FROM (
                SELECT coalesce(r.key, s.key) AS key, coalesce(s.case_id, '') AS case_id,
                       s.sequence, r.key IS NULL AS deleted, s.key IS NULL AS untold,
                       {f"CASE {unlike} END" if unlike else "CAST(NULL AS text)"} AS column
                FROM (SELECT {self.row} AS key FROM {self.table} r) r FULL JOIN (
                    SELECT DISTINCT ON ({self.step}) {self.step} AS key, j.case_id, j.sequence
                           {conditions}
                    FROM journal j {"LEFT " + joined if joined else ""}
                    WHERE j.event = ANY(:events) AND {self.step} IS NOT NULL
                    ORDER BY {self.step}, j.case_id COLLATE "C", j.sequence
                ) s ON s.key = r.key
                WHERE coalesce(r.key, s.key) IS NOT NULL
            ) t
            WHERE {"deleted OR" if self.kept else ""} {"untold OR" if self.always else ""}
                  "column" IS NOT NULL
            ORDER BY 1
        """  # noqa: S608 - of the names above alone


_BY = "j.step #>> '{actor,subject}'"
_NOTE = "r.note_sha256 = j.step ->> 'note_sha256'"
_WHOSE = "'person/' || r.person = j.case_id"


def _as_told(*columns: str) -> dict[str, str]:
    """Columns that the step's body has by the same names."""
    return {name: f"CAST(r.{name} AS text) = j.step #>> '{{body,{name}}}'" for name in columns}


def _at_told(*columns: str) -> dict[str, str]:
    """The same of instants."""
    return {
        name: f"r.{name} = CAST(j.step #>> '{{body,{name}}}' AS timestamptz)" for name in columns
    }


TOLD = (
    Told(
        "data_keys",
        ("data_destroyed",),
        "CASE WHEN r.destroyed_at IS NOT NULL OR r.wrapped = '' THEN 'destroyed/' || r.subject END",
        "j.case_id",
        always=True,
        said={"rule": "r.rule = j.step #>> '{body,rule}'", "destroyed_at": "r.destroyed_at = j.at"},
    ),
    Told(
        "memberships",
        ("role_given",),
        "r.id",
        "j.step #>> '{body,membership}'",
        always=True,
        said={
            "person": _WHOSE,
            **_as_told("role", "scope", "administers"),
            "given_by": f"r.given_by = {_BY}",
            "note_sha256": _NOTE,
        },
    ),
    Told(
        "memberships",
        ("role_ended",),
        "CASE WHEN r.ended_at IS NOT NULL THEN r.id END",
        "j.step #>> '{body,membership}'",
        always=True,
        said={"ended_by": f"r.ended_by = {_BY}"},
    ),
    Told(
        "tokens",
        ("token_issued",),
        "r.id",
        # what a client gets for its secret is kept nowhere
        "CASE WHEN j.case_id LIKE 'person/%' THEN j.step #>> '{body,token}' END",
        always=True,
        said={
            "person": _WHOSE,
            **_as_told("role", "scope"),
            **_at_told("ends_at"),
            "issued_by": f"r.issued_by = {_BY}",
        },
    ),
    Told(
        "tokens",
        ("token_revoked",),
        "CASE WHEN r.revoked_at IS NOT NULL THEN r.id END",
        "j.step #>> '{body,token}'",
        always=True,
        said={"revoked_by": f"r.revoked_by = {_BY}"},
    ),
    Told(
        "program_secrets",
        ("secret_made",),
        "'secret_made:' || r.id",
        "j.command_id",
        always=True,
        said={"program": "'person/' || r.program = j.case_id", "made_by": f"r.made_by = {_BY}"},
    ),
    Told(
        "identities",
        ("identity_tied",),
        "'person/' || r.person || ' ' || r.issuer",
        "j.case_id || ' ' || (j.step #>> '{body,issuer}')",
        always=True,
        kept=False,
    ),
    Told("amendments", ("campaign_amended",), "r.id", "j.step #>> '{body,amendment}'", always=True),
    Told(
        "institution_acts",
        ("institution_uscc_changed", "institution_merged", "institution_split"),
        "r.id",
        "j.step #>> '{body,act}'",
        always=True,
    ),
    Told(
        "registration_requests",
        ("registration_requested",),
        "r.id",
        "j.step #>> '{body,request}'",
        always=True,
    ),
    Told(
        "legal_person_findings",
        ("legal_person_found",),
        "r.id",
        "j.step #>> '{body,finding_id}'",
        always=True,
    ),
    Told(
        "publications",
        ("rules_published",),
        "'rules/' || r.year || '/' || r.jurisdiction || ' ' || r.revision || ' ' || r.rule_set",
        "j.case_id || ' ' || (j.step #>> '{body,ruleset,revision}')"
        " || ' ' || (j.step #>> '{body,ruleset,sha256}')",
        always=True,
    ),
    Told(
        "announcement_versions",
        ("announcement_published", "announcement_changed"),
        "r.announcement_id || ' ' || r.version",
        "(j.step #>> '{body,announcement}') || ' ' || (j.step #>> '{body,version}')",
    ),
    Told("notices", ("notice_served",), "'notice/' || r.id", "j.case_id"),
    Told(
        "sample_draws",
        ("sample_drawn",),
        "r.campaign || ' ' || r.number",
        "j.case_id || ' ' || (j.step #>> '{body,draw}')",
    ),
    Told("campaign_summaries", ("campaign_closed",), "r.sha256", "j.step #>> '{body,sha256}'"),
    Told("addresses", ("address_registered",), "r.id", "j.step #>> '{body,address}'"),
    Told(
        "deputies",
        ("deputy_named",),
        "r.id",
        "j.step #>> '{body,id}'",
        always=True,
        said={
            "person": _WHOSE,
            **_as_told("authority", "deputy"),
            **_at_told("starts"),
            "named_by": f"r.named_by = {_BY}",
            "note_sha256": _NOTE,
        },
    ),
    Told(
        "revocations",
        ("role_revoked",),
        "r.id",
        "j.step #>> '{body,id}'",
        always=True,
        said={
            "person": _WHOSE,
            **_as_told("authority"),
            "revoked_by": f"r.revoked_by = {_BY}",
            "note_sha256": _NOTE,
        },
    ),
    Told(
        "revocations",
        ("role_restored",),
        "CASE WHEN r.restored_at IS NOT NULL THEN r.id END",
        "j.step #>> '{body,id}'",
        always=True,
        said={"restored_by": f"r.restored_by = {_BY}"},
    ),
    Told("sessions", ("signed_in",), "'signed_in:' || r.sha256", "j.command_id"),
    Told("account_links", ("link_made",), "'link_made:' || r.sha256", "j.command_id"),
    Told("jobs", ("job_begun",), "'job/' || r.id", "j.case_id"),
    Told("job_lists", ("job_list_added",), "'job-list/' || r.id", "j.case_id"),
    Told(
        "certificate_imports",
        ("import_begun",),
        "'certificate-import/' || r.id",
        "j.case_id",
    ),
)
"""What operators' steps and the rows of tables say of each other: neither is there alone."""
