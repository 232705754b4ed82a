"""Chains of hashes, row by row: which row is the first that is wrong, and in which way. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from audit.findings import Finding, Kind
from domain.canonical import sha256_of
from domain.case.events import GENESIS
from store.auditing import CaseRows, Row
from store.refusals import hash_of as hash_of_refusal


class End(NamedTuple):
    """Where a chain ends, as others know it."""

    sequence: int
    hash: str


def journal_fault(rows: CaseRows) -> Finding | None:
    """The first row of a case's journal that is wrong; None if its chain holds to its end."""
    steps, ends = rows["journal"], _ends(rows)

    def wrong(kind: Kind, sequence: int, message: str) -> Finding:
        return Finding(
            kind=kind, case_id=rows.case_id, sequence=sequence, table="journal", message=message
        )

    head = GENESIS
    upto = max((end.sequence for end in ends.values()), default=len(steps))
    for place, row in enumerate(steps, 1):
        sequence, step = row["sequence"], row["step"]
        if sequence > place:
            return wrong(Kind.DELETED, place, f"第 {place} 步不在")
        if sequence > upto:
            told = f"第 {sequence} 步是插入的：{'、'.join(ends)} 都没有这一步"
            return wrong(Kind.INSERTED, sequence, told)
        if (step.get("case_id"), step.get("sequence")) != (rows.case_id, sequence):
            kind = Kind.INSERTED if len(steps) > upto else Kind.REORDERED
            told = f"{step.get('case_id')} 第 {step.get('sequence')} 步"
            return wrong(kind, sequence, f"第 {sequence} 步的位置上是 {told}")
        if sha256_of(step) != row["hash"]:
            return wrong(Kind.CHANGED, sequence, f"第 {sequence} 步的内容与其哈希不符")
        if step.get("previous_hash") != head:
            number = sequence if _itself_unlike(steps, place, ends) else max(1, sequence - 1)
            return wrong(Kind.CHANGED, number, f"第 {sequence} 步所接的不是前一步的哈希")
        if column := _unlike_step(row):
            return wrong(Kind.CHANGED, sequence, f"第 {sequence} 步的 {column} 列与步骤内容不符")
        head = row["hash"]
    last = len(steps)
    for table, end in ends.items():
        if end.sequence > last:
            told = f"第 {last + 1} 步起不在了：{table} 记到第 {end.sequence} 步"
            return wrong(Kind.CUT, last + 1, told)
    for table, end in ends.items():
        if end.hash and end.sequence == last and end.hash != head:
            return wrong(Kind.CHANGED, last, f"第 {last} 步的哈希不是 {table} 所记的")
    return None


def _itself_unlike(steps: Sequence[Row], place: int, ends: Mapping[str, End]) -> bool:
    """Whether what comes after a row does not know its hash either: then it is the wrong one."""
    if place < len(steps):
        return bool(steps[place]["step"].get("previous_hash") != steps[place - 1]["hash"])
    known = [end.hash for end in ends.values() if end.hash and end.sequence == place]
    return any(hash_ != steps[place - 1]["hash"] for hash_ in known)


def _ends(rows: CaseRows) -> dict[str, End]:
    """Where the other tables say that a case's journal ends."""
    ends = {}
    if rows["cases"]:
        case = rows["cases"][0]
        ends["cases"] = End(case["sequence"], case["head"])
    if rows["outbox"]:
        ends["outbox"] = End(max(row["sequence"] for row in rows["outbox"]), "")
    return ends


def _unlike_step(row: Row) -> str:
    """The column of a journal row that says something else than its step; "" for none."""
    step = row["step"]
    for column in ("event", "command_id"):
        if row[column] != step.get(column):
            return column
    return "" if _instant(step.get("at")) == row["at"] else "at"


def _instant(told: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None


def outbox_faults(rows: CaseRows) -> Iterator[Finding]:
    """Each step is handed on once, and nothing else is."""
    steps = {row["sequence"] for row in rows["journal"]}
    handed = [row["sequence"] for row in rows["outbox"]]

    def wrong(kind: Kind, sequence: int, message: str) -> Finding:
        return Finding(
            kind=kind, case_id=rows.case_id, sequence=sequence, table="outbox", message=message
        )

    for sequence in sorted(steps - set(handed)):
        yield wrong(Kind.DELETED, sequence, f"待外发事件里没有第 {sequence} 步")
        return
    for sequence in sorted(set(handed) - steps):
        yield wrong(Kind.WITHOUT_STEP, sequence, f"待外发事件有第 {sequence} 步，日志没有")
        return
    places = [row["id"] for row in rows["outbox"]]
    for before, after, sequence in zip(places, places[1:], handed[1:], strict=False):
        if after < before:
            yield wrong(Kind.REORDERED, sequence, f"第 {sequence} 步的外发次序在前一步之前")
            return


def refusal_fault(rows: CaseRows) -> Finding | None:
    """The first refusal of a case that is wrong; None if their chain holds to its end."""
    head: str = GENESIS
    refused: Sequence[Row] = rows["refusals"]

    def wrong(kind: Kind, number: int, why: str) -> Finding:
        return Finding(
            kind=kind,
            case_id=rows.case_id,
            sequence=None,
            table="refusals",
            message=f"第 {number} 次拒绝{why}",
        )

    for place, row in enumerate(refused, 1):
        if row["number"] != place:
            if row["number"] > place:
                return wrong(Kind.DELETED, place, "的记录不在")
            return wrong(Kind.INSERTED, row["number"], "有两条记录")
        if hash_of_refusal(dict(row)) != row["hash"]:
            return wrong(Kind.CHANGED, place, "的记录与其哈希不符")
        if row["previous_hash"] != head:
            return wrong(Kind.CHANGED, max(1, place - 1), "的哈希不是下一次所接的，前后不相连")
        head = row["hash"]
    known = rows["refusal_heads"]
    number, hash_ = (known[0]["number"], known[0]["hash"]) if known else (0, GENESIS)
    if number > len(refused):
        return wrong(Kind.CUT, len(refused) + 1, "起的记录不在")
    if number < len(refused):
        return wrong(Kind.INSERTED, number + 1, "的记录是插入的")
    if hash_ != head:
        return wrong(Kind.CHANGED, number, "的哈希与所记的末尾不同")
    return None
