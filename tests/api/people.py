"""The people around one filing, and shorthand for bringing it where a test needs it."""

import itertools
from typing import Any

from sqlalchemy import text

from domain.facts import CertificateFacts
from tests.system import (
    AUDITOR,
    CHECKER,
    CLERK,
    DECIDER,
    FILER,
    OFFICER,
    OPERATOR,
    RESPONSIBLE,
    REVIEWER,
    Answer,
    System,
    certificate,
    institution,
)


async def events_of(house: System, chain: str) -> list[str]:
    """The events of one chain, in order."""
    async with house.engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT event FROM journal WHERE case_id = :chain ORDER BY sequence"),
            {"chain": chain},
        )
        return list(rows.scalars())


GUANGDONG = ("440106", "amr-440000")
"""One level of review; the quality check follows at once."""

FUJIAN = ("350102", "amr-350000")
"""Three levels of review under the demonstration's rules."""

HUNAN = ("430102", "amr-430000")
"""What is approved waits for the quality check to open."""

HENAN = ("410102", "amr-410000")
"""What is submitted waits for the review to open."""

LIAONING = ("210102", "amr-210000")
"""All windows closed yesterday."""

SHAANXI = ("610102", "amr-610000")
"""All windows open next week."""

REASONS: dict[str, Any] = {
    "reason": "（生成）人员数请核实",
    "fields": [{"part": "statistics", "field": "staff", "reason": "（生成）与上年相差较大"}],
}


def open_findings(draft: dict[str, Any]) -> list[dict[str, Any]]:
    """What of a draft's report still keeps it from being submitted."""
    return [
        one
        for one in draft["report"]["findings"]
        if one["level"] == "block" or (one["level"] == "warn" and one["reason"] is None)
    ]


_numbers = itertools.count(1)


class Filing:
    """One filing of 2024 with its filer, reviewer, checker, operator and auditor."""

    def __init__(self, house: System, id_: str, place: tuple[str, str]) -> None:
        self.house = house
        self.id = id_
        self.name = f"2024/{id_}"
        self.case_id = f"filing/2024/{id_}"
        self.path = f"/api/filings/2024/{id_}"
        self.region, self.issuer = place
        self.filer = house.token(FILER, f"clerk-{id_}", id_)
        self.responsible = house.token(RESPONSIBLE, f"head-{id_}", id_)
        self.reviewer = house.token(REVIEWER, f"reviewer-{id_}", self.issuer)
        self.checker = house.token(CHECKER, f"checker-{id_}", "samr")
        self.clerk = house.token(CLERK, f"issuing-clerk-{id_}", self.issuer)
        self.officer = house.token(OFFICER, f"officer-{id_}", self.issuer)
        self.decider = house.token(DECIDER, f"decider-{id_}", self.issuer)
        self.operator = house.token(OPERATOR, "operator-1", "000000")
        self.auditor = house.token(AUDITOR, "auditor-1")

    async def get(self, token: str = "", path: str = "") -> Answer:
        """What is shown of it, or of something under it."""
        return await self.house.send("GET", self.path + path, token or self.auditor)

    async def act(self, name: str, token: str, body: Any = None, **headers: str) -> Answer:
        """One act, whatever it leads to."""
        return await self.house.act(self.name, name, token, body, **headers)

    async def done(self, name: str, token: str, body: Any = None, **headers: str) -> Answer:
        """One act that has to succeed."""
        answer = await self.act(name, token, body, **headers)
        assert answer.status == 200, answer.body
        return answer

    async def saved(self) -> Answer:
        """A generated, complete revision."""
        answer = await self.house.save(self.name, self.filer)
        assert answer.status == 200, answer.body
        return answer

    async def submitted(self) -> Answer:
        """Submitted, with a revision saved first if there is none."""
        answer = await self.house.submit(self.name, self.filer)
        assert answer.status == 200, answer.body
        return answer

    async def claimed(self) -> None:
        """Submitted and claimed at the first level."""
        await self.submitted()
        await self.done("claim", self.reviewer)

    async def returned(self) -> None:
        """Sent back by the reviewer with reasons."""
        await self.claimed()
        await self.done("return", self.reviewer, REASONS)

    async def checked(self) -> None:
        """Approved and waiting for the quality check (one level of review only)."""
        await self.claimed()
        answer = await self.done("approve", self.reviewer)
        assert answer.body["status"] == "quality_check"

    async def completed(self) -> None:
        """All the way to the end."""
        await self.checked()
        await self.done("quality", self.checker, {"outcome": "pass"})

    async def status(self) -> str:
        """Where it stands."""
        return str((await self.get()).body["status"])

    async def timeline(self, token: str = "") -> list[dict[str, Any]]:
        """Its history as an auditor, or somebody else, sees it."""
        answer = await self.get(token, "/timeline")
        assert answer.status == 200, answer.body
        entries: list[dict[str, Any]] = answer.body["entries"]
        return entries


async def filing(
    house: System,
    place: tuple[str, str] = GUANGDONG,
    *,
    until: str = "draft",
    certificates: tuple[CertificateFacts, ...] | None = None,
    **facts: Any,
) -> Filing:
    """A new institution's filing of 2024, on record and in a status."""
    number = next(_numbers)
    found = Filing(house, f"inst-{number:05d}", place)
    if certificates is None:
        certificates = (certificate(f"24{number:010d}", found.issuer),)
    await house.add(institution(found.id, found.region, certificates=certificates, **facts))
    asked = await house.send("POST", found.path, found.operator)
    assert asked.status == 202, asked.body
    await house.until(found.name, until)
    return found
