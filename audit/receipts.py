"""Receipts of submissions: their signatures, and that they say what the record says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from audit.seal_checks import signature_fault
from domain.canonical import sha256_of
from domain.case.events import Step
from domain.case.plan import CasePlan
from domain.certificates.statement import PublishedKeys
from domain.clock import day_of
from domain.filing.receipts import FORMAT, NOT_OF_STEPS, receipt_body
from services.certificates.keys import SigningKeys
from store import auditing, cases, journal


def receipt_fault(receipt: Mapping[str, Any], keys: PublishedKeys) -> str:
    """Why a receipt, as it was handed out, proves nothing; "" if its signature holds."""
    body = receipt.get("body")
    texts = ("sha256", "key", "signature")
    if not isinstance(body, dict) or not all(isinstance(receipt.get(one), str) for one in texts):
        return "不是提交回执"
    if body.get("format") != FORMAT or sha256_of(body) != receipt["sha256"]:
        return "回执的内容与其哈希不符"
    if body.get("key") != receipt["key"]:
        return "回执的内容与签名的密钥不符"
    if not receipt["key"]:
        return "回执没有签名"
    try:
        signed = datetime.fromisoformat(body["signed_at"])
        return signature_fault(body, receipt["key"], receipt["signature"], keys, day_of(signed))
    except (KeyError, TypeError, ValueError):
        return "回执没有写明何时签名"


async def against_record(engine: AsyncEngine, receipt: Any, keys: Path | None) -> str:
    """What is wrong with a receipt that somebody holds: its signature, or what it says; "" if
    nothing is."""
    handed = receipt if isinstance(receipt, dict) else {}
    if fault := receipt_fault(handed, SigningKeys(keys).published()):
        return fault
    body = handed["body"]
    async with auditing.snapshot(engine) as connection:
        case = await cases.by_id(connection, str(body.get("case_id")))
        if case is None:
            return f"没有 {body.get('case_id')} 的记录"
        steps = await journal.steps(connection, case.case_id)
    return unlike_record(body, case.plan, steps)


def unlike_record(body: Mapping[str, Any], plan: CasePlan, steps: Sequence[Step]) -> str:
    """The first thing that a receipt says otherwise than the record; "" for nothing."""
    sequence = body.get("sequence")
    try:
        made = receipt_body(plan, steps, int(str(sequence)), {}, "")
    except (StopIteration, ValueError):
        return f"第 {sequence} 步不是提交"
    for name, value in made.items():
        if name not in NOT_OF_STEPS and body.get(name) != value:
            return f"{name} 与日志不符"
    return ""
