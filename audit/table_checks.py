"""What belongs to no single case: notes, rule sets, jobs, imports, deliveries, what is searched."""

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError
from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import NO_KEY, Finding, Kind, Tally
from domain.canonical import sha256_of
from domain.certificates.certificate import CertificateContent
from store import auditing
from store.certificates.lines import Line, LineKind, lines_of, stands_for
from store.hidden import Altered, file_of, unwrapped
from store.keyring import KeyMissing
from store.tables import metadata
from store.tables.audit import (
    FUNCTIONS,
    GUARDED,
    HASHED_ELSEWHERE,
    SEALED_BY_ROW,
    SEALED_IN_PART,
)


def _wrong(
    table: str, message: str, kind: Kind, case_id: str = "", sequence: int | None = None
) -> Finding:
    return Finding(kind=kind, case_id=case_id, sequence=sequence, table=table, message=message)


async def check_tables(connection: AsyncConnection, tally: Tally) -> None:
    """Looks through all of them."""
    for check in (
        _notes,
        _data_keys,
        _rule_sets,
        _numbers,
        _launched,
        _jobs,
        _registers,
        _deliveries,
        _files,
        _figures,
        _lines,
        _told,
        _guards,
        _seals,
        _references,
    ):
        async for finding in check(connection, tally):
            tally.found(iter((finding,)))


async def _notes(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.NOTES):
        tally.checked["notes"] += 1
        note, unread = auditing.opened(row["note"], "notes.note")
        if unread == "no_key":
            yield _wrong("notes", f"理由或说明 {row['sha256'][:12]} {NO_KEY}", Kind.CONTENT)
        elif unread != "destroyed" and (unread or sha256_of(note) != row["sha256"]):
            told = f"理由或说明 {row['sha256'][:12]} 的内容与其哈希不符"
            yield _wrong("notes", told, Kind.CONTENT)
    for statement in (auditing.MISSING_NOTES, auditing.MISSING_REPLIES):
        async for row in auditing.rows(connection, statement):
            told = f"第 {row['sequence']} 步的理由或答复 {row['sha256'][:12]} 不在"
            yield _wrong("notes", told, Kind.DELETED, row["case_id"], row["sequence"])


