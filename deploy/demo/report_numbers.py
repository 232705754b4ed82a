"""The demonstration's report numbers: files good and bad, a withdrawal, a complaint.

All numbers are generated. Everything goes through the API, as real users would do it.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from domain.case.commands import Actor, Role
from domain.ids import NATION
from domain.numbers.quarters import Quarter

if TYPE_CHECKING:
    from deploy.demo.campaign import Demo

_ROWS = 200


class NumbersDone:
    """What the demonstration left behind: uploads by outcome, and one number to look up."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.example = ""
        self.withdrawn = ""
        self.receipt = ""


async def tell_numbers(demo: "Demo", quarter: Quarter, institutions: Sequence[str]) -> NumbersDone:
    """Opens a quarter and has some institutions report in it; said to be generated throughout."""
    done = NumbersDone()
    await demo.send(
        "POST",
        f"/api/campaigns/{quarter}/{NATION}",
        demo.operator,
        headers={"Idempotency-Key": f"demo-open-{quarter}"},
    )
    stories = [_withdrawn, _with_errors, _none_issued, _good_rows_only, _good]
    for institution, story in zip(institutions, stories, strict=False):
        filer = demo.actor(Role.FILER, f"demo-filer-{institution}", institution)
        await _started(demo, quarter, institution, filer)
        await story(demo, quarter, institution, filer, done)
    if done.example:
        done.receipt = await _complaint(demo, done)
    return done


async def _started(demo: "Demo", quarter: Quarter, institution: str, filer: Actor) -> None:
    path = _path(quarter, institution)
    key = {"Idempotency-Key": f"demo-batch-{quarter}-{institution}"}
    while True:
        if await demo.asked(path, filer, key) and await demo.found(path, filer) is not None:
            break
        await asyncio.sleep(0.3)


async def _good(demo: "Demo", quarter: Quarter, institution: str, filer: Actor, done: Any) -> None:
    await _uploaded(demo, quarter, institution, filer, done, _file(quarter, institution))
    done.example = done.example or _number(quarter, institution, 1)


async def _with_errors(
    demo: "Demo", quarter: Quarter, institution: str, filer: Actor, done: Any
) -> None:
    spoilt = _file(quarter, institution) + _wrong(quarter)
    await _uploaded(demo, quarter, institution, filer, done, spoilt)


async def _good_rows_only(
    demo: "Demo", quarter: Quarter, institution: str, filer: Actor, done: Any
) -> None:
    spoilt = _file(quarter, institution) + _wrong(quarter)
    await _uploaded(demo, quarter, institution, filer, done, spoilt, accept="good")


async def _withdrawn(
    demo: "Demo", quarter: Quarter, institution: str, filer: Actor, done: Any
) -> None:
    await _good(demo, quarter, institution, filer, done)
    done.withdrawn = _number(quarter, institution, 7)
    await demo.send(
        "POST",
        f"{_path(quarter, institution)}/withdraw-numbers",
        filer,
        {"numbers": [done.withdrawn], "reason": "（生成）演示撤回：报告作废"},
        {"Idempotency-Key": f"demo-withdraw-{quarter}-{institution}"},
    )


async def _none_issued(
    demo: "Demo", quarter: Quarter, institution: str, filer: Actor, done: Any
) -> None:
    await demo.send(
        "POST",
        f"{_path(quarter, institution)}/submit",
        filer,
        {"total": 0},
        {"Idempotency-Key": f"demo-declare-{quarter}-{institution}"},
    )
    done.outcomes["declared"] += 1


async def _uploaded(
    demo: "Demo",
    quarter: Quarter,
    institution: str,
    filer: Actor,
    done: Any,
    content: bytes,
    accept: str = "all",
) -> None:
    """Uploads a file and waits until it has been read."""
    path = f"{_path(quarter, institution)}/uploads"
    named = f"{path}?filename=demo-{quarter}.csv&accept={accept}"
    upload = await demo.send_file(named, content, filer)
    while upload["stage"] not in ("accepted", "rejected", "repeated"):
        await asyncio.sleep(0.1)
        upload = await demo.send("GET", f"{path}/{upload['id']}", filer)
    done.outcomes[upload["stage"]] += 1


async def _complaint(demo: "Demo", done: NumbersDone) -> str:
    body = {"number": done.example, "about": "（生成）演示投诉：报告内容与委托不符"}
    received = await demo.send_public(
        "/public/complaints", body, {"Idempotency-Key": "demo-complaint"}
    )
    return str(received["receipt"])


def _path(quarter: Quarter, institution: str) -> str:
    return f"/api/report-batches/{quarter}/{institution}"


def _number(quarter: Quarter, institution: str, at: int) -> str:
    tag = hashlib.sha256(institution.encode()).hexdigest()[:4].upper()
    return f"演示{tag}-{quarter}-{at:05d}"


def _file(quarter: Quarter, institution: str) -> bytes:
    days = (quarter.last_day - quarter.first_day).days + 1
    rows = [
        f"{_number(quarter, institution, at)},{quarter.first_day + timedelta(days=at % days)}"
        for at in range(1, _ROWS + 1)
    ]
    return "\r\n".join(["报告编号,出具日期", *rows, ""]).encode()


def _wrong(quarter: Quarter) -> bytes:
    outside = quarter.last_day + timedelta(days=1)
    return f",{quarter.first_day}\r\n演示日期不对,{outside}\r\n演示没有日期,\r\n".encode()
