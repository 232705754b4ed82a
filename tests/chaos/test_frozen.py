"""Temporal or PostgreSQL stand still for a while: everybody is answered, and every key once."""

import asyncio
import itertools
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest

from domain.ids import NATION
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from tests.certificates import content as certificate_content
from tests.chaos.confirm import confirm
from tests.chaos.figures import keep
from tests.chaos.machine import QUARTER, YEAR, Machine, open_rules
from tests.chaos.people import CSV, People, Who, file_of_numbers
from tests.system import AUDITOR, FILER, OPERATOR, REVIEWER

pytestmark = pytest.mark.anyio

ANSWERED_WITHIN = 15.0


class Asked(NamedTuple):
    """One request of somebody, the same however often it is sent."""

    method: str
    path: str
    who: Who
    key: str = ""
    body: Any = None
    """JSON, or the bytes of a CSV file."""

    @property
    def content(self) -> dict[str, Any]:
        """The body as httpx takes it."""
        if isinstance(self.body, bytes):
            return {"content": self.body, "headers": {"Content-Type": CSV}}
        return {} if self.body is None else {"json": self.body}


async def asked_of(people: People, content: dict[str, Any]) -> list[Asked]:
    """Acts of all sorts, and looks, of people whose cases are where those can be done."""
    roster = await people.prepare(8)
    asked = []
    for holder in roster[:3]:
        receipt = await people.submit(holder.id, content)
        reviewer = (REVIEWER, f"reviewer-{holder.id}", receipt["authority"])
        path = f"/api/filings/{YEAR}/{holder.id}/claim"
        asked.append(Asked("POST", path, reviewer, f"claim-{holder.id}", {}))
    uploader, reporter = roster[3].id, roster[4].id
    for institution in (uploader, reporter):
        await people.file(institution, content)
    await people.begin_report(uploader)

    def filer(institution: str) -> Who:
        return (FILER, f"clerk-{institution}", institution)

    applied = certificate_content(roster[5].id, issuer="amr-350000")
    uploads = f"/api/report-batches/{QUARTER}/{uploader}/uploads"
    people.uploads["the file"] = uploads.removesuffix("/uploads")
    operator = (OPERATOR, "operator-1", NATION)
    return [
        *asked,
        Asked("POST", uploads, filer(uploader), "file", file_of_numbers(uploader)),
        Asked("POST", f"/api/report-batches/{QUARTER}/{reporter}", filer(reporter), "batch"),
        Asked("POST", "/api/certificates", filer(roster[5].id), "begin", {"content": applied}),
        Asked("POST", f"/api/campaigns/{YEAR}/{NATION}/rescan", operator, "rescan", {}),
        Asked("GET", "/api/filings?size=5", (AUDITOR, "auditor-1", "")),
        Asked("GET", f"/api/filings/{YEAR}/{roster[0].id}", filer(roster[0].id)),
        Asked("GET", "/public/report-numbers?number=JC-1", filer(uploader)),
    ]


async def stand_still(data: Path, rules: Path, part: str, seconds: float) -> dict[str, Any]:
    """Freezes a part for so many seconds; how long answers took meanwhile, and what they were."""
    machine = Machine(data, rules)
    content = blank_example(FormLibrary(rules / "forms").get("statistics-2024"))
    async with machine.running(), httpx.AsyncClient(timeout=60) as http:
        people = People(machine.url, http, Random(1))
        asked = await asked_of(people, content)
        answers: list[tuple[float, int]] = []

        async def insist(one: Asked, until: float) -> None:
            """Somebody who asks again as soon as there is an answer."""
            headers = {
                "Authorization": f"Bearer {people.token(one.who)}",
                "Idempotency-Key": one.key,
                **one.content.get("headers", {}),
            }
            sent = {**one.content, "headers": headers}
            while time.monotonic() < until:
                began = time.monotonic()
                answer = await http.request(one.method, f"{machine.url()}{one.path}", **sent)
                answers.append((time.monotonic() - began, answer.status_code))
                assert answer.is_success or answer.status_code == 503, answer.text
                if not answer.is_success:
                    told = answer.json()
                    assert (told["code"], told["title"]) == ("unavailable", "暂时不能办理")
                    assert "Idempotency-Key" in told["remedy"]
                # slower than the public may look up numbers
                await asyncio.sleep(1.5)

        with machine.frozen(part):
            until = time.monotonic() + seconds
            await asyncio.gather(*(insist(one, until) for one in asked))
        thawed = time.monotonic()
        for one in asked:
            receipt = await people.ask(one.method, one.path, one.who, one.key, **one.content)
            if one.path.endswith("/claim"):
                people.receipts.append(receipt)
        again = time.monotonic() - thawed
        confirmed = await confirm(machine, people, thawed)
    assert not confirmed.wrong, confirmed
    assert not people.faults, people.faults
    slowest = max(took for took, _ in answers)
    assert slowest < ANSWERED_WITHIN
    assert again < ANSWERED_WITHIN
    return {
        "seconds": seconds,
        "answers": len(answers),
        "refused": sum(status == 503 for _, status in answers),
        "slowest": round(slowest, 1),
        "all_answered_after": round(again, 1),
        "wrong": len(confirmed.wrong),
    }


async def test_a_frozen_engine_is_told_in_time_and_every_key_counts_once(
    short_folder: Path,
) -> None:
    found = await stand_still(short_folder / "f", open_rules(short_folder), "temporal", 3)
    assert found["refused"] >= 5


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_engine_and_database_frozen_for_a_minute(short_folder: Path) -> None:
    seen = {}
    for part, number in zip(("temporal", "postgres"), itertools.count()):
        folder = short_folder / f"f-long-{number}"
        seen[part] = await stand_still(folder, open_rules(short_folder), part, 60)
    keep("frozen", seen)
