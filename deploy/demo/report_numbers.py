"""The demonstration's report numbers: files good and bad, a withdrawal, a complaint.

All numbers are generated. Everything goes through the API, as real users would do it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from deploy.demo.people import Acting
from domain.case.commands import Actor, Role
from domain.ids import NATION
from domain.numbers.quarters import Quarter

_ROWS = 200


class _Lab(NamedTuple):
    """An institution that reports in a quarter; its numbers carry its place among the others."""

    place: int
    institution: str
    quarter: Quarter
    filer: Actor

    @property
    def path(self) -> str:
        return f"/api/report-batches/{self.quarter}/{self.institution}"

    def key(self, act: str) -> dict[str, str]:
        return {"Idempotency-Key": f"demo-{act}-{self.quarter}-{self.institution}"}

    def number(self, at: int) -> str:
        return f"DEMO-{self.place}-{self.quarter}-{at:05d}"

    def file(self) -> bytes:
        first = self.quarter.first_day
        days = (self.quarter.last_day - first).days + 1
        rows = [
            f"{self.number(at)},{first + timedelta(days=at % days)}" for at in range(1, _ROWS + 1)
        ]
        return "\r\n".join(["报告编号,出具日期", *rows, ""]).encode()

    def spoilt_file(self) -> bytes:
        outside = self.quarter.last_day + timedelta(days=1)
        wrong = f",{self.quarter.first_day}\r\n演示日期不对,{outside}\r\n演示没有日期,\r\n"
        return self.file() + wrong.encode()


async def tell_numbers(people: Acting, quarter: Quarter, institutions: Sequence[str]) -> str:
    """Opens a quarter and has some institutions report in it.

    Returns a number that can be looked up, "" without one.
    """
    await people.send(
        "POST",
        f"/api/campaigns/{quarter}/{NATION}",
        people.operator,
        headers={"Idempotency-Key": f"demo-open-{quarter}"},
    )
    stories = [_withdrawn, _with_errors, _none_issued, _good_rows_only, _good]
    example = ""
    for place, (institution, story) in enumerate(zip(institutions, stories, strict=False), 1):
        filer = people.actor(Role.FILER, f"demo-filer-{institution}", institution)
        lab = _Lab(place, institution, quarter, filer)
        await _started(people, lab)
        await story(people, lab)
        example = example or lab.number(1)
    if example:
        body = {"number": example, "about": "（生成）演示投诉：报告内容与委托不符"}
        await people.send_public("/public/complaints", body, {"Idempotency-Key": "demo-complaint"})
    return example


async def _started(people: Acting, lab: _Lab) -> None:
    while True:
        asked = await people.asked(lab.path, lab.filer, lab.key("batch"))
        if asked and await people.found(lab.path, lab.filer) is not None:
            break
        await asyncio.sleep(0.3)


async def _good(people: Acting, lab: _Lab) -> None:
    await _uploaded(people, lab, lab.file())


async def _with_errors(people: Acting, lab: _Lab) -> None:
    await _uploaded(people, lab, lab.spoilt_file())


async def _good_rows_only(people: Acting, lab: _Lab) -> None:
    await _uploaded(people, lab, lab.spoilt_file(), accept="good")


async def _withdrawn(people: Acting, lab: _Lab) -> None:
    await _good(people, lab)
    body: dict[str, Any] = {"numbers": [lab.number(7)], "reason": "（生成）演示撤回：报告作废"}
    await people.send("POST", f"{lab.path}/withdraw-numbers", lab.filer, body, lab.key("withdraw"))


async def _none_issued(people: Acting, lab: _Lab) -> None:
    await people.send("POST", f"{lab.path}/submit", lab.filer, {"total": 0}, lab.key("declare"))


async def _uploaded(people: Acting, lab: _Lab, content: bytes, accept: str = "all") -> None:
    """Uploads a file and waits until it has been read."""
    path = f"{lab.path}/uploads"
    named = f"{path}?filename=demo-{lab.quarter}.csv&accept={accept}"
    upload = await people.send_file(named, content, lab.filer)
    while upload["stage"] not in ("accepted", "rejected", "repeated"):
        await asyncio.sleep(0.1)
        upload = await people.send("GET", f"{path}/{upload['id']}", lab.filer)
