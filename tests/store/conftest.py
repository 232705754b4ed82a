"""Steps to record, and what must be on record before them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import SYSTEM
from domain.case.events import GENESIS, EventName, Position, Step, chained
from domain.case.plan import CasePlan, Window
from domain.case.status import Status
from domain.case.workflow_messages import CaseOpening, RecordRequest
from domain.citation import Citation
from domain.decision import Obligation, RuleSetRef
from store import institutions, rule_sets
from tests.system import institution

START = datetime(2025, 1, 13, 1, 2, 3, 456789, tzinfo=UTC)
CITE = Citation(document="测试文号（生成）", clause="一")


class Chain:
    """One case's steps, each linked to the one before."""

    def __init__(self, name: str, sha256: str) -> None:
        self.case_id = f"filing/2024/{name}"
        self.name = name
        self.sha256 = sha256
        self.steps: list[Step] = []

    def step(self, event: str = EventName.CLAIMED, **changes: Any) -> Step:
        """The next step; ``body`` and ``position`` can be given."""
        number = len(self.steps) + 1
        values: dict[str, Any] = {
            "case_id": self.case_id, "sequence": number, "event": event, "actor": SYSTEM,
            "position": Position(status=Status.DRAFT, revision=number), "cite": CITE,
            "body": {"数": number}, "at": START + timedelta(seconds=number),
            "received_at": START, "command_id": f"{self.name}-{number}",
            "command_sha256": "c" * 64, "note_sha256": "",
            "previous_hash": self.steps[-1].hash if self.steps else GENESIS,
        }  # fmt: skip
        step = chained(Step(**{**values, **changes}))
        self.steps.append(step)
        return step

    def request(self, count: int = 1, **changes: Any) -> RecordRequest:
        """The next steps as one request; the first of a case opens it."""
        first = not self.steps
        steps = tuple(self.step(**changes) for _ in range(count))
        return RecordRequest(steps=steps, opening=self.opening() if first else None)

    def opening(self) -> CaseOpening:
        window = Window(opens=START, closes=START + timedelta(days=60), cite=CITE)
        plan = CasePlan(
            year=2024, jurisdiction="000000",
            ruleset=RuleSetRef(id="test", revision=1, sha256=self.sha256),
            obligation=Obligation(outcome="must", rule="certified", cite=CITE),
            parts=("statistics",), fill=window, correct=window, review=window,
            completion_cite=CITE,
        )  # fmt: skip
        return CaseOpening(
            kind="filing", year=2024, institution=self.name, jurisdiction="000000",
            campaign="campaign/2024/000000", plan=plan,
        )  # fmt: skip


class Register:
    """Makes chains for institutions that are on record."""

    def __init__(self, engine: AsyncEngine, sha256: str) -> None:
        self._engine = engine
        self.sha256 = sha256

    async def chains(self, *names: str) -> list[Chain]:
        """A chain for each new institution."""
        async with self._engine.begin() as connection:
            added = [institution(name, certificates=()) for name in names]
            await institutions.save(connection, added)
        return [Chain(name, self.sha256) for name in names]


@pytest.fixture
async def register(engine: AsyncEngine) -> Register:
    document = {"id": "test", "year": 2024, "jurisdiction": "000000", "revision": 1}
    async with engine.begin() as connection:
        sha256 = await rule_sets.store(connection, document)
    return Register(engine, sha256)