async def _data_keys(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    """Each can be unwrapped by whoever has the master key, or has been destroyed by a step."""
    async for row in auditing.rows(connection, auditing.DATA_KEYS):
        gone = row["destroyed_at"] is not None
        tally.checked["destroyed" if gone else "data_keys"] += 1
        try:
            if not gone:
                unwrapped(row["wrapped"], row["subject"])
        except KeyMissing:
            told = f"{row['subject']} 的数据密钥{NO_KEY}"
            yield _wrong("data_keys", told, Kind.CONTENT, row["subject"])
        except Altered:
            told = f"{row['subject']} 的数据密钥被改动，其内容不能再读"
            yield _wrong("data_keys", told, Kind.CHANGED, row["subject"])


async def _rule_sets(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.RULE_SETS):
        tally.checked["rule_sets"] += 1
        document = row["document"]
        if sha256_of(document) != row["sha256"]:
            told = f"规则集 {row['id']}（{row['sha256'][:12]}）的内容与其哈希不符"
            yield _wrong("rule_sets", told, Kind.CONTENT)
        elif any(row[name] != document.get(name, row[name]) for name in _OF_THE_DOCUMENT):
            yield _wrong("rule_sets", f"规则集 {row['id']} 的列与其内容不符", Kind.UNLIKE)
    async for row in auditing.rows(connection, auditing.MISSING_RULE_SETS):
        told = f"第 {row['sequence']} 步所依的规则集 {row['sha256'][:12]} 不在"
        yield _wrong("rule_sets", told, Kind.DELETED, row["case_id"], row["sequence"])


_OF_THE_DOCUMENT = ("id", "year", "jurisdiction", "revision")


async def _numbers(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.NUMBERS_OF_NOBODY):
        told = f"{row['numbers']} 个编号属于不存在的上传 {row['upload_no']}"
        yield _wrong("report_numbers", told, Kind.WITHOUT_STEP)
    async for row in auditing.rows(connection, auditing.CHANGED_BY_NOBODY):
        told = f"{row['numbers']} 个编号被不存在的更正 {row['change_no']} 撤回"
        yield _wrong("report_numbers", told, Kind.WITHOUT_STEP)


async def _launched(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.NOT_LAUNCHED):
        told = "launched 为否，而所属的统计工作已为全部机构建立流程"
        yield _wrong("cases", told, Kind.UNLIKE, row["case_id"], row["sequence"])


async def _jobs(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.ITEMS_OF_JOBS):
        told = f"批办 {row['job_id']} 第 {row['number']} 件记为办成，日志里没有这一步"
        yield _wrong("job_items", told, Kind.WITHOUT_STEP, row["case_id"], row["sequence"])
    async for row in auditing.rows(connection, auditing.COUNTS_OF_JOBS):
        told = f"批办 {row['id']} 应有 {row['total']} 件，表中有 {row['items']} 件"
        yield _wrong("job_items", told, Kind.UNLIKE)


async def _registers(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.SERIALS):
        told = (
            f"{row['authority_code']} {row['year']} 年流水号记到 {row['last']}，"
            f"已分配到 {row['highest']}"
        )
        yield _wrong("certificate_serials", told, Kind.UNLIKE)
    async for row in auditing.rows(connection, auditing.IMPORTED_ROWS):
        told = (
            f"批量导入 {row['import_id']} 第 {row['row']} 行的编号 {row['number']} 没有分配给该件"
        )
        yield _wrong("certificate_import_rows", told, Kind.WITHOUT_STEP, row["case_id"])
    async for row in auditing.rows(connection, auditing.ROSTERS):
        tally.checked["roster_imports"] += 1
        problems, unread = auditing.opened(row["problems"], "roster_imports.problems")
        said = {**{name: row[name] for name in auditing.OF_ROSTERS}, "problems": problems}
        if row["sequence"] is None:
            yield _wrong(
                "roster_imports", f"名录导入 {row['id'][:12]} 日志里没有", Kind.WITHOUT_STEP
            )
        elif unread == "no_key":
            told = f"名录导入 {row['id'][:12]} 的报告{NO_KEY}"
            yield _wrong("roster_imports", told, Kind.CONTENT, row["case_id"], row["sequence"])
        elif unread == "destroyed":
            continue
        elif unread or (row["said"] and sha256_of(said) != row["said"]):
            told = f"名录导入 {row['id'][:12]} 的报告与第 {row['sequence']} 步所记的哈希不符"
            yield _wrong("roster_imports", told, Kind.CONTENT, row["case_id"], row["sequence"])
    async for row in auditing.rows(connection, auditing.MISSING_ROSTERS):
        told = f"第 {row['sequence']} 步的名录导入不在"
        yield _wrong("roster_imports", told, Kind.DELETED, row["case_id"], row["sequence"])
    async for row in auditing.rows(connection, auditing.CLIENTS):
        told = f"联网系统 {row['id']} 的登记、停用与日志不符"
        yield _wrong("api_clients", told, Kind.UNLIKE, f"client/{row['id']}")
    async for row in auditing.rows(connection, auditing.PLANS):
        told = f"{row['authority']} 的对接方案与日志不符"
        yield _wrong("province_plans", told, Kind.UNLIKE, f"province/{row['authority']}")


async def _deliveries(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.DELIVERIES):
        tally.checked["certificate_deliveries"] += 1
        body, unread = auditing.opened(row["body"], "certificate_deliveries.body")
        told = f"{row['authority']} 的送达 {row['delivery_id']} "
        if unread == "no_key":
            yield _wrong("certificate_deliveries", f"{told}{NO_KEY}", Kind.CONTENT)
        elif unread != "destroyed" and (unread or sha256_of(body) != row["body_sha256"]):
            yield _wrong("certificate_deliveries", f"{told}的内容与其哈希不符", Kind.CONTENT)


async def _files(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.FILES):
        told = f"文件 {row['name']} 与其哈希不符"
        yield _wrong(row["table"], told, Kind.CONTENT, row["case_id"])
    async for row in auditing.rows(connection, auditing.HIDDEN_FILES):
        why = _wrong_file(row)
        if why:
            yield _wrong(row["table"], f"文件 {row['name']} {why}", Kind.CONTENT, row["case_id"])
    async for row in auditing.rows(connection, auditing.MISSING_FILES):
        told = f"第 {row['sequence']} 步所列的附件 {row['sha256'][:12]}… 不在"
        yield _wrong("filing_files", told, Kind.DELETED, row["case_id"], row["sequence"])


def _wrong_file(row: auditing.Row) -> str:
    try:
        content = file_of(row["content"], f"{row['table']}.content")
    except KeyMissing:
        return NO_KEY
    except (Altered, ValueError):
        return "与其哈希不符"
    if isinstance(content, bytes) and hashlib.sha256(content).hexdigest() != row["sha256"]:
        return "与其哈希不符"
    return ""


async def _figures(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    async for row in auditing.rows(connection, auditing.AUTHORITY_FIGURES):
        tally.checked["authority_figures"] += 1
        if sha256_of(row["content"]) != row["sha256"]:
            told = f"{row['authority']} 的 {row['year']} 年第 {row['revision']} 稿与其哈希不符"
            yield _wrong("authority_figures", told, Kind.CONTENT)


async def _lines(connection: AsyncConnection, tally: Tally) -> AsyncIterator[Finding]:
    """What certificates are found by, against their content."""
    async for one in auditing.side_by_side(
        connection, {"certificates": auditing.CONTENTS, "lines": auditing.LINES}
    ):
        tally.checked["certificate_lines"] += len(one["lines"])
        standing = [Line(*(row[name] for name in Line._fields)) for row in one["lines"]]
        wanted: list[Line] = []
        if one["certificates"]:
            row = one["certificates"][0]
            if row["unread"] not in ("", "destroyed"):
                # told of at its case; of the rest it is told all the same
                standing = [line for line in standing if line.kind != LineKind.SIGNATORY]
            # of signatories that have been destroyed there is nothing to be found
            named = {"signatories": row["signatories"] or []}
            try:
                content = CertificateContent.model_validate({**named, **row["content"]})
            except ValidationError:
                # told of at its case
                continue
            wanted = lines_of(content)
        try:
            alike = _alike(standing, wanted)
        except KeyMissing:
            told = f"证书 {one.case_id} 供检索的签字人{NO_KEY}"
            yield _wrong("certificate_lines", told, Kind.CONTENT)
            continue
        if not alike:
            told = f"证书 {one.case_id} 供检索的各项与其内容不符"
            yield _wrong("certificate_lines", told, Kind.UNLIKE)


def _alike(standing: list[Line], wanted: list[Line]) -> bool:
    """Whether lines are what they have to be. Raises KeyMissing."""
    return len(standing) == len(wanted) and all(
        stored._replace(words="") == line._replace(words="") and stands_for(stored.words, line)
        for stored, line in zip(sorted(standing), sorted(wanted), strict=True)
    )


async def _told(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    """Rows and the operators' steps that tell of them: neither is there without the other."""
    for told in auditing.TOLD:
        async for row in auditing.rows(connection, told.apart, events=list(told.events)):
            if row["deleted"]:
                kind, what = Kind.DELETED, f"第 {row['sequence']} 步所说的 {row['key']} 不在"
            elif row["column"]:
                what = f"{row['key']} 的 {row['column']} 与第 {row['sequence']} 步所记的不符"
                kind = Kind.UNLIKE
            else:
                kind, what = Kind.WITHOUT_STEP, f"{row['key']} 这一行，日志里没有这一步"
            yield _wrong(told.table, what, kind, row["case_id"], row["sequence"])


async def structure_faults(connection: AsyncConnection) -> list[Finding]:
    """Tables and columns that are not there any more: then there is nothing to be looked at."""
    there = set()
    async for row in auditing.rows(connection, auditing.COLUMNS):
        there.add((row["table"], row["column"]))
    return [
        _wrong(table.name, f"数据库里没有 {table.name} 的 {column.name} 列", Kind.DELETED)
        for table in metadata.sorted_tables
        for column in table.columns
        if (table.name, column.name) not in there
    ]


def _unique() -> set[tuple[str, tuple[str, ...]]]:
    """The columns of each table whose values stand there once."""
    once = set()
    for table in metadata.sorted_tables:
        of_table: list[Any] = [one for one in table.constraints if isinstance(one, _ONCE)]
        of_table += [one for one in table.indexes if one.unique and not one.dialect_kwargs]
        for one in of_table:
            if columns := tuple(sorted(column.name for column in one.columns)):
                once.add((table.name, columns))
    return once


_ONCE = (PrimaryKeyConstraint, UniqueConstraint)


async def _guards(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    """What the database itself watches with: all of it there, as it was made, and nothing more."""
    enabled = set()
    async for row in auditing.rows(connection, auditing.TRIGGERS):
        if row["name"] not in _WATCHING.get(row["table"], {}):
            told = f"数据库里有不是本系统的触发器 {row['name']}（{row['function']}）"
            yield _wrong(row["table"], told, Kind.INSERTED)
        elif row["enabled"]:
            enabled.add((row["table"], row["name"], row["function"], row["when"]))
    for table, triggers in sorted(_WATCHING.items()):
        for name, (function, when) in triggers.items():
            if (table, name, f"public.{function}", when) not in enabled:
                yield _wrong(table, f"数据库的守护触发器 {name} 不在、被停用或被改写", Kind.UNLIKE)
    sources = {}
    async for row in auditing.rows(connection, auditing.SOURCES, names=sorted(FUNCTIONS)):
        sources[row["name"]] = row["sha256"]
    for name, sha256 in FUNCTIONS.items():
        if sources.get(name) != sha256:
            yield _wrong("seals", f"数据库的守护函数 {name} 不在或被改写", Kind.UNLIKE)
    async for row in auditing.rows(connection, auditing.REWRITTEN, names=sorted(metadata.tables)):
        yield _wrong(row["table"], "数据库里这张表被改写规则或视图顶替", Kind.UNLIKE)
    async for row in auditing.rows(connection, auditing.SHADOWS, names=sorted(metadata.tables)):
        told = f"另有同名的表 {row['schema']}.{row['table']}"
        yield _wrong(row["table"], told, Kind.INSERTED)
    once = set()
    async for row in auditing.rows(connection, auditing.UNIQUE):
        once.add((row["table"], tuple(row["columns"])))
    for name, columns in sorted(_unique() - once):
        told = f"{'、'.join(columns)} 不再是每个值只有一行"
        yield _wrong(name, told, Kind.UNLIKE)
    async for row in auditing.rows(connection, auditing.SET_BACK):
        told = f"{row['column']} 的序列退到 {row['last']}，表中已用到 {row['highest']}"
        yield _wrong(row["table"], told, Kind.UNLIKE)


def _watching() -> dict[str, dict[str, tuple[str, str]]]:
    triggers: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for table in GUARDED:
        triggers[table][f"{table}_only_grows"] = "refuse_change", ""
    for table in SEALED_BY_ROW:
        for act in ("insert", "update", "delete"):
            triggers[table][f"{table}_sealed_on_{act}"] = "keep_seals", ""
    for table in SEALED_IN_PART:
        triggers[table][f"{table}_sealed_on_insert"] = "keep_plan_seal", ""
        changed = "old.plan IS DISTINCT FROM new.plan"
        triggers[table][f"{table}_sealed_on_update"] = "keep_plan_seal", changed
    return triggers


_WATCHING = _watching()
"""The triggers of each table: the function that each runs, and when."""


async def seal_faults(connection: AsyncConnection, case_id: str = "") -> AsyncIterator[Finding]:
    """Rows that no step tells all of, against what they were when the application wrote them.

    With ``case_id`` only those of a case.
    """
    given: dict[str, tuple[str, str]] = {}
    async for row in auditing.rows(connection, auditing.TRIGGERS):
        if row["name"] == f"{row['table']}_sealed_on_insert":
            keys, columns, *_ = bytes(row["given"]).decode().split("\0")
            given[row["table"]] = keys, columns
    for name, (keys, columns) in sorted(given.items()):
        table = metadata.tables.get(name)
        if table is None or not _seals_all(table, keys, columns):
            yield _wrong(name, "数据库的守护触发器不是为这些列设的", Kind.UNLIKE)
            continue
        async for row in auditing.unsealed(connection, name, keys, columns, case_id):
            if row["deleted"]:
                kind, told = Kind.DELETED, "被删除，不是由系统删的"
            elif row["inserted"]:
                kind, told = Kind.INSERTED, "不是由系统写入的"
            else:
                kind, told = Kind.UNLIKE, "被改动，不是由系统改的"
            yield _wrong(name, f"{row['key']} 这一行{told}", kind, row["case_id"] or "")


def _seals_all(table: Table, keys: str, columns: str) -> bool:
    """Whether the seals of a table are made of what they have to be made of."""
    left_out = HASHED_ELSEWHERE.get(table.name, ())
    wanted = SEALED_IN_PART.get(table.name) or [
        column.name for column in table.columns if column.name not in left_out
    ]
    made_of = keys.split(","), set(columns.split(","))
    return made_of == ([column.name for column in table.primary_key], set(wanted))


async def _seals(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    async for finding in seal_faults(connection):
        yield finding
    async for row in auditing.rows(connection, auditing.SEALS_APART):
        told = f"{row['key']} 这一行的哈希被改写，不是由系统改的"
        yield _wrong(row["table"], told, Kind.UNLIKE)


async def _references(connection: AsyncConnection, _: Tally) -> AsyncIterator[Finding]:
    """Rows that name one that is not there."""
    for reference in auditing.REFERENCES:
        async for row in auditing.rows(connection, reference.missing):
            told = f"{reference.child} 引用的 {reference.parent} {row['key']} 不在"
            yield _wrong(reference.parent, told, Kind.DELETED, row["case_id"] or "")
